"""What the system knows about processes, and the one way to end whole trees of them (SPEC 1.4, 6).

A process group is not a tree: agents start their tools in sessions of their own. A command's tree is its descendants,
the orphans of its tree that a child subreaper inherits, and whatever carries its marker in the environment. On Linux
/proc answers; elsewhere psutil answers the same questions.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

STEP_S = 0.01
"""Pause between two looks at a tree being ended."""

BORN_S = 0.25
"""How long one step may take if processes are born faster than they are ended."""

KILL_PATIENCE_S = 2.0
"""How long SIGKILL may take (a process may be in an uninterruptible system call) before we give up."""

PR_SET_CHILD_SUBREAPER = 36
_READ_SIZE = 64 * 1024
_GONE_STATES = (b"Z", b"X")


class ProcessInfo(NamedTuple):
    """One process: whether it is a zombie, its parent, its session, its start (clock ticks since boot)."""

    zombie: bool
    parent: int
    session: int
    started: int


class _System(Protocol):
    def ticks(self, timestamp: float) -> int: ...
    def facts(self, pid: int) -> ProcessInfo | None: ...
    def children(self, pid: int) -> list[int]: ...
    def inherited(self) -> list[int]: ...
    def own_pids(self) -> list[int]: ...
    def environ(self, pid: int) -> set[bytes]: ...
    def cwd(self, pid: int) -> str | None: ...


class ProcSystem:
    """Processes through Linux's /proc: microseconds per question."""

    def ticks(self, timestamp: float) -> int:
        """The start time of a process that begins at `timestamp`, by the clock as now set."""
        up_s = time.clock_gettime(time.CLOCK_BOOTTIME) - (time.time() - timestamp)
        return int(up_s * os.sysconf("SC_CLK_TCK"))

    def facts(self, pid: int) -> ProcessInfo | None:
        """Facts about `pid`; None if there is no such process."""
        after_name = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if not after_name:
            return None
        state = after_name[0]
        parent, session, threads, started = (int(after_name[at]) for at in (1, 3, 17, 19))
        # A main thread that ended before the others leaves a "zombie" that is very much alive.
        return ProcessInfo(state in _GONE_STATES and threads <= 1, parent, session, started)

    def children(self, pid: int) -> list[int]:
        """Children of all threads of `pid`; each thread has a list, each process a parent: the fewer are looked at."""
        if _folders(f"/proc/{pid}/task") <= _folders("/proc"):
            return _children_of(pid, _numbers(f"/proc/{pid}/task"))
        found = ((other, self.facts(other)) for other in _numbers("/proc"))
        return [other for other, its in found if its is not None and its.parent == pid]

    def inherited(self) -> list[int]:
        """Children of the main thread, to which Linux gives orphans; up to 3.18, to the one that began their family."""
        import threading  # commands that only look have one thread

        pid = os.getpid()
        return _children_of(pid, dict.fromkeys((pid, threading.get_native_id())))

    def own_pids(self) -> list[int]:
        """Every process of this user; for root, who may end anyone's, every process."""
        user = os.geteuid()
        return [pid for pid in _numbers("/proc") if user == 0 or _owner(pid) == user]

    def environ(self, pid: int) -> set[bytes]:
        """The NAME=VALUE pairs that `pid` was started with; empty if they may not be read."""
        return set(filter(None, _read(f"/proc/{pid}/environ").split(b"\0")))

    def cwd(self, pid: int) -> str | None:
        """The folder that `pid` is in; None if that may not be read."""
        try:
            return os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115 - no paths in this module
        except OSError:
            return None


