"""Copies what cannot be recreated to where `git clean -fdx` does not reach: git's own folder (SPEC 7).

    backup/config.toml, prompts/, rotations/   as they were when the last run started or was resumed
    backup/runs/RUN_ID/state.json              as of the run's latest session start, or of its end
                       sessions.jsonl          every record (`store.mirrored_log` keeps it)
                       task.md                 the task of a run that has one, as it was at its start

It guards against deletion of a run directory or of all of `.pitboss`. It is not synced, because a power cut deletes
nothing. Transcripts, the scratchpad and sessions.md are not in it. The copy of a run is kept as long as its directory
exists. If the directory is gone, perhaps because the user wanted that, only the latest few copies are kept.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.core.stops import RunStatus
from pitboss.errors import StartError, StorageError
from pitboss.store.codec import Malformed
from pitboss.store.files import make_directory, write_atomic
from pitboss.store.git_dir import lock_paths, ours_in_git
from pitboss.store.lock import lock_holder
from pitboss.store.opening import is_folder, names_in, open_regular, open_users, remove, remove_tree, status
from pitboss.store.paths import (
    LOG_FILENAME,
    STATE_FILENAME,
    TASK_FILENAME,
    config_path,
    grind_dir,
    pitboss_dir,
    prompts_dir,
    rotations_dir,
    runs_dir,
)
from pitboss.store.state_codec import decode_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pitboss.core.run import RunState

KEPT_OF_GONE = 20
"""How many copies of runs whose directory is gone are kept."""

_LARGEST_SETTING = 1024 * 1024


def kept_in_git(run_id: str) -> str:
    """The folder of a run's copy, by its path in git's own folder."""
    return f"pitboss/backup/runs/{run_id}"


class Backup:
    """The copy for the working tree at `repo`; if git has no folder for that, nothing is kept."""

    def __init__(self, repo: Path) -> None:
        self._repo = repo
        ours = ours_in_git(repo)
        self._root = None if ours is None else ours / "backup"
        self._there: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where the copy is, for people."""
        return ".git/pitboss/backup" if self._root is None else str(self._root)

    def log(self, run_id: str) -> Path | None:
        """The copy of a run's log."""
        return self._root and self._root.joinpath("runs", run_id, LOG_FILENAME)

    def state_file(self, run_id: str) -> Path | None:
        """The copy of a run's state.json."""
        return self._root and self._root.joinpath("runs", run_id, STATE_FILENAME)

    def state(self, run_id: str) -> RunState | None:
        """The state in the copy of a run's state.json; None when there is no readable one."""
        path = self.state_file(run_id)
        data = None if path is None else _read(path)
        with suppress(Malformed):
            return None if data is None else decode_state(data)
        return None

    def keep_state(self, run_id: str, data: bytes) -> None:
        """Keep the bytes of a run's state.json; a failure does no harm."""
        path = self.state_file(run_id)
        if path is not None:
            _put(path, data)

    def task(self, run_id: str) -> bytes | None:
        """The copy of a run's task, as it was when the run began."""
        return None if self._root is None else _read(self._root / "runs" / run_id / TASK_FILENAME)

    def keep_task(self, run_id: str, data: bytes) -> None:
        """Keep the bytes of a run's task; a failure does no harm."""
        if self._root is not None:
            _put(self._root / "runs" / run_id / TASK_FILENAME, data)

    def keep(self) -> None:
        """Bring the copy of the settings and of every run up to date; a failure does no harm."""
        if self._root is None:
            return
        for here, copy, _ in self._settings():
            _mirror(here, copy)
        self._there = tuple(sorted(filter(self._is_there, names_in(runs_dir(self._repo)))))
        for run_id in self._there:
            _keep_run(runs_dir(self._repo) / run_id, self._root / "runs" / run_id)
        gone = sorted(set(names_in(self._root / "runs")) - set(self._there))
        for run_id in gone[:-KEPT_OF_GONE]:
            with suppress(OSError):
                remove_tree(self._root / "runs" / run_id)

    def lost(self) -> tuple[str, ...]:
        """The runs whose directory is gone and may be missed, ordered by id.

        All of them if the folder of runs is gone or empty; otherwise only those that were live when they were lost,
        because the user may have removed the others.
        """
        copies = () if self._root is None else sorted(names_in(self._root / "runs"))
        gone = tuple(run_id for run_id in copies if not self._is_there(run_id))
        if not gone or not any(map(self._is_there, names_in(runs_dir(self._repo)))):
            return gone
        return tuple(run_id for run_id in gone if self._was_live(run_id))

    def find(self, requested: str) -> list[str]:
        """The runs without a directory whose id is, or begins with, `requested`."""
        names = names_in(self._root / "runs") if self._root is not None else []
        matches = [name for name in sorted(names) if requested and name.startswith(requested)]
        return [name for name in matches if not self._is_there(name)]

    def bring_back(self, wanted: str | None = None) -> list[str]:
        """Restore what was lost, and `wanted` in any case; returns what to tell the user. Raises StorageError.

        Settings are restored only when a run was lost or the whole folder is gone: a single prompt may well have been
        deleted by the user.
        """
        lost = self.lost()
        wiped = bool(lost) or not is_folder(grind_dir(self._repo))
        asked = [] if wanted is None else self.find(wanted)
        runs = sorted({*lost, *(asked if len(asked) == 1 else ())})
        return self._restore(self.restore_settings() if wiped else [], runs)

    def put_back(self) -> list[str]:
        """Restore what was there at the last `keep`, whoever removed it; returns what to tell the user.

        For a live run: there, an agent must have removed it. Raises StorageError.
        """
        runs = [name for name in self._there if not self._is_there(name)]
        return self._restore(self.restore_settings() if self._there else [], runs)

    def _restore(self, settings: list[str], runs: Iterable[str]) -> list[str]:
        restored = [*settings, *filter(None, map(self.restore_run, runs))]
        return [f"{what} was gone and has been restored from {self.place}" for what in restored]

    def restore_settings(self) -> list[str]:
        """Restore configuration, prompts and rotations, each only if all of its kind is gone; returns which."""
        return [what for here, copy, what in self._settings() if _restored(copy, here)]

    def restore_run(self, run_id: str) -> str | None:
        """Restore the directory of a run, with its state and records; returns a description of it."""
        state, log = self.state_file(run_id), self.log(run_id)
        if state is None or log is None or (data := _read(state)) is None:
            return None
        folder = runs_dir(self._repo) / run_id
        make_directory(folder)
        if (task := _read(state.with_name(TASK_FILENAME))) is not None:
            write_atomic(folder / TASK_FILENAME, task)
        write_atomic(folder / LOG_FILENAME, _read(log) or b"")
        write_atomic(folder / STATE_FILENAME, data)
        return f"run {run_id} (without its transcripts)"

    def _is_there(self, run_id: str) -> bool:
        folder = runs_dir(self._repo) / run_id
        return any(status(folder / name) is not None for name in (STATE_FILENAME, LOG_FILENAME))

    def _was_live(self, run_id: str) -> bool:
        state = self.state(run_id)
        return state is not None and state.status is RunStatus.ACTIVE

    def _settings(self) -> Iterator[tuple[Path, Path, str]]:
        if self._root is None:
            return
        yield config_path(self._repo), self._root / "config.toml", "config.toml"
        yield prompts_dir(self._repo), self._root / "prompts", "every prompt"
        yield rotations_dir(self._repo), self._root / "rotations", "every rotation"


