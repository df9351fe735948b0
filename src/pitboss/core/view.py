"""What a screen shows of a run: one value, folded from its events alone (SPEC 9).

The live footer, `status` and every other viewer show a `View`. Folding the lines of events.jsonl gives the view
that the live display had. `core.sighting` corrects it by what is on record.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.core import by_seq
from pitboss.core.budget import NEARING, BudgetSnapshot, Caps
from pitboss.core.diff_stat import DiffStat
from pitboss.core.events import (
    Aborting,
    CapsChanged,
    Draining,
    Paused,
    Phase,
    PhaseChanged,
    PromptFacts,
    QuotaSeen,
    Repaired,
    RunEnded,
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
from pitboss.core.quota import Quota
from pitboss.core.retry import Cause
from pitboss.core.run import spend
from pitboss.core.session import SessionRecord
from pitboss.core.stops import RunStatus
from pitboss.core.usage import RoleTokens

if TYPE_CHECKING:
    from pitboss.core.events import RunEvent
    from pitboss.core.run import RunState
    from pitboss.core.session import InFlight

MOST_RECENT = 50
MOST_WARNINGS = 20


class Activity(StrEnum):
    """What a run is doing, as a screen says it."""

    RUNNING = "running"
    DRAINING = "draining"
    ABORTING = "aborting"
    OVER = "over"


class Flight(msgspec.Struct, frozen=True, kw_only=True):
    """A session in flight. Tokens and US dollars are what it has used so far, as far as its agents report them.

    `host` is the worker that it is on; None on the run's own machine.
    `step` is what its agent did last, at `step_at`; `until` is when it stops waiting. `cut_short`: its run is not
    live any more, and the rest is what it did until then.
    """

    seq: int
    prompt: str = ""
    agent: str | None = None
    model: str | None = None
    slot: str | None = None
    host: str | None = None
    retry_of: int | None = None
    queued: str | None = None
    started_at: datetime | None = None
    phase: Phase | None = None
    detail: str = ""
    until: datetime | None = None
    attempt: int | None = None
    what: StepKind | None = None
    step: str = ""
    step_at: datetime | None = None
    tokens: RoleTokens = RoleTokens()
    cost_usd: float = 0.0
    cost_known: bool = True
    cut_short: bool = False

    @property
    def waits_long(self) -> bool:
        """Whether it waits for a usage limit or a service: a run that stops does not wait for that."""
        known = self.phase is Phase.WAIT and bool(self.detail)
        return known and not self.detail.startswith(Cause.RETRY)


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One run as a screen shows it; `used` sums up its records, `recent` are the last of them, latest first.

    `in_flight` is in the order of seq. `diffs` says how much each recent session changed, if known. `awaits` says why
    no worker can take a session, and is empty if one can; `awaits_long` that this has lasted a minute. While it is
    `paused`, a run that is RUNNING starts no new session.
    """

    run_id: str = ""
    branch: str = ""
    base_commit: str | None = None
    rotation: str = ""
    prompts: tuple[PromptFacts, ...] = ()
    caps: Caps = Caps()
    mode: str = ""
    max_parallel: int = 1
    pid: int | None = None
    host: str | None = None
    version: str = ""
    started_at: datetime | None = None
    activity: Activity = Activity.RUNNING
    paused: bool = False
    used: BudgetSnapshot = BudgetSnapshot()
    cost_known: bool = True
    last_seq: int = 0
    next_pick: str | None = None
    quota: dict[str, Quota] = {}
    in_flight: tuple[Flight, ...] = ()
    recent: tuple[SessionRecord, ...] = ()
    diffs: dict[int, DiffStat] = {}
    warnings: tuple[str, ...] = ()
    awaits: str = ""
    awaits_long: bool = False
    ended: RunEnded | None = None

    def flight(self, seq: int) -> Flight | None:
        """The flight of session `seq`; None when it is not in flight."""
        return by_seq.find(self.in_flight, seq)


def of_state(state: RunState, in_flight: tuple[InFlight, ...]) -> View:
    """What state.json alone says about a run: everything except what its sessions are doing."""
    over = state.status is not RunStatus.ACTIVE
    return View(
        run_id=state.run_id,
        branch=state.branch,
        base_commit=state.base_commit,
        rotation=state.plan_name,
        prompts=tuple(PromptFacts(name=name) for name in state.prompt_names),
        caps=state.caps or Caps(),
        started_at=state.started_at,
        activity=Activity.OVER if over else Activity.RUNNING,
        paused=state.paused and not over,
        used=state.budget_consumed,
        cost_known=state.cost_known,
        last_seq=max((state.last_session_seq, *(session.seq for session in in_flight))),
        quota=state.quota,
        in_flight=by_seq.in_order(map(_flight, in_flight)),
    )


