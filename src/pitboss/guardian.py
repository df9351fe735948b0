"""The runner's small parent: passes on signals, waits, and ends what a dead runner leaves (SPEC 1.4, 5).

    guardian  -- one byte for each stop request -->  runner        end of file: the guardian is gone, abort

The guardian holds the terminal; the runner leads its own process session, so Ctrl-C reaches neither it nor its
agents. Both are child subreapers: orphans go to the runner while it lives, and to the guardian once it has died.
Without a subreaper, the marker finds them. If both are killed at once, the warden ends what they leave.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from pitboss import proctree
from pitboss.core.stops import StopLevel
from pitboss.errors import SHORTAGES, RunnerKilled, StartError
from pitboss.terminal_modes import TerminalModes
from pitboss.warden import SWEEP_GRACE_S, Warden

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

FAILED = 70
"""Exit code of a runner whose body raised."""

SAME_REQUEST_S = 0.25
"""A closing terminal sends SIGHUP more than once; a service manager sends SIGTERM and SIGHUP, heard in any order."""

SHORT_S = 0.5
"""A run that is over by then needs nothing to be ready for its end."""

LOOK_S = 0.1
"""Seconds between two looks at a runner that may hang."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopChannel:
    """The runner's end of its line to the guardian; any thread may call any method."""

    def __init__(self, requests_fd: int) -> None:
        os.set_blocking(requests_fd, False)
        self._requests_fd = requests_fd
        self._lock = threading.Lock()
        self._requests = 0
        self._asked_directly = False
        self._alone = False

    def fileno(self) -> int:
        """The descriptor that can be read once `level` may have risen."""
        return self._requests_fd

    def level(self) -> StopLevel:
        """What has been requested so far; never blocks. A guardian that is gone means ABORT."""
        with self._lock:
            self._requests += self._arrived()
            return max(StopLevel(min(self._requests, StopLevel.ABORT)), StopLevel(self._asked_directly))

    @property
    def alone(self) -> bool:
        """Whether the guardian is gone, as far as `level` has noticed."""
        return self._alone

    def drain(self) -> None:
        """Note a signal sent to the runner itself; it only drains, however many it gets."""
        self._asked_directly = True

    def _arrived(self) -> int:
        try:
            arrived = len(os.read(self._requests_fd, 64))
        except BlockingIOError:
            return 0
        self._alone = not arrived
        return arrived or StopLevel.ABORT


class Meanwhile(NamedTuple):
    """What the guardian does while the runner runs."""

    silent: bool = False
    """Whether the terminal does not echo what is typed."""

    is_lost: Callable[[], bool] | None = None
    """Asked every `LOOK_S` seconds; once it says yes, the runner is killed."""

    get_ready: Callable[[], bool] | None = None
    """Gets ready for the runner's end, and says whether that is done: called every `SHORT_S` seconds until then.

    It should be quick; a failure only means that it is not called again. Not beside `is_lost`.
    """


NOTHING_ELSE = Meanwhile()


def guard(
    body: Callable[[StopChannel], int],
    *,
    marker: Mapping[str, str],
    resumable: Callable[[], bool] = lambda: False,
    at_once: Collection[signal.Signals] = (),
    meanwhile: Meanwhile = NOTHING_ELSE,
) -> int:
    """Fork a runner that exits with the value of `body`; return its exit code in the guardian (SPEC 1.4).

    All processes of this run, and no others, carry the environment pairs in `marker`. The runner never returns from
    here: it leaves through `os._exit` after flushing stdout and stderr. `body` reports its own failures: anything it
    raises silently becomes exit code 70. When this returns or raises, no process of the run is left. Call it before
    starting any thread. A signal in `at_once` counts as two requests, for whoever sends it does not wait.

    Raises RunnerKilled if a signal ended the runner, with a hint if its work is `resumable`; StartError if the system
    allows no more processes.
    """
    # An ignored SIGCHLD, inherited from a careless parent, would hide every exit code.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    warden = Warden(marker)
    terminal = TerminalModes()
    try:
        runner, requests_fd = _fork(body, warden, terminal, at_once)
        if meanwhile.silent:
            terminal.echo_nothing()
        code = os.waitstatus_to_exitcode(_wait(runner, meanwhile))
        _sweep(marker, spare=warden.pid())
    finally:
        terminal.restore()
    _hear_no_more()
    os.close(requests_fd)
    warden.stand_down()
    if code >= 0:
        return code
    hint = "`pitboss grind --resume` goes on from where it stopped" if resumable() else None
    raise RunnerKilled(f"the runner was killed (signal {-code})", hint=hint)


