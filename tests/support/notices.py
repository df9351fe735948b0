"""Services on loopback that get notices: over HTTP, by mail, and such as hang, loop or refuse."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Request(NamedTuple):
    """What came in: method, path and body."""

    method: str
    path: str
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Service:
    """An HTTP server that takes everything; `answers` are the codes to give first, by path, `delays` seconds before."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.got: list[Request] = []
        self.answers: dict[str, list[int]] = {}
        self.redirects: dict[str, str] = {}
        self.delays: dict[str, float] = {}

    def at(self, path: str) -> list[Request]:
        """What came to `path`."""
        return [each for each in self.got if each.path == path]

    def texts(self, path: str) -> list[str]:
        """The messages of apprise's `json://` service that came to `path`."""
        return [each.json["message"] for each in self.at(path)]


@contextlib.contextmanager
def service() -> Iterator[Service]:
    """An HTTP service on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.got.append(Request(self.command, self.path, body))
            time.sleep(found.delays.get(self.path, 0.0))
            codes = found.answers.get(self.path, [])
            to = found.redirects.get(self.path)
            self.send_response(307 if to else codes.pop(0) if codes else 200)
            if to:
                self.send_header("Location", to)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_PUT = _take  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Service(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def hanging() -> Iterator[int]:
    """The port of a service that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


@contextlib.contextmanager
def endless(begins: bytes, goes_on: bytes) -> Iterator[tuple[int, list[int]]]:
    """The port of a service that never stops talking, and how much it got rid of on each connection that ended."""
    said: list[int] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            much, count = goes_on * (1 << 16), 0
            with contextlib.suppress(OSError):
                self.request.sendall(begins)
                while True:
                    count += self.request.send(much)
            said.append(count)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1], said
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refusing() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """The port of an SMTP server, and the mails that it got."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 loopback\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    mail = b""
                    while (line := self.rfile.readline()) not in (b".\r\n", b""):
                        mail += line
                    mails.append(mail.decode())
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                if word == b"QUIT":
                    return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1], mails
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
