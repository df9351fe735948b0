"""Keeps a worker's clones, one for each repository that it has worked for (SPEC 14)."""

from __future__ import annotations

import re
import sys
import time
from contextlib import contextmanager
from functools import partial
from itertools import count
from threading import Condition
from typing import TYPE_CHECKING

from pitboss.git.errors import NotARepository
from pitboss.git.repo import Repo
from pitboss.git.whereabouts import refuse_unless_found
from pitboss.process import capture
from pitboss.store.anchors import anchor
from pitboss.workers.clone_settings import take_over
from pitboss.workers.run_here import RunHere

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pitboss.workers.messages import Begin

COPY = "copy"
"""The folder beside the clones with what `[grind.worktree] copy` is to find: one folder for each repository in it."""

DAMAGED = "damaged"
"""The folder beside the clones with those that git could not read any longer."""

IDLE_S = 300.0
"""Seconds without a session after which a run leaves memory, and its git processes end."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")


class _Known:
    """A run in memory: by how many threads it is used, and when the last of them left it, on the monotonic clock."""

    def __init__(self, run: RunHere) -> None:
        self.run = run
        self.users = 0
        self.left_at = time.monotonic()


class Clones:
    """The clones in a folder; safe to call from several threads.

    One that git cannot read is put aside, in `damaged` beside the folder, if `holds` says that no work waits in it.
    """

    def __init__(self, folder: Path, private: Sequence[str], holds: Callable[[str], bool]) -> None:
        self._folder = folder
        self._holds = holds
        self._suspected: set[str] = set()
        self._renewed: set[tuple[str, str]] = set()
        self._private = private
        self._changed = Condition()
        self._known: dict[tuple[str, str], _Known] = {}
        self._closed = False

    @contextmanager
    def run(self, begin: Begin) -> Iterator[RunHere]:
        """A session's run in the clone that it names, which is created if it is not there.

        Waits while the clones are `unused`. Raises GitError, StorageError, NotARepository.
        """
        name, run_id = begin.repository, begin.run_id
        if not _NAME.fullmatch(name) or name.startswith("."):
            raise ValueError(f"not the name of a clone: {name}")
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            if name in self._suspected and self._may_be_put_aside(name):
                self._put_aside(name)
            known = self._known.get((name, run_id))
            if known is None:
                known = self._known[name, run_id] = _Known(self._begun_in_some(begin))
            known.users += 1
        try:
            yield known.run
        finally:
            with self._changed:
                known.users -= 1
                known.left_at = time.monotonic()

    def _begun_in_some(self, begin: Begin) -> RunHere:
        """A run in the clone that it names, or in a new one if git cannot read that."""
        try:
            made = self._begun(begin)
        except NotARepository:
            if not self._may_be_put_aside(begin.repository):
                raise
            self._put_aside(begin.repository)
            made = self._begun(begin)
        made.suspect = partial(self._suspect, begin.repository, begin.run_id)
        return made

    def _suspect(self, name: str, run_id: str) -> bool:
        """Git cannot read a clone; False if the run had a new one already, which did not help."""
        with self._changed:
            if (name, run_id) not in self._renewed:
                self._renewed.add((name, run_id))
                self._suspected.add(name)
            return name in self._suspected

    def _may_be_put_aside(self, name: str) -> bool:
        return not self._is_used(name) and not self._holds(name)

    def _is_used(self, name: str) -> bool:
        return any(known.users for (each, _), known in self._known.items() if each == name)

    def aside(self, name: str) -> Path:
        """Where a clone goes that is put aside next."""
        folder = self._folder.parent / DAMAGED
        return next(path for nth in count(1) if not (path := folder / f"{name}-{nth}").exists())

    def give_up(self, name: str, aside: Path) -> bool:
        """Put a clone aside, with the work that waits in it; False while it is in use. Raises OSError."""
        with self._changed:
            if not aside.exists():
                if self._is_used(name):
                    return False
                self._put_aside(name, aside)
        return True

    def _put_aside(self, name: str, aside: Path | None = None) -> None:
        """Make way for a new clone; what is in this one stays on the disk. Raises OSError."""
        aside = aside or self.aside(name)
        for key in [key for key in self._known if key[0] == name]:
            self._known.pop(key).run.rest()
        aside.parent.mkdir(exist_ok=True)
        (self._folder / name).rename(aside)
        self._suspected.discard(name)
        print(f"git cannot work in the clone {name}: it is now {aside}", file=sys.stderr, flush=True)

    def _begun(self, begin: Begin) -> RunHere:
        clone = self._opened(begin.repository, begin.object_format)
        take_over(clone, begin.clone)
        copied_from = self._copied_from(begin.repository)
        return RunHere(clone, begin.run_id, begin.config, self._private, copied_from)

    def rest(self, idle_s: float = IDLE_S) -> None:
        """Forget runs that have not been used for so many seconds."""
        until = time.monotonic() - idle_s
        with self._changed:
            idle = [key for key, each in self._known.items() if not each.users and each.left_at <= until]
            forgotten = [self._known.pop(key) for key in idle]
        for known in forgotten:
            known.run.rest()

    @contextmanager
    def unused(self) -> Iterator[bool]:
        """Whether no clone is in use; if so, none will be until the body has ended."""
        with self._changed:
            self._closed = not any(known.users for known in self._known.values())
            is_unused = self._closed
        try:
            if is_unused:
                self.rest(0.0)
            yield is_unused
        finally:
            with self._changed:
                self._closed = False
                self._changed.notify_all()

    def _copied_from(self, name: str) -> Path | None:
        """The folder of files for a repository's working copies that git does not bring; None if there is none."""
        folder = self._folder.parent / COPY / name.rpartition("-")[0]
        return folder if folder.is_dir() else None

    def _opened(self, name: str, object_format: str) -> Repo:
        root = self._folder / name
        if not (root / ".git" / "HEAD").exists():
            root.mkdir(parents=True, exist_ok=True)
            made = capture(
                ("git", "init", "--quiet", f"--object-format={object_format}", str(root)), cwd=root, env=None
            )
            if made.code != 0:
                refuse_unless_found(made, root, "making a clone")
                raise OSError(made.stderr.decode(errors="replace"))
        for place in (root, root / ".git"):  # what is held of an earlier clone there was put aside
            anchor(place)
        return Repo.discover(root, purpose="opening a clone")
