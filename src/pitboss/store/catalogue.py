"""All runs of a repository: lists them, finds one by id, by state or by who holds the lock (SPEC 7, 8; the seed)."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.recovery.refusals import NoResumableRun, RunNotFound, StateUnreadable
from pitboss.core.run import RunState
from pitboss.errors import ResumeError
from pitboss.store.backup import Backup
from pitboss.store.codec import Malformed
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import LockInfo, lock_holder
from pitboss.store.opening import (
    FolderEntry,
    is_folder,
    open_entry,
    open_folder,
    open_inner,
    open_regular,
    status,
)
from pitboss.store.paths import LOG_FILENAME, STATE_FILENAME, RunPaths, runs_dir
from pitboss.store.stamps import stamp_in
from pitboss.store.state_codec import decode_last_updated, decode_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pitboss.store.stamps import Stamp


class RunListing(msgspec.Struct, frozen=True, kw_only=True):
    """A run found on disk. `state` is None when it cannot be read; `problem` then says why."""

    run_id: str
    state_path: str
    state: RunState | None = None
    problem: str | None = None


class AmbiguousRun(ResumeError):
    """The given id prefix fits more than one run."""

    def __init__(self, prefix: str, candidates: Sequence[str]) -> None:
        super().__init__(
            f'grind run "{prefix}" is ambiguous: {", ".join(candidates)}', hint="type more of the run's id"
        )


class KnownRuns:
    """What was read of each state.json, so that `list_runs` reads only those that have changed since."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Stamp, RunListing]] = {}

    def listing(self, run_id: str, stamp: Stamp) -> RunListing | None:
        """What was read of a run, if its file is still the same."""
        known = self._known.get(run_id)
        return known[1] if known is not None and known[0] == stamp else None

    def keep(self, stamp: Stamp, listing: RunListing) -> None:
        """Remember what was read of a run."""
        self._known[listing.run_id] = (stamp, listing)


def list_runs(repo: Path, known: KnownRuns | None = None) -> list[RunListing]:
    """Every run, last updated first, unreadable ones included, by when their directory changed (SPEC 8).

    `known` is what earlier calls have read: of a file that has not changed since, only its status is looked at.
    """
    found = _listings(runs_dir(repo), known or KnownRuns())
    runs = [run for run, path in found if run.state is not None or _is_run(path)]
    runs += [_lost(repo, run_id) for run_id in Backup(repo).lost()]
    return sorted(runs, key=_last_updated, reverse=True)


def latest_run(repo: Path) -> str | None:
    """The run that changed last, readable or not: the first of `list_runs`, in a fraction of the time."""
    runs = ((_skimmed(path, state), run_id) for run_id, path, state in _states(runs_dir(repo)))
    lost = (_last_updated(_lost(repo, run_id)) for run_id in Backup(repo).lost())
    newest = max(((at, run_id) for at, run_id in (*runs, *lost) if at is not None), default=None)
    return newest and newest[1]


def most_recent_resumable(repo: Path) -> RunListing | None:
    """The run that `--resume` without an id resumes: the last updated one that is active or aborted."""
    return next(
        (run for run in list_runs(repo) if run.state is not None and run.state.status.is_resumable), None
    )


def find_run(repo: Path, requested: str) -> RunListing:
    """The run named by an id or a unique prefix of one, readable or not. Raises RunNotFound, AmbiguousRun."""
    names = _run_names(runs_dir(repo))
    matches = (
        [requested]
        if requested in names
        else sorted(n for n in names if requested and n.startswith(requested))
    )
    gone = [] if matches else Backup(repo).find(requested)
    if len(matches) > 1 or len(gone) > 1:
        raise AmbiguousRun(requested, matches or gone)
    if gone:
        return _lost(repo, gone[0])
    if not matches:
        raise RunNotFound(requested, f"{runs_dir(repo)}{os.sep}{requested}")
    return _listing(RunPaths(repo, matches[0]))


def resolve_target(repo: Path, requested: str | None) -> RunListing:
    """The run to resume: the requested one, or the most recent resumable one (the seed).

    Raises RunNotFound, AmbiguousRun, StateUnreadable, NoResumableRun.
    """
    if requested is None:
        run = most_recent_resumable(repo)
        if run is None:
            last = _failed_last(repo)
            directory = str(runs_dir(repo))
            if last is None:
                raise NoResumableRun(directory)
            raise NoResumableRun(directory, last.run_id, unreadable=last.state is None)
        return run
    run = find_run(repo, requested)
    if run.problem is not None:
        raise StateUnreadable(run.run_id, run.problem)
    return run


def read_state(paths: RunPaths) -> RunState:
    """The state of a run. Raises StateUnreadable when state.json is missing or damaged."""
    found = _listing(paths)
    if found.state is None:
        raise StateUnreadable(found.run_id, str(found.problem))
    return found.state


def readable_log(repo: Path, run_id: str) -> Path:
    """Where the records of a run can be read: its log, or the copy when its directory is gone."""
    paths = RunPaths(repo, run_id)
    copy = None if is_folder(paths.root) else Backup(repo).log(run_id)
    return copy or paths.log


