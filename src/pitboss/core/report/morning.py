"""The whole report as a value, and its verdict in one line; rendering it decides nothing (SPEC 11)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.budget import Caps
from pitboss.core.condition import Condition
from pitboss.core.left_out import LeftOut, left_out
from pitboss.core.measures import counted, spent
from pitboss.core.needs import Need
from pitboss.core.report.sessions import Known, LandedSession, ReportedSession, Result, graded, reported
from pitboss.core.report.sums import Share, by_agent, by_prompt, by_result
from pitboss.core.risk import riskiest_first
from pitboss.core.run import RunState
from pitboss.core.session import SessionRecord
from pitboss.core.timeline import Lane, lanes
from pitboss.core.tone import CONDITION_TONES, Tone
from pitboss.core.view import Flight
from pitboss.core.words.endings import ending
from pitboss.core.words.run_state import Said
from pitboss.core.words.standing import left_out_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pitboss.core.measures import ClockFace


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One run as it is reported: `records` may be some of its sessions only.

    `problem` is why `state` is None, or what is wrong with its log.
    """

    run_id: str
    condition: Condition
    state: RunState | None = None
    problem: str | None = None
    records: tuple[SessionRecord, ...] = ()
    in_flight: tuple[Flight, ...] = ()
    needs: tuple[Need, ...] = ()
    known: Known = Known()


class ReportedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a report, with its sessions in the order of their records; `damage`: why there may be more of them."""

    run_id: str
    condition: Condition
    ended: str
    branch: str
    caps: Caps
    needs: tuple[Need, ...]
    sessions: tuple[ReportedSession, ...]
    in_flight: tuple[Flight, ...]
    lanes: tuple[Lane, ...]
    left_out: tuple[LeftOut, ...] = ()
    damage: str = ""


class MorningReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report on one run, or on several, oldest first. `everything` are all of its sessions, summed up."""

    made_at: datetime
    verdict: Said
    runs: tuple[ReportedRun, ...]
    everything: Share
    landed: tuple[LandedSession, ...]
    rescued: tuple[ReportedSession, ...]
    prompts: tuple[Share, ...]
    agents: tuple[Share, ...]
    results: tuple[Share, ...]

    @property
    def needs(self) -> tuple[Need, ...]:
        """What needs a person, run by run."""
        return tuple(need for run in self.runs for need in run.needs)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Who took no further part in a run, in words, run by run."""
        said = ((run, f"{each.prompt} {left_out_words(each)}") for run in self.runs for each in run.left_out)
        return tuple(f"{run.run_id}: {words}" if self.is_joined else words for run, words in said)

    @property
    def no_session(self) -> str:
        """What to say in place of its sessions if there are none."""
        return _without_sessions(self.runs)

    @property
    def is_joined(self) -> bool:
        """Whether it is about several runs, so that the number of a session is not enough to name it."""
        return len(self.runs) > 1


def morning_report(facts: Sequence[RunFacts], now: datetime, clock: ClockFace) -> MorningReport:
    """The report on the runs of `facts`, oldest first; `clock` writes a time in the words for how they ended."""
    runs = tuple(_run(each, clock) for each in facts)
    sessions = tuple(session for run in runs for session in run.sessions)
    known = {each.run_id: each.known for each in facts}
    everything = Share(name="all", sessions=sessions)
    return MorningReport(
        made_at=now,
        verdict=_verdict(runs, everything),
        runs=runs,
        everything=everything,
        landed=_riskiest_first(sessions, known),
        rescued=tuple(session for session in sessions if session.record.rescue),
        prompts=by_prompt(sessions),
        agents=by_agent(sessions),
        results=by_result(sessions),
    )


def _run(facts: RunFacts, clock: ClockFace) -> ReportedRun:
    state = facts.state
    return ReportedRun(
        run_id=facts.run_id,
        condition=facts.condition,
        ended=_ended(facts, clock),
        branch="" if state is None else state.branch,
        caps=Caps() if state is None or state.caps is None else state.caps,
        needs=facts.needs,
        sessions=reported(facts.records, facts.known),
        in_flight=facts.in_flight,
        lanes=lanes(facts.records, facts.in_flight, facts.known.tracks),
        left_out=() if state is None else left_out(state),
        damage="" if state is None else facts.problem or "",
    )


def _ended(facts: RunFacts, clock: ClockFace) -> str:
    if facts.condition is Condition.LIVE:
        return "still going on"
    if facts.state is None:
        return f"cannot be read: {facts.problem}" if facts.problem else "cannot be read"
    return ending(facts.condition, facts.state.stop_reason, clock)


def _riskiest_first(
    sessions: Sequence[ReportedSession], known: Mapping[str, Known]
) -> tuple[LandedSession, ...]:
    landed = [graded(each, known[each.run_id]) for each in sessions if each.result is Result.LANDED]
    return tuple(landed[place] for place in riskiest_first({n: each.risk for n, each in enumerate(landed)}))


def _verdict(runs: Sequence[ReportedRun], everything: Share) -> Said:
    """One line: what landed, what did not, what it cost, how it ended, and whether anything needs a person."""
    waiting = sum(len(run.needs) for run in runs)
    said = "; ".join([_came_of_it(runs, everything), *_ended_how(runs), _needed(waiting)])
    return Said(text=f"{said[:1].upper()}{said[1:]}.", tone=_tone(runs, everything, waiting))


def _came_of_it(runs: Sequence[ReportedRun], everything: Share) -> str:
    if not everything.sessions:
        return _without_sessions(runs)
    landed, total = len(everything.of(Result.LANDED).sessions), len(everything.sessions)
    what = (
        f"nothing landed of {counted(total, 'session')}"
        if not landed
        else f"{landed} of {counted(total, 'session')} landed"
    )
    others = [
        f"{len(share.sessions)} {share.name}"
        for share in by_result(everything.sessions)
        if share.sessions and share.name != Result.LANDED
    ]
    cost = spent(everything.used.cost_usd, known=everything.cost_known)
    money = "cost unknown" if cost == "unknown" else f"{cost} spent"
    return ", ".join([what, *others, money])


def _without_sessions(runs: Sequence[ReportedRun]) -> str:
    if any(run.damage for run in runs):
        return "no session can be read"
    return "no session has ended yet" if any(run.in_flight for run in runs) else "no session ran"


def _ended_how(runs: Sequence[ReportedRun]) -> list[str]:
    damaged = [f"{run.run_id}: {run.damage}" if len(runs) > 1 else run.damage for run in runs if run.damage]
    if len(runs) == 1:
        ended = f"the run {runs[0].ended}"
        return [ended if runs[0].condition is not Condition.LIVE else "the run is still going on", *damaged]
    return [f"{counted(len(runs), 'run')}", *damaged] if runs else []


def _needed(waiting: int) -> str:
    return (
        "nothing needs you"
        if not waiting
        else f"{counted(waiting, 'thing')} need{'s' if waiting == 1 else ''} you"
    )


def _tone(runs: Sequence[ReportedRun], everything: Share, waiting: int) -> Tone:
    tones = {CONDITION_TONES[run.condition] for run in runs} | {
        need.kind.tone for run in runs for need in run.needs
    }
    nothing = bool(everything.sessions) and not everything.of(Result.LANDED).sessions
    if Tone.BAD in tones or nothing:
        return Tone.BAD
    failed = any(session.result is not Result.LANDED for session in everything.sessions)
    return Tone.WARN if waiting or failed or not everything.sessions else Tone.OK
