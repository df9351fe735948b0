"""Everything about one session, as names and values: the same in `show` and on every screen (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.embed import one_line
from pitboss.core.measures import duration, spent
from pitboss.core.tone import SESSION_TONES, Tone
from pitboss.core.usage import CostSource
from pitboss.core.words.phases import CUT_SHORT, flight_words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pitboss.core.measures import ClockFace
    from pitboss.core.session import SessionRecord
    from pitboss.core.view import Flight

PRICED_BY: dict[str, str] = {
    CostSource.AGENT: "as the agent reported it",
    CostSource.CONFIGURED: "tokens priced by [budgets.pricing]",
    CostSource.PRICE_TABLE: "tokens priced by the public table; `pitboss doctor` shows its date",
}
"""Where a cost comes from, in words."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One fact about a session, on one line. `toned` is the part at the start of `value` that has the color `tone`."""

    name: str
    value: str
    toned: str = ""
    tone: Tone = Tone.QUIET


def session_facts(record: SessionRecord, clock: ClockFace, *, kept: bool) -> Iterator[Fact]:
    """What the record of a session says, in the order in which people ask; what says nothing is left out.

    `kept`: what its agent printed is there.
    """
    yield _fact("session", f"session-{record.seq:04} of {one_line(record.run_id)}")
    yield _fact("prompt", one_line(record.prompt))
    why = f": {one_line(record.reason)}" if record.reason else ""
    status = str(record.status)
    yield Fact(name="status", value=f"{status}{why}", toned=status, tone=SESSION_TONES[record.status])
    if record.retry_of is not None:
        yield _fact("retry of", f"session-{record.retry_of:04}, which ended in a conflict or with its worker")
    yield _fact("started", clock(record.started_at))
    yield _fact("ended", clock(record.ended_at))
    yield _fact("duration", duration((record.ended_at - record.started_at).total_seconds()))
    if who := _who(record.agent, record.model):
        yield _fact("agent", who)
    if record.host is not None:
        yield _fact("worker", one_line(record.host))
    if record.attempts > 1 or record.waited_s:
        yield _fact("attempts", f"{record.attempts}, waited {duration(record.waited_s)}")
    yield _fact("commit", one_line(record.commit or "(none)"))
    for ref in record.rescue:
        yield _fact("rescued", one_line(ref))
    if record.hidden:
        yield _fact("hidden", one_line(record.hidden))
    yield from _spent(record)
    yield _fact("transcript", one_line(record.transcript_path) if kept else "(not kept)")


def flight_facts(run_id: str, flight: Flight, now: datetime, clock: ClockFace) -> Iterator[Fact]:
    """The same of a session in flight, as far as anybody knows yet."""
    yield _fact("session", f"session-{flight.seq:04} of {one_line(run_id)}")
    yield _fact("prompt", one_line(flight.prompt))
    status = CUT_SHORT if flight.cut_short else "in flight"
    yield Fact(name="status", value=status, toned=status, tone=Tone.BAD if flight.cut_short else Tone.ACTIVE)
    if not flight.cut_short:
        yield _fact("now", flight_words(flight, clock))
    if flight.retry_of is not None:
        yield _fact("retry of", f"session-{flight.retry_of:04}, which ended in a conflict or with its worker")
    if flight.started_at is not None:
        yield _fact("started", clock(flight.started_at))
        if not flight.cut_short:
            yield _fact("duration", duration((now - flight.started_at).total_seconds()))
    if who := _who(flight.agent, flight.model):
        yield _fact("agent", who)
    if flight.host is not None:
        yield _fact("worker", one_line(flight.host))
    if flight.slot is not None:
        yield _fact("slot", one_line(flight.slot))
    if used := flight.tokens.input + flight.tokens.output:
        yield _fact("tokens", f"{used} (input={flight.tokens.input}, output={flight.tokens.output}) so far")
    if flight.cost_usd or not flight.cost_known:
        yield _fact("cost", f"{spent(flight.cost_usd, known=flight.cost_known)} so far")


def _fact(name: str, value: str) -> Fact:
    return Fact(name=name, value=value)


def _who(agent: str | None, model: str | None) -> str:
    return " ".join(one_line(name) for name in (agent, model) if name)


def _spent(record: SessionRecord) -> Iterator[Fact]:
    """Tokens and cost, leaving out roles that used none."""
    tokens = record.tokens
    total = tokens.input + tokens.output
    if total:
        yield _fact("tokens", f"{total} (input={tokens.input}, output={tokens.output})")
    for role, used in sorted(tokens.by_role.items()) if len(tokens.by_role) > 1 else ():
        split = f"{used.input + used.output} (input={used.input}, output={used.output})"
        yield _fact(f"  {one_line(role)}", split)
    if record.cache_read or record.cache_write:
        yield _fact("cached", f"read={record.cache_read}, written={record.cache_write} (part of input)")
    if total or record.cost_usd or not record.cost_known:
        cost, words = spent(record.cost_usd, known=record.cost_known), _priced(record)
        yield _fact("cost", f"{cost} ({words})" if words else cost)


def _priced(record: SessionRecord) -> str:
    """Where the cost comes from; of one that is not known, which model has no price."""
    if not record.cost_known and record.unpriced:
        return f"{one_line(record.unpriced)} has no price"
    return PRICED_BY.get(record.cost_source or "", "")
