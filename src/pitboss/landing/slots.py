"""The pool of slots: working copies that parallel sessions use one after another (SPEC 6)."""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from pitboss.git.committer import UserHooks
from pitboss.git.errors import GitError
from pitboss.git.ignore_rules import ExcludeFiles
from pitboss.landing.listing import registered
from pitboss.landing.rescuer import RescuePolicy
from pitboss.landing.session_tree import SessionTree
from pitboss.landing.slot import Slot
from pitboss.landing.worktrees import Discarded, Settled, delete_discarded, discard_worktree, remove_worktree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pitboss.git.repo import Repo
    from pitboss.landing.site import Site

_DELETING = 2
"""How many threads delete: more would compete for Python's lock."""
T = TypeVar("T")


class SlotPool:
    """The slots of one run. The loop's thread calls `reserve` and `close`; sessions' threads call the rest."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._slots: dict[str, Slot] = {}
        self._taken: set[str] = set()
        self._last_seq = 0
        self._kept_running = site.repo.keep_running()
        self.hooks = UserHooks(site.repo.root)
        """Where the user's hooks are, for slots as for the user's tree."""
        site.branch.mover.keep_git(self.hooks)
        self._policy = RescuePolicy(
            paths=site.paths,
            exclude_files=ExcludeFiles(),  # the same for all slots
            ignored_limit=site.ignored_limit,
            temporary=True,
        )

    def path(self, worktree: str) -> Path:
        """The folder of a slot, named as in an assignment: relative to the run directory."""
        return self._site.paths.working_copy(worktree)

    @property
    def is_used(self) -> bool:
        """Whether any session has worked in a slot."""
        return bool(self._slots)

    def reserve(self) -> str:
        """Take the first free slot; so far it is only a name."""
        nth = 1
        while (name := f"{self._site.paths.worktrees.name}/slot-{nth}") in self._taken:
            nth += 1
        self._taken.add(name)
        return name

    def slot(self, worktree: str) -> Slot:
        """The slot of that name."""
        if worktree not in self._slots:
            clean = self._site.worktree.clean
            self._slots[worktree] = Slot(self._site.repo, self._site.run_id, self.path(worktree), clean=clean)
        return self._slots[worktree]

    def tree(self, slot: Slot, repo: Repo, branch: str) -> SessionTree:
        """What commits or rescues a session's work in a slot, opened as `repo`."""
        return SessionTree(repo, branch, self._policy, hooks=self.hooks, glances=slot.glances(repo))

    def used_for(self, seq: int) -> None:
        """Note that session `seq` is about to work in a slot."""
        self._last_seq = max(self._last_seq, seq)

    def free(self, worktree: str) -> None:
        """Free the slot for another session."""
        self._taken.discard(worktree)

    def _discard(self) -> dict[Slot, Discarded]:
        """Give up the working copies that hold nothing of their own. The others need care."""
        gone: dict[Slot, Discarded] = {}
        unsure: list[tuple[Slot, Repo]] = []

        def discard(slot: Slot, repo: Repo, *, looked: bool = False) -> None:
            with suppress(GitError, OSError):
                if discarded := discard_worktree(repo, looked=looked):
                    gone[slot] = discarded

        for slot in self._slots.values():  # side by side, these looks would compete for Python's lock
            with suppress(GitError, OSError):
                repo = slot.opened()
                if repo is None or not slot.is_where_left(repo):
                    continue
                if slot.is_untouched(repo):
                    discard(slot, repo, looked=True)
                else:
                    unsure.append((slot, repo))
        _join(_begin(lambda left: discard(*left), unsure))  # git looks at several at once
        return gone

    def rest(self) -> None:
        """No session works here for a while: end the git processes that are kept running, until one is needed again."""
        self._kept_running.close()
        self._site.branch.mover.rest()

    def close(self) -> None:
        """Remove all working copies; what they still hold is rescued first. Raises GitError."""
        try:
            self._remove_all()
        finally:
            self.rest()

    def _remove_all(self) -> None:
        site = self._site
        settled = Settled(last_seq=self._last_seq, commits=(site.branch.tip,))
        gone = self._discard()
        places = [each.place for each in gone.values()]
        deleting = _begin(
            delete_discarded, [share for nth in range(_DELETING) if (share := places[nth::_DELETING])]
        )
        try:
            for slot in self._left([slot for slot in self._slots.values() if slot not in gone]):
                remove_worktree(site.repo, site.run_id, str(slot.path), seq=slot.used_by, settled=settled)
            self._slots.clear()
            if not all(each.forgotten for each in gone.values()):
                site.repo.git("worktree", "prune")
            site.branch.finished.delete_all()
        finally:
            _join(deleting)

    def _left(self, slots: Sequence[Slot]) -> list[Slot]:
        """Those that there is anything of: of a thousand sessions on other machines none has a working copy here."""
        known = registered(self._site.repo) if slots else {}
        return [slot for slot in slots if str(slot.path) in known or os.path.lexists(slot.path)]


def _begin(work: Callable[[T], None], items: Iterable[T]) -> list[Thread]:
    """Do something for each of the items, side by side, each in a thread of its own as long as there is one."""
    threads = []
    for item in items:
        thread = Thread(target=work, args=(item,), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system starts no more
            work(item)
        else:
            threads.append(thread)
    return threads


def _join(threads: Iterable[Thread]) -> None:
    for thread in threads:
        thread.join()
