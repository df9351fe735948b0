"""The plain display of `grind`: a line on stderr for each thing worth reading later (SPEC 8)."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from pitboss.core.embed import one_line
from pitboss.core.events import (
    Aborting,
    CapsChanged,
    Draining,
    Paused,
    Phase,
    PhaseChanged,
    QuotaSeen,
    Repaired,
    RunEnded,
    RunEvent,
    RunStarted,
    SessionEnded,
    SessionStarted,
    Skipping,
    Step,
    StepKind,
    Unpaused,
    Warned,
    WorkersAwaited,
)
from pitboss.core.gauges import Used, gauges
from pitboss.core.view import Flight, View, fold
from pitboss.core.words.deeds import deed_news
from pitboss.core.words.endings import ending
from pitboss.core.words.phases import flight_words, phase_words
from pitboss.screens.lines import budget_parts, need_lines, session_lines, with_queued
from pitboss.screens.output import Ink, clock_face, in_its_times, note, paint
from pitboss.screens.patient import LAST_WORDS_S, hurry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.answers import Deed
    from pitboss.core.needs import Need

_TEXT_WIDTH = 200
_MOST_NEEDS = 5


class PlainProgress:
    """One line for each thing worth reading later; the steps of agents are in their transcripts."""

    patience_s = LAST_WORDS_S + 1.0

    def __init__(self) -> None:
        self.view = View()
        self.needs: Callable[[], Sequence[Need]] = tuple
        """What needs a person once the run has ended."""
        self.way_home: Callable[[], str | None] = lambda: None
        """The command that takes its work home then; None if there is none to take."""

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
                return _run_started(event, self.view)
            case Repaired(text=text):
                return [in_its_times(text, sys.stderr)]
            case SessionStarted():
                return [_session_started(event)]
            case SessionEnded(record=record):
                return session_lines(record, sys.stderr)
            case Warned(text=text):
                return [warning(in_its_times(text, sys.stderr))]
            case Aborting():
                return [warning(deed_line(event, before))]
            case Draining() | Paused() | Unpaused() | CapsChanged() | Skipping():
                return [deed_line(event, before)]
            case RunEnded():
                return run_ended(event, self.view, self.needs(), self.way_home())
            case PhaseChanged(seq=seq):
                return _within(before, seq, _phase(event, self.view))
            case Step(seq=seq, what=StepKind.RETRY, text=text) if text != _step_of(before, seq):
                return _within(before, seq, f"retrying: {one_line(text, _TEXT_WIDTH)}")
            case Step() | QuotaSeen() | WorkersAwaited():
                return []


def deed_line(deed: Deed, view: View) -> str:
    """What the run does because it was asked to; `view` is the run right before."""
    return deed_news(deed, view, datetime.now(UTC), clock_face(sys.stderr))


def run_ended(
    event: RunEnded, view: View, needs: Sequence[Need] = (), way_home: str | None = None
) -> list[str]:
    """Why the run is over, what it used, where its work is, what needs a person, and how to continue."""
    lines = [
        f"run {event.run_id} {ending(event.status, event.message, clock_face(sys.stderr))}",
        _budget(view, event),
    ]
    away = event.checkout is not None and event.checkout != event.branch
    back = f"; {event.checkout} is checked out again" if away else ""
    if way_home is None or _landed_nothing(view):
        lines.append(f"nothing landed{back}")
    else:
        lines.append(f"the work is on {event.branch}{back}")
        at_rest = event.checkout != event.branch
        lines += [f"`{way_home}` takes it home"] if at_rest else []
    lines += _needing(needs, event.run_id)
    if event.resume is not None:
        lines.append(f"go on with `{event.resume}`")
    return lines


def _landed_nothing(view: View) -> bool:
    """Whether no session has landed anything, as far as all of them are still in sight."""
    return len(view.recent) == view.last_seq and all(record.commit is None for record in view.recent)


def _needing(needs: Sequence[Need], run_id: str) -> list[str]:
    shown = [need_lines(need, sys.stderr) for need in needs[:_MOST_NEEDS]]
    lines = [line for what, command in shown for line in (f"needs you: {what}", command)]
    left = len(needs) - len(shown)
    return [*lines, f"and {left} more: `pitboss status {run_id}` shows them"] if left else lines


def _run_started(event: RunStarted, view: View) -> list[str]:
    following = f"; next {view.next_pick}" if view.next_pick else ""
    return [f"run {view.run_id} on branch {view.branch}", f"{_budget(view, event)}{following}"]


def _budget(view: View, event: RunStarted | RunEnded) -> str:
    """What the records say is used: no session is in flight when a run starts or ends."""
    used = Used.by(view.used, cost_known=view.cost_known)
    now = event.t or datetime.now(UTC)
    begun = view.started_at or now
    return ", ".join(budget_parts(gauges(view.caps, used, started_at=begun, now=now), sys.stderr))


def _session_started(event: SessionStarted) -> str:
    who = ", ".join(filter(None, (event.agent, event.model)))
    what = with_queued(event.prompt, event.queued)
    return f"session-{event.seq:04} {what} started" + (f" ({who})" if who else "")


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


def _phase(event: PhaseChanged, view: View) -> str | None:
    """What is worth a line: a wait, a hook, the tests, a fixer, and why an attempt begins."""
    match event.phase:
        case Phase.WAIT:
            waiting = view.flight(event.seq) or Flight(seq=event.seq)
            return flight_words(waiting, clock_face(sys.stderr))
        case Phase.AGENT:
            return one_line(event.detail, _TEXT_WIDTH) or None
        case Phase.LAND:
            return None
        case phase:
            return phase_words(phase, event.detail)
