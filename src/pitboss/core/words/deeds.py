"""What a live run does because it was asked to, in words: for whoever asked, and for its progress (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.answers import Declined, Granted, NotLive, Silence
from pitboss.core.budget import exceeded
from pitboss.core.embed import one_line
from pitboss.core.events import Aborting, CapsChanged, Draining, Paused, Skipping, Unpaused
from pitboss.core.gauges import gauge_words, gauges_of
from pitboss.core.stops import StopBy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from pitboss.core.answers import Answer, Deed
    from pitboss.core.measures import ClockFace
    from pitboss.core.view import View

PAUSED = "no new session starts; `pitboss unpause` goes on"


def answer_words(answer: Answer, view: View, now: datetime, clock: ClockFace) -> str:
    """An answer as a sentence for whoever asked; `view` is the run as it was right before, `clock` writes a time."""
    run = f"run {view.run_id}"
    match answer:
        case Granted(deed=deed):
            return f"{run} {_granted(deed, view, now, clock)}"
        case Declined(why=why):
            return why
        case NotLive():
            return f"{run} is not live: it does nothing more"
        case Silence(waits=True):
            return f"{run} has not answered yet; the request counts once the run reads it"
        case _:  # Silence
            return f"{run} has taken the request and has not said what became of it"


def deed_news(deed: Deed, view: View, now: datetime, clock: ClockFace) -> str:  # noqa: PLR0911 - a case for each
    """What the run does now and who asked for it, as a line of its progress; `view` is the run right before."""
    match deed:
        case Paused():
            return f"already paused: {PAUSED}" if view.paused else f"paused{_by(deed.by)}: {PAUSED}"
        case Unpaused() if not view.paused:
            return "not paused: sessions start as before"
        case Unpaused():
            return f"unpaused{_by(deed.by)}: sessions start again"
        case CapsChanged():
            changed = f"changed{_by(deed.by)}" if deed.caps != view.caps else "unchanged"
            return f"budgets {changed}: {_budgets(deed, view, now, clock)}"
        case Skipping(seqs=()):
            return "nothing to skip: no such session is in flight"
        case Skipping(seqs=seqs):
            return f"skipping {named(seqs, view)}"
        case Draining(in_flight=seqs, by=by):
            # Only a second signal counts for more than the first; a second `pitboss stop` does not.
            sooner = "`pitboss stop --now` does not wait" if by is StopBy.REQUEST else "stop again to abort"
            return f"draining: no new session starts, {_awaited(seqs, view, sooner)}"
        case _:  # Aborting
            return "aborting: sessions in flight are being stopped"


def named(seqs: Iterable[int], view: View) -> str:
    """Sessions by number and, where known, prompt: `session-0012 (alpha), session-0013`."""
    flights = {flight.seq: flight for flight in view.in_flight}
    return ", ".join(
        f"session-{seq:04} ({one_line(flights[seq].prompt)})" if seq in flights else f"session-{seq:04}"
        for seq in seqs
    )


def _granted(deed: Deed, view: View, now: datetime, clock: ClockFace) -> str:  # noqa: PLR0911 - a case for each
    flying = [flight.seq for flight in view.in_flight]
    match deed:
        case Paused():
            finish = f"{named(flying, view)} {_many(flying, 'finishes', 'finish')}; " if flying else ""
            already = " already" if view.paused else ""
            return f"is{already} paused: no new session starts; {finish}`pitboss unpause` goes on"
        case Unpaused() if not view.paused:
            return "was not paused: sessions start as before"
        case Unpaused():
            return "goes on: sessions start again"
        case CapsChanged():
            over = exceeded(deed.caps, view.used, now=now, in_flight=len(view.in_flight))
            ending = "" if over is None else "; it starts no further session"
            has = "has other budgets" if deed.caps != view.caps else "already has these budgets"
            return f"{has}: {_budgets(deed, view, now, clock)}{ending}"
        case Skipping(seqs=()):
            return "had nothing to skip"
        case Skipping(seqs=seqs):
            return f"skips {named(seqs, view)}: recorded as skipped, work rescued"
        case Draining(in_flight=seqs) if seqs:
            return _stops(seqs, view)
        case Aborting() if flying:
            return f"stops now: {_cut_off(flying, view)}"
        case _:  # Draining, Aborting
            return "stops before it starts another session"


def _awaited(seqs: tuple[int, ...], view: View, sooner: str) -> str:
    """What a run that drains waits for, and what it does not wait for, as news."""
    finish, cut = _by_patience(seqs, view)
    said = [f"waiting for {_numbers(finish)}; {sooner}"] if finish else []
    said += (
        [f"not for {_numbers(cut)}, which {_many(cut, 'waits', 'wait')} for a limit or a service"]
        if cut
        else []
    )
    return "; ".join(said) or "nothing is in flight"


def _stops(seqs: tuple[int, ...], view: View) -> str:
    """When a run that drains stops, and what it cuts off for that."""
    finish, cut = _by_patience(seqs, view)
    if not finish:
        return f"stops now: {_cut_off(cut, view)}"
    have = _many(finish, "has", "have")
    stops = f"stops when {named(finish, view)} {have} ended; `pitboss stop --now` does not wait"
    return f"{stops}; {_cut_off(cut, view)}" if cut else stops


def _by_patience(seqs: Iterable[int], view: View) -> tuple[list[int], list[int]]:
    """Sessions that a run which drains lets finish, and those it does not, as they wait for a limit or a service."""
    waiting = {flight.seq for flight in view.in_flight if flight.waits_long}
    listed = list(seqs)
    return [seq for seq in listed if seq not in waiting], [seq for seq in listed if seq in waiting]


def _cut_off(seqs: list[int], view: View) -> str:
    return f"{named(seqs, view)} will be recorded as aborted, {_many(seqs, 'its', 'their')} work rescued"


def _numbers(seqs: Iterable[int]) -> str:
    return ", ".join(f"session-{seq:04}" for seq in seqs)


def _budgets(deed: CapsChanged, view: View, now: datetime, clock: ClockFace) -> str:
    shown = gauges_of(msgspec.structs.replace(view, caps=deed.caps), now)
    return ", ".join(gauge_words(gauge, clock) for gauge in shown if not gauge.says_nothing)


def _by(command: str) -> str:
    return f" by `pitboss {command}`" if command else ""


def _many(seqs: list[int] | tuple[int, ...], one: str, several: str) -> str:
    return one if len(seqs) == 1 else several