class PsutilSystem:
    """The same answers through psutil, where there is no /proc; start times in hundredths of a second."""

    def ticks(self, timestamp: float) -> int:
        """The start time of a process that begins at `timestamp`."""
        return int(timestamp * 100)

    def facts(self, pid: int) -> ProcessInfo | None:
        """Facts about `pid`; None if there is no such process."""
        import psutil

        try:
            process = psutil.Process(pid)
            zombie = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
            return ProcessInfo(zombie, process.ppid(), os.getsid(pid), int(process.create_time() * 100))
        except (psutil.Error, OSError):
            return None

    def children(self, pid: int) -> list[int]:
        """Children of `pid`."""
        import psutil

        try:
            return [child.pid for child in psutil.Process(pid).children()]
        except psutil.Error:
            return []

    def inherited(self) -> list[int]:
        """All children."""
        return self.children(os.getpid())

    def own_pids(self) -> list[int]:
        """Every process on the machine: asking whose they are costs as much as asking what they carry."""
        import psutil

        return psutil.pids()

    def environ(self, pid: int) -> set[bytes]:
        """The NAME=VALUE pairs that `pid` was started with; empty if they may not be read."""
        import psutil

        try:
            return _pairs(psutil.Process(pid).environ())
        except (psutil.Error, OSError):
            return set()

    def cwd(self, pid: int) -> str | None:
        """The folder that `pid` is in; None if that may not be read."""
        import psutil

        try:
            return psutil.Process(pid).cwd()
        except (psutil.Error, OSError):
            return None


_system: _System = ProcSystem() if sys.platform.startswith("linux") else PsutilSystem()
_subreaper_pid: int | None = None


def facts(pid: int) -> ProcessInfo | None:
    """What is known about `pid`, zombie or not; None if there is no such process."""
    return _system.facts(pid)


def start_time(pid: int) -> int | None:
    """When `pid` started, in clock ticks since boot; None if it is gone (a zombie is gone)."""
    found = _system.facts(pid)
    return None if found is None or found.zombie else found.started


def ticks(timestamp: float) -> int:
    """What `start_time` would be for a process that begins at a Unix `timestamp`, as exactly as the clock allows."""
    return _system.ticks(timestamp)


def alive(pids: Iterable[int]) -> list[int]:
    """Those of `pids` that are not gone."""
    return [pid for pid in pids if start_time(pid) is not None]


def children(pid: int) -> list[int]:
    """Direct children of `pid`, zombies included."""
    return _system.children(pid)


def inherited() -> list[int]:
    """Children of this process, among them every orphan of what the calling thread has started, zombies included.

    With many threads it takes much longer to look at all their children.
    """
    return _system.inherited()


def descendants(*pids: int, at_most: int | None = None) -> list[int]:
    """Children of `pids`, their children and so on, zombies included; parents come before their children.

    All of them are found in one walk, which may end once it has found `at_most`.
    """
    found: dict[int, None] = {}
    queue = list(pids)
    for parent in queue:  # grows while it is walked
        if at_most is not None and len(found) >= at_most:
            break
        new = [child for child in _system.children(parent) if child not in found]
        found.update(dict.fromkeys(new))
        queue += [child for child in new if child not in pids]
    return list(found)


def ancestors() -> list[int]:
    """The parent of this process, its parent and so on."""
    found: list[int] = []
    pid = os.getppid()
    while pid > 0 and pid not in found and (seen := _system.facts(pid)):
        found.append(pid)
        pid = seen.parent
    return found


def carries(pid: int, env_marker: Mapping[str, str]) -> bool:
    """Whether `pid` was started with every NAME=VALUE pair of the marker; an empty marker marks nothing."""
    return bool(env_marker) and _pairs(env_marker) <= _system.environ(pid)


def places(pid: int, variable: str) -> list[str]:
    """The folders that tell where `pid` works: what the variable says that it was started with, and where it is."""
    name = os.fsencode(f"{variable}=")
    said = [os.fsdecode(pair[len(name) :]) for pair in _system.environ(pid) if pair.startswith(name)]
    return [place for place in (*said, _system.cwd(pid)) if place]


def carrying(env_marker: Mapping[str, str], *, since: int) -> list[int]:
    """Live processes that carry the whole marker and started at `since` or later, in clock ticks since boot.

    Looks at every process of this user, at tens of microseconds each. Leaves out this process and its ancestors: they
    may have inherited a finished run's marker, and the caller is about to end whatever is found.
    """
    if not env_marker:
        return []
    wanted, spared = _pairs(env_marker), {os.getpid(), *ancestors()}
    young = [pid for pid in _system.own_pids() if pid not in spared and (start_time(pid) or -1) >= since]
    return [pid for pid in young if wanted <= _system.environ(pid)]