def fold(view: View, event: RunEvent) -> View:  # noqa: C901, PLR0911, PLR0912 - a case for each kind of event
    """`view` after one more event: the only code that turns events into what a screen shows."""
    match event:
        case RunStarted():
            return _started(view, event)
        case SessionStarted():
            return _session_started(view, event)
        case PhaseChanged(seq=seq):
            return _with_flight(view, _entered(view.flight(seq) or Flight(seq=seq), event))
        case Step(seq=seq):
            return _with_flight(view, _stepped(view.flight(seq) or Flight(seq=seq), event))
        case QuotaSeen():
            quota = Quota(five_hour=event.five_hour, seven_day=event.seven_day, other=event.other)
            return msgspec.structs.replace(view, quota={**view.quota, event.agent: quota})
        case SessionEnded():
            return _session_ended(view, event)
        case Warned(text=text):
            return msgspec.structs.replace(view, warnings=(*view.warnings, text)[-MOST_WARNINGS:])
        case WorkersAwaited(why=why):
            return msgspec.structs.replace(view, awaits=why, awaits_long=event.long)
        case Draining():
            return msgspec.structs.replace(view, activity=Activity.DRAINING, next_pick=None)
        case Aborting():
            return msgspec.structs.replace(view, activity=Activity.ABORTING, next_pick=None)
        case Paused() | Unpaused():
            return msgspec.structs.replace(view, paused=isinstance(event, Paused))
        case CapsChanged(caps=caps):
            return msgspec.structs.replace(view, caps=caps, warnings=_of_other_things(view.warnings))
        case Repaired() | Skipping():
            return view
        case _:  # RunEnded: mypy refuses the call when a kind of event has no case above
            return _run_ended(view, event)


def _started(view: View, event: RunStarted) -> View:
    """A resumed run keeps what was shown before; recovery has settled what was in flight then."""
    return msgspec.structs.replace(
        view,
        run_id=event.run_id,
        branch=event.branch,
        base_commit=event.base_commit,
        rotation=event.rotation,
        prompts=event.prompts,
        caps=event.caps,
        warnings=_of_other_things(view.warnings),
        mode=event.mode,
        max_parallel=event.max_parallel,
        pid=event.pid,
        host=event.host,
        version=event.version,
        started_at=event.started_at or view.started_at or event.t,
        activity=Activity.RUNNING,
        paused=False,
        used=event.used,
        cost_known=event.cost_known,
        last_seq=event.last_seq,
        next_pick=event.next_pick,
        in_flight=(),
        awaits="",
        awaits_long=False,
        ended=None,
    )


def _of_other_things(warnings: tuple[str, ...]) -> tuple[str, ...]:
    """Without what was said of caps that are no longer in force; of the new ones it is said again if it is so."""
    return tuple(text for text in warnings if not NEARING.fullmatch(text))


def _run_ended(view: View, event: RunEnded) -> View:
    return msgspec.structs.replace(
        view,
        activity=Activity.OVER,
        paused=False,
        used=event.used,
        cost_known=event.cost_known,
        in_flight=(),
        next_pick=None,
        awaits="",
        awaits_long=False,
        ended=event,
    )


def _session_started(view: View, event: SessionStarted) -> View:
    flight = Flight(
        seq=event.seq,
        prompt=event.prompt,
        agent=event.agent,
        model=event.model,
        slot=event.slot,
        host=None if event.host == view.host else event.host,
        retry_of=event.retry_of,
        queued=event.queued,
        started_at=event.t,
    )
    last_seq = max(view.last_seq, event.seq)
    return _with_flight(msgspec.structs.replace(view, last_seq=last_seq, next_pick=event.next_pick), flight)


def _entered(flight: Flight, event: PhaseChanged) -> Flight:
    return msgspec.structs.replace(
        flight,
        phase=event.phase,
        detail=event.detail,
        until=event.until,
        attempt=event.attempt,
        what=None,
        step="",
        step_at=None,
    )


def _stepped(flight: Flight, event: Step) -> Flight:
    return msgspec.structs.replace(
        flight,
        what=event.what,
        step=event.text,
        step_at=event.t,
        tokens=event.tokens,
        cost_usd=event.cost_usd,
        cost_known=event.cost_known,
    )


def _session_ended(view: View, event: SessionEnded) -> View:
    record = event.record
    recent = (record, *view.recent)[:MOST_RECENT]
    diffs = view.diffs if event.diff is None else {**view.diffs, record.seq: event.diff}
    return msgspec.structs.replace(
        view,
        used=spend(view.used, record),
        cost_known=view.cost_known and record.cost_known,
        last_seq=max(view.last_seq, record.seq),
        next_pick=event.next_pick,
        in_flight=by_seq.without(view.in_flight, record.seq),
        recent=recent,
        diffs={each.seq: diffs[each.seq] for each in recent if each.seq in diffs},
    )


def _with_flight(view: View, flight: Flight) -> View:
    return msgspec.structs.replace(view, in_flight=by_seq.put(view.in_flight, flight))


def _flight(session: InFlight) -> Flight:
    assignment, progress = session.assignment, session.progress
    waiting = progress.waits_until is not None
    return Flight(
        seq=assignment.seq,
        prompt=assignment.prompt,
        agent=progress.agent,
        model=progress.model,
        slot=assignment.worktree,
        host=assignment.host,
        retry_of=assignment.retry_of,
        queued=assignment.queued,
        started_at=assignment.started_at,
        phase=Phase.WAIT if waiting else None,
        until=progress.waits_until,
        attempt=progress.attempt,
    )
