"""Decides what is worth a notice: events of a live run, and how it ended (SPEC 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.budget import NEARING
from pitboss.core.condition import Condition
from pitboss.core.config import Topic
from pitboss.core.events import Phase, SessionEnded, Warned
from pitboss.core.needs import NeedKind
from pitboss.core.notice import News
from pitboss.core.retry import dead_end
from pitboss.core.settling import in_words
from pitboss.core.words.endings import ending, why
from pitboss.core.words.run_state import live_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.core.events import RunEvent
    from pitboss.core.measures import ClockFace
    from pitboss.core.needs import Need
    from pitboss.core.run import RunState
    from pitboss.core.view import View

LONG_WAIT_S = 60.0
"""A shorter wait, as before a retry, is no news."""

MOST_NEEDS = 5


def noticed(before: View, after: View, event: RunEvent, clock: ClockFace) -> tuple[News, ...]:
    """What `event`, which led from one view of a live run to the other, is worth telling; `clock` writes a time."""
    status = f"pitboss status {after.run_id}"
    if isinstance(event, Warned) and NEARING.fullmatch(event.text):
        return (News(topic=Topic.BUDGET, text=event.text, command=status),)
    found: list[News] = []
    if isinstance(event, SessionEnded) and event.record.status.failed and dead_end(event.record.reason):
        what = f"session {event.record.seq} met a dead end: {in_words(event.record.reason or '')}"
        found.append(News(topic=Topic.DEAD_END, text=what, command="pitboss doctor"))
    if _waits_long(after, event) and not _all_wait(before):
        found.append(News(topic=Topic.WAITING, text=live_words(after, clock).text, command=status))
    if after.awaits_long and not before.awaits_long:
        found.append(News(topic=Topic.WAITING, text=live_words(after, clock).text, command="pitboss workers"))
    return tuple(found)


def _all_wait(view: View) -> bool:
    return bool(view.in_flight) and all(flight.phase is Phase.WAIT for flight in view.in_flight)


def _waits_long(view: View, event: RunEvent) -> bool:
    """Whether nothing goes on in the run for a while."""
    if event.t is None or not _all_wait(view):
        return False
    ends = [flight.until for flight in view.in_flight]
    return all(end is None or (end - event.t).total_seconds() >= LONG_WAIT_S for end in ends)


def needy(needs: Sequence[Need]) -> tuple[News, ...]:
    """What needs a person in a live run; that somebody paused it is known to whoever did."""
    return tuple(map(_of_need, (need for need in needs if need.kind is not NeedKind.PAUSED)))


def last_news(
    state: RunState | None, how: Condition, needs: Sequence[Need], clock: ClockFace
) -> tuple[News, ...]:
    """How a run ended, then what needs a person."""
    reason = None if state is None else state.stop_reason
    verb = "is " if how is Condition.UNREADABLE else ""
    first = News(topic=_topic(reason, needs, clock), text=f"the run {verb}{ending(how, reason, clock)}")
    listed = [_of_need(need) for need in needs[:MOST_NEEDS]]
    left = len(needs) - len(listed)
    if left:
        run = "" if state is None else f" {state.run_id}"
        text = f"{left} more need{'s' if left == 1 else ''} you"
        listed.append(News(topic=Topic.NEEDS_YOU, text=text, command=f"pitboss status{run}"))
    return (first, *listed)


def _topic(reason: str | None, needs: Sequence[Need], clock: ClockFace) -> Topic:
    """The most telling topic of an end; `[notify] on` may have it or `ended`."""
    if any(need.kind is NeedKind.DEAD_END for need in needs):
        return Topic.DEAD_END
    return Topic.BUDGET if why(reason, clock).startswith("at its limit") else Topic.ENDED


def _of_need(need: Need) -> News:
    topic = Topic.ENDED if need.kind is NeedKind.NOT_LANDED else Topic.NEEDS_YOU
    text = f"{need.what}: {need.why}" if need.why else need.what
    return News(topic=topic, text=text, command=need.command)


def worth_telling(found: Sequence[News], on: Sequence[Topic]) -> bool:
    """Whether somebody who wants to hear `on` gets a notice of an end: always, if that is among them."""
    return Topic.ENDED in on or any(news.topic in on for news in found)
