"""One run in a worker's clone: its folder, its slots, and what all its sessions there share (SPEC 14)."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from threading import Lock, get_ident
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.events import Warned
from pitboss.git.ignored_files import lacking
from pitboss.git.ref_changes import keep_changing
from pitboss.landing import rescue_refs
from pitboss.landing.git_trouble import RepositoryMonitor
from pitboss.landing.guard import Guard
from pitboss.landing.kept_hooks import KeptHooks
from pitboss.landing.places import GitPlaces
from pitboss.landing.refs import run_branch
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.site import Site
from pitboss.landing.slot_place import SlotPlace
from pitboss.store.files import make_directory
from pitboss.store.paths import RunPaths
from pitboss.workers.depot import Depot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pitboss.core.config import Config
    from pitboss.core.session import Assignment
    from pitboss.core.stops import StopRequest
    from pitboss.git.repo import Repo
    from pitboss.landing.finished import FinishedBranches


class RunHere:
    """The run `run_id` in a clone, used by the threads of all its sessions there."""

    def __init__(
        self, clone: Repo, run_id: str, config: Config, private: Sequence[str], copied_from: Path | None
    ) -> None:
        self.suspect: Callable[[], bool] = lambda: False
        """Tells that git cannot read the clone; whether the next session of the run gets a new one."""
        self.private = tuple(private)
        """Folders of the worker that no sandboxed session may see."""
        self._stops: dict[int, Callable[[], StopRequest | None]] = {}
        self.repo = clone.authored_by(config.author).on_leash(self._stop)
        self.paths = RunPaths(clone.root, run_id)
        if config.sandbox.is_fenced:
            self._without_hooks_of_sessions()
        self._refs = keep_changing(self.repo)
        make_directory(self.paths.transcripts)
        make_directory(self.paths.control)
        self.branch = run_branch(run_id)
        self.warnings: list[str] = []
        self._held: str | None = None
        self._known: str | None = None
        self._lacking: set[str] = set()
        """Commits that were missing when git was asked: sessions that begin together need not each ask."""
        self._asking = Lock()
        site = Site(
            repo=self.repo,
            branch=RunBranch(self.repo, self.branch, checked_out=False),
            paths=self.paths,
            worktree=config.grind.worktree,
            ignored_limit=config.grind.rescue_ignored_mb * 1024 * 1024,
            copied_from=copied_from,
        )
        self._copied = partial(lacking, copied_from or clone.root, config.grind.worktree.copy)
        self._places = _ClonePlaces(site)
        guard = Guard(self.repo, self.paths.root)
        guard.begin()
        remote, quiet_s = config.workers.remote, config.workers.lost_after_s
        self.depot = None if remote is None else Depot(self.repo, remote, run_id, quiet_s=quiet_s)
        self.monitor = RepositoryMonitor(self._places, guard, self._hear, lambda: None)

    def _without_hooks_of_sessions(self) -> None:
        """The worker's user may have git settings that name hooks in the tree, where sessions may change them."""
        hooks = KeptHooks(self.repo, self.paths.root)
        if hooks.folder is not None:
            hooks.keep()
            self.repo = self.repo.with_hooks(hooks.folder)

    @contextmanager
    def cut_short(self, stop: Callable[[], StopRequest | None]) -> Iterator[None]:
        """Have git calls of this thread end, with the hooks that they run, once `stop` says so."""
        self._stops[get_ident()] = stop
        try:
            yield
        finally:
            del self._stops[get_ident()]

    def _stop(self) -> StopRequest | None:
        stop = self._stops.get(get_ident())
        return None if stop is None else stop()

    def place(self, session: Assignment) -> SlotPlace:
        """The place of a session in one of the slots here."""
        return self._places.at(session)

    def know(self, commit: str, *, is_new: bool) -> None:
        """Hold a commit, on which sessions are based, by a ref: it was the tip of the run branch.

        One that is not new is already held by a later one, on which other sessions are based.
        """
        if self._held is None or (is_new and commit != self._held):
            self._places.finished.delete_with(f"update refs/heads/{self.branch} {commit}")
            self._held = self._known = commit

    def has(self, commit: str) -> tuple[str, ...]:
        """What is here of what a session of `commit` needs: the latest that others needed, else that itself."""
        with self._asking:
            if self._known is None and commit not in self._lacking:
                self._known = self.repo.commit_id(f"refs/heads/{self.branch}") or self.repo.commit_id(commit)
                self._lacking.add(commit)
            return () if self._known is None else (self._known,)

    def rescued(self, seq: int) -> tuple[str, ...]:
        """All commits of a session that are kept here, also by a process that was killed meanwhile."""
        return tuple(kept.oid for kept in rescue_refs.list_rescued(self.repo, self.paths.run_id, seq))

    def lacking(self) -> tuple[str, ...]:
        """What `[grind.worktree] copy` names and is not on this machine."""
        return self._copied()

    def rest(self) -> None:
        """The run has no session here for now: end the git processes that are kept for it."""
        self._places.rest()
        self._refs.close()

    def _hear(self, event: object) -> None:
        if isinstance(event, Warned):
            self.warnings.append(event.text)


class _ClonePlaces(GitPlaces):
    """Slots of a clone: each session sees the run branch where it was when the session was dispatched."""

    def at(self, session: Assignment) -> SlotPlace:
        branch = RunBranch(self._repo, self._branch.name, checked_out=False)
        branch.moved_to(session.base_commit)
        branch.finished = self._branch.finished
        return SlotPlace(msgspec.structs.replace(self._site, branch=branch), self._pool, session)

    @property
    def finished(self) -> FinishedBranches:
        return self._branch.finished

    def rest(self) -> None:
        self._pool.rest()
