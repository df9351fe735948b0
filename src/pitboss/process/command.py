"""What a command is and how it can end (SPEC 6)."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.stops import StopRequest

if TYPE_CHECKING:  # a command is never read from a file, so nobody asks for the types of its fields
    from pitboss.core.redact import Secrets  # noqa: TC004
    from pitboss.core.sandbox.fence import Fence  # noqa: TC004

PROCESSES = 1000
"""How many processes a small command may start: hooks run test suites, which start a few hundred at most."""


class EndedBy(StrEnum):
    """What ended a command."""

    EXIT = "exit"
    WALL_CLOCK = "wall_clock"
    STOPPED = "stopped"
    CROWD = "crowd"
    SPAWN_FAILED = "spawn_failed"


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A program to run and its rules; times in seconds, None for no limit.

    `env` None inherits ours. Empty `stdin` is /dev/null, unless the program is to read the descriptor `stdin_fd`; with
    `stdin_later`, what it reads comes from whoever waits for its end.
    Raw output is appended to `transcript`; with `merge_stderr` false, stderr goes to `stderr_path` instead (created
    with the first byte; None drops it). A stop sends `polite_signal`, if any, to the leader and waits
    `polite_grace_s`, unless it is DONE and so has nothing left to say; then it sends TERM to the tree, waits
    `grace_s` and sends KILL. Once the leader has ended, its pipes get `pipe_grace_s`. A tree of more than
    `max_processes` is ended as if it had run out of time. `marker` holds pairs of `env`; no other live command has
    all of them. `fence` is the sandbox to run it in. `layers` is how many wrapper processes, the child included,
    stand before the program itself: signals that ask the program to end are not sent to them. `secrets` are kept out
    of its output; None stands for those of our environment and its own.
    """

    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str] | None = None
    stdin: bytes = b""
    stdin_fd: int | None = None
    stdin_later: bool = False
    transcript: str | None = None
    merge_stderr: bool = True
    stderr_path: str | None = None
    max_seconds: float | None = None
    max_processes: int | None = None
    polite_signal: int | None = None
    polite_grace_s: float = 10.0
    grace_s: float = 10.0
    pipe_grace_s: float = 5.0
    marker: dict[str, str] = {}
    fence: Fence | None = None
    layers: int = 0
    secrets: Secrets | None = None

    @property
    def reads_pipe(self) -> bool:
        """Whether it reads from a pipe of ours."""
        return bool(self.stdin) or self.stdin_later


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended.

    `code` is negative if a signal killed it, None if it never started or survived even SIGKILL. `tail` is the last
    8 KiB of its output. `error` says in words why it did not start; `missing`, that there was no such program, or that
    somebody was just writing it.
    """

    code: int | None
    ended_by: EndedBy
    stop: StopRequest | None = None
    seconds: float = 0.0
    tail: bytes = b""
    error: str | None = None
    missing: bool = False


class Leash(msgspec.Struct, frozen=True, kw_only=True):
    """The rules for a small command that may run the user's own programs, such as git with its hooks.

    It is ended when `stop`, polled every 0.1 s, gives a reason, or its tree grows beyond `processes`. What it leaves
    behind is ended with it, except, with `spare_daemons`, daemons that let go of the output.
    """

    stop: Callable[[], StopRequest | None]
    processes: int = PROCESSES
    spare_daemons: bool = False

    def after(self, patience_s: float) -> Leash:
        """The same for one call that begins now and gets `patience_s` seconds to end after a stop."""
        since: list[float] = []

        def stop() -> StopRequest | None:
            request = self.stop()
            if request is not None and not since:
                since.append(time.monotonic())
            return request if since and time.monotonic() >= since[0] + patience_s else None

        return msgspec.structs.replace(self, stop=stop, spare_daemons=True)


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """A finished small command with its whole output; `code` is negative if a signal killed it."""

    code: int
    stdout: bytes
    stderr: bytes
    ended_by: EndedBy = EndedBy.EXIT

    @property
    def cut_short(self) -> bool:
        """Whether it was ended early: by its time limit, its number of processes, or a stop."""
        return self.ended_by is not EndedBy.EXIT
