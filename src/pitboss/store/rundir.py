"""One run's directory: made whole, recorded into durably, listed and resolved by name (SPEC 2, 7; the seed).

The presence of state.json says that a run exists, so it is written first: what else is missing is made
again. A record counts from the moment that `record` returns; what the state and sessions.md say of it can
be made again from the log.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from pitboss.core.resume import NoResumableRun, RunNotFound, StateUnreadable
from pitboss.core.run import RunState
from pitboss.errors import ResumeError, RunDirectoryGone, StorageError, storage_error
from pitboss.store.codec import Malformed, decode_last_updated, decode_state, encode_record, encode_state
from pitboss.store.files import append_durable, make_directory, open_append, sync_directory, write_atomic
from pitboss.store.log import iter_records, own
from pitboss.store.opening import (
    PRIVATE_FOLDER,
    is_folder,
    is_plain,
    open_folder,
    open_regular,
    remove_tree,
    spot,
    status,
)
from pitboss.store.paths import LOG_FILENAME, STATE_FILENAME, RunPaths, runs_dir
from pitboss.store.tail import last_bytes, last_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from pitboss.core.session import SessionRecord

SCRATCHPAD_LIMIT = 16 * 1024
_T = TypeVar("_T")
_UTF8_CONTINUATIONS = bytes(range(0x80, 0xC0))


class Scratchpad(NamedTuple):
    """The scratchpad's end as text, and whether something before it was left out."""

    text: str
    truncated: bool


class RunListing(msgspec.Struct, frozen=True, kw_only=True):
    """A run found on disk. `state` is None when it cannot be read; `problem` then says why."""

    run_id: str
    state_path: str
    state: RunState | None = None
    problem: str | None = None


class AmbiguousRun(ResumeError):
    """More than one run starts with what was asked for."""

    def __init__(self, prefix: str, candidates: Sequence[str]) -> None:
        super().__init__(
            f'grind run "{prefix}" is ambiguous: {", ".join(candidates)}', hint="give more of the run's id"
        )


