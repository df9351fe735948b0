"""`grind --detach`: starts the command once more, in the background, and waits until its run is live (SPEC 10).

    this process  <-- stderr, until the run is live --  guardian, runner  -- stderr, from then on -->  runner.log
                  <-- a line: live, or the exit code --

`cli.shared.background` is the other side.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from pitboss.cli.shared.background import STDERR, VARIABLE
from pitboss.errors import PitbossError
from pitboss.screens.output import say, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_ONCE = 65536
_OURSELVES = (sys.executable, "-P", "-m", "pitboss")


class Started(NamedTuple):
    """How a detached run began: live, and known by the rest; or over before that, with an exit code."""

    exit_code: int | None = None
    run_id: str = ""
    pid: int = 0
    log: str = ""


def start() -> Started:
    """Start this command once more, in the background, and pass on what it says until its run is live or refused.

    Ctrl-C and SIGTERM reach it meanwhile. Raises PitbossError if it was killed.
    """
    child, stderr, line = _spawn()
    asked = _passing_on(child)
    said, whole, _ = b"".join(_relayed(stderr, line)).partition(b"\n")
    if whole:
        return Started(**json.loads(said))
    how = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if asked:
        raise KeyboardInterrupt
    raise PitbossError(f"the run was killed before it was live (signal {-how})")


def _spawn() -> tuple[int, int, int]:
    """The second process, its stderr, and the line on which it reports."""
    stderr_out, stderr_in = os.pipe()
    line_out, line_in = os.pipe()
    for fd in (line_in, stderr_out):
        os.set_inheritable(fd, True)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, stderr_in, STDERR),
        *((os.POSIX_SPAWN_CLOSE, fd) for fd in _of_the_caller({line_in, stderr_out})),
    ]
    child = os.posix_spawn(
        sys.executable,
        [*_OURSELVES, *sys.argv[1:]],
        {**os.environ, VARIABLE: f"{line_in} {stderr_out}"},
        file_actions=actions,
        setsid=True,
    )
    os.close(stderr_in)
    os.close(line_in)
    return child, stderr_out, line_out


def _of_the_caller(ours: set[int]) -> Iterator[int]:
    """Descriptors that whoever called this command has left open in it: a run must not keep them from closing."""
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - names are all it takes
        fd = int(name)
        with suppress(OSError):  # the listing's own
            if fd > STDERR and fd not in ours and os.get_inheritable(fd):
                yield fd


def _relayed(stderr: int, line: int) -> Iterator[bytes]:
    """Pass stderr on until the report is whole or can no longer come; yields the report, piece by piece."""
    open_ones = {stderr, line}
    while line in open_ones:
        ready, _, _ = select.select(sorted(open_ones), [], [])
        if stderr in ready and not _passed_on(stderr):
            open_ones.discard(stderr)
        elif line in ready:  # stderr first: the report comes after what it reports on
            piece = os.read(line, _AT_ONCE)
            yield piece
            if not piece or piece.endswith(b"\n"):
                open_ones.discard(line)
    while stderr in open_ones and select.select([stderr], [], [], 0)[0] and _passed_on(stderr):
        pass


def _passed_on(stderr: int) -> bool:
    data = os.read(stderr, _AT_ONCE)
    sys.stderr.flush()
    with suppress(OSError):
        os.write(STDERR, data)
    return bool(data)


def _passing_on(child: int) -> list[int]:
    """Pass requests to stop on to the child; returns the list that they are noted in."""
    asked: list[int] = []

    def pass_on(signum: int, _frame: object) -> None:
        asked.append(signum)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, pass_on)
    return asked


def tell(started: Started, *, as_json: bool) -> None:
    """Print which run it is and how to follow and stop it."""
    if as_json:
        write_json({"run_id": started.run_id, "pid": started.pid, "log": started.log})
        return
    say(started.run_id)
    say(f"watch: pitboss watch {started.run_id}")
    say("stop:  pitboss stop")
    say(f"log:   {started.log}")


def watch(started: Started) -> NoReturn:
    """Become `pitboss watch` of the run."""
    os.execv(sys.executable, [*_OURSELVES, "watch", started.run_id])  # noqa: S606 - our own command line
