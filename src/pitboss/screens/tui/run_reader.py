"""Everything that the screens of a run read: the run, what needs somebody, the queue, the agents' notes (SPEC 10)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.needs import needs
from pitboss.store.paths import RunPaths
from pitboss.store.queue import Queue, QueueReader
from pitboss.store.run_watch import RunWatch
from pitboss.store.situation import situation
from pitboss.store.stamps import stamp_of
from pitboss.store.tail import last_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pitboss.core.needs import InGit, Need
    from pitboss.core.run import RunState
    from pitboss.core.scheduler import Standing
    from pitboss.core.session import SessionRecord
    from pitboss.screens.desk import Desk
    from pitboss.store.follow import Snapshot

_NOTES = 64 * 1024
"""Bytes at the end of the scratchpad that are shown: the newest notes are there."""

_GIT_STANDS_S = 60.0
"""How long an answer of git's counts if the run writes nothing: it costs processes."""


class RunReader:
    """One run, looked at again and again; only what has changed is read again. Not for several threads at once."""

    def __init__(self, repo: Path, run_id: str, desk: Desk) -> None:
        """Raises RunNotFound, AmbiguousRun."""
        self._repo = repo
        self._watch = RunWatch(repo, run_id)
        self.desk = desk
        self.paths = RunPaths(repo, self._watch.run_id)
        self._tasks = QueueReader(repo)
        self._git: InGit | None = None
        self._ask_git_at = 0.0
        self._asked_for: int | None = None
        self._stamp: tuple[int, ...] | None = None
        self.seen: Snapshot | None = None
        self.queue = Queue()
        self.needs: Sequence[Need] = ()
        self.notes = ""

    @property
    def run_id(self) -> str:
        """The run's whole id."""
        return self._watch.run_id

    @property
    def live(self) -> bool:
        """Whether the run was live at the last look."""
        return self.seen is not None and self.seen.live is not None

    @property
    def works_in_tree(self) -> bool:
        """Whether a live run has, or may soon have, a session in the user's own tree."""
        view = self.seen.view if self.seen is not None else None
        return self.live and view is not None and view.mode != "worktree"

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Which prompts the rotation prefers next, and by how much."""
        return () if self.seen is None else self.seen.standings

    def record(self, seq: int) -> SessionRecord | None:
        """The record of a session, if it has one."""
        records = self.seen.records if self.seen is not None else ()
        return next((each for each in reversed(records) if each.seq == seq), None)

    def look(self) -> bool:
        """Whether anything is new. Never raises: what cannot be read is not shown, or said in words.

        Git is not asked at the first look, so that the screen is there at once.
        """
        seen, first = self._watch.look(), self.seen is None
        news = seen is not self.seen
        self.seen = seen
        if news or self._git_is_old:
            news |= self._find_needs(seen, ask_git=not first)
        return self._look_beside() or news

    def _look_beside(self) -> bool:
        before = self.queue, self.notes
        self.queue = self._tasks.read()
        self._read_notes()
        return before != (self.queue, self.notes)

    @property
    def _git_is_old(self) -> bool:
        """Whether it is time to ask git again."""
        return time.monotonic() >= self._ask_git_at

    def forget_git(self) -> None:
        """What git knows has changed: ask again at the next look."""
        self._ask_git_at = 0.0

    def _find_needs(self, seen: Snapshot, *, ask_git: bool) -> bool:
        """Whether the list has changed."""
        found = situation(self._repo, seen, self._git)
        if ask_git and seen.state is not None and (found.records or seen.live is None):
            self._ask_git(seen.state, len(seen.records))
        elif ask_git:
            self._ask_git_at = time.monotonic() + _GIT_STANDS_S
        if self._git is not None:
            found = msgspec.structs.replace(found, git=self._git)
        listed = needs(found)
        changed, self.needs = listed != self.needs, listed
        return changed

    def _ask_git(self, state: RunState, records: int) -> None:
        if records != self._asked_for or self._git_is_old:
            self._git = self.desk.in_git(state)
            self._asked_for, self._ask_git_at = records, time.monotonic() + _GIT_STANDS_S

    def _read_notes(self) -> None:
        stamp = stamp_of(self.paths.scratchpad)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            tail, is_cut = last_bytes(self.paths.scratchpad, _NOTES)
        except OSError:
            tail, is_cut = b"", False
        whole = tail.partition(b"\n")[2] if is_cut else tail
        self.notes = whole.decode(errors="replace")
