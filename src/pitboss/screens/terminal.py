"""The one way to a terminal: a standard stream that passes on nothing a terminal would act on (SPEC 1.6, 8).

Whatever agents wrote (file names, summaries, errors that quote them) may be in any line that any command prints, so
the streams themselves see to it, not each place that prints. Our own colors pass; the live footer, which moves the
cursor, says what of its output does.
"""

from __future__ import annotations

import codecs
import os
import stat
import sys
from typing import TYPE_CHECKING, TextIO, cast

from pitboss.core.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterable


def colored(stream: TextIO) -> bool:
    """Whether `stream` gets color: NO_COLOR says no, FORCE_COLOR says yes, else only a real terminal does."""
    if isinstance(stream, Screen):
        return stream.colors
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class Screen:
    """A text stream whose `write` shows harmful bytes instead of printing them; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.colors = colored(stream)

    def write(self, text: str) -> int:
        """Print `text`, made harmless."""
        return self._stream.write(visible(text, colors=self.colors))

    def steer(self, controls: str) -> None:
        """Pass on control sequences of our own."""
        self._stream.write(controls)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def install() -> None:
    """Put a Screen before both output streams; what the locale cannot show is escaped instead of raising."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, Screen):
            continue
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
        setattr(sys, name, cast("TextIO", Screen(stream)))


def steer(controls: str) -> None:
    """Move the cursor of stderr by control sequences of our own."""
    (sys.stderr.steer if isinstance(sys.stderr, Screen) else sys.stderr.write)(controls)


def legible(chunks: Iterable[bytes]) -> Iterable[str]:
    """Bytes that others wrote, as harmless text, chunk by chunk; what is not UTF-8 is shown by its numbers."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    held = ""
    for chunk in chunks:
        text = held + decoder.decode(chunk)
        # What comes next says whether a carriage return ends a line.
        held = "\r" if text.endswith("\r") else ""
        yield visible(text.removesuffix(held))
    yield visible(held + decoder.decode(b"", final=True))


def goes_to_file(stream: TextIO) -> bool:
    """Whether what is printed goes into a regular file, which may have the bytes as they are."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False
