"""What a live run says when it was asked for something: to whoever asked, and in its progress."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pitboss.core.answers import Answer, Declined, Deed, Granted, NotLive, Silence
from pitboss.core.budget import BudgetSnapshot, Caps
from pitboss.core.events import Aborting, CapsChanged, Draining, Paused, Phase, Skipping, Unpaused
from pitboss.core.stops import StopBy
from pitboss.core.view import Flight, View
from pitboss.core.words.deeds import answer_words, deed_news, named

NOW = datetime(2026, 5, 1, 3, 0, tzinfo=UTC)
ONE = View(run_id="rid", in_flight=(Flight(seq=1, prompt="alpha"),), last_seq=1, started_at=NOW)
TWO = View(
    run_id="rid",
    in_flight=(Flight(seq=1, prompt="alpha"), Flight(seq=2, prompt="bravo\x1b[2J")),
    used=BudgetSnapshot(iterations=3, cost_usd=0.5),
    last_seq=5,
    started_at=NOW,
)
LIMITED = View(
    run_id="rid",
    in_flight=(
        Flight(seq=1, prompt="alpha", phase=Phase.WAIT, detail="codex's usage limit"),
        Flight(seq=2, prompt="bravo", phase=Phase.WAIT, detail="retry: overloaded"),
    ),
)
CUT_OFF = "session-0001 (alpha) will be recorded as aborted, its work rescued"
IDLE = View(run_id="rid")
PAUSED = View(run_id="rid", paused=True)


def hour(moment: datetime) -> str:
    return f"{moment:%H:%M}"


@pytest.mark.parametrize(
    ("answer", "view", "words"),
    [
        (Granted(deed=Paused()), IDLE, "run rid is paused: no new session starts; `pitboss unpause` goes on"),
        (
            Granted(deed=Paused()),
            ONE,
            "run rid is paused: no new session starts; session-0001 (alpha) finishes; `pitboss unpause` goes on",
        ),
        (
            Granted(deed=Paused()),
            PAUSED,
            "run rid is already paused: no new session starts; `pitboss unpause` goes on",
        ),
        (Granted(deed=Unpaused()), PAUSED, "run rid goes on: sessions start again"),
        (Granted(deed=Unpaused()), ONE, "run rid was not paused: sessions start as before"),
        (
            Granted(deed=CapsChanged(caps=Caps())),
            ONE,
            "run rid already has these budgets: 1 session",
        ),
        (
            Granted(deed=CapsChanged(caps=Caps(max_iterations=9, until=NOW + timedelta(hours=1)))),
            TWO,
            "run rid has other budgets: 5 of 9 sessions, $0.50, until 04:00",
        ),
        (
            Granted(deed=CapsChanged(caps=Caps(max_iterations=5))),
            TWO,
            "run rid has other budgets: 5 of 5 sessions, $0.50; it starts no further session",
        ),
        (
            Granted(deed=Skipping(seqs=(1,))),
            ONE,
            "run rid skips session-0001 (alpha): recorded as skipped, work rescued",
        ),
        (Granted(deed=Skipping()), ONE, "run rid had nothing to skip"),
        (
            Granted(deed=Draining(in_flight=(1, 7))),
            ONE,
            "run rid stops when session-0001 (alpha), session-0007 have ended; `pitboss stop --now` does not wait",
        ),
        (
            Granted(deed=Draining(in_flight=(1,))),
            LIMITED,
            "run rid stops now: session-0001 (alpha) will be recorded as aborted, its work rescued",
        ),
        (
            Granted(deed=Draining(in_flight=(1, 2))),
            LIMITED,
            f"run rid stops when session-0002 (bravo) has ended; `pitboss stop --now` does not wait; {CUT_OFF}",
        ),
        (Granted(deed=Draining()), ONE, "run rid stops before it starts another session"),
        (
            Granted(deed=Aborting()),
            ONE,
            "run rid stops now: session-0001 (alpha) will be recorded as aborted, its work rescued",
        ),
        (Granted(deed=Aborting()), IDLE, "run rid stops before it starts another session"),
        (Declined(why="not you"), ONE, "not you"),
        (NotLive(), ONE, "run rid is not live: it does nothing more"),
        (
            Silence(waits=True),
            ONE,
            "run rid has not answered yet; the request counts once the run reads it",
        ),
        (
            Silence(waits=False),
            ONE,
            "run rid has taken the request and has not said what became of it",
        ),
    ],
)
def test_an_answer_in_words(answer: Answer, view: View, words: str) -> None:
    assert answer_words(answer, view, NOW, hour) == words


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        (
            Paused(by="watch"),
            "paused by `pitboss watch`: no new session starts; `pitboss unpause` goes on",
        ),
        (Unpaused(), "not paused: sessions start as before"),
        (CapsChanged(caps=Caps()), "budgets unchanged: 1 session"),
        (
            CapsChanged(caps=Caps(max_cost_usd=2.0), by="budget"),
            "budgets changed by `pitboss budget`: 1 session, $0.00 of $2.00",
        ),
        (Skipping(seqs=(1,)), "skipping session-0001 (alpha)"),
        (Skipping(), "nothing to skip: no such session is in flight"),
        (
            Draining(in_flight=(1, 2)),
            "draining: no new session starts, waiting for session-0001, session-0002; stop again to abort",
        ),
        (
            Draining(in_flight=(1,), by=StopBy.REQUEST),
            "draining: no new session starts, waiting for session-0001; `pitboss stop --now` does not wait",
        ),
        (Draining(), "draining: no new session starts, nothing is in flight"),
        (Aborting(), "aborting: sessions in flight are being stopped"),
    ],
)
def test_what_a_run_does_in_its_progress(deed: Deed, words: str) -> None:
    assert deed_news(deed, ONE, NOW, hour) == words


def test_a_run_that_drains_does_not_wait_for_a_session_that_waits_for_a_limit() -> None:
    cut = "not for session-0001, which waits for a limit or a service"
    draining = Draining(in_flight=(1, 2))
    assert deed_news(draining, LIMITED, NOW, hour) == (
        f"draining: no new session starts, waiting for session-0002; stop again to abort; {cut}"
    )
    alone = Draining(in_flight=(1,))
    assert deed_news(alone, LIMITED, NOW, hour) == f"draining: no new session starts, {cut}"


def test_what_was_so_before_is_not_told_as_news() -> None:
    already = "already paused: no new session starts; `pitboss unpause` goes on"
    assert deed_news(Paused(by="pause"), PAUSED, NOW, hour) == already
    assert (
        deed_news(Unpaused(by="watch"), PAUSED, NOW, hour)
        == "unpaused by `pitboss watch`: sessions start again"
    )


def test_sessions_are_named_by_number_and_prompt_on_one_line() -> None:
    assert "\x1b" not in named((1, 2), TWO)
    assert named((1,), ONE) == "session-0001 (alpha)"