def _keep_run(here: Path, copy: Path) -> None:
    kept, found = (status(place / LOG_FILENAME) for place in (copy, here))
    same = kept is not None and found is not None and kept.st_size == found.st_size
    if same and status(copy / STATE_FILENAME) is not None:
        return
    for name in (LOG_FILENAME, TASK_FILENAME, STATE_FILENAME):
        if (data := _read(here / name)) is not None:
            _put(copy / name, data)


def _mirror(here: Path, copy: Path) -> None:
    """Make `copy` the same as `here`, a file or a folder's files. If `here` is gone altogether, the copy stays."""
    contents = _contents(here)
    for name, data in contents.items():
        if _read(copy / name if name else copy) != data:
            _put(copy / name if name else copy, data)
    if contents:
        for name in set(names_in(copy)) - contents.keys():
            with suppress(OSError):
                remove(copy / name)


def _restored(copy: Path, here: Path) -> bool:
    if _contents(here):
        return False
    contents = _contents(copy)
    for name, data in contents.items():
        write_atomic(here / name if name else here, data, make=True)
    return bool(contents)


def _contents(place: Path) -> dict[str, bytes]:
    """The files of a folder by name, or a single file under an empty name; follows links, as they are the user's."""
    names = (
        [path.name for path in place.iterdir() if path.suffix in (".md", ".toml")] if place.is_dir() else [""]
    )
    found = {name: _read_setting(place / name if name else place) for name in names}
    return {name: data for name, data in found.items() if data is not None}


def _read_setting(path: Path) -> bytes | None:
    try:
        with open_users(path) as file:
            data = file.read(_LARGEST_SETTING + 1)
    except OSError:
        return None
    return data if len(data) <= _LARGEST_SETTING else None


def _read(path: Path) -> bytes | None:
    try:
        with open_regular(path) as file:
            return file.read()
    except OSError:
        return None


def _put(path: Path, data: bytes) -> None:
    with suppress(StorageError):
        write_atomic(path, data, make=True, spare=True)


def restore_lost(repo: Path, wanted: str | None = None) -> list[str]:
    """`Backup.bring_back` for a command that works with runs, unless a live run takes care of that itself.

    Raises StartError if the user or an agent put a link in place of a folder that holds runs.
    """
    for folder in (pitboss_dir(repo), grind_dir(repo), runs_dir(repo)):
        if folder.is_symlink():
            raise StartError(
                f"{folder} is a symbolic link, and pitboss follows no links where it keeps its runs",
                hint="put the folder itself there; prompts, rotations and config.toml may be links. "
                "If an agent made this one, remove it: what was there will be restored",
            )
    return [] if lock_holder(*lock_paths(repo)) is not None else Backup(repo).bring_back(wanted)
