"""The process beside a run that ends its agents if guardian and runner are killed at the same instant (SPEC 1.4).

    guardian, runner  -- hold a pipe open -->  warden       a byte: the run is over; end of file: both were killed

The warden is nobody's parent, so it inherits no orphans. Instead it looks at the run's processes every second and
remembers them: one that scrubbed its environment and lost its parent is still known by pid and start time. Its name
does not contain pitboss, so that `pkill pitboss` leaves something to clean up.
"""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from pitboss import proctree
from pitboss.errors import SHORTAGES, StartError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOK_EVERY_S = 1.0
SWEEP_GRACE_S = 2.0
"""Between TERM, on which git removes its lock files, and KILL; with KILL's own patience, well within 5 s."""

MOST_REMEMBERED = 4096
"""How many processes it looks at each second: a walk through an endlessly growing tree must end."""

NAME = b"grind-warden"
_FAREWELL_S = 5.0
_PID_SIZE = 16
_PR_SET_NAME = 15
_ARGUMENTS_AT = slice(45, 47)


class Warden:
    """Ties a run to its warden; made before the runner is forked, so that guardian and runner hold the same pipe."""

    def __init__(self, marker: Mapping[str, str]) -> None:
        """All processes of the run carry `marker` in their environment."""
        self._marker = marker
        self._run_out, self._run_in = os.pipe()
        self._gone_out, self._gone_in = os.pipe()

    def tie_runner(self) -> None:
        """In the runner: keep only the end that closes when the runner dies."""
        for fd in (self._run_out, self._gone_out, self._gone_in):
            os.close(fd)

    def post(self, *, without: tuple[int, ...]) -> None:
        """In the guardian, with signals held: fork the warden. Raises StartError if no more processes can start.

        Call it before the guardian becomes a subreaper: the warden must be nobody's child. `without` are the guardian's
        pipe ends, of which the warden must hold no copy.
        """
        guardian = os.getpid()
        try:
            between = os.fork()
        except OSError as error:
            raise StartError(
                f"cannot start the warden of the run: {error.strerror}", hint=SHORTAGES.get(error.errno or 0)
            ) from error
        if between == 0:
            for fd in without:
                os.close(fd)
            self._fork_again(guardian)
        os.close(self._run_out)
        os.close(self._gone_in)
        os.waitpid(between, 0)

    def pid(self) -> int:
        """In the guardian: the warden's process, once; 0 if it could not be made or was killed at its start."""
        return int(os.read(self._gone_out, _PID_SIZE) or 0)

    def stand_down(self) -> None:
        """In the guardian: the run is over and has left nothing; let the warden go, and wait until it has."""
        with suppress(OSError):
            os.write(self._run_in, b".")
        os.close(self._run_in)
        select.select([self._gone_out], [], [], _FAREWELL_S)
        os.close(self._gone_out)

    def _fork_again(self, guardian: int) -> NoReturn:
        """Leave the warden behind as nobody's child: a walk of the guardian's tree must not find it."""
        try:
            os.setsid()
            if os.fork() == 0:
                os.close(self._run_in)
                os.close(self._gone_out)
                os.write(self._gone_in, str(os.getpid()).encode())
                _disguise()
                _stand_guard(guardian, self._run_out, self._marker)
        finally:
            os._exit(0)


def _disguise() -> None:
    """Let go of the terminal and all pipes, and take another name; the guardian's signals are held."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if sys.platform.startswith("linux"):
        with suppress(OSError, ValueError):
            _rename()


def _rename() -> None:
    """Take `NAME` in place of the command line that the user typed."""
    import ctypes

    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NAME, NAME, 0, 0, 0)
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - its own lines, once
        begin, end = map(int, file.read().rpartition(b")")[2].split()[_ARGUMENTS_AT])
    # The kernel shows this memory as the command line; Python has long since read it.
    if 0 < begin < end:
        ctypes.memset(begin, 0, end - begin)
        ctypes.memmove(begin, NAME, min(len(NAME), end - begin - 1))


def _stand_guard(guardian: int, run_out: int, marker: Mapping[str, str]) -> None:
    """Remember the guardian's tree until the run is over; if the run was killed, end what is left of it."""
    since = proctree.start_time(guardian) or 0
    known: dict[int, int] = {}
    while not select.select([run_out], [], [], LOOK_EVERY_S)[0]:
        known = _seen(guardian, known)
    if os.read(run_out, 1):
        return

    def left() -> list[int]:
        return _same(known) or proctree.carrying(marker, since=since)

    proctree.Termination(left, grace_s=SWEEP_GRACE_S).run()


def _seen(guardian: int, known: Mapping[int, int]) -> dict[int, int]:
    """The guardian's tree, plus processes seen before that have lost their parent, with the start time of each."""
    tree = proctree.descendants(guardian, *_same(known), at_most=MOST_REMEMBERED)
    started = {pid: proctree.start_time(pid) for pid in tree}
    still = {pid: known[pid] for pid in _same(known)}
    return still | {pid: when for pid, when in started.items() if when is not None}


def _same(known: Mapping[int, int]) -> list[int]:
    """Those still alive, and not another process with a reused pid."""
    return [pid for pid, started in known.items() if proctree.start_time(pid) == started]