def _wait(runner: int, meanwhile: Meanwhile) -> int:
    """Wait for the end of the runner, and return how it ended."""
    if meanwhile.is_lost is None:
        with suppress(Exception):
            while meanwhile.get_ready is not None and not _ends_soon(runner):
                if meanwhile.get_ready():
                    break
        return os.waitpid(runner, 0)[1]
    while True:
        pid, status = os.waitpid(runner, os.WNOHANG)
        if pid == runner:
            return status
        if meanwhile.is_lost():
            os.kill(runner, signal.SIGKILL)
        time.sleep(LOOK_S)


def _ends_soon(runner: int) -> bool:
    """Wait for its end, but not for long; true at once where the system cannot say when a process ends."""
    ended = proctree.pidfd(runner)
    if ended is None:
        return True
    try:
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        return bool(poll.poll(SHORT_S * 1000))
    finally:
        os.close(ended)


def _fork(
    body: Callable[[StopChannel], int],
    warden: Warden,
    terminal: TerminalModes,
    at_once: Collection[signal.Signals],
) -> tuple[int, int]:
    """Return the runner's pid and our end of its pipe. Signals are held until all sides can handle them."""
    import ctypes  # noqa: F401 - all sides of the forks need it: this way it is loaded once

    requests_out, requests_in = os.pipe()
    ready_out, ready_in = os.pipe()
    _flush()
    with _signals_held():
        try:
            runner = os.fork()
        except OSError as error:
            raise StartError(
                f"cannot start the runner: {error.strerror}", hint=SHORTAGES.get(error.errno or 0)
            ) from error
        for fd in (requests_in, ready_in) if runner == 0 else (requests_out, ready_out):
            os.close(fd)
        if runner == 0:
            warden.tie_runner()
            channel = StopChannel(requests_out)
            _settle_in(channel)
        else:
            warden.post(without=(requests_in, ready_in))
            proctree.become_subreaper()
            _forward_signals(requests_in, at_once)
            os.close(ready_in)
    if runner == 0:
        # The guardian must be ready for orphans even of a runner that ends at once.
        os.read(ready_out, 1)
        os.close(ready_out)
        _run(body, channel, terminal)
    return runner, requests_in


def _settle_in(channel: StopChannel) -> None:
    """Make this fork the runner: detached from the terminal, heir to its orphans, deaf to Ctrl-C."""
    os.setsid()
    proctree.become_subreaper()

    def drain(*_: object) -> None:
        channel.drain()

    for signum in _heeded():
        signal.signal(signum, drain)
    # A handler, because children inherit an ignored signal, which a shell cannot even trap.
    signal.signal(signal.SIGINT, lambda *_: None)


def _run(body: Callable[[StopChannel], int], channel: StopChannel, terminal: TerminalModes) -> NoReturn:
    code = FAILED
    try:
        code = body(channel)
    finally:
        _flush()
        terminal.restore_for_the_dead()
        os._exit(code)


def _forward_signals(requests_fd: int, at_once: Collection[signal.Signals] = ()) -> None:
    os.set_blocking(requests_fd, False)
    before, last = 0, float("-inf")

    def forward(signum: int, _frame: object) -> None:
        nonlocal before, last
        now = time.monotonic()
        joined = signum == signal.SIGHUP or (before, signum) == (signal.SIGHUP, signal.SIGTERM)
        same = joined and now - last < SAME_REQUEST_S
        before, last = signum, now
        if not same:
            with suppress(OSError):
                os.write(requests_fd, b"!!" if signum in at_once else b"!")

    for signum in _heeded():
        signal.signal(signum, forward)


def _heeded() -> list[signal.Signals]:
    """The signals that ask for a stop; under nohup SIGHUP is not among them."""
    return [s for s in STOP_SIGNALS if s != signal.SIGHUP or signal.getsignal(s) != signal.SIG_IGN]


def _hear_no_more() -> None:
    """Note that the run is over: a late Ctrl-C changes nothing."""
    for signum in STOP_SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


def _sweep(marker: Mapping[str, str], *, spare: int) -> None:
    """End every remaining process of the run.

    `spare` is the warden: if we are a container's first process, it is our child like any orphan.
    """
    since = proctree.start_time(os.getpid()) or 0

    def left() -> list[int]:
        _reap_orphans()
        below = (pid for pid in proctree.descendants(os.getpid()) if pid != spare)
        alive = proctree.alive(below)
        # A subreaper gets every orphan of the run, whatever it carries: no other process needs checking.
        return alive if alive or proctree.is_subreaper() else proctree.carrying(marker, since=since)

    proctree.Termination(left, grace_s=SWEEP_GRACE_S).run()


def _reap_orphans() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] > 0:
            pass


@contextmanager
def _signals_held() -> Iterator[None]:
    """Keep the stop signals pending; both sides of a fork in here unblock them on leaving."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
