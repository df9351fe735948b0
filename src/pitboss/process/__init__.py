"""The one entry point for child processes: start, feed, drain, limit and end a command's whole tree (SPEC 1.4, 6).

    run      an agent, a hook, the project's tests: output streams to a transcript in bounded memory
    capture  git and other small commands: output is returned whole
    transfer git that moves many objects, from and to files

Every command leads its own process session, so the terminal's Ctrl-C never reaches it. Whatever a command leaves
behind is ended with it; `supervisor` says how.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from pitboss.core.stops import StopRequest
from pitboss.process.command import PROCESSES, Captured, Command, EndedBy, Exit, Leash
from pitboss.process.search import installed
from pitboss.process.supervisor import begin, supervise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pitboss.process.output import Consumer

__all__ = [
    "NOT_STARTED",
    "PROCESSES",
    "Captured",
    "Command",
    "EndedBy",
    "Exit",
    "Leash",
    "PendingCapture",
    "begin_capture",
    "capture",
    "run",
    "transfer",
]

CAPTURE_GRACE_S = 2.0
NOT_STARTED = 127
"""`capture`'s code for a program that could not be started, the same as in shells."""


class PendingCapture(Protocol):
    """A small command that is running: call this once to wait for its end."""

    def __call__(self, stdin: bytes = b"") -> Captured:
        """Give it `stdin`, if it was to get that later, and return its whole output."""
        ...


def run(
    command: Command,
    *,
    on_output: Callable[[bytes], None] | None = None,
    on_start: Callable[[int, int | None], None] | None = None,
    stop: Callable[[], StopRequest | None] | None = None,
) -> Exit:
    """Run a command to its end, in its sandbox if it has one, leaving nothing of it behind (SPEC 6, 13).

    `on_start` gets the pid and its start time; `stop` is polled every 0.1 s, less often if it is announced
    (`core.announced_stop`). A command that cannot start is an Exit, not an exception. Secrets are redacted
    (`core.redact`) before anything sees the output. What a callback raises is re-raised once the command has been
    ended, and so is StorageError if its output could not be written.
    """
    from pitboss.core.redact import Secrets
    from pitboss.process.confine import confine, judged
    from pitboss.process.output import Appender, Clean, Tail

    confined, tail, complaints = confine(command), Tail(), Tail()
    with Appender(command.transcript) as transcript, Appender(command.stderr_path, lazy=True) as errors:
        output: list[Consumer] = [transcript.write, tail.add]
        if on_output is not None:
            output.append(on_output)
        secrets = command.secrets or Secrets.of(os.environ, command.env or {})
        streams = [Clean(secrets, consumers) for consumers in (output, [errors.write, complaints.add])]
        try:
            ended = supervise(
                confined, [stream.consumers for stream in streams], on_start=on_start, stop=stop
            )
        finally:
            for stream in streams:
                stream.end()
    ended = judged(confined, ended, (tail.data, complaints.data))
    return msgspec.structs.replace(ended, tail=tail.data)


def capture(
    argv: Sequence[str],
    *,
    cwd: str | os.PathLike[str],
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout_s: float = 600.0,
    leash: Leash | None = None,
) -> Captured:
    """Run a small command and return its whole output; a timeout ends its tree.

    The program is searched for only in absolute entries of PATH: through relative ones a folder such as `cwd` would
    decide what runs. A program that cannot be started is code 127 with the reason on `stderr`. Without a `leash`,
    daemons that let go of the output, such as git's background maintenance, are left alone.
    """
    return begin_capture(argv, cwd=cwd, env=env, stdin=stdin, timeout_s=timeout_s, leash=leash)()


def begin_capture(
    argv: Sequence[str],
    *,
    cwd: str | os.PathLike[str],
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = b"",
    timeout_s: float = 600.0,
    leash: Leash | None = None,
) -> PendingCapture:
    """Start a command as `capture` does; call what this returns, once, to wait for its end and get its output.

    If `stdin` is None, that call passes what the command reads; if this process dies before, it reads nothing.
    """
    out: list[bytes] = []
    err: list[bytes] = []
    command = Command(
        argv=(installed(argv[0], os.environ if env is None else env), *argv[1:]),
        cwd=os.fspath(cwd),
        env=None if env is None else dict(env),
        stdin=stdin or b"",
        stdin_later=stdin is None,
        merge_stderr=False,
        max_seconds=timeout_s,
        max_processes=None if leash is None else leash.processes,
        grace_s=CAPTURE_GRACE_S,
    )
    streams: list[list[Consumer]] = [[out.append], [err.append]]
    stop = None if leash is None else leash.stop
    begun = begin(command, streams, stop=stop, spare_daemons=leash is None or leash.spare_daemons)

    def captured(stdin: bytes = b"") -> Captured:
        ended = begun if isinstance(begun, Exit) else begun.finish(stdin=stdin)
        return _captured(ended, b"".join(out), b"".join(err))

    return captured


def transfer(command: Command, sink: Consumer, *, quiet_s: float) -> Captured:
    """Run a command whose output may exceed memory: `sink` gets its stdout, and only the end of its stderr is kept.

    It is ended once it has said nothing on either for `quiet_s` seconds. What `sink` raises is re-raised once the
    command has been ended.
    """
    from pitboss.process.output import Tail

    said, heard = Tail(), time.monotonic()

    def hear(_: bytes) -> None:
        nonlocal heard
        heard = time.monotonic()

    def stop() -> StopRequest | None:
        return StopRequest.ABORT if time.monotonic() - heard > quiet_s else None

    streams: list[list[Consumer]] = [[hear, sink], [hear, said.add]]
    ended = supervise(command, streams, stop=stop, spare_daemons=True)
    return _captured(ended, b"", said.data)


def _captured(ended: Exit, out: bytes, err: bytes) -> Captured:
    if ended.error is not None:
        return Captured(code=NOT_STARTED, stdout=b"", stderr=os.fsencode(ended.error))
    code = -signal.SIGKILL if ended.code is None else ended.code
    return Captured(code=code, stdout=out, stderr=err, ended_by=ended.ended_by)
