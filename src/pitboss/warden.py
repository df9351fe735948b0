"""The process beside a run that ends its agents when guardian and runner are killed in one instant (SPEC 1.4).

    guardian, runner  -- hold a pipe open -->  warden       a byte: the run is over; end of file: both were killed

The warden is nobody's parent, so no orphan comes to it. It looks at the run's processes every second instead and
remembers them: whoever scrubbed its environment and lost its parent is still known by pid and start time. Its name
does not say pitboss, so that `pkill pitboss` leaves somebody to clean up.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from pitboss import proctree
from pitboss.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOK_EVERY_S = 1.0
SWEEP_GRACE_S = 2.0
"""Between TERM, on which git removes its lock files, and KILL; with KILL's own patience well within 5 s."""

MOST_REMEMBERED = 4096
"""Processes looked at each second: the walk through a tree that grows without end must end."""

NAME = b"grind-warden"
_FAREWELL_S = 5.0
_PID_SIZE = 16
_PR_SET_NAME = 15
_ARGUMENTS_AT = slice(45, 47)


class Warden:
    """The guardian's hold on the warden of its run."""

    def __init__(self, run_fd: int, gone_fd: int) -> None:
        self._run_fd = run_fd
        self._gone_fd = gone_fd

    @classmethod
    def post(cls, marker: Mapping[str, str]) -> Warden:
        """Fork the warden of the run that this process is to guard; call it before anything else is forked.

        `marker` is what all processes of the run carry in their environment. Raises StartError when there can be
        no further process.
        """
        run_out, run_in = os.pipe()
        gone_out, gone_in = os.pipe()
        guardian = os.getpid()
        try:
            between = os.fork()
        except OSError as error:
            raise StartError(f"cannot start the warden of the run: {error.strerror}") from error
        if between == 0:
            _fork_again(_Watch(guardian, run_out, gone_in), closing=(run_in, gone_out), marker=marker)
        os.close(run_out)
        os.close(gone_in)
        os.waitpid(between, 0)
        return cls(run_in, gone_out)

    def pid(self) -> int:
        """Its process, once; 0 if it could not be made or was killed at its start."""
        return int(os.read(self._gone_fd, _PID_SIZE) or 0)

    def stand_down(self) -> None:
        """The run is over and has left nothing: let the warden go, and wait until it has gone."""
        with suppress(OSError):
            os.write(self._run_fd, b".")
        os.close(self._run_fd)
        select.select([self._gone_fd], [], [], _FAREWELL_S)
        os.close(self._gone_fd)


class _Watch(NamedTuple):
    """What the warden holds: whom it watches, the end of the run's pipe, and the pipe that says that it lives."""

    guardian: int
    run_out: int
    gone_in: int


def _fork_again(watch: _Watch, *, closing: tuple[int, ...], marker: Mapping[str, str]) -> NoReturn:
    """Leave the warden behind as nobody's child: a look at the guardian's tree must not find it."""
    try:
        os.setsid()
        if os.fork() == 0:
            for fd in closing:
                os.close(fd)
            os.write(watch.gone_in, str(os.getpid()).encode())
            _disguise()
            _stand_guard(watch.guardian, watch.run_out, marker)
    finally:
        os._exit(0)


def _disguise() -> None:
    """Let go of the terminal and of everybody's pipes, hear no signal that may be ignored, take another name."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(signum, signal.SIG_IGN)
    if sys.platform.startswith("linux"):
        with suppress(OSError, ValueError):
            _rename()


def _rename() -> None:
    """Take `NAME` instead of the name and the arguments of the command that the user typed."""
    import ctypes

    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NAME, NAME, 0, 0, 0)
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - its own lines, once
        begin, end = map(int, file.read().rpartition(b")")[2].split()[_ARGUMENTS_AT])
    # The kernel shows this memory as the command line; Python read it long ago.
    if 0 < begin < end:
        ctypes.memset(begin, 0, end - begin)
        ctypes.memmove(begin, NAME, min(len(NAME), end - begin - 1))


def _stand_guard(guardian: int, run_out: int, marker: Mapping[str, str]) -> None:
    """Remember the guardian's tree until the run is over; if it was killed, end what is left of it."""
    since = proctree.start_time(guardian) or 0
    known: dict[int, int] = {}
    while not select.select([run_out], [], [], LOOK_EVERY_S)[0]:
        known = _seen(guardian, known)
    if os.read(run_out, 1):
        return

    def left() -> list[int]:
        return _same(known) or proctree.carrying(marker, since=since)

    proctree.Ending(left, grace_s=SWEEP_GRACE_S).run()


def _seen(guardian: int, known: Mapping[int, int]) -> dict[int, int]:
    """The tree of the guardian, and of those seen before who have lost their parent: when each was started."""
    tree = proctree.descendants(guardian, *_same(known), at_most=MOST_REMEMBERED)
    started = {pid: proctree.start_time(pid) for pid in tree}
    still = {pid: known[pid] for pid in _same(known)}
    return still | {pid: when for pid, when in started.items() if when is not None}


def _same(known: Mapping[int, int]) -> list[int]:
    """Those who live and are not somebody else under the same pid."""
    return [pid for pid, started in known.items() if proctree.start_time(pid) == started]
