"""Keeps a worker's clones, one for each repository that it has worked for (SPEC 14)."""

from __future__ import annotations

import re
import sys
import time
from contextlib import contextmanager
from functools import partial
from itertools import count
from threading import Condition, Lock, get_ident
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.events import Warned
from pitboss.git.errors import NotARepository
from pitboss.git.ignored_files import lacking
from pitboss.git.ref_changes import keep_changing
from pitboss.git.repo import Repo
from pitboss.git.whereabouts import refuse_unless_found
from pitboss.landing import rescue_refs
from pitboss.landing.git_trouble import RepositoryMonitor
from pitboss.landing.guard import Guard
from pitboss.landing.kept_hooks import KeptHooks
from pitboss.landing.places import GitPlaces
from pitboss.landing.refs import run_branch
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.site import Site
from pitboss.landing.slot_place import SlotPlace
from pitboss.process import capture
from pitboss.store.anchors import anchor
from pitboss.store.files import make_directory
from pitboss.store.paths import RunPaths
from pitboss.workers.clone_settings import take_over
from pitboss.workers.depot import Depot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pitboss.core.config import Config
    from pitboss.core.session import Assignment
    from pitboss.core.stops import StopRequest
    from pitboss.landing.finished import FinishedBranches
    from pitboss.workers.messages import Begin

COPY = "copy"
"""The folder beside the clones with what `[grind.worktree] copy` is to find: one folder for each repository in it."""

DAMAGED = "damaged"
"""The folder beside the clones with those that git could not read any longer."""

IDLE_S = 300.0
"""Seconds without a session after which a run leaves memory, and its git processes end."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")


class RunHere:
    """One run in a clone: its folder, its slots, and what all its sessions share."""

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
