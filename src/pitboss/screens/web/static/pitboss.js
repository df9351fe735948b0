// Keeps a page up to date: takes its parts from the server as they change, and puts them in place.
// Without this file every page reads the same, as of when it was loaded.
"use strict";

const page = document.documentElement;
const stream = page.dataset.stream;
let version = page.dataset.version;
const LOST = "Not connected: what you see may be old. If pitboss serve was started again, open the address it printed.";
const GONE = "This is no longer there: what you see is the last that was known of it.";
let source = null;
let retry = null;

// The token has become a cookie: it need not stay in the address, the history or a bookmark.
const address = new URL(location.href);
if (address.searchParams.has("token")) {
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
}

function connect() {
  clearTimeout(retry);
  if (!stream || document.hidden || (source && source.readyState !== EventSource.CLOSED)) return;
  const url = new URL(stream, location.href);
  url.searchParams.set("after", version);
  source = new EventSource(url);
  source.addEventListener("open", () => say(""));
  source.addEventListener("parts", (event) => {
    version = event.lastEventId;
    for (const [id, html] of Object.entries(JSON.parse(event.data))) show(id, html);
    tick();
  });
  source.addEventListener("error", refused);
}

// The stream was cut, or, if it is closed, refused; why, only the page itself can tell.
async function refused(event) {
  const stream = event.target;
  if (stream.readyState !== EventSource.CLOSED) return say(LOST);
  retry = setTimeout(connect, 3000);
  const text = (await isGone()) ? GONE : LOST;
  if (stream === source && stream.readyState === EventSource.CLOSED) say(text);
}

async function isGone() {
  try {
    return (await fetch(location.href, { method: "HEAD" })).status === 404;
  } catch {
    return false;
  }
}

function disconnect() {
  clearTimeout(retry);
  if (source) source.close();
}

function say(text) {
  const line = document.getElementById("connection");
  if (line.textContent !== text) line.textContent = text;
  page.classList.toggle("offline", text !== "");
}

// One part of the page. Whoever reads the end of something that grows keeps seeing its end.
function show(id, html) {
  const part = document.getElementById(id) || grown(id);
  if (!part) return;
  if (part.tagName === "TITLE") {
    part.innerHTML = html;
    return;
  }
  const followed = part.querySelector("[data-follow]") || part.closest("[data-follow]");
  const atEnd = followed && followed.scrollHeight - followed.scrollTop - followed.clientHeight < 40;
  const fresh = part.cloneNode(false);
  fresh.innerHTML = html;
  children(part, fresh);
  if (atEnd) followed.scrollTop = followed.scrollHeight;
}

// A block of output that has no place yet: it comes after those there are.
function grown(id) {
  const output = document.getElementById("output");
  if (!output || !id.startsWith("block-")) return null;
  const block = document.createElement("div");
  block.id = id;
  output.append(block);
  return block;
}

// Turn `old` into `fresh` and leave alone what is the same: focus, selection, scrolling and open folds stay.
function update(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh);
  } else if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
  } else if (!old.isEqualNode(fresh)) {
    attributes(old, fresh);
    children(old, fresh);
  }
}

function attributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && name !== "open") old.setAttribute(name, value);
  }
}

function children(old, fresh) {
  const known = new Map();
  for (const child of old.children) if (child.id) known.set(child.id, child);
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const same = child.id && known.get(child.id);
    if (same) {
      if (same === place) place = place.nextSibling;
      else old.insertBefore(same, place);
      update(same, child);
    } else if (place && !place.id && !child.id) {
      const next = place.nextSibling;
      update(place, child);
      place = next;
    } else {
      old.insertBefore(child, place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

// Times that go by: how long ago something was, how long something has taken.
function tick() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-tick]")) {
    const seconds = Math.max(0, (now - Date.parse(time.dateTime)) / 1000);
    const text = time.dataset.tick === "for" ? duration(seconds) : age(seconds);
    if (time.textContent !== text) time.textContent = text;
  }
}

function duration(seconds) {
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / 86400)}d${two(Math.floor((whole % 86400) / 3600))}h`;
}

function age(seconds) {
  if (seconds < 5) return "just now";
  for (const [unit, size, limit] of [["s", 1, 60], ["min", 60, 3600], ["h", 3600, 172800]]) {
    if (seconds < limit) return `${Math.floor(seconds / size)} ${unit} ago`;
  }
  return `${Math.floor(seconds / 86400)} d ago`;
}

for (const followed of document.querySelectorAll("[data-follow]")) followed.scrollTop = followed.scrollHeight;
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
addEventListener("pagehide", disconnect);
addEventListener("pageshow", connect);
setInterval(tick, 1000);
tick();
connect();
