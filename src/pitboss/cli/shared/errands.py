"""Carries notices: starts the processes that send them, and ends them in time (SPEC 12)."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

import msgspec

from pitboss import process, proctree
from pitboss.core.environment import RUN_ID, hook_environment, marker
from pitboss.core.stops import StopRequest
from pitboss.core.words.exits import exit_words
from pitboss.errors import PitbossError
from pitboss.process import Command, EndedBy, Exit
from pitboss.screens.notify.errands import COMMAND, TRIES, TRY_S
from pitboss.typed import from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pitboss.screens.notify.errands import Round

_DELIVERY = "pitboss.screens.notify.delivery"
_GRACE_S = 0.2
"""Between TERM and KILL: none of these processes has anything to tidy up."""


class RealErrands:
    """Runs errands of the repository at `root`; `command` is the user's, which sees what hooks see."""

    def __init__(self, root: Path, command: str | None, passthrough: Sequence[str]) -> None:
        self._root = root
        self._command = command
        self._passthrough = passthrough
        self._leaders: dict[int, int | None] = {}

    def run(self, sent: Round, within_s: float, give_up: Callable[[], bool]) -> dict[str, str]:
        """Send it all side by side; returns why each channel that failed did, in words without secrets."""
        failures: dict[str, str] = {}
        interrupted = False

        def stop() -> StopRequest | None:
            return StopRequest.ABORT if interrupted or give_up() else None

        def deliver() -> None:
            failures.update(self._deliver(sent, within_s, stop))

        def tell() -> None:
            failures.update(self._tell(sent, within_s, stop))

        over = [_beside(job) for job in (deliver, tell)]
        try:
            for each in over:
                each.wait()
        except KeyboardInterrupt:
            interrupted = True
            for each in over:
                each.wait()
            raise
        return failures

    def _tell(self, sent: Round, within_s: float, stop: Callable[[], StopRequest | None]) -> dict[str, str]:
        if self._command is None or sent.event is None:
            return {}
        run = {name: os.environ[name] for name in (RUN_ID,) if name in os.environ}
        env = hook_environment(os.environ, self._passthrough, run)
        limit_s = min(within_s, TRIES * TRY_S)
        ended = self._run(
            Command(
                argv=("sh", "-c", self._command),
                cwd=str(self._root),
                env=env,
                stdin=json.dumps(sent.event).encode() + b"\n",
                max_seconds=limit_s,
                max_processes=process.PROCESSES,
                grace_s=_GRACE_S,
                pipe_grace_s=_GRACE_S,
                marker=marker(env),
            ),
            stop,
        )
        why = _why_not(ended, limit_s)
        return {} if why is None else {COMMAND: why}

    def _deliver(
        self, sent: Round, within_s: float, stop: Callable[[], StopRequest | None]
    ) -> dict[str, str]:
        """Have another process send the letters: it can be ended whatever hangs in it, and it loads what is heavy.

        Its addresses go through a pipe: the command line of a process is no place for a secret. `-P` and the folder
        keep it from importing what lies in the repository.
        """
        if not sent.letters:
            return {}
        ended = self._run(
            Command(
                argv=(sys.executable, "-P", "-m", _DELIVERY),
                cwd="/",
                env=dict(os.environ),
                stdin=msgspec.json.encode(sent.letters),
                merge_stderr=False,
                max_seconds=within_s,
                grace_s=_GRACE_S,
                pipe_grace_s=_GRACE_S,
            ),
            stop,
        )
        known = dict(_outcomes(ended.tail))
        why = _why_not(ended, within_s) or "it was not accepted"
        results = {letter.channel: known.get(letter.channel, why) for letter in sent.letters}
        return {channel: failure for channel, failure in results.items() if failure is not None}

    def _run(self, command: Command, stop: Callable[[], StopRequest | None]) -> Exit:
        """Run a command to its end; whatever the system refuses meanwhile (a pipe, memory) is its failure."""
        started: list[int] = []

        def note(pid: int, since: int | None) -> None:
            started.append(pid)
            self._leaders[pid] = since

        try:
            return process.run(command, on_start=note, stop=stop)
        except (OSError, PitbossError):
            return Exit(code=None, ended_by=EndedBy.SPAWN_FAILED)
        finally:
            for pid in started:
                self._leaders.pop(pid, None)

    def drop(self) -> None:
        """End at once what is being sent; what ignores a polite signal would hold up the end of the run."""
        for pid, since in tuple(self._leaders.items()):
            with suppress(OSError):
                if proctree.start_time(pid) == since:
                    os.killpg(pid, signal.SIGKILL)


def _beside(job: Callable[[], None]) -> Event:
    """Do it in a thread; returns what is set once it is done. A `join` that Ctrl-C interrupts takes it for done."""
    over = Event()

    def do() -> None:
        try:
            job()
        finally:
            over.set()

    Thread(target=do, daemon=True).start()
    return over


def _outcomes(printed: bytes) -> Iterator[tuple[str, str | None]]:
    """What became of those letters of which it is known, by channel: the rest hung until time was up."""
    for line in printed.splitlines():
        with suppress(msgspec.DecodeError):
            yield from_json(line, tuple[str, str | None])


def _why_not(ended: Exit, limit_s: float) -> str | None:
    match ended.ended_by:
        case EndedBy.SPAWN_FAILED:
            return "it could not be started"
        case EndedBy.WALL_CLOCK:
            return f"timed out after {limit_s:g} s"
        case EndedBy.STOPPED | EndedBy.CROWD:
            return "stopped"
        case _:
            return None if ended.code == 0 else exit_words(ended.code)
