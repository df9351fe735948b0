"""What `grind` shows while it runs: a live footer on a terminal, plain lines elsewhere, JSON for programs (SPEC 8).

Progress goes to stderr and JSON results to stdout, so that neither ever disturbs the other.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from threading import RLock
from typing import TYPE_CHECKING, Self

from pitboss.cli.endings import ending
from pitboss.cli.lines import Used, budget_parts, session_lines
from pitboss.cli.output import Ink, clock, note, paint, write_line
from pitboss.core.agent import EventKind
from pitboss.core.budget import Caps
from pitboss.core.embed import one_line
from pitboss.core.events import (
    AgentStep,
    Draining,
    Phase,
    PhaseChanged,
    Resumed,
    RunEnded,
    RunEvent,
    RunStarted,
    SessionEnded,
    SessionStarted,
    Warned,
)
from pitboss.core.resume import resume_command

if TYPE_CHECKING:
    from types import TracebackType

_TEXT_WIDTH = 200


class Progress:
    """The observer that `grind` hands to the engine: passes every event on to its displays, one at a time.

    A context manager: on leaving it the terminal is as it was before.
    """

    def __init__(self, *, json: bool = False) -> None:
        self._json = json
        self._stack = ExitStack()
        self._displays: list[PlainProgress | JsonProgress] = []
        self._lock = RLock()

    def __enter__(self) -> Self:
        self._displays.append(self._stack.enter_context(_for_stderr(json=self._json)))
        if self._json:
            self._displays.append(JsonProgress())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def __call__(self, event: RunEvent) -> None:
        """Show one event. Safe to call from several threads.

        A display that cannot write any more is dropped: the terminal was closed, and the run goes on.
        """
        with self._lock:
            for display in list(self._displays):
                try:
                    display(event)
                except OSError:
                    self._displays.remove(display)


class PlainProgress:
    """One line for each thing worth reading later; the steps of agents are in their transcripts."""

    def __init__(self) -> None:
        self.prompts: dict[int, str] = {}
        self.caps = Caps()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to put back."""

    def __call__(self, event: RunEvent) -> None:
        """Print the event, if it is worth a line."""
        for line in self.lines(event):
            self.print(line)

    def print(self, line: str) -> None:
        """Print one line on stderr."""
        note(line)

    def lines(self, event: RunEvent) -> list[str]:  # noqa: PLR0911 - one for each kind of event
        """The lines for one event, often none."""
        match event:
            case RunStarted():
                self.caps = event.caps
                return _run_started(event)
            case Resumed(text=text):
                return [text]
            case SessionStarted():
                self.prompts[event.session.seq] = event.session.prompt
                return [_session_started(event)]
            case SessionEnded(record=record):
                self.prompts.pop(record.seq, None)
                return session_lines(record, sys.stderr)
            case Warned(text=text):
                return [f"{paint('warning:', Ink.WARN, sys.stderr)} {text}"]
            case Draining():
                return [draining(event)]
            case RunEnded():
                return run_ended(event, self.caps)
            case PhaseChanged() | AgentStep():
                return self._within_session(event)

    def _within_session(self, event: PhaseChanged | AgentStep) -> list[str]:
        text = _phase(event) if isinstance(event, PhaseChanged) else _step(event)
        return [f"{self._name(event.seq)}: {text}"] if text else []

    def _name(self, seq: int) -> str:
        return f"session-{seq:04} {self.prompts.get(seq, '')}".rstrip()


class JsonProgress:
    """One JSON line for each finished session, as sessions.jsonl holds it, then one for the run."""

    def __call__(self, event: RunEvent) -> None:
        """Print the event on stdout at once, if programs are to see it."""
        from pitboss.store.codec import encode_record

        match event:
            case SessionEnded(record=record):
                write_line(encode_record(record))
            case RunEnded():
                write_line(_run_line(event))
            case _:
                pass


def draining(event: Draining) -> str:
    """What a drain waits for, and how to hurry."""
    waiting = ", ".join(f"session-{seq:04}" for seq in event.in_flight)
    what = f"waiting for {waiting}; once more aborts it" if waiting else "nothing is in flight"
    return f"draining: no new session starts, {what}"


def run_ended(event: RunEnded, caps: Caps) -> list[str]:
    """Why the run is over, what it used, where its work is, and how to go on."""
    run = event.run
    lines = [
        f"run {run.run_id} {ending(run.status, event.message, sys.stderr)}",
        ", ".join(budget_parts(caps, Used.of(run), sys.stderr)),
    ]
    if event.checkout is None or event.checkout == run.branch:
        lines.append(f"the work is on {run.branch}")
    else:
        lines.append(f"the work is on {run.branch}; {event.checkout} is checked out again")
        lines.append(f"`git merge {run.branch}` takes it over")
    if run.status.is_resumable:
        lines.append(f"go on with `{resume_command(run)}`")
    return lines


def _for_stderr(*, json: bool) -> PlainProgress:
    """The live footer needs a terminal of its own: JSON lines on the same one would tear it."""
    import os

    torn = json and sys.stdout.isatty()
    if not sys.stderr.isatty() or torn or os.environ.get("TERM", "dumb") == "dumb":
        return PlainProgress()
    from pitboss.cli.live import LiveProgress

    return LiveProgress()


def _run_started(event: RunStarted) -> list[str]:
    parts = budget_parts(event.caps, Used.of(event.run), sys.stderr)
    following = f"; next {event.next_pick}" if event.next_pick else ""
    return [f"run {event.run.run_id} on branch {event.run.branch}", f"{', '.join(parts)}{following}"]


def _session_started(event: SessionStarted) -> str:
    who = ", ".join(filter(None, (event.agent, event.model)))
    session = event.session
    return f"session-{session.seq:04} {session.prompt} started" + (f" ({who})" if who else "")


def _phase(event: PhaseChanged) -> str | None:
    if event.phase is Phase.WAIT and event.until is not None:
        return f"waiting until {clock(event.until, sys.stderr)} ({one_line(event.detail, _TEXT_WIDTH)})"
    if event.phase is Phase.AGENT:
        return one_line(event.detail, _TEXT_WIDTH) or None
    words = {Phase.HOOK: "running a hook", Phase.VERIFY: "running the tests", Phase.FIX: "fixing"}
    text = words.get(event.phase)
    return f"{text} ({one_line(event.detail)})" if text and event.detail else text


def _step(event: AgentStep) -> str | None:
    if event.event.kind is not EventKind.RETRY:
        return None
    return f"retrying: {one_line(event.event.text, _TEXT_WIDTH)}"


def _run_line(event: RunEnded) -> bytes:
    import msgspec

    run, used = event.run, event.run.budget_consumed
    line = {
        "run_id": run.run_id,
        "branch": run.branch,
        "status": run.status,
        "stop_reason": event.stop_reason,
        "message": event.message,
        "exit_code": event.exit_code,
        "sessions": used.iterations,
        "tokens": {"input": used.tokens_input, "output": used.tokens_output},
        "cost_usd": used.cost_usd,
        "cost_known": run.cost_known,
    }
    return msgspec.json.encode(line) + b"\n"