class RunDir:
    """The directory of a run, open for the one process that holds the lock. Close it, or use it in `with`."""

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self._log = -1

    @classmethod
    def create(cls, repo: Path, state: RunState) -> RunDir:
        """Make the directory of a new run, durably; a failure leaves none behind.

        Raises StorageError, also when the run exists.
        """
        paths = RunPaths(repo, state.run_id)
        runs = runs_dir(repo)
        make_directory(runs)
        if status(runs / ".gitignore") is None:
            write_atomic(runs / ".gitignore", b"*\n", durable=False)
        _make_root(paths)
        try:
            _fill(paths, state)
            sync_directory(runs)
        except BaseException:
            _remove(paths)
            raise
        return cls(paths)

    @classmethod
    def open(cls, repo: Path, run_id: str) -> RunDir:
        """Open the directory of a run; missing subdirectories are made again.

        Raises RunDirectoryGone when there is none, StorageError.
        """
        paths = RunPaths(repo, run_id)
        if not is_folder(paths.root):
            raise RunDirectoryGone(
                f"there is no run directory {paths.root}", hint="`pitboss runs` lists the runs there are"
            )
        _make_subdirectories(paths)
        return cls(paths)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the log; again is harmless."""
        if self._log >= 0:
            os.close(self._log)
            self._log = -1

    def make_subdirectories(self) -> None:
        """Make those that somebody deleted again. Raises StorageError, RunDirectoryGone."""
        _make_subdirectories(self.paths)

    def read_state(self) -> RunState:
        """Read state.json. Raises StateUnreadable when it is missing or damaged."""
        listing = _listing(self.paths.run_id, str(self.paths.root))
        if listing.state is None:
            raise StateUnreadable(listing.run_id, str(listing.problem))
        return listing.state

    def checkpoint(self, state: RunState, *, durable: bool = True) -> None:
        """Replace state.json. Raises StorageError, RunDirectoryGone."""
        write_atomic(self.paths.state, _encoded(encode_state, state, self.paths.state), durable=durable)

    def record(self, record: SessionRecord) -> None:
        """Append a session's record, durably: the commit point. Raises StorageError, RunDirectoryGone."""
        if self._log < 0:
            own(self.paths.log)
            self._log = open_append(self.paths.log)
            sync_directory(self.paths.root)
        line = _encoded(encode_record, record, self.paths.log)
        append_durable(self.paths.log, line, descriptor=self._log)
        self._check_log()

    def project(self, record: SessionRecord) -> None:
        """Append a record's entry to sessions.md, or make that again from the log if it is gone."""
        from pitboss.core.text.sessions import sessions_md_entry

        if is_plain(self.paths.markdown):
            append_durable(self.paths.markdown, _utf8(sessions_md_entry(record)), durable=False)
        else:
            self.project_all(iter_records(self.paths.log))

    def project_all(self, records: Iterable[SessionRecord]) -> None:
        """Write sessions.md anew from all records: only repair does."""
        from pitboss.core.text.sessions import HEADER, sessions_md_entry

        write_atomic(self.paths.markdown, map(_utf8, chain([HEADER], map(sessions_md_entry, records))))

    def session_log_tail(self, lines: int = 50) -> str:
        """The last lines of sessions.md; empty when it has no session yet. Reads the end alone."""
        from pitboss.core.text.sessions import HEADER

        try:
            tail = b"\n".join(last_lines(self.paths.markdown, lines)).decode(errors="replace")
        except OSError:
            return ""
        return "" if tail.strip() == HEADER.strip() else tail

    def scratchpad_text(self, limit: int = SCRATCHPAD_LIMIT) -> Scratchpad:
        """The last `limit` bytes of the scratchpad, from the start of a line; empty when it cannot be read."""
        try:
            data, truncated = last_bytes(self.paths.scratchpad, limit, alone=True)
        except OSError:
            return Scratchpad("", truncated=False)
        return Scratchpad(_from_line_start(data) if truncated else data.decode(errors="replace"), truncated)

    def _check_log(self) -> None:
        """Appending to a deleted file works and keeps nothing: make sure that the name still leads here."""
        found = status(self.paths.log)
        if found is None or not os.path.samestat(found, os.fstat(self._log)):
            raise RunDirectoryGone(
                f"{self.paths.log} was replaced while the run was live",
                hint="`pitboss repair` shows what can be saved",
            )


def list_runs(repo: Path) -> list[RunListing]:
    """Every run, last updated first; unreadable ones too, by when their directory changed (SPEC 8)."""
    found = ((_listing(run_id, path), path) for run_id, path in _run_directories(runs_dir(repo)))
    runs = [run for run, path in found if run.state is not None or _is_run(path)]
    return sorted(runs, key=_last_updated, reverse=True)


def latest_run(repo: Path) -> str | None:
    """The run that changed last, readable or not: the first of `list_runs` in a fraction of its time."""
    runs = (run for run in _run_directories(runs_dir(repo)) if _is_run(run[1]))
    newest = max(((_skimmed(path), run_id) for run_id, path in runs), default=None)
    return newest and newest[1]


def most_recent_resumable(repo: Path) -> RunListing | None:
    """The run that `--resume` alone goes on with: the last updated one that is active or aborted."""
    return next(
        (run for run in list_runs(repo) if run.state is not None and run.state.status.is_resumable), None
    )


def _failed_last(repo: Path) -> str | None:
    """The last run, if it has failed: an error of this program, or a budget stop of the Rust one."""
    last = next((run for run in list_runs(repo) if run.state is not None), None)
    return last.run_id if last and last.state and last.state.status == "failed" else None


def find_run(repo: Path, requested: str) -> RunListing:
    """The run named by an id or a unique prefix of one, readable or not. Raises RunNotFound, AmbiguousRun."""
    names = dict(_run_directories(runs_dir(repo)))
    matches = (
        [requested]
        if requested in names
        else sorted(n for n in names if requested and n.startswith(requested))
    )
    if len(matches) > 1:
        raise AmbiguousRun(requested, matches)
    if not matches:
        raise RunNotFound(requested, f"{runs_dir(repo)}{os.sep}{requested}")
    return _listing(matches[0], names[matches[0]])


