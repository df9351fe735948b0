"""The queue: tasks as files that any process may add, and that wait for a run (SPEC 10).

`store.taking` is how a run takes one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pitboss.core.run import RunState, WaitingTask
from pitboss.core.task_ids import is_task_id, made_id
from pitboss.errors import CommandError, InputError, Problem, StorageError, storage_error
from pitboss.store.claims import claimed
from pitboss.store.files import write_new
from pitboss.store.opening import names_in, open_regular, remove, status
from pitboss.store.paths import queue_dir
from pitboss.store.stamps import stamp_of
from pitboss.store.user_text import MAX_BYTES, decode_text

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from pitboss.core.prompt import PromptDoc
    from pitboss.store.stamps import Stamp

SUFFIX = ".md"
_TRIES = 100


class QueuedTask(NamedTuple):
    """A task that waits; `added` is when its file last changed, in seconds since 1970."""

    id: str
    doc: PromptDoc
    added: float

    @property
    def waiting(self) -> WaitingTask:
        """All that choosing the next session needs of it."""
        meta = self.doc.meta
        return WaitingTask(id=self.id, prompt=meta.name, parallel_safe=meta.parallel_safe)


class Queue(NamedTuple):
    """Every task that waits, oldest first, and what is wrong with other files, by name."""

    tasks: tuple[QueuedTask, ...] = ()
    problems: tuple[Problem, ...] = ()


class QueueReader:
    """Reads a queue, again and again if need be: a file is read again only when it has changed."""

    def __init__(self, repo: Path) -> None:
        self._repo = repo
        self._folder = queue_dir(repo)
        self._seen: dict[str, tuple[Stamp, QueuedTask | Problem]] = {}

    def read(self) -> Queue:
        """What the queue holds now; nothing is raised."""
        names = (name for name in names_in(self._folder) if name.endswith(SUFFIX) and name[0] != ".")
        found = {name: seen for name in sorted(names) if (seen := self._look(name)) is not None}
        self._seen = found
        read = [task for _, task in found.values()]
        return Queue(
            tasks=tuple(task for task in read if isinstance(task, QueuedTask)),
            problems=tuple(task for task in read if isinstance(task, Problem)),
        )

    def _look(self, name: str) -> tuple[Stamp, QueuedTask | Problem] | None:
        """The file and how it was read, if it is still there."""
        stamp = stamp_of(self._folder / name)
        if stamp is None:
            return None
        seen = self._seen.get(name)
        return seen if seen is not None and seen[0] == stamp else (stamp, self._read(name))

    def _read(self, name: str) -> QueuedTask | Problem:
        task_id, file = name.removesuffix(SUFFIX), os.fspath(self._folder / name)
        if not is_task_id(task_id):
            return Problem(file, "its name is no id: up to 64 of a-z, A-Z, 0-9, `-` and `_`")
        if by := claimed(self._repo, task_id):
            return Problem(file, f"session {by.seq} of run {by.run_id} took it; {_add_again(file)}")
        try:
            data, added = own_file(self._folder / name)
            return QueuedTask(id=task_id, doc=parsed(file, data), added=added)
        except InputError as error:
            return error.problems[0]
        except OSError as error:
            return Problem(file, f"is not a file of its own that can be read: {error.strerror}")


def waiting(repo: Path) -> Queue:
    """What the queue of the project at `repo` holds now; nothing is raised."""
    return QueueReader(repo).read()


def with_queue(repo: Path, run: RunState) -> RunState:
    """The state from which the run would begin or go on: with the tasks that wait, if it takes them."""
    if run.selection is not None and run.selection.is_narrow:
        return run
    return msgspec.structs.replace(run, queue=tuple(task.waiting for task in waiting(repo).tasks))


def add(repo: Path, text: str, now: datetime) -> str:
    """Queue a task whose file says `text`, durably; returns its id.

    Raises CommandError if the queue belongs to another user or the text is too long, StorageError.
    """
    folder = queue_dir(repo)
    refuse_foreign(folder)
    data = text.encode()
    if len(data) > MAX_BYTES:
        raise CommandError(f"the task is larger than {MAX_BYTES // 1024} KiB")
    tried = set[str]()
    for _ in range(_TRIES):
        task_id = made_id(now, _ids(folder) | tried)
        tried.add(task_id)
        if claimed(repo, task_id) is None and write_new(folder / f"{task_id}{SUFFIX}", data):
            return task_id
    raise StorageError(
        f"cannot write to {folder}: no name is free", hint="`pitboss queue ls` shows what is there"
    )


def refuse_foreign(folder: Path) -> None:
    """Refuse to write to what another user owns: their runs would not take it. Raises CommandError."""
    found = status(folder)
    if found is not None and found.st_uid != os.geteuid():
        raise CommandError(
            f"{folder} belongs to another user (uid {found.st_uid})",
            hint="queue tasks as the user who runs them",
        )


def withdraw(repo: Path, task_id: str) -> bool:
    """Remove a task from the queue; False if it is not there, because a run took it perhaps. Raises StorageError."""
    path = queue_dir(repo) / f"{task_id}{SUFFIX}"
    try:
        return remove(path)
    except OSError as error:
        raise storage_error("remove", path, error) from error


def parsed(file: str, data: bytes) -> PromptDoc:
    """The task in the content of a file. Raises InputError."""
    from pitboss.core.queued_task import parse_queued_task  # mostly nothing is queued

    return parse_queued_task(decode_text(file, data), path=file)


def own_file(path: Path) -> tuple[bytes, float]:
    """The content of a regular file of this user's with a single name, and when it changed. Raises OSError."""
    with open_regular(path, alone=True) as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.geteuid():
            raise PermissionError(0, f"it belongs to another user (uid {found.st_uid})")
        return file.read(MAX_BYTES + 1), found.st_mtime


def _ids(folder: Path) -> set[str]:
    """The ids of the files in the queue, those included that are being written."""
    return {name.removeprefix(".").partition(".")[0] for name in names_in(folder)}


def _add_again(file: str) -> str:
    from shlex import quote  # mostly nobody is told

    return f"`pitboss queue add -f {quote(file)}` queues it again"
