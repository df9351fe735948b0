"""Writing to a stream that somebody may have stopped reading, without being held by it for ever (SPEC 9).

A paused terminal and a full pipe make `write` wait without end. Here only bytes that the system takes at once are
written, so that whoever waits can give up: not while a run is live, but soon after it has ended.
"""

from __future__ import annotations

import os
import select
import sys
import time
from typing import TextIO, cast

LAST_WORDS_S = 2.0
"""How long what is left to say may take to be taken, once a run is over."""

AT_ONCE = 4096
"""Bytes that a pipe takes at once when it is said to be ready: POSIX promises at least 512, Linux this."""

_LOOK_S = 0.1


class Patient:
    """A file descriptor to write to; from `hurry` on, a reader that takes nothing is given up after a while."""

    def __init__(self, fd: int) -> None:
        self.gave_up = False
        self._fd = fd
        self._patience_s: float | None = None
        self._moved_at = time.monotonic()

    def hurry(self, patience_s: float) -> None:
        """From now on wait for a reader only as long as it goes on within so many seconds."""
        self._moved_at = time.monotonic()
        self._patience_s = patience_s

    def write(self, data: bytes) -> bool:
        """Write all of it; False when the reader was given up. Raises OSError when there is none any more."""
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
    """A text stream in place of a standard one: unbuffered, and what nobody takes any more is let go."""

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
        """Nothing is held back."""

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def be_patient() -> None:
    """Have everything that this process says on stderr from now on written patiently."""
    from pitboss.screens.terminal import Screen

    sys.stderr.flush()
    sys.stderr = cast("TextIO", Screen(cast("TextIO", PatientText(sys.stderr))))


def hurry() -> None:
    """The run is over: whoever takes nothing from stderr for a while is not waited for."""
    stream = sys.stderr
    if hasattr(stream, "hurry"):
        stream.hurry(LAST_WORDS_S)
