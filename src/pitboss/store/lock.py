"""One live run per working tree: a lock that the kernel frees when the run's last process dies (SPEC 2, 7).

The lock is a flock on `.pitboss/grind/lock`, and another one on `pitboss/lock` in git's own folder. Other versions
know the first; the second survives when an agent removes everything that git ignores. The files' content is for
people and observers only: any other content locks just as well. They are never removed, because a lock on a
removed name locks nothing. In case an agent removes both, git's folder itself is locked too. When guardian and
runner are killed, the warden holds the lock until it has ended what they left. NFS before Linux 2.6.12 and some
network file systems do not share flock between machines.
"""

from __future__ import annotations

import fcntl
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss import proctree
from pitboss.core.measures import stamp
from pitboss.errors import LockHeld, StartError, storage_error
from pitboss.store.opening import entry_at, open_regular, open_writing, set_aside
from pitboss.store.paths import LOCK_FILENAME
from pitboss.typed import from_json

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

# An observer's probe holds a shared lock for microseconds; an acquirer waits it out.
PATIENCE_S = 0.5
ENDING_S = 6.0
"""How many seconds the processes of a killed run may take to end; until then its warden holds the lock."""

_RETRY_S = 0.01
_MOST_READ = 4096
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class LockInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the lock file says about its holder; a field is None when the file does not say."""

    pid: int | None = None
    started: datetime | None = None
    host: str | None = None
    run_id: str | None = None


class RunLock:
    """The held lock. A fork shares it, an exec drops it; it is free once every sharer has closed it or died."""

    def __init__(self, info: LockInfo) -> None:
        self._descriptors: list[int] = []
        self._folders: list[int] = []
        self.info = info

    @classmethod
    def acquire(cls, *paths: Path, run_id: str | None) -> RunLock:
        """Take every file of the lock, or raise LockHeld naming who holds one.

        Raises StartError when it cannot be taken at all.
        """
        lock = cls(_own_info(run_id))
        try:
            for path in paths:
                lock.take(path)
        except BaseException:
            lock.release()
            raise
        return lock

    def take(self, path: Path) -> None:
        """Lock one more file and write into it who holds it; or lock a folder, which cannot name its holder.

        Raises LockHeld, StartError.
        """
        try:
            if _is_gits(path):
                self._folders.append(_locked_folder(path))
                return
            self._descriptors.append(_locked(path))
            _write_info(self._descriptors[-1], self.info)
        except OSError as error:
            raise _cannot_lock(path, error) from error

    def describe(self, run_id: str) -> None:
        """Write into the lock files which run this is, now that it is known. Raises OSError."""
        self.info = msgspec.structs.replace(self.info, run_id=run_id)
        for descriptor in self._descriptors:
            _write_info(descriptor, self.info)

    def release(self) -> None:
        """Close this process's share of the lock; calling it again is harmless."""
        for descriptors in (self._descriptors, self._folders):
            while descriptors:
                os.close(descriptors.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def lock_holder(*paths: Path) -> LockInfo | None:
    """Who holds the lock, or any file of it, for observers; None when it is free."""
    found = [holder for holder in map(_holder, paths) if holder is not None]
    return next((holder for holder in found if holder.run_id is not None), found[0] if found else None)


def _holder(path: Path) -> LockInfo | None:
    try:
        if _is_gits(path):
            return _probe_folder(path)
        with open_regular(path, buffering=0) as file:
            return _probe(file.fileno())
    except OSError:
        return None  # what is not a file, or is unreadable, is not the lock of one of this user's runs


def _is_gits(path: Path) -> bool:
    """Whether it is git's own folder rather than one of our files: a folder in place of such a file is not a lock."""
    return path.name != LOCK_FILENAME


def _probe_folder(path: Path) -> LockInfo | None:
    descriptor = os.open(path, _FOLDER)
    try:
        return _probe(descriptor)
    finally:
        os.close(descriptor)


def _probe(descriptor: int) -> LockInfo | None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_info(descriptor)
    return None


def _locked(path: Path) -> int:
    """The descriptor of a locked file with one name. Raises OSError, LockHeld."""
    while True:
        descriptor = open_writing(path, os.O_RDWR | os.O_CREAT, 0o644, make=True, alone=False)
        try:
            _lock(descriptor)
            if os.fstat(descriptor).st_nlink <= 1:
                return descriptor
            with entry_at(path) as at:
                set_aside(at)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _locked_folder(path: Path) -> int:
    """The descriptor of a locked folder. Raises OSError, LockHeld."""
    descriptor = os.open(path, _FOLDER)
    try:
        _lock(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int) -> None:
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            patience_s = ENDING_S if _is_dead(_read_info(descriptor)) else PATIENCE_S
            if time.monotonic() >= began + patience_s:
                raise _held(_read_info(descriptor)) from None
            time.sleep(_RETRY_S)
        else:
            return


def _is_dead(holder: LockInfo) -> bool:
    """Whether the guardian that took the lock is gone; False on another machine, where that cannot be known."""
    here = holder.host == os.uname().nodename
    return here and holder.pid is not None and proctree.start_time(holder.pid) is None


def _own_info(run_id: str | None) -> LockInfo:
    now = datetime.now(UTC).replace(microsecond=0)
    return LockInfo(pid=os.getpid(), started=now, host=os.uname().nodename, run_id=run_id)


def _write_info(descriptor: int, info: LockInfo) -> None:
    """Write first, then truncate, so that a reader in between finds a whole first line."""
    data = msgspec.json.encode(info) + b"\n"
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))


def _read_info(descriptor: int) -> LockInfo:
    try:
        line, _, _ = os.pread(descriptor, _MOST_READ, 0).partition(b"\n")
        return from_json(line, LockInfo)
    except (ValueError, RecursionError, OSError):
        return LockInfo()


def _held(info: LockInfo) -> LockHeld:
    since = stamp(info.started) if info.started else "an unknown time"
    who = f"pid {info.pid}" if info.pid else "unknown pid"
    return LockHeld(
        f"another grind run is live in this working tree: {info.run_id or 'unknown run'} ({who}, since {since})",
        hint="`pitboss status` shows it, `pitboss stop` ends it",
    )


def _cannot_lock(path: Path, error: OSError) -> StartError:
    cause = storage_error("lock", path, error)
    return StartError(cause.message, hint=cause.hint)
