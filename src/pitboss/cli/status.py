"""`pitboss status`: one run's state, budgets used, sessions in flight, and how the last ones ended (SPEC 8)."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.cli.shared import completing
from pitboss.cli.shared.chosen import chosen_run, run_json
from pitboss.cli.shared.declare import argument, command, option
from pitboss.cli.shared.needy import needs_of
from pitboss.cli.shared.project import project_root
from pitboss.core.condition import Condition, condition
from pitboss.core.embed import one_line
from pitboss.core.events import Phase
from pitboss.core.gauges import gauges_of
from pitboss.core.left_out import left_out
from pitboss.core.measures import age, tokens
from pitboss.core.recovery.refusals import resume_command
from pitboss.core.tone import CONDITION_TONES
from pitboss.core.words.endings import word
from pitboss.core.words.phases import CUT_SHORT, flight_words
from pitboss.core.words.quotas import window_words, windows
from pitboss.core.words.run_state import live_words, run_words
from pitboss.core.words.standing import left_out_words
from pitboss.screens.lines import budget_parts, cost_in_words, log_lines, need_lines
from pitboss.screens.output import Ink, clock, fields, paint, say, write_json
from pitboss.screens.program import with_calls
from pitboss.screens.tones import paint_tone
from pitboss.store.follow import Snapshot, snapshot
from pitboss.store.queue import with_queue
from pitboss.store.record_codec import encode_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pitboss.core.needs import Need
    from pitboss.core.run import RunState, WaitingTask
    from pitboss.core.session import InFlight
    from pitboss.core.view import Flight, View

LAST_SESSIONS = 10
_TASKS = 5
"""Waiting tasks that are listed."""

_STEP_WIDTH = 60


@command()
@argument("run_id", required=False, shell_complete=completing.run_ids)
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(*, run_id: str | None, as_json: bool) -> None:
    """Show one run: RUN_ID (or a prefix of it), else the live run, else the latest."""
    repo = project_root()
    seen = snapshot(repo, chosen_run(repo, run_id), last=LAST_SESSIONS)
    queue = () if seen.state is None else with_queue(repo, seen.state).queue
    following, used_up = _ahead(repo, seen, queue)
    listed = needs_of(repo, seen)
    if as_json:
        write_json(_as_json(seen) | {"next_pick": following, "queue": queue, "needs_you": listed})
        return
    how, now = condition(seen.state, live=seen.live is not None), datetime.now(UTC)
    _print(seen, [*_fields(seen, how, now), *_coming(following, queue)], listed)
    if advice := _advice(seen, how, used_up=used_up):
        say(f"\n{with_calls(advice, sys.stdout)}")


def _ahead(repo: Path, seen: Snapshot, queue: Sequence[WaitingTask]) -> tuple[str | None, bool]:
    """What the run starts next, or would start after a resume, and whether a resume would find nothing to do."""
    if seen.state is None or seen.live is not None:
        return queue[0].prompt if queue and seen.view.next_pick is not None else seen.view.next_pick, False
    if condition(seen.state, live=False) not in (Condition.ABORTED, Condition.CRASHED):
        return None, False
    from pitboss.cli.shared.at_rest import at_rest

    return at_rest(repo, seen.state)


def _print(seen: Snapshot, shown: Sequence[tuple[str, str]], listed: Sequence[Need]) -> None:
    fields(shown)
    if seen.records:
        say(f"\n{paint('last sessions', Ink.FAINT)}")
        for record in seen.records:
            say("\n".join(log_lines(record)))
    if listed:
        say(f"\n{paint('needs you', Ink.FAINT)}")
        for need in listed:
            say("\n".join(need_lines(need)))


def _coming(following: str | None, queue: Sequence[WaitingTask]) -> Iterator[tuple[str, str]]:
    if following is not None:
        yield "next", one_line(following)
    for task in queue[:_TASKS]:
        yield "queued", f"{one_line(task.id)} {task.prompt}"
    if len(queue) > _TASKS:
        yield "queued", f"and {len(queue) - _TASKS} more: `pitboss queue ls`"


def _fields(seen: Snapshot, how: Condition, now: datetime) -> Iterator[tuple[str, str]]:
    yield "run", one_line(seen.run_id)
    yield "state", _state(seen, how, now)
    if how is Condition.LIVE:
        doing = live_words(seen.view, clock)
        yield "now", paint_tone(doing.text, doing.tone)
    if seen.problem is not None:
        yield "problem", one_line(seen.problem)
    if seen.state is not None:
        yield from _state_fields(seen.state, seen.view, now)
    flights = {flight.seq: flight for flight in seen.view.in_flight}
    for session in seen.in_flight:
        yield "in flight", _in_flight(session, flights[session.seq], now)


def _state(seen: Snapshot, how: Condition, now: datetime) -> str:
    if how is Condition.LIVE:
        return paint_tone(how, CONDITION_TONES[how]) + _holder(seen, now)
    said = run_words(seen.view, how, seen.state.stop_reason if seen.state else None, clock)
    name = word(how)
    return paint_tone(name, said.tone) + said.text.removeprefix(name)


def _state_fields(state: RunState, view: View, now: datetime) -> Iterator[tuple[str, str]]:
    origin = f", from {one_line(state.original_branch)}" if state.original_branch else ""
    base = f" at {one_line(state.base_commit)[:7]}" if state.base_commit else ""
    yield "branch", f"{one_line(state.branch)}{origin}{base}"
    yield "rotation", f"{one_line(state.plan_name)}: {one_line(', '.join(state.prompt_names))}"
    yield "started", _when(state.started_at, now)
    yield "updated", _when(state.last_updated_at, now)
    failures = state.budget_consumed.consecutive_failures
    for agent, quota in sorted(state.quota.items()):
        said = ", ".join(window_words(use, clock) for use in windows(quota, now))
        yield "quota", f"{one_line(agent)}: {said}"
    streak = [f"{failures} failed in a row"] if failures else []
    yield "used", ", ".join([*budget_parts(gauges_of(view, now)), *streak])
    for each in left_out(state):
        yield "left out", f"{one_line(each.prompt)} {left_out_words(each)}"


def _in_flight(session: InFlight, flight: Flight, now: datetime) -> str:
    """A session in flight: since when, its phase, what its agent did last and when, what it has used so far."""
    assigned = session.assignment
    who = f"session-{session.seq:04} {one_line(assigned.prompt)} since {_when(assigned.started_at, now)}"
    used = flight.tokens.input + flight.tokens.output
    cost = cost_in_words(flight.cost_usd, known=flight.cost_known)
    step = flight.step and f"{one_line(flight.step, _STEP_WIDTH)} ({age(flight.step_at or now, now)})"
    spent = (f"{tokens(used)} tokens", cost) if used else ()
    return ", ".join(filter(None, (who, _doing(session, flight), step, *spent)))


def _doing(session: InFlight, flight: Flight) -> str:
    if flight.cut_short and session.progress.outcome is None:
        return CUT_SHORT
    if session.progress.waits_until is not None:
        waiting = msgspec.structs.replace(flight, phase=Phase.WAIT, until=session.progress.waits_until)
        return flight_words(waiting, clock)
    if flight.phase not in (None, Phase.AGENT):
        return flight_words(flight, clock)
    if session.progress.outcome is not None:
        return f"agent ended {session.progress.outcome.status}, not recorded yet"
    if session.progress.pid is None:
        return "agent not started"
    where = session.assignment.host
    return f"agent pid {session.progress.pid}{f' on {where}' if where else ''}"


def _holder(seen: Snapshot, now: datetime) -> str:
    if seen.live is None:
        return ""
    since = f" since {_when(seen.live.started, now)}" if seen.live.started else ""
    return f", pid {seen.live.pid}{since}"


def _when(moment: datetime, now: datetime) -> str:
    return f"{clock(moment)} ({age(moment, now)})"


def _advice(seen: Snapshot, how: Condition, *, used_up: bool) -> str | None:
    goes_on = f"`{resume_command(seen.state)}`" if seen.state is not None else ""
    match how:
        case Condition.CRASHED:
            return f"its processes died; {goes_on} recovers it and goes on"
        case Condition.ABORTED if not used_up:
            return f"{goes_on} goes on"
        case _:
            return None


def _as_json(seen: Snapshot) -> dict[str, object]:
    state, live = seen.state, seen.live
    flights = {flight.seq: flight for flight in seen.view.in_flight}
    return run_json(seen.run_id, state, seen.problem, live=live is not None) | {
        "holder": live and {"pid": live.pid, "host": live.host, "started": live.started},
        "prompts": state and state.prompt_names,
        "base_commit": state and state.base_commit,
        "original_branch": state and state.original_branch,
        "quota": state and state.quota,
        "caps": state and state.caps,
        "paused": live is not None and seen.view.paused,
        "awaits": seen.view.awaits,
        "consecutive_failures": state and state.budget_consumed.consecutive_failures,
        "scheduler": state and state.scheduler_state,
        "left_out": () if state is None else left_out(state),
        "in_flight": [_in_flight_json(session, flights[session.seq]) for session in seen.in_flight],
        "last": [msgspec.Raw(encode_record(record)) for record in seen.records],
    }


def _in_flight_json(session: InFlight, flight: Flight) -> dict[str, object]:
    return {
        "seq": session.seq,
        "prompt": session.assignment.prompt,
        "rotation": session.assignment.rotation,
        "started_at": session.assignment.started_at,
        "pid": session.progress.pid,
        "attempt": session.progress.attempt,
        "waits_until": session.progress.waits_until,
        "outcome": session.progress.outcome and session.progress.outcome.status,
        "phase": flight.phase,
        "detail": flight.detail,
        "until": flight.until,
        "step": flight.step,
        "step_at": flight.step_at,
        "tokens": flight.tokens,
        "cost_usd": flight.cost_usd,
        "cost_known": flight.cost_known,
    }
