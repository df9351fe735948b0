"""Writes to a stream that may have lost its reader, without blocking forever (SPEC 9).

A paused terminal or a full pipe makes `write` wait forever. This writes only what the system accepts at once, so that
the writer can give up: not while a run is live, but soon after it has ended.
"""

from __future__ import annotations

import os
import select
import sys
import time
from typing import TextIO, cast

LAST_WORDS_S = 2.0
"""Seconds without progress after which a reader is abandoned, once a run is over."""

AT_ONCE = 4096
"""How many bytes a pipe reported as ready accepts at once: POSIX promises at least 512, Linux this many."""

_LOOK_S = 0.1


class Patient:
    """A file descriptor to write to. After `hurry`, it abandons a reader that takes nothing for a while."""

    def __init__(self, fd: int) -> None:
        self.gave_up = False
        self._fd = fd
        self._patience_s: float | None = None
        self._moved_at = time.monotonic()

    def hurry(self, patience_s: float) -> None:
        """From now on, abandon a reader that takes nothing for `patience_s` seconds."""
        self._moved_at = time.monotonic()
        self._patience_s = patience_s

    def write(self, data: bytes) -> bool:
        """Write all of it; returns False if the reader was abandoned. Raises OSError when there is no reader left."""
        while data and not self.gave_up:
            if select.select([], [self._fd], [], _LOOK_S)[1]:
                try:
                    data = data[os.write(self._fd, data[:AT_ONCE]) :]
                except BlockingIOError:
                    time.sleep(_LOOK_S)
                    continue
                self._moved_at = time.monotonic()
            elif self._patience_s is not None and time.monotonic() >= self._moved_at + self._patience_s:
                self.gave_up = True
        return not self.gave_up


class PatientText:
    """Stands in for a standard text stream: unbuffered; drops output once the reader is abandoned."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._patient = Patient(stream.fileno())

    def hurry(self, patience_s: float) -> None:
        """See `Patient.hurry`."""
        self._patient.hurry(patience_s)

    def write(self, text: str) -> int:
        """Print `text`."""
        encoding = self._stream.encoding or "utf-8"
        self._patient.write(text.encode(encoding, self._stream.errors or "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Nothing to do: nothing is buffered."""

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def be_patient() -> None:
    """From now on, write everything to stderr patiently."""
    from pitboss.screens.terminal import Screen

    sys.stderr.flush()
    sys.stderr = cast("TextIO", Screen(cast("TextIO", PatientText(sys.stderr))))


def hurry() -> None:
    """The run is over: stop waiting for a reader of stderr that takes nothing."""
    stream = sys.stderr
    if hasattr(stream, "hurry"):
        stream.hurry(LAST_WORDS_S)
