"""A model service on this machine's loopback: the vendors' wires, and the troubles of one scenario a run."""

from __future__ import annotations

import gzip
import select
import socket
import struct
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import msgspec

from tests.live.anthropic_wire import Anthropic
from tests.live.chat_wire import Chat
from tests.live.exchange import Trouble
from tests.live.gemini_wire import Gemini
from tests.live.model import Scenario, answer
from tests.live.responses_wire import Responses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.exchange import Answer, Asked, Refusal, Tokens, Wire

WIRES: tuple[type[Wire], ...] = (Anthropic, Responses, Chat, Gemini)
LISTED = ("mock-model", "gpt-5.1", "claude-sonnet-4-5")
OUTAGES = (Scenario.OUTAGE, Scenario.LONG_OUTAGE)
LONGEST_HANG_S = 600.0

REFRESH_S = 4.0
"""How long a login is refused that is then good: less than pitboss waits before it asks once more."""


class Guest:
    """One run's dealings with the service: what it does to it, and what it was asked and answered so far.

    What is away comes back after `limit_s`.
    """

    def __init__(self, scenario: Scenario, limit_s: float) -> None:
        self.scenario = scenario
        self.requests = 0
        self.served: list[Tokens] = []
        self.begun: list[Tokens] = []
        self.keys: set[str] = set()
        self._limit_s = limit_s
        self._began = 0.0
        self._resets_at: int | None = None
        self._working = self._reached = False
        self._lock = Lock()

    def knock(self, key: str) -> Trouble | None:
        """Count a request to a model; why it is refused, None when it is not."""
        with self._lock:
            self.requests += 1
            self.keys.add(key)
            if self._resets_at is None:
                self._began = time.time()
                self._resets_at = int(self._began + self._limit_s)
        match self.scenario:
            case Scenario.RATE_ONCE if self.requests == 1:
                return Trouble.RATE
            case Scenario.USAGE_LIMIT | Scenario.LIMIT_MIDWAY if self._limited():
                return Trouble.USAGE
            case Scenario.OVERLOADED:
                return Trouble.OVERLOADED
            case Scenario.AUTH:
                return Trouble.AUTH
            case Scenario.AUTH_ONCE if time.time() < self._began + REFRESH_S:
                return Trouble.AUTH
            case _:
                return None

    def _limited(self) -> bool:
        """Whether its limit is reached; one that is reached once the agent works begins with the next request."""
        midway = self.scenario is Scenario.LIMIT_MIDWAY
        if midway and self._working and not self._reached:
            self._reached, self._resets_at = True, int(time.time() + self._limit_s)
        return (self._reached or not midway) and time.time() < self.resets_at

    @property
    def away(self) -> bool:
        """Whether it cannot be reached for now."""
        return self.scenario in OUTAGES and time.time() < self.resets_at

    @property
    def resets_at(self) -> int:
        """When its usage limit ends, epoch seconds."""
        assert self._resets_at is not None
        return self._resets_at

    def serve(self, said: Answer, *, whole: bool) -> None:
        """Count an answer, which was given whole or broke off."""
        with self._lock:
            (self.served if whole else self.begun).append(said.tokens)
            self._working = self._working or said.call is not None


