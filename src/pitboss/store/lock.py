"""One live run a working tree: a lock that the kernel frees when the run's last process dies (SPEC 2, 7).

The lock is a flock on `.pitboss/grind/lock`; what the file says is for people and observers only, so a file
with anything else in it locks just as well. The file is never removed: a lock on a removed name locks nothing.
When guardian and runner are killed, the warden holds it until it has ended what they left.
NFS before Linux 2.6.12 and some network file systems do not share flock between machines.
"""

from __future__ import annotations

import fcntl
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss import proctree
from pitboss.errors import LockHeld, StartError, storage_error

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

# An observer's probe holds a shared lock for microseconds; an acquirer waits it out.
PATIENCE_S = 0.5
ENDING_S = 6.0
"""How long the processes of a killed run may take to end: its warden, which holds the lock too, lets go then."""

_RETRY_S = 0.01
_MOST_READ = 4096


class LockInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the lock file says of its holder; a field is None when the file does not say it."""

    pid: int | None = None
    started: datetime | None = None
    host: str | None = None
    run_id: str | None = None


class RunLock:
    """The held lock. A fork shares it, an exec drops it; it is free when every sharer closed it or died."""

    def __init__(self, descriptor: int, info: LockInfo) -> None:
        self._descriptor = descriptor
        self.info = info

    @classmethod
    def acquire(cls, path: Path, *, run_id: str | None) -> RunLock:
        """Take the lock, or raise LockHeld naming who has it. StartError when it cannot be taken at all."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _cannot_lock(path, error) from error
        lock = cls(descriptor, _own_info(run_id))
        try:
            _lock(descriptor)
            _write_info(descriptor, lock.info)
        except OSError as error:
            lock.release()
            raise _cannot_lock(path, error) from error
        except BaseException:
            lock.release()
            raise
        return lock

    def describe(self, run_id: str) -> None:
        """Say in the lock file which run this is, now that it is known. Raises OSError."""
        self.info = msgspec.structs.replace(self.info, run_id=run_id)
        _write_info(self._descriptor, self.info)

    def release(self) -> None:
        """Close this process's share of the lock; again is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def lock_holder(path: Path) -> LockInfo | None:
    """Who holds the lock, for observers; None when nobody does. Raises StorageError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error("read", path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_info(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


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
    """Whether the guardian that took the lock is gone; another machine's cannot be asked."""
    here = holder.host == os.uname().nodename
    return here and holder.pid is not None and proctree.start_time(holder.pid) is None


def _own_info(run_id: str | None) -> LockInfo:
    now = datetime.now(UTC).replace(microsecond=0)
    return LockInfo(pid=os.getpid(), started=now, host=os.uname().nodename, run_id=run_id)


def _write_info(descriptor: int, info: LockInfo) -> None:
    """Write first, then cut: a reader in between finds a whole first line."""
    data = msgspec.json.encode(info) + b"\n"
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))


def _read_info(descriptor: int) -> LockInfo:
    try:
        line, _, _ = os.pread(descriptor, _MOST_READ, 0).partition(b"\n")
        return msgspec.json.decode(line, type=LockInfo)
    except (ValueError, RecursionError, OSError):
        return LockInfo()


def _held(info: LockInfo) -> LockHeld:
    since = f"{info.started:%Y-%m-%d %H:%M:%S} UTC" if info.started else "an unknown time"
    who = f"pid {info.pid}" if info.pid else "unknown pid"
    return LockHeld(
        f"another grind run is live in this working tree: {info.run_id or 'unknown run'} ({who}, since {since})",
        hint="`pitboss status` shows it, `pitboss stop` ends it",
    )


def _cannot_lock(path: Path, error: OSError) -> StartError:
    cause = storage_error("lock", path, error)
    return StartError(cause.message, hint=cause.hint)
