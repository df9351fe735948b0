"""`pitboss serve` beside a test: started, asked over HTTP as anybody could, and ended."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from tests.support.cli import COMMAND, PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cli import Project


class Answer(NamedTuple):
    """What a request was answered with; header names are in lower case."""

    status: int
    headers: dict[str, str]
    text: str


class Event(NamedTuple):
    """One server-sent event."""

    id: str
    kind: str
    data: dict[str, str]


class Server:
    """A `pitboss serve` that goes on beside the test."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        assert process.stdout is not None
        self.address = process.stdout.readline().decode().rstrip("\n")
        url = urlsplit(self.address)
        assert url.port is not None, self.address
        self.host, self.port = url.hostname or "", url.port
        self.token = url.query.removeprefix("token=")
        self.origin = f"http://{url.netloc}"
        self.cookie = f"pitboss_{self.port}={self.token}"

    def get(self, path: str = "/", **headers: str) -> Answer:
        """GET a page as a browser that has been here before."""
        return self.ask("GET", path, **{"Cookie": self.cookie, **headers})

    def post(self, path: str, headers: dict[str, str] | None = None, /, **fields: str) -> Answer:
        """POST a form as one of our own pages would."""
        ours = {"Cookie": self.cookie, "Origin": self.origin}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(fields), **{**form, **(ours if headers is None else headers)})

    def ask(self, method: str, path: str, body: str | None = None, /, **headers: str) -> Answer:
        """Send one request with exactly these headers, and Host unless it is among them."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            said = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, said, answer.read().decode())

    def raw(self, request: bytes) -> bytes:
        """Send bytes and return what comes back until the server closes the connection, in order or not."""
        with self.connected() as sock:
            received = b""
            with contextlib.suppress(ConnectionError):
                sock.sendall(request)
                while data := sock.recv(65536):
                    received += data
            return received

    def connected(self) -> socket.socket:
        """A connection that nothing has been sent over."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    @contextlib.contextmanager
    def events(self, path: str = "/events", **headers: str) -> Iterator[Iterator[Event]]:
        """The events of a page as they come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET", path, headers={"Cookie": self.cookie, **named})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            assert answer.getheader("content-type") == "text/event-stream; charset=utf-8"
            yield _read(answer)

    def resident_bytes(self) -> int:
        """How much memory the server uses."""
        import psutil

        return int(psutil.Process(self.process.pid).memory_info().rss)


def _read(answer: http.client.HTTPResponse) -> Iterator[Event]:
    fields: dict[str, str] = {}
    while line := answer.readline():
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif "data" in fields:
            yield Event(fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"]))
            fields = {}


def until(events: Iterator[Event], text: str, part: str | None = None) -> Event:
    """The first event in which `text` appears, in `part` if given; fail when it does not come."""
    deadline = time.monotonic() + PATIENCE_S
    for event in events:
        parts: Any = event.data.values() if part is None else [event.data.get(part, "")]
        if any(text in html for html in parts):
            return event
        assert time.monotonic() < deadline, f"{text!r} did not come"
    raise AssertionError(f"the stream ended without {text!r}")


@contextlib.contextmanager
def serving(project: Project, *args: str) -> Iterator[Server]:
    """Run `pitboss serve ARGS` beside the test; it is ended with the test, however that goes."""
    with subprocess.Popen(
        [*COMMAND, "serve", *args],
        cwd=project.root,
        env=project.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield Server(process)
        finally:
            process.kill()