def resolve_target(repo: Path, requested: str | None) -> RunListing:
    """The run to resume: the one asked for, or the most recent resumable one (the seed).

    Raises RunNotFound, AmbiguousRun, StateUnreadable, NoResumableRun.
    """
    if requested is None:
        run = most_recent_resumable(repo)
        if run is None:
            raise NoResumableRun(str(runs_dir(repo)), _failed_last(repo))
        return run
    run = find_run(repo, requested)
    if run.problem is not None:
        raise StateUnreadable(run.run_id, run.problem)
    return run


def _make_root(paths: RunPaths) -> None:
    try:
        with spot(paths.root) as at:
            os.mkdir(at.name, PRIVATE_FOLDER, dir_fd=at.folder)
    except OSError as error:
        raise storage_error("create", paths.root, error) from error


def _fill(paths: RunPaths, state: RunState) -> None:
    from pitboss.core.text.sessions import HEADER

    _make_subdirectories(paths)
    # state.json first: with it the run exists, and the other files are made again when they are missing.
    write_atomic(paths.state, _encoded(encode_state, state, paths.state))
    for path, content in ((paths.log, ""), (paths.markdown, HEADER), (paths.scratchpad, "")):
        append_durable(path, _utf8(content), durable=False)


def _remove(paths: RunPaths) -> None:
    with suppress(OSError):
        remove_tree(paths.root)


def _make_subdirectories(paths: RunPaths) -> None:
    for directory in (paths.transcripts, paths.worktrees, paths.control):
        make_directory(directory)


def _encoded(encode: Callable[[_T], bytes], value: _T, path: Path) -> bytes:
    try:
        return encode(value)
    except Malformed as error:
        raise StorageError(
            f"cannot write {path}: nobody could read it again: {error}",
            hint="the file is as it was before; `pitboss repair` shows what the run needs",
        ) from error


def _utf8(text: str) -> bytes:
    return text.encode(errors="replace")


def _from_line_start(data: bytes) -> str:
    """Text from the first line that begins in `data`; from the first whole character if none does."""
    _, _, rest = data.partition(b"\n")
    return (rest or data.lstrip(_UTF8_CONTINUATIONS)).decode(errors="replace")


def _run_directories(runs: Path) -> Iterator[tuple[str, str]]:
    try:
        folder = open_folder(runs)
    except OSError:
        return
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    finally:
        os.close(folder)
    yield from ((name, f"{runs}{os.sep}{name}") for name in found)


def _is_run(directory: str) -> bool:
    return any(status(f"{directory}{os.sep}{name}") is not None for name in (STATE_FILENAME, LOG_FILENAME))


def _listing(run_id: str, directory: str) -> RunListing:
    path = f"{directory}{os.sep}{STATE_FILENAME}"
    try:
        with open_regular(path, buffering=0) as file:
            return RunListing(run_id=run_id, state_path=path, state=decode_state(file.read()))
    except OSError as error:
        return RunListing(run_id=run_id, state_path=path, problem=f"reading {path}: {error.strerror}")
    except Malformed as error:
        return RunListing(run_id=run_id, state_path=path, problem=f"parsing {path}: {error}")


def _last_updated(run: RunListing) -> tuple[float, str]:
    if run.state is not None:
        return run.state.last_updated_at.timestamp(), run.run_id
    return _changed(run.state_path.removesuffix(f"{os.sep}{STATE_FILENAME}")), run.run_id


def _skimmed(directory: str) -> float:
    try:
        with open_regular(f"{directory}{os.sep}{STATE_FILENAME}", buffering=0) as file:
            return decode_last_updated(file.read()).timestamp()
    except (OSError, Malformed):
        return _changed(directory)


def _changed(directory: str) -> float:
    found = status(directory)
    return 0.0 if found is None else found.st_mtime