def live_holder(repo: Path, run_id: str) -> LockInfo | None:
    """Who holds the lock, if it is this run; None when it is not live."""
    holder = lock_holder(*lock_paths(repo))
    return holder if holder is not None and run_of(repo, holder) == run_id else None


def run_of(repo: Path, holder: LockInfo) -> str | None:
    """The run that holds the lock; None while it is just starting.

    If its lock files were deleted, nothing says which run it is; then the one that changed last is taken.
    """
    return latest_run(repo) if holder.pid is None and holder.run_id is None else holder.run_id


def _failed_last(repo: Path) -> RunListing | None:
    """The last run, if it is unreadable or failed: by an error of this program, or a budget stop of the Rust one."""
    last = next(iter(list_runs(repo)), None)
    return last if last and (last.state is None or last.state.status == "failed") else None


def _lost(repo: Path, run_id: str) -> RunListing:
    """A run whose directory is gone, read from its backup."""
    return RunListing(
        run_id=run_id,
        state_path=str(RunPaths(repo, run_id).state),
        state=Backup(repo).state(run_id),
        problem=f"its directory is gone; `pitboss repair {run_id}` brings it back from {Backup(repo).place}",
    )


def _run_names(runs: Path) -> list[str]:
    """The folders in the runs folder; none when it cannot be read."""
    try:
        folder = open_folder(runs)
    except OSError:
        return []
    try:
        return _folders_in(folder)
    finally:
        os.close(folder)


def _folders_in(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def _listings(runs: Path, known: KnownRuns) -> Iterator[tuple[RunListing, str]]:
    """For each folder in the runs folder: its listing and its path."""
    for folder, name in _run_folders(runs):
        path = f"{runs}{os.sep}{name}"
        stamp = _stamp(folder, name)
        listing = None if stamp is None else known.listing(name, stamp)
        if listing is None:
            listing = _listed(name, path, _state_in(folder, name))
            if stamp is not None:
                known.keep(stamp, listing)
        yield listing, path


def _states(runs: Path) -> Iterator[tuple[str, str, bytes | OSError]]:
    """For each folder in the runs folder: its name, its path, and its state.json or why that cannot be read."""
    for folder, name in _run_folders(runs):
        yield name, f"{runs}{os.sep}{name}", _state_in(folder, name)


def _run_folders(runs: Path) -> Iterator[tuple[int, str]]:
    """The runs folder, open while this is iterated, with the name of each folder in it."""
    try:
        folder = open_folder(runs)
    except OSError:
        return
    try:
        for name in _folders_in(folder):
            yield folder, name
    finally:
        os.close(folder)


def _stamp(folder: int, name: str) -> Stamp | None:
    """What changes when the state.json of a run does; None if there is none."""
    try:
        run = open_inner(folder, name)
        try:
            found = os.stat(STATE_FILENAME, dir_fd=run, follow_symlinks=False)
        finally:
            os.close(run)
    except OSError:
        return None
    return stamp_in(found)


def _state_in(folder: int, name: str) -> bytes | OSError:
    try:
        run = open_inner(folder, name)
        try:
            with open_entry(FolderEntry(run, STATE_FILENAME, ours=True), buffering=0) as file:
                return file.read()
        finally:
            os.close(run)
    except OSError as error:
        return error


def _is_run(directory: str) -> bool:
    return any(status(f"{directory}{os.sep}{name}") is not None for name in (STATE_FILENAME, LOG_FILENAME))


def _listing(paths: RunPaths) -> RunListing:
    state: bytes | OSError
    try:
        with open_regular(paths.state, buffering=0) as file:
            state = file.read()
    except OSError as error:
        state = error
    return _listed(paths.run_id, str(paths.root), state)


def _listed(run_id: str, directory: str, state: bytes | OSError) -> RunListing:
    path = f"{directory}{os.sep}{STATE_FILENAME}"
    if isinstance(state, OSError):
        return RunListing(run_id=run_id, state_path=path, problem=f"reading {path}: {state.strerror}")
    try:
        return RunListing(run_id=run_id, state_path=path, state=decode_state(state))
    except Malformed as error:
        return RunListing(run_id=run_id, state_path=path, problem=f"parsing {path}: {error}")


def changed_at(run: RunListing) -> float:
    """When a run last changed, in seconds since the epoch; of one that cannot be read, when its directory did."""
    if run.state is not None:
        return run.state.last_updated_at.timestamp()
    return _changed(run.state_path.removesuffix(f"{os.sep}{STATE_FILENAME}"))


def _last_updated(run: RunListing) -> tuple[float, str]:
    return changed_at(run), run.run_id


def _skimmed(directory: str, state: bytes | OSError) -> float | None:
    """When a run last changed; None if there is no run."""
    if isinstance(state, bytes):
        with suppress(Malformed):
            return decode_last_updated(state).timestamp()
    return _changed(directory) if _is_run(directory) else None


def _changed(directory: str) -> float:
    found = status(directory)
    return 0.0 if found is None else found.st_mtime
