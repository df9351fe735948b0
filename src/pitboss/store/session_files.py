"""What a session printed: its agent, the tests, its fixers and hooks, each in a file of its own (SPEC 2)."""

from __future__ import annotations

import stat
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.store.opening import status
from pitboss.store.paths import attempt_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pitboss.store.paths import RunPaths


class Printed(StrEnum):
    """Whose output a file holds."""

    AGENT = "agent"
    VERIFY = "verify"
    FIXER = "fixer"
    HOOKS = "hooks"


class PrintedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a session's output: whose it is, a title for people, and its size in bytes when it was found."""

    by: Printed
    title: str
    path: Path
    size: int


def session_files(paths: RunPaths, seq: int) -> tuple[PrintedFile, ...]:
    """The files of session `seq` that there are, in the order in which they begin; its hooks come last."""
    found = [*_attempts(paths, seq, Printed.AGENT, "agent", ""), *_of_kind(paths, seq, "verify", "tests")]
    fix = 1
    while fixed := list(_fixed(paths, seq, fix)):
        found += fixed
        fix += 1
    return (*found, *_file(paths.transcript(seq, "hooks"), Printed.HOOKS, "hooks"))


def has_transcript(files: Iterable[PrintedFile]) -> bool:
    """Whether what the agent of a session printed is among its files."""
    return any(file.by is Printed.AGENT for file in files)


def _fixed(paths: RunPaths, seq: int, fix: int) -> Iterator[PrintedFile]:
    yield from _attempts(paths, seq, Printed.FIXER, f"fixer {fix}", f"fix-{fix:02}")
    yield from _of_kind(paths, seq, f"verify-{fix:02}", f"tests after fixer {fix}")


def _attempts(paths: RunPaths, seq: int, by: Printed, title: str, kind: str) -> Iterator[PrintedFile]:
    yield from _file(paths.transcript(seq, kind), by, title)
    nth = 2
    while file := list(_file(paths.transcript(seq, _later(kind, nth)), by, f"{title}, attempt {nth}")):
        yield from file
        nth += 1


def _later(kind: str, nth: int) -> str:
    return ".".join(filter(None, (kind, attempt_kind(nth))))


def _of_kind(paths: RunPaths, seq: int, kind: str, title: str) -> Iterator[PrintedFile]:
    return _file(paths.transcript(seq, kind), Printed.VERIFY, title)


def _file(path: Path, by: Printed, title: str) -> Iterator[PrintedFile]:
    found = status(path)
    if found is not None and stat.S_ISREG(found.st_mode):
        yield PrintedFile(by=by, title=title, path=path, size=found.st_size)
