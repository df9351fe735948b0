"""The only way to a terminal: a standard stream that passes on nothing a terminal would act on (SPEC 1.6, 8).

What agents wrote (file names, summaries, errors that quote them) may be in any line of any command, so the streams
filter it rather than each place that prints. Our own colors pass; the live footer, which moves the cursor, marks its
own control sequences with `steer`.
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


def draws_footer(*, json: bool) -> bool:
    """Whether stderr is a terminal that a footer can be drawn on, and has for itself."""
    torn = json and sys.stdout.isatty()
    return sys.stderr.isatty() and not torn and os.environ.get("TERM", "dumb") != "dumb"


class Screen:
    """A text stream whose `write` shows harmful characters instead of printing them; the rest is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.colors = colored(stream)

    def write(self, text: str) -> int:
        """Print `text`, made harmless."""
        return self._stream.write(visible(text, colors=self.colors))

    def steer(self, controls: str) -> None:
        """Pass on our own control sequences."""
        self._stream.write(controls)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def install() -> None:
    """Put a Screen in front of both output streams; what the locale cannot encode is escaped rather than raising."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, Screen):
            continue
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
        setattr(sys, name, cast("TextIO", Screen(stream)))


def steer(controls: str) -> None:
    """Move stderr's cursor with our own control sequences."""
    (sys.stderr.steer if isinstance(sys.stderr, Screen) else sys.stderr.write)(controls)


def legible(chunks: Iterable[bytes]) -> Iterable[str]:
    """Foreign bytes as harmless text, chunk by chunk; invalid UTF-8 is shown as escapes."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    held = ""
    for chunk in chunks:
        text = held + decoder.decode(chunk)
        # The next chunk tells whether a carriage return ends a line.
        held = "\r" if text.endswith("\r") else ""
        yield visible(text.removesuffix(held))
    yield visible(held + decoder.decode(b"", final=True))


def goes_to_file(stream: TextIO) -> bool:
    """Whether output goes into a regular file, which may get the bytes unchanged."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False
