"""Makes text written by agents safe to embed in texts that programs read again (SPEC 6, 7).

| embedded in     | could be taken for             | neutralised by                                 |
|-----------------|--------------------------------|------------------------------------------------|
| prompt sections | a `<!-- pitboss:... -->` marker | `<!--` of such a marker becomes `&lt;!--`      |
| sessions.md     | the next `## session-` entry   | indentation into the list item, `#` escaped    |
| scratchpad.md   | the next `## session-` section | the `#` of such a line escaped                 |
| commit messages | trailers, `---`, the scissors  | such lines are quoted with `> `                |
| pull requests   | mentions, references to issues | parted by a space without width (`core.text`)  |
| one line        | control sequences              | control characters are dropped                 |

Text that is printed whole, a diff for example, goes through `core.terminal`, which shows what is dropped here.
"""

from __future__ import annotations

import re

# `re` compiles these on first use: most text needs none of them.
_MARKER = r"(?i)<!--(?=\s*/?\s*pitboss:)"
_LINE_BREAKS = "\r\n?|[\v\f\x85\u2028\u2029]"
_CONTROL = "[\x00-\x08\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
_SURROGATE = "[\ud800-\udfff]"
_TRUNCATED = "[...]"


def clean(text: str) -> str:
    """Keep only plain text: one kind of line break, no control characters, nothing that UTF-8 cannot encode."""
    if text.isprintable():
        return text
    text = re.sub(_LINE_BREAKS, "\n", text)
    return re.sub(_SURROGATE, "\ufffd", re.sub(_CONTROL, "", text))


def one_line(text: str, limit: int | None = None) -> str:
    """Clean `text` and put it on one line, with runs of blanks as one; cut to `limit` characters with an ellipsis."""
    line = " ".join(clean(text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1].rstrip() + "…"


def up_to_a_word(text: str, limit: int) -> str:
    """Cut a line to `limit` characters with an ellipsis, between two words if that keeps at least half of it."""
    if len(text) <= limit:
        return text
    kept = text[: max(limit - 1, 0)]
    end = len(kept) if text[len(kept)] == " " else kept.rfind(" ")
    return (kept[:end] if end > limit // 2 else kept).rstrip(" ,;:") + "…"


def without_markers(text: str) -> str:
    """Disarm every pitboss marker in `text`, so that it cannot close or open a section of a prompt."""
    return re.sub(_MARKER, "&lt;!--", text)


def first_bytes(text: str, limit: int) -> str:
    """Keep the beginning of `text` within `limit` bytes of UTF-8, with a note where it was cut."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return text
    kept = raw[: max(limit - len(_TRUNCATED) - 1, 0)].decode("utf-8", "ignore")
    return f"{kept.rstrip()}\n{_TRUNCATED}"


def last_bytes(text: str, limit: int) -> str:
    """Keep the end of `text` within `limit` bytes of UTF-8, with a note where it was cut."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return text
    kept = raw[len(raw) - max(limit - len(_TRUNCATED) - 1, 0) :].decode("utf-8", "ignore")
    return f"{_TRUNCATED}\n{kept.lstrip()}"
