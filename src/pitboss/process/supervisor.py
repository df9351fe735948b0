"""The loop around one live child, run entirely in the caller's thread (SPEC 1.4, 6).

    leader runs     a stop, a limit, a failed callback -> polite signal -> TERM tree -> KILL tree
    leader is gone  strays ended -> pipes at their end, or `pipe_grace_s` over -> Exit

Output is read throughout. Strays are what a leader leaves behind: orphans inherited from its tree (`leaders`) and,
after a stop or without a subreaper, whatever carries the command's marker.
"""

from __future__ import annotations

import errno
import math
import os
import selectors
import time
from functools import partial
from typing import IO, TYPE_CHECKING

from pitboss import proctree
from pitboss.core.stops import StopRequest
from pitboss.process.asking import POLL_S, StopInquiry
from pitboss.process.command import EndedBy, Exit
from pitboss.process.leaders import Leaders
from pitboss.process.spawning import start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.announced_stop import WhyStop
    from pitboss.process.command import Command
    from pitboss.process.output import Consumer
    from pitboss.process.spawning import Child

CHUNK = 64 * 1024
"""Bytes read or written at a time: what a pipe holds."""

CLOCK_SLACK_S = 2.0
"""How much too early a process's start time may appear: some systems round it to seconds."""

BURY_S = 1.0
SETTLE_S = 0.25
"""How long a captured command's pipes may stay open before their holder counts as a stray."""

_SPAWN_ERRORS = {
    errno.ENOENT: "no such program",
    errno.EACCES: "it may not be executed (permission denied)",
    errno.ENOEXEC: "it is not a program this system can run (a script needs a #! line)",
    errno.ETXTBSY: "somebody is just writing it",
    errno.E2BIG: "its arguments and environment are longer than this system allows",
}

_leaders = Leaders()


def supervise(
    command: Command,
    streams: Sequence[list[Consumer]],
    *,
    on_start: Callable[[int, int | None], None] | None = None,
    stop: WhyStop | None = None,
    spare_daemons: bool = False,
) -> Exit:
    """Run `command`, with stdout and stderr going to the consumers of `streams`; see `process.run`.

    With `spare_daemons`, a daemon that does not hold the output survives a command that ended by itself.
    """
    begun = begin(command, streams, stop=stop, spare_daemons=spare_daemons)
    return begun if isinstance(begun, Exit) else begun.finish(on_start)


def begin(
    command: Command, streams: Sequence[list[Consumer]], *, stop: WhyStop | None, spare_daemons: bool
) -> Supervisor | Exit:
    """Start `command` as `supervise` does; whoever gets the supervisor must call its `finish`.

    Until then nothing reads the command's output or watches its limits.
    """
    since = proctree.ticks(time.time() - CLOCK_SLACK_S)
    try:
        child = _leaders.spawn(partial(start, command))
    except (OSError, ValueError) as error:
        why, missing = _why_not(command, error), _is_missing(command, error)
        return Exit(code=None, ended_by=EndedBy.SPAWN_FAILED, error=why, missing=missing)
    supervisor = Supervisor(command, child, since=since, stop=stop, spare_daemons=spare_daemons)
    try:
        supervisor.connect(streams)
    except BaseException:
        supervisor.close()
        raise
    return supervisor


