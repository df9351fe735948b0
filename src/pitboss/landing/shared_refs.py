"""What a sandbox leaves open of git's refs, compared before and after each session (SPEC 13).

Their values are noted on disk, so that the run after one that was killed during a session compares them too.

A session must be able to write the folder of its own branch, where the branches of other runs lie too. Where there is
no `packed-refs`, nothing can be mounted over it, so a session may make one, and with it any ref that is not a file.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.git.small_files import text_of
from pitboss.landing.refs import RUN_BRANCHES, SESSION_BRANCH
from pitboss.store.files import read_regular, write_atomic
from pitboss.store.opening import is_folder, remove
from pitboss.store.paths import runs_dir
from pitboss.typed import from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pitboss.git.repo import Repo

    SetAside = Callable[[Path, str], Path | None]

_PACKED = "packed-refs"
_NO_REF = ("#", "^")
_MOST_BYTES = 64 * 1024 * 1024


class Noted(msgspec.Struct, frozen=True):
    """What refs were: the branches of other runs, and the names of all refs if no `packed-refs` was there."""

    branches: dict[str, str]
    names: tuple[str, ...] | None


class SharedRefs:
    """Refs of a repository that are not those of the run `run_id`; the file `note` says what they were."""

    def __init__(self, repo: Repo, run_id: str, note: Path) -> None:
        self._repo = repo
        self._note = note
        self._run_id = run_id
        self._folder = repo.common_dir / "refs/heads" / RUN_BRANCHES
        self._packed = repo.common_dir / _PACKED
        self._branches: dict[str, str] = {}
        self._names: frozenset[str] | None = None

    def begin(self) -> None:
        """Remember them as they are, also for a later process. Raises StorageError."""
        self._take()
        names = None if self._names is None else tuple(sorted(self._names))
        write_atomic(self._note, msgspec.json.encode(Noted(self._branches, names)), durable=True)

    def resume(self, gone_at: float, set_aside: SetAside) -> Iterator[str]:
        """Put back what a session of a process that was killed may have changed; yields warnings.

        `gone_at` is when that process was gone, in seconds since the epoch: what changed later is the user's doing.
        """
        noted = self._noted()
        if noted is None:
            return
        self._take()
        self._branches |= {
            name: was for name, was in noted.branches.items() if changed_at(self._folder / name) <= gone_at
        }
        if noted.names is not None and changed_at(self._packed) <= gone_at:
            self._names = frozenset(noted.names)
        yield from self.check(set_aside)
        remove(self._note)

    def _take(self) -> None:
        self._branches = self._read()
        self._names = None if self._packed.exists() else frozenset(self._loose())

    def _noted(self) -> Noted | None:
        content = read_regular(self._note, _MOST_BYTES)
        try:
            return None if content is None else from_json(content, Noted)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def check(self, set_aside: SetAside) -> Iterator[str]:
        """Put back what a session may have changed; yields warnings."""
        yield from self._check_packed(set_aside)
        found = self._read()
        for name, was in self._branches.items():
            now = found.get(name)
            if now != was and not (now is None and was == self._packed_at(name)):
                _write(self._folder / name, was)
                moved = "removed" if now is None else f"moved to {now}"
                yield f"the branch {RUN_BRANCHES}{name} of another run had been {moved}, and was put back to {was}"
        self._branches = {**found, **self._branches}

    def _read(self) -> dict[str, str]:
        """Where the branches are of other runs of this working tree, none of which can be live."""
        with suppress(OSError):
            names = [place.name for place in self._folder.iterdir() if self._is_anothers(place.name)]
            return {name: text_of(self._folder / name).strip() for name in names}
        return {}

    def _is_anothers(self, name: str) -> bool:
        """Whether a run of this working tree has such a branch, other than this run and its sessions."""
        session = SESSION_BRANCH.fullmatch(f"{RUN_BRANCHES}{name}")
        run_id = name.rpartition("-session-")[0] if session else name
        return run_id != self._run_id and is_folder(runs_dir(self._repo.root) / run_id)

    # Packed refs that were not there

    def _check_packed(self, set_aside: SetAside) -> Iterator[str]:
        """Drop refs that exist only in a new `packed-refs` and without a reflog: git did not pack them."""
        if self._names is None or not self._packed.exists():
            return
        lines = text_of(self._packed).splitlines(keepends=True)
        forged = [name for line in lines if (name := _ref_of(line)) and self._is_forged(name)]
        self._names = None
        if forged:
            kept = set_aside(self._packed, _PACKED)
            left = "".join(_without(lines, forged))
            if left:
                _write(self._packed, left.rstrip("\n"))
            else:
                # An empty line is no such file: git would refuse to work.
                self._packed.unlink(missing_ok=True)
            yield f"git's {_PACKED} held refs that were never made: {', '.join(forged[:5])}; kept as {kept}"

    def _is_forged(self, name: str) -> bool:
        common = self._repo.common_dir
        known = self._names is None or name in self._names
        return not known and not (common / name).is_file() and not (common / "logs" / name).is_file()

    def _loose(self) -> Iterator[str]:
        for folder, _, files in os.walk(self._repo.common_dir / "refs"):
            for file in files:
                yield os.path.relpath(Path(folder, file), self._repo.common_dir)

    def _packed_at(self, name: str) -> str:
        """The commit that `packed-refs` has for a branch of a run; empty if none."""
        for line in text_of(self._packed).splitlines():
            if _ref_of(line) == f"refs/heads/{RUN_BRANCHES}{name}":
                return line.split(" ", 1)[0]
        return ""


def changed_at(path: Path) -> float:
    """When a file last changed or, if it is gone, the folder that it, or its folder, was in."""
    for place in (path, *path.parents):
        with suppress(OSError):
            return os.lstat(place).st_ctime
    return 0.0


def _ref_of(line: str) -> str | None:
    """The ref that a line of `packed-refs` is about."""
    oid, _, name = line.rstrip("\n").partition(" ")
    return name if name and not oid.startswith(_NO_REF) else None


def _without(lines: list[str], forged: list[str]) -> Iterator[str]:
    """The lines but for those refs, and for what tags among them point to."""
    dropping = False
    for line in lines:
        name = _ref_of(line)
        if not line.startswith("^"):
            dropping = name in forged
        if not dropping:
            yield line


def _write(file: Path, text: str) -> None:
    """Write a small file as git does, through its lock file; what is in the way of that is left by a dead git."""
    lock = file.with_name(f"{file.name}.lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    lock.unlink(missing_ok=True)
    descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with open(descriptor, "w", encoding="utf-8") as written:  # noqa: PTH123 - of a descriptor
        written.write(f"{text}\n")
    lock.replace(file)
