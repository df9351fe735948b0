"""The plain display of `grind`: a line on stderr for each thing worth reading later (SPEC 8)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from pitboss.core.embed import one_line
from pitboss.core.events import (
    Aborting,
    Draining,
    Phase,
    PhaseChanged,
    QuotaSeen,
    Repaired,
    RunEnded,
    RunEvent,
    RunStarted,
    SessionEnded,
    SessionStarted,
    Step,
    StepKind,
    Warned,
)
from pitboss.core.view import View, fold
from pitboss.screens.endings import ending
from pitboss.screens.lines import Used, budget_parts, session_lines
from pitboss.screens.output import Ink, clock, note, paint
from pitboss.screens.patient import LAST_WORDS_S, hurry

if TYPE_CHECKING:
    from pitboss.core.budget import Caps

_TEXT_WIDTH = 200


class PlainProgress:
    """One line for each thing worth reading later; the steps of agents are in their transcripts."""

    patience_s = LAST_WORDS_S + 1.0

    def __init__(self) -> None:
        self.view = View()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to restore."""

    def waits_as(self, event: RunEvent) -> RunEvent:
        """Events are kept whole until they are shown."""
        return event

    def hurry(self) -> None:
        """Stop waiting for a reader that has stopped reading."""
        hurry()

    def __call__(self, event: RunEvent) -> None:
        """Print the event, if it is worth a line."""
        before, self.view = self.view, fold(self.view, event)
        for line in self.lines(event, before):
            self.print(line)

    def print(self, line: str) -> None:
        """Print one line on stderr."""
        note(line)

    def lines(self, event: RunEvent, before: View) -> list[str]:  # noqa: C901, PLR0911 - a case for each kind of event
        """The lines for one event, often none; `before` is the view without it."""
        match event:
            case RunStarted():
                return _run_started(self.view)
            case Repaired(text=text):
                return [text]
            case SessionStarted():
                return [_session_started(event)]
            case SessionEnded(record=record):
                return session_lines(record, sys.stderr)
            case Warned(text=text):
                return [warning(text)]
            case Draining():
                return [draining(event)]
            case Aborting():
                return [warning("aborting: sessions in flight are being stopped")]
            case RunEnded():
                return run_ended(event, before.caps)
            case PhaseChanged(seq=seq):
                return _within(before, seq, _phase(event))
            case Step(seq=seq, what=StepKind.RETRY, text=text) if text != _step_of(before, seq):
                return _within(before, seq, f"retrying: {one_line(text, _TEXT_WIDTH)}")
            case Step() | QuotaSeen():
                return []


def draining(event: Draining) -> str:
    """What a drain waits for, and how to hurry it."""
    waiting = ", ".join(f"session-{seq:04}" for seq in event.in_flight)
    what = f"waiting for {waiting}; stop again to abort" if waiting else "nothing is in flight"
    return f"draining: no new session starts, {what}"


def run_ended(event: RunEnded, caps: Caps) -> list[str]:
    """Why the run is over, what it used, where its work is, and how to continue."""
    used = Used.by(event.used, cost_known=event.cost_known)
    lines = [
        f"run {event.run_id} {ending(event.status, event.message, sys.stderr)}",
        ", ".join(budget_parts(caps, used, sys.stderr)),
    ]
    if event.checkout is None or event.checkout == event.branch:
        lines.append(f"the work is on {event.branch}")
    else:
        lines.append(f"the work is on {event.branch}; {event.checkout} is checked out again")
        lines.append(f"`git merge {event.branch}` merges it")
    if event.resume is not None:
        lines.append(f"go on with `{event.resume}`")
    return lines


def _run_started(view: View) -> list[str]:
    used = Used.by(view.used, cost_known=view.cost_known)
    following = f"; next {view.next_pick}" if view.next_pick else ""
    parts = budget_parts(view.caps, used, sys.stderr)
    return [f"run {view.run_id} on branch {view.branch}", f"{', '.join(parts)}{following}"]


def _session_started(event: SessionStarted) -> str:
    who = ", ".join(filter(None, (event.agent, event.model)))
    return f"session-{event.seq:04} {event.prompt} started" + (f" ({who})" if who else "")


def warning(text: str) -> str:
    """A warning as a line."""
    return f"{paint('warning:', Ink.WARN, sys.stderr)} {text}"


def _within(view: View, seq: int, text: str | None) -> list[str]:
    flight = view.flight(seq)
    name = f"session-{seq:04} {flight.prompt if flight else ''}".rstrip()
    return [f"{name}: {text}"] if text else []


def _step_of(view: View, seq: int) -> str | None:
    """The retry text already shown: the step stays the same while only its usage grows."""
    flight = view.flight(seq)
    return flight.step if flight is not None and flight.what is StepKind.RETRY else None


def _phase(event: PhaseChanged) -> str | None:
    if event.phase is Phase.WAIT and event.until is not None:
        return f"waiting until {clock(event.until, sys.stderr)} ({one_line(event.detail, _TEXT_WIDTH)})"
    if event.phase is Phase.AGENT:
        return one_line(event.detail, _TEXT_WIDTH) or None
    words = {Phase.HOOK: "running a hook", Phase.VERIFY: "running the tests", Phase.FIX: "fixing"}
    text = words.get(event.phase)
    return f"{text} ({one_line(event.detail)})" if text and event.detail else text
