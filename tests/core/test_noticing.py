"""What of a run is worth a notice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pitboss.core.condition import Condition
from pitboss.core.config import Topic
from pitboss.core.events import (
    Phase,
    PhaseChanged,
    RunEvent,
    SessionEnded,
    SessionStarted,
    Warned,
    WorkersAwaited,
)
from pitboss.core.measures import stamp
from pitboss.core.needs import Need, NeedKind
from pitboss.core.notice import News
from pitboss.core.noticing import last_news, needy, noticed, worth_telling
from pitboss.core.session import SessionStatus
from pitboss.core.stops import RunStatus
from pitboss.core.view import View, fold
from tests.support.values import RUN_ID, fresh_run, record

NOW = datetime(2026, 5, 1, 23, 0, tzinfo=UTC)
STATUS = f"pitboss status {RUN_ID}"
LATER = NOW + timedelta(hours=4)


def told(*events: RunEvent) -> list[News]:
    view = View(run_id=RUN_ID)
    found: list[News] = []
    for event in events:
        before, view = view, fold(view, event)
        found += noticed(before, view, event, stamp)
    return found


def waits(seq: int, until: datetime | None = LATER, t: datetime | None = NOW) -> PhaseChanged:
    return PhaseChanged(t=t, seq=seq, phase=Phase.WAIT, detail="codex's usage limit", until=until)


def test_a_budget_at_80_percent_is_news_and_other_warnings_are_not() -> None:
    assert told(Warned(text="max-cost at 80%: $8.1 of $10"), Warned(text="no price for x")) == [
        News(topic=Topic.BUDGET, text="max-cost at 80%: $8.1 of $10", command=STATUS)
    ]


def test_a_long_wait_is_news_once_nothing_else_goes_on() -> None:
    begun = (SessionStarted(t=NOW, seq=1, prompt="a"), SessionStarted(t=NOW, seq=2, prompt="b"))
    news = News(
        topic=Topic.WAITING,
        text="waiting for codex's usage limit until 2026-05-02T03:00:00Z",
        command=STATUS,
    )
    assert told(*begun, waits(1)) == []
    assert told(*begun, waits(1), waits(2), waits(2)) == [news]
    assert told(*begun, waits(1), SessionEnded(t=NOW, record=record(2))) == [news]
    assert told(begun[0], waits(1, until=None))[0].text == "waiting for codex's usage limit"


@pytest.mark.parametrize("event", [waits(1, until=NOW + timedelta(seconds=20)), waits(1, t=None)])
def test_a_short_wait_is_no_news(event: PhaseChanged) -> None:
    assert told(SessionStarted(t=NOW, seq=1, prompt="a"), event) == []


def test_a_long_wait_for_a_worker_is_news_once_each_time() -> None:
    short, long = WorkersAwaited(why="none is connected"), WorkersAwaited(why="none is connected", long=True)
    unfit = WorkersAwaited(why="the one that is connected is unfit", long=True)
    news = News(
        topic=Topic.WAITING, text="waiting for a worker: none is connected", command="pitboss workers"
    )
    assert told(short, WorkersAwaited()) == []
    assert told(short, long, Warned(text="no price for x"), unfit) == [news]
    assert told(long, WorkersAwaited(), short, long) == [news, news]


def test_a_dead_end_is_news_before_the_run_is_over() -> None:
    ended = record(3, status=SessionStatus.ERROR, commit=None, reason="billing: no credit")
    assert told(SessionEnded(t=NOW, record=ended)) == [
        News(
            topic=Topic.DEAD_END,
            text="session 3 met a dead end: billing: no credit",
            command="pitboss doctor",
        )
    ]
    assert told(SessionEnded(t=NOW, record=record(3, status=SessionStatus.ERROR, reason="agent_error"))) == []


def need(kind: NeedKind, what: str = "session 1 conflicts", why: str = "") -> Need:
    return Need(kind=kind, what=what, why=why, command="pitboss rescue ls")


def test_what_needs_a_person_is_news_except_a_pause() -> None:
    found = needy([need(NeedKind.PAUSED), need(NeedKind.CONFLICT, why="with b.txt")])
    assert found == (
        News(topic=Topic.NEEDS_YOU, text="session 1 conflicts: with b.txt", command="pitboss rescue ls"),
    )


@pytest.mark.parametrize(
    ("how", "reason", "text", "topic"),
    [
        (Condition.COMPLETED, "rotation exhausted", "the run finished: rotation exhausted", Topic.ENDED),
        (
            Condition.ABORTED,
            "max-iterations reached: 2 >= 2",
            "the run stopped at its limit: 2 of 2 sessions",
            Topic.BUDGET,
        ),
        (Condition.ABORTED, "drained on request", "the run stopped on request", Topic.ENDED),
        (Condition.FAILED, "bug", "the run failed: bug", Topic.ENDED),
        (Condition.CRASHED, None, "the run crashed", Topic.ENDED),
        (Condition.UNREADABLE, None, "the run is unreadable", Topic.ENDED),
    ],
)
def test_the_end_of_a_run_is_told_in_its_own_words(
    how: Condition, reason: str | None, text: str, topic: Topic
) -> None:
    state = fresh_run(status=RunStatus.ABORTED, stop_reason=reason)
    assert last_news(state, how, (), stamp) == (News(topic=topic, text=text),)


def test_after_the_end_comes_what_needs_a_person_up_to_five_of_them() -> None:
    first = need(NeedKind.DEAD_END, "session 1 met a dead end")
    others = [need(NeedKind.RESCUED, f"session {seq}") for seq in range(2, 6)]
    landing = need(NeedKind.NOT_LANDED, "2 commits are not on main")
    found = last_news(fresh_run(), Condition.ABORTED, [first, landing, *others], stamp)
    assert [news.text for news in found[1:]] == [
        "session 1 met a dead end",
        "2 commits are not on main",
        "session 2",
        "session 3",
        "session 4",
        "1 more needs you",
    ]
    assert [news.topic for news in found[:3]] == [Topic.DEAD_END, Topic.NEEDS_YOU, Topic.ENDED]
    assert found[-1].command == f"pitboss status {fresh_run().run_id}"
    more = last_news(None, Condition.UNREADABLE, [landing] * 7, stamp)[-1]
    assert (more.text, more.command) == ("2 more need you", "pitboss status")


@pytest.mark.parametrize(
    ("on", "told"),
    [((Topic.ENDED,), True), ((Topic.NEEDS_YOU,), True), ((Topic.BUDGET, Topic.WAITING), False), ((), False)],
)
def test_an_end_is_told_to_whoever_wants_to_hear_of_it(on: tuple[Topic, ...], told: bool) -> None:
    found = last_news(fresh_run(), Condition.ABORTED, [need(NeedKind.RESCUED)], stamp)
    assert worth_telling(found, on) is told