class Service:
    """The server, in threads of its own, from `with` to its end."""

    def __init__(self) -> None:
        self.guests: dict[str, Guest] = {}
        service = self

        class Bound(_Handler):
            guests = service.guests

        self._server = _Server(("127.0.0.1", 0), Bound)

    def __enter__(self) -> Service:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def welcome(self, name: str, scenario: Scenario, limit_s: float) -> tuple[str, Guest]:
        """A base URL for one run, and what will be known of it."""
        guest = self.guests[name] = Guest(scenario, limit_s)
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}", guest


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Agents that are killed leave broken connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    guests: dict[str, Guest]

    def log_message(self, *_: object) -> None:
        """Nothing: requests are counted, not printed."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        """The list of models; nothing else is known."""
        if "websocket" in (self.headers.get("Upgrade") or "").lower():
            self._say(426, {"error": {"message": "no websockets here"}})
        elif "/models" in self.path:
            models = [
                {"id": name, "object": "model", "type": "model", "display_name": name} for name in LISTED
            ]
            self._say(200, {"object": "list", "data": models, "has_more": False, "models": []})
        else:
            self._say(404, _unknown())

    def do_POST(self) -> None:
        """A request to a model, or something beside it."""
        text = self._body()
        _, name, path = self.path.partition("?")[0].split("/", 2)
        guest = self.guests.get(name)
        wire = next((wire for wire in WIRES if wire.serves(f"/{path}")), None)
        if guest is not None and wire is not None:
            asked = wire.asked(f"/{path}", msgspec.json.decode(text), text.decode("utf-8", "replace"))
            self._model(guest, wire, asked)
        elif path.endswith(("/count_tokens", ":countTokens")):
            self._say(200, {"input_tokens": 1200, "totalTokens": 1200})
        else:
            self._say(404, _unknown())

    def _model(self, guest: Guest, wire: type[Wire], asked: Asked) -> None:
        trouble = guest.knock(self._key())
        if guest.scenario is Scenario.HANG:
            self._hang()
        elif guest.away:
            self._drop()
        elif trouble is not None:
            self._refuse(wire.refusal(trouble, guest.resets_at))
        else:
            self._answer(guest, wire, asked)

    def _answer(self, guest: Guest, wire: type[Wire], asked: Asked) -> None:
        """Answer in events or in one piece.

        A connection that is cut breaks off in the middle of either; a clean cut ends the events early, in good order.
        """
        said = answer(asked, guest.scenario)
        cut, short = guest.scenario is Scenario.CUT, guest.scenario is Scenario.CUT_CLEAN
        guest.serve(said, whole=not (cut or (short and asked.streaming)))
        gauge = wire.gauge(guest.resets_at)
        if asked.streaming:
            stream = wire.stream(asked, said)
            self._begin(200, gauge | {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
            self._chunks(stream.first)
            if cut:
                return self._drop()
            self._chunks([""] if short else [*stream.rest, ""])
        elif cut:
            body = msgspec.json.encode(wire.whole(asked, said))
            self._begin(200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
            self.wfile.write(body[: len(body) // 2])
            return self._drop()
        else:
            self._say(200, wire.whole(asked, said), gauge)
        return None

    def _refuse(self, refusal: Refusal) -> None:
        self._say(refusal.status, refusal.body, refusal.headers)

    def _key(self) -> str:
        """The key that came with a request."""
        named = (self.headers.get(name) for name in ("x-api-key", "x-goog-api-key"))
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        return next((key for key in named if key), bearer)

    def _body(self) -> bytes:
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            body = b"".join(self._read_chunks())
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _read_chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().strip() or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _say(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        text = msgspec.json.encode(body)
        sized = {"Content-Type": "application/json", "Content-Length": str(len(text))}
        self._begin(status, (headers or {}) | sized)
        if self.command != "HEAD":
            self.wfile.write(text)

    def _chunks(self, events: list[str]) -> None:
        """Write chunks; an empty one ends the answer."""
        for each in events:
            data = each.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()

    def _hang(self) -> None:
        """Say nothing until the other side has gone."""
        ended = time.monotonic() + LONGEST_HANG_S
        while time.monotonic() < ended:
            if select.select([self.connection], [], [], 1.0)[0] and not self._peeked():
                break
        self.close_connection = True

    def _peeked(self) -> bytes:
        try:
            peeked: bytes = self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return b""
        return peeked

    def _drop(self) -> None:
        """Reset the connection, once what was said has gone out."""
        self.wfile.flush()
        time.sleep(0.2)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


def _unknown() -> dict[str, Any]:
    return {"error": {"type": "not_found_error", "message": "no such path", "code": 404}}