class Supervisor:
    """One child, from its start to the end of its tree and pipes."""

    def __init__(
        self,
        command: Command,
        child: Child,
        *,
        since: int,
        stop: WhyStop | None,
        spare_daemons: bool,
    ) -> None:
        """`since` is a moment before the child was started, in clock ticks since boot."""
        self.ended_by = EndedBy.EXIT
        self.stopped_for: StopRequest | None = None
        self._command = command
        self._child = child
        self._spare_daemons = spare_daemons
        self._unsent = memoryview(command.stdin)
        self._selector = selectors.PollSelector()
        self._outputs: set[IO[bytes]] = set()
        self._pidfd = proctree.pidfd(child.pid)
        self._since = since
        self._began = self._buried_at = time.monotonic()
        self._inquiry = StopInquiry(stop, self._began)
        self._deadline = self._began + (math.inf if command.max_seconds is None else command.max_seconds)
        self._polite_until: float | None = None
        self._termination: proctree.Termination | None = None
        self._gone_at: float | None = None
        self._close_at: float | None = None
        self._failure: BaseException | None = None

    def connect(self, streams: Sequence[list[Consumer]]) -> None:
        """Route stdout, then stderr, to their consumers, and `stdin` to the child."""
        for pipe, consumers in zip((self._child.stdout, self._child.stderr), streams, strict=False):
            if pipe is not None:
                self._outputs.add(pipe)
                self._selector.register(pipe, selectors.EVENT_READ, partial(self._pump, pipe, consumers))
        if self._child.stdin is not None:
            os.set_blocking(self._child.stdin.fileno(), False)
            if not self._command.stdin_later:
                self._begin_feeding()
        if self._pidfd is not None:
            self._selector.register(self._pidfd, selectors.EVENT_READ, self._reap)
        if self._inquiry.descriptor is not None:
            self._selector.register(self._inquiry.descriptor, selectors.EVENT_READ, self._inquiry.hear)

    def _begin_feeding(self) -> None:
        if self._child.stdin is not None:
            self._selector.register(
                self._child.stdin, selectors.EVENT_WRITE, partial(self._feed, self._child.stdin)
            )

    def finish(
        self, on_start: Callable[[int, int | None], None] | None = None, *, stdin: bytes = b""
    ) -> Exit:
        """Watch the child to its end and say how it ended; raise what a callback raised.

        `stdin` is for a child that was to get it later.
        """
        if self._command.stdin_later:
            self._unsent = memoryview(stdin)
            self._begin_feeding()
        pid = self._child.pid
        try:
            self.watch(None if on_start is None else lambda: on_start(pid, proctree.start_time(pid)))
        finally:
            self.close()
        return Exit(
            code=self._child.returncode,
            ended_by=self.ended_by,
            stop=self.stopped_for,
            seconds=time.monotonic() - self._began,
        )

    def watch(self, on_start: Callable[[], None] | None) -> None:
        """Return when the child, its tree and its pipes are done; raise what a callback raised."""
        if on_start is not None:
            self._guarded(on_start)
        while not self._over():
            self._guarded(self._turn)
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Close every file descriptor, and drop the one reference back to this object."""
        self._termination = None
        self._selector.close()
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        self._inquiry.close()
        _leaders.forget(self._child.pid)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Let no exception lose the child, not even Ctrl-C; a second one ends it on the spot."""
        try:
            work()
        except BaseException as error:
            if self._failure is not None:
                proctree.Termination(self._tree, grace_s=0.0).run()
                self._reap()
                raise
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._inquiry.give_up()
        if self._termination is None and self._gone_at is None:
            self.ended_by = EndedBy.STOPPED
            self._end_tree()

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            key.data()
        if self._pidfd is None:
            self._reap()
        now = time.monotonic()
        if self._gone_at is None:
            self._while_alive(now)
        elif self._close_at is None and self._sweep(now, self._gone_at):
            # A stray that was slow to end may have left output in the pipe.
            self._close_at = max(self._gone_at + self._command.pipe_grace_s, now + POLL_S)

    def _over(self) -> bool:
        return self._close_at is not None and (not self._outputs or time.monotonic() >= self._close_at)

    def _patience(self) -> float:
        """Seconds until something is due even if the child does nothing."""
        if self._pidfd is None or self._termination is not None or self._gone_at is not None:
            return proctree.STEP_S
        due = [self._buried_at + BURY_S]
        if self._polite_until is not None:
            due.append(self._polite_until)
        else:
            due += [self._deadline, self._inquiry.due_at]
        return max(0.0, min(due) - time.monotonic())

    def _while_alive(self, now: float) -> None:
        if now >= self._buried_at + BURY_S:
            self._buried_at = now
            _leaders.bury(now, every_s=BURY_S)
            if self._termination is None and self._polite_until is None and self._is_crowded():
                self._begin_stop(EndedBy.CROWD, now)
        if self._termination is not None:
            self._step_termination(self._termination, now)
        elif self._polite_until is None:
            self._judge(now)
        elif now >= self._polite_until:
            self._end_tree()

    def _is_crowded(self) -> bool:
        most = self._command.max_processes
        return most is not None and len(proctree.descendants(self._child.pid, at_most=most + 1)) > most

    def _step_termination(self, termination: proctree.Termination, now: float) -> None:
        if termination.step():
            self._reap()
            self._gone_at = now

    def _judge(self, now: float) -> None:
        """Begin to end the child if a stop was requested or its time is up."""
        self.stopped_for = self._inquiry.ask(now, again_at=self._buried_at + BURY_S)
        if self.stopped_for is not None:
            self._begin_stop(EndedBy.STOPPED, now)
        elif now >= self._deadline:
            self._begin_stop(EndedBy.WALL_CLOCK, now)

    def _begin_stop(self, why: EndedBy, now: float) -> None:
        self.ended_by = why
        if self._command.polite_signal is None or self.stopped_for is StopRequest.DONE:
            self._end_tree()
            return
        proctree.send(self._program(), self._command.polite_signal)
        self._polite_until = now + self._command.polite_grace_s

    def _end_tree(self) -> None:
        # A process tree that has grown too large would keep growing during a polite request.
        grace_s = 0.0 if self.ended_by is EndedBy.CROWD else self._command.grace_s
        self._termination = proctree.Termination(self._tree, grace_s=grace_s, last=self._shells())

    def _shells(self) -> list[int]:
        """The sandbox's processes before the program: ending them would end everything at once."""
        shells: list[int] = []
        inner = [self._child.pid]
        while inner and len(shells) < self._command.layers:
            shells.append(inner[0])
            inner = proctree.children(inner[0])
        return shells

    def _program(self) -> int:
        """The program itself. In a sandbox it is the first child of the process that waits for it."""
        shells = self._shells()
        inner = proctree.children(shells[-1])[:1] if len(shells) == self._command.layers and shells else []
        return inner[0] if inner else self._child.pid

    def _sweep(self, now: float, gone_at: float) -> bool:
        """End the strays; True once none is left."""
        if self._spare_daemons and self.ended_by is EndedBy.EXIT and now < gone_at + SETTLE_S:
            return not self._outputs
        if self._termination is None:
            # Half the pipes' time, so that KILL still comes within it.
            grace_s = min(self._command.grace_s, self._command.pipe_grace_s / 2)
            self._termination = proctree.Termination(self._tree, grace_s=grace_s)
        return self._termination.step()

    def _tree(self) -> list[int]:
        """The leader and its orphans; once those are gone, whatever carries the marker, which takes longer to find."""
        found = [self._child.pid] if self._gone_at is None else []
        found += _leaders.orphans_of(self._child.pid, self._command.marker)
        alive = proctree.alive(found)
        if alive or (self.ended_by is EndedBy.EXIT and proctree.is_subreaper()):
            return alive
        return proctree.carrying(self._command.marker, since=self._since)

    def _pump(self, pipe: IO[bytes], consumers: list[Consumer]) -> None:
        chunk = os.read(pipe.fileno(), CHUNK)
        if not chunk:
            self._selector.unregister(pipe)
            self._outputs.discard(pipe)
            return
        self._inquiry.note_output()
        for consumer in tuple(consumers):
            try:
                consumer(chunk)
            except BaseException as error:
                consumers.remove(consumer)
                self._fail(error)

    def _feed(self, pipe: IO[bytes]) -> None:
        if pipe.closed:  # by `_reap`, during this same turn
            return
        try:
            self._unsent = self._unsent[os.write(pipe.fileno(), self._unsent[:CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent = self._unsent[:0]
        if not self._unsent:
            self._hang_up(pipe)

    def _hang_up(self, pipe: IO[bytes]) -> None:
        if not pipe.closed:
            self._selector.unregister(pipe)
            pipe.close()

    def _reap(self) -> None:
        if self._child.poll() is None or self._gone_at is not None:
            return
        self._gone_at = time.monotonic()
        if self._pidfd is not None:
            self._selector.unregister(self._pidfd)
        if self._child.stdin is not None:
            self._hang_up(self._child.stdin)


def _why_not(command: Command, error: OSError | ValueError) -> str:
    name = command.argv[0] if command.argv else "an empty command"
    return f"cannot start {name}: {_reason(command, error)}"


def _is_missing(command: Command, error: OSError | ValueError) -> bool:
    if not isinstance(error, OSError) or error.filename == command.cwd:
        return False
    return error.errno in (errno.ENOENT, errno.ETXTBSY)


def _reason(command: Command, error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return str(error)
    if error.filename == command.cwd:
        return f"cannot work in {command.cwd}: {os.strerror(error.errno or 0)}"
    return _SPAWN_ERRORS.get(error.errno or 0, error.strerror or str(error))
