"""Terminal output: results on stdout, errors and hints on stderr, color only where wanted (SPEC 8)."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, TextIO

from pitboss.core.patterns import lazy_pattern
from pitboss.core.terminal import visible_json
from pitboss.screens.program import with_calls
from pitboss.screens.terminal import colored, goes_to_file, legible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from pitboss.core.measures import ClockFace


class Ink(StrEnum):
    """Colors by meaning, as SGR codes: the sixteen that every terminal theme defines."""

    GOOD = "32"
    WARN = "33"
    BAD = "31"
    NAME = "36"
    FAINT = "2"
    STRONG = "1"


_STAMP = lazy_pattern(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

_DIFF_INK = {
    "+": Ink.GOOD,
    "-": Ink.BAD,
    "@": Ink.NAME,
    "d": Ink.STRONG,
    "i": Ink.FAINT,
}
"""The color of a diff line by its first character; lines of the files begin with a blank, `+` or `-`."""


def paint(text: str, ink: Ink, stream: TextIO | None = None) -> str:
    """`text` in color if `stream` (by default stdout) gets color."""
    return f"\x1b[{ink}m{text}\x1b[0m" if colored(stream or sys.stdout) else text


def width_of(stream: TextIO) -> int | None:
    """The width in columns of the terminal behind `stream`; None if there is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def clock(moment: datetime, stream: TextIO | None = None) -> str:
    """A time to the second: local with its zone on a terminal, RFC 3339 in UTC elsewhere."""
    if not (stream or sys.stdout).isatty():
        from pitboss.core.measures import stamp

        return stamp(moment)
    return local(moment)


def local(moment: datetime) -> str:
    """A time here, to the second, with its zone: `2026-11-26 03:10:00 CET`."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def clock_face(stream: TextIO | None = None) -> ClockFace:
    """How times are written on `stream`, as `clock` does."""
    return lambda moment: clock(moment, stream)


def in_its_times(text: str, stream: TextIO | None = None) -> str:
    """A sentence of ours whose times are those of programs, with times as `clock` writes them."""
    from datetime import datetime

    return _STAMP.sub(lambda found: clock(datetime.fromisoformat(found[0]), stream), text)


def when(moment: datetime, now: datetime) -> str:
    """A time in a table: only its age on a terminal, which is narrow; elsewhere both time and age."""
    from pitboss.core.measures import age

    ago = age(moment, now)
    return ago if sys.stdout.isatty() else f"{clock(moment)} ({ago})"


def path_in_words(path: str | os.PathLike[str]) -> str:
    """A path as printable text, whatever bytes are in it."""
    return os.fspath(path).encode(errors="surrogateescape").decode(errors="replace")


def say(text: str = "") -> None:
    """Print a line of a result."""
    sys.stdout.write(f"{text}\n")


def say_now(text: str) -> None:
    """Print a line of a result that arrives bit by bit, and flush it."""
    say(text)
    sys.stdout.flush()


def note(text: str) -> None:
    """Print a line of progress or advice on stderr, its commands as they are to be typed."""
    sys.stderr.write(f"{with_calls(text, sys.stderr)}\n")


def write_foreign(chunks: Iterable[bytes], *, raw: bool) -> None:
    """Print what an agent wrote: unchanged if `raw` or into a file, else made harmless for a terminal.

    A pipe counts as a terminal, since it often leads to one (`| less -R`).
    """
    if raw or goes_to_file(sys.stdout):
        for chunk in chunks:
            _pass_on(chunk)
    else:
        for text in legible(chunks):
            sys.stdout.write(text)


def write_diff(diff: bytes, *, raw: bool) -> None:
    """Print a diff as git wrote it, in our colors; otherwise as `write_foreign`."""
    if raw or goes_to_file(sys.stdout):
        _pass_on(diff)
        return
    for line, ink in diff_lines("".join(legible([diff])).splitlines(keepends=True)):
        text = line.rstrip("\r\n")
        sys.stdout.write((paint(text, ink) if ink else text) + line.removeprefix(text))


def diff_lines(lines: Iterable[str]) -> Iterator[tuple[str, Ink | None]]:
    """The lines of a diff, each with its color; what precedes the first file of a commit has none."""
    inside = False
    for line in lines:
        inside = (inside or line.startswith("diff ")) and not line.startswith("commit ")
        yield line, _DIFF_INK.get(line[:1]) if inside else None


def _pass_on(data: bytes) -> None:
    """Write bytes unchanged, in order with what was printed before."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)


def write_line(line: bytes) -> None:
    """Print one JSON line of a stream of results, and flush it."""
    _pass_on(visible_json(line))
    sys.stdout.flush()


def write_json(value: object) -> None:
    """Print `value` as indented JSON."""
    import msgspec

    _pass_on(visible_json(msgspec.json.format(msgspec.json.encode(value), indent=2)) + b"\n")


def fields(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns."""
    rows = list(pairs)
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        say(f"{paint(name.ljust(width), Ink.FAINT)}  {value}".rstrip())


def columns(rows: Sequence[Sequence[str]]) -> list[int]:
    """The width of each column that fits all of `rows`."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]
