"""Viewers of a run that is crashed: one looks on, one is stopped, one is killed (SPEC 10)."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.scenario import Place

PATIENCE_S = 60.0
_ROWS_AND_COLUMNS = struct.pack("HHHH", 24, 80, 0, 0)
_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")


class Watching:
    """`pitboss watch` on a terminal of its own, and everything it has written there."""

    def __init__(self, place: Place, run_id: str) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, _ROWS_AND_COLUMNS)
        self.process = _started(place, "watch", run_id, terminal=theirs)
        os.close(theirs)
        self._terminal, self._written = ours, b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def shows(self, text: str) -> bool:
        """Whether it has written this by now."""
        return text in _ESCAPE.sub(b"", self._written).decode(errors="replace")

    def close(self) -> None:
        """End it."""
        _kill(self.process)
        self._reader.join()
        os.close(self._terminal)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # EIO: nobody has the terminal open any more
            while data := os.read(self._terminal, 65536):
                self._written += data


class Serving:
    """`pitboss serve`, with a client of the run's events that never reads."""

    def __init__(self, place: Place, run_id: str) -> None:
        self.process = _started(place, "serve")
        assert self.process.stdout is not None
        address = urlsplit(self.process.stdout.readline().decode().strip())
        self._port, self._page = address.port, f"/runs/{run_id}"
        self._cookie = {"Cookie": f"pitboss_{address.port}={address.query.removeprefix('token=')}"}
        self._idle = self._connection()
        self._idle.request("GET", f"{self._page}/events", headers=self._cookie)

    def shows(self, text: str) -> bool:
        """Whether the page of the run says this now."""
        with contextlib.closing(self._connection()) as connection:
            connection.request("GET", self._page, headers=self._cookie)
            return text in connection.getresponse().read().decode()

    def close(self) -> None:
        """End it."""
        self._idle.close()
        _kill(self.process)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port or 0, timeout=PATIENCE_S)


class Viewers(NamedTuple):
    """Three viewers; `stopped` gets SIGSTOP before the run is crashed, `killed` gets SIGKILL after it."""

    looking: Watching | Serving
    stopped: Watching | Serving
    killed: Watching | Serving

    @classmethod
    def of(cls, place: Place, *, on_terminal: bool) -> Self:
        """Viewers of the run there: the one that looks on is `on_terminal` or in a browser, the stopped one is not."""
        run_id = place.run_id()
        assert run_id is not None
        kinds = (Watching, Serving) if on_terminal else (Serving, Watching)
        return cls(kinds[0](place, run_id), kinds[1](place, run_id), kinds[0](place, run_id))

    def blind(self, ending: str) -> list[str]:
        """Who does not come to show how the run ended; the one that was stopped goes on first."""
        self.stopped.process.send_signal(signal.SIGCONT)
        names = {"looks on": self.looking, "was stopped": self.stopped}
        return [
            f"the viewer that {name} does not show {ending!r}"
            for name, viewer in names.items()
            if not _comes_to_show(viewer, ending)
        ]


@contextlib.contextmanager
def viewers(place: Place, *, on_terminal: bool, awaiting: str) -> Iterator[Viewers]:
    """Viewers of the run at rest in a place, all of which show `awaiting` by now; one of them is stopped."""
    found = Viewers.of(place, on_terminal=on_terminal)
    try:
        blind = [viewer for viewer in found if not _comes_to_show(viewer, awaiting)]
        assert not blind, f"{len(blind)} viewers do not show {awaiting!r}"
        found.stopped.process.send_signal(signal.SIGSTOP)
        yield found
    finally:
        for viewer in found:
            viewer.close()


def _comes_to_show(viewer: Watching | Serving, text: str) -> bool:
    give_up_at = time.monotonic() + PATIENCE_S
    while not viewer.shows(text):
        if time.monotonic() > give_up_at or viewer.process.poll() is not None:
            return False
        time.sleep(0.05)
    return True


def _started(place: Place, *args: str, terminal: int | None = None) -> subprocess.Popen[bytes]:
    """A viewer; it does not carry the mark by which the processes of the run are known."""
    env = {
        name: value for name, value in place.environment(TERM="xterm-256color").items() if name != "CHAOS_LOG"
    }
    return subprocess.Popen(
        [sys.executable, "-m", "pitboss", *args],
        cwd=place.repo,
        env=env,
        stdin=subprocess.DEVNULL if terminal is None else terminal,
        stdout=subprocess.PIPE if terminal is None else terminal,
        stderr=subprocess.DEVNULL if terminal is None else terminal,
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    with process:
        process.kill()