def become_subreaper() -> bool:
    """Make this process inherit the orphans among its descendants; False if the system cannot."""
    global _subreaper_pid  # noqa: PLW0603 - a property of this very process, like its pid
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        return False
    _subreaper_pid = os.getpid()
    return True


def is_subreaper() -> bool:
    """Whether this process inherits the orphans among its descendants; a fork has to ask for it again."""
    return _subreaper_pid == os.getpid()


def pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when `pid` ends; None where the system has none, or `pid` is gone."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def send(pid: int, signum: int) -> None:
    """Signal `pid` unless it is gone or another user's."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)


class Termination:
    """TERM, a grace period, then KILL, for everything that `find` finds and its descendants, one step at a time.

    The caller does its own work between steps. Each step looks again, until `find` finds no living process, so that
    children born meanwhile are ended too; a process once seen stays in sight even if its parent dies.
    """

    def __init__(
        self, find: Callable[[], Iterable[int]], *, grace_s: float, last: Iterable[int] = ()
    ) -> None:
        """The processes in `last` are not asked to end: they do so by themselves, after the others."""
        self._find = find
        self._last = {pid: start_time(pid) for pid in last}
        self._kill_at = time.monotonic() + grace_s
        self._known: dict[int, int] = {}

    def step(self) -> bool:
        """Signal whatever is left; True once nothing is, or if even SIGKILL had no effect in bounded time.

        While new ones are born it looks again at once: nothing else catches a process that keeps restarting itself.
        """
        began = time.monotonic()
        while True:
            roots, now = self._roots(), time.monotonic()
            kill, over = now >= self._kill_at, now >= self._kill_at + KILL_PATIENCE_S
            # The youngest first: it is about to start the next.
            tree = [pid for pid in reversed([*roots, *descendants(*roots)]) if pid != os.getpid()]
            born = [pid for pid in tree if self._signal(pid, kill=kill)]
            if over or not born or now >= began + BORN_S:
                return not roots or over

    def run(self) -> None:
        """Take every step, sleeping between them."""
        while not self.step():
            time.sleep(STEP_S)

    def _roots(self) -> set[int]:
        # Forget the dead: each look must be faster than a process that keeps restarting itself.
        self._known = {pid: started for pid, started in self._known.items() if start_time(pid) == started}
        return {*self._find(), *self._known}

    def _signal(self, pid: int, *, kill: bool) -> bool:
        """Signal a process; returns whether it is new."""
        import signal  # commands that only look end no process

        started = start_time(pid)
        if started is None:
            return False
        new = self._known.get(pid) != started
        if kill:
            send(pid, signal.SIGKILL)
        elif new and self._last.get(pid) != started:
            send(pid, signal.SIGTERM)
        self._known[pid] = started
        return new


def end_tree(roots: Iterable[int], *, grace_s: float) -> None:
    """TERM the roots and all their descendants, KILL after `grace_s` seconds, until none is left (bounded)."""
    identities = {pid: start_time(pid) for pid in roots}

    def same_roots() -> list[int]:
        return [
            pid for pid, started in identities.items() if started is not None and start_time(pid) == started
        ]

    Termination(same_roots, grace_s=grace_s).run()


def _pairs(environment: Mapping[str, str]) -> set[bytes]:
    return {os.fsencode(f"{name}={value}") for name, value in environment.items()}


def _owner(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116 - asked for thousands of them
    except OSError:
        return None


def _children_of(pid: int, threads: Iterable[int]) -> list[int]:
    lists = (_read(f"/proc/{pid}/task/{thread}/children") for thread in threads)
    return [int(child) for children in lists for child in children.split()]


def _folders(folder: str) -> int:
    """About how many folders are in one, without reading it; 0 if it is gone."""
    try:
        return os.stat(folder).st_nlink  # noqa: PTH116 - asked for each process of a tree
    except OSError:
        return 0


def _numbers(folder: str) -> Iterator[int]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.isdecimal():
                yield int(entry.name)


def _read(path: str) -> bytes:
    """The whole file; empty if its process is gone or not ours to look at."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return b"".join(iter(lambda: os.read(fd, _READ_SIZE), b""))
    except OSError:
        return b""
    finally:
        os.close(fd)
