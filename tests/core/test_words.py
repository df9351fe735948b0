"""The words that all screens share: what a run does, how it ended, what its sessions do, what agents have left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from pitboss.core.budget import BudgetSnapshot, Caps
from pitboss.core.condition import Condition, condition
from pitboss.core.events import SET_UP, Phase
from pitboss.core.measures import stamp
from pitboss.core.quota import Quota, QuotaWindow
from pitboss.core.session import SessionStatus
from pitboss.core.stops import RunStatus
from pitboss.core.tone import CONDITION_TONES, SESSION_TONES, Tone
from pitboss.core.view import Activity, Flight, View
from pitboss.core.words.endings import ending, why
from pitboss.core.words.phases import brief_words, flight_tone, flight_words, phase_words
from pitboss.core.words.quotas import window_words, windows
from pitboss.core.words.run_state import run_words
from tests.support.values import run_state

NOW = datetime(2026, 5, 1, 3, 0, tzinfo=UTC)
LIMIT = Flight(
    seq=12, phase=Phase.WAIT, detail="claude_code's usage limit", until=NOW + timedelta(minutes=10)
)
FORTY = Caps(max_iterations=40)


def hour(moment: datetime) -> str:
    return f"{moment:%H:%M}"


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ("completed", "every prompt has had its runs", "finished: every prompt has had its runs"),
        ("aborted", "max-iterations reached: 2 >= 2", "stopped at its limit: 2 of 2 sessions"),
        ("aborted", "max-iterations reached: 1 >= 1", "stopped at its limit: 1 of 1 session"),
        ("aborted", "max-cost reached: much >= more", "stopped at its limit: much of more"),
        ("aborted", "max-tokens reached: 1500 >= 1200", "stopped at its limit: 1.5k of 1.2k tokens"),
        (
            "aborted",
            f"max-tokens reached: {'9' * 5000} >= 1200",
            f"stopped at its limit: {'9' * 5000} of 1.2k tokens",
        ),
        ("aborted", "max-cost reached: $1.2000 >= $1.0000", "stopped at its limit: $1.20 of $1.00"),
        (
            "aborted",
            "until reached: 2026-01-01T10:00:01Z >= 2026-01-01T10:00:00Z",
            "stopped at its limit: 2026-01-01T10:00:00Z",
        ),
        ("aborted", "until reached: soon >= now", "stopped at its limit: now"),
        ("aborted", "drained on request", "stopped on request"),
        ("aborted", "aborted on request", "stopped at once, on request"),
        ("aborted", "3 sessions failed in a row (limit 3)", "stopped: 3 sessions failed in a row (limit 3)"),
        (
            "aborted",
            "the guardian, its first process, was killed",
            "stopped: the guardian, its first process, was killed",
        ),
        ("aborted", None, "stopped"),
        ("failed", "internal error: no", "failed: internal error: no"),
        ("crashed", None, "crashed"),
    ],
)
def test_how_a_run_ended_in_words(status: str, reason: str | None, words: str) -> None:
    assert ending(status, reason, stamp) == words
    assert "abort" not in why(reason, stamp)


@pytest.mark.parametrize(
    ("view", "words", "tone"),
    [
        (View(), "starting", Tone.ACTIVE),
        (View(used=BudgetSnapshot(iterations=1)), "between sessions", Tone.ACTIVE),
        (View(in_flight=(Flight(seq=3),)), "session 3", Tone.ACTIVE),
        (View(awaits="none is connected"), "waiting for a worker: none is connected", Tone.WARN),
        (View(awaits="none is connected", in_flight=(Flight(seq=3),)), "session 3", Tone.ACTIVE),
        (View(awaits="none is connected", paused=True), "paused", Tone.WARN),
        (View(in_flight=(Flight(seq=11), LIMIT), caps=FORTY), "sessions 11, 12 of 40", Tone.ACTIVE),
        (
            View(in_flight=tuple(Flight(seq=n) for n in range(8, 13)), last_seq=12, caps=FORTY),
            "5 sessions at once, 12 of 40",
            Tone.ACTIVE,
        ),
        (
            View(in_flight=(Flight(seq=11, phase=Phase.WAIT), LIMIT)),
            "waiting for claude_code's usage limit until 03:10",
            Tone.WARN,
        ),
        (View(activity=Activity.DRAINING), "stopping", Tone.WARN),
        (View(activity=Activity.DRAINING, paused=True), "stopping", Tone.WARN),
        (View(paused=True), "paused", Tone.WARN),
        (View(paused=True, in_flight=(LIMIT,)), "paused: session 12 still running", Tone.WARN),
        (View(activity=Activity.DRAINING, in_flight=(LIMIT,)), "stopping: waiting for session 12", Tone.WARN),
        (View(activity=Activity.ABORTING, in_flight=(LIMIT,)), "stopping now", Tone.WARN),
        (View(activity=Activity.OVER), "ending", Tone.ACTIVE),
    ],
)
def test_what_a_live_run_does_in_words(view: View, words: str, tone: Tone) -> None:
    said = run_words(view, Condition.LIVE, None, hour)
    assert (said.text, said.tone) == (words, tone)


def test_a_run_at_rest_is_described_by_how_it_ended() -> None:
    said = run_words(View(), Condition.ABORTED, "max-cost reached: $1.2000 >= $1.0000", hour)
    assert (said.text, said.tone) == ("stopped at its limit: $1.20 of $1.00", Tone.WARN)
    assert run_words(View(), Condition.CRASHED, None, hour).tone is Tone.BAD


@pytest.mark.parametrize(
    ("status", "live", "expected"),
    [
        (RunStatus.ACTIVE, True, Condition.LIVE),
        (RunStatus.ACTIVE, False, Condition.CRASHED),
        (RunStatus.COMPLETED, False, Condition.COMPLETED),
        (RunStatus.FAILED, False, Condition.FAILED),
        (None, False, Condition.UNREADABLE),
        (None, True, Condition.LIVE),
    ],
)
def test_the_condition_of_a_run_is_its_state_and_whether_its_process_lives(
    status: RunStatus | None, live: bool, expected: Condition
) -> None:
    state = None if status is None else run_state(status=status)
    assert condition(state, live=live) is expected


def test_every_status_and_condition_has_a_tone() -> None:
    assert list(SESSION_TONES) == list(SessionStatus)
    assert set(CONDITION_TONES) == set(Condition)


def test_what_a_session_does_in_words() -> None:
    assert phase_words(None) == "starting"
    assert phase_words(Phase.HOOK, "pre_session") == "running a hook (pre_session)"
    assert phase_words(Phase.HOOK, SET_UP) == "setting up"
    assert brief_words(Flight(seq=1, phase=Phase.HOOK, detail=SET_UP)) == "setting up"
    assert brief_words(Flight(seq=1, phase=Phase.HOOK, detail="pre_session")) == "running a hook"
    assert phase_words(Phase.VERIFY, "make\ntest") == "running the tests (make test)"
    assert flight_words(Flight(seq=1, phase=Phase.LAND), hour) == "landing"
    assert flight_words(Flight(seq=1, phase=Phase.WAIT), hour) == "waiting"
    assert flight_words(LIMIT) == "waiting for claude_code's usage limit"
    assert flight_words(LIMIT, hour) == "waiting for claude_code's usage limit until 03:10"
    assert (brief_words(LIMIT), brief_words(Flight(seq=1)), flight_tone(LIMIT)) == (
        "waiting",
        "starting",
        Tone.WARN,
    )
    assert flight_tone(Flight(seq=1, phase=Phase.AGENT)) is Tone.ACTIVE
    dead = msgspec.structs.replace(LIMIT, cut_short=True)
    assert (flight_words(dead, hour), brief_words(dead), flight_tone(dead)) == (
        "cut short",
        "cut short",
        Tone.BAD,
    )


def test_what_is_left_of_a_subscription_in_words() -> None:
    soon, past = NOW.timestamp() + 600, NOW.timestamp() - 1
    quota = Quota(
        five_hour=QuotaWindow(used=0.621, resets_at=soon),
        seven_day=QuotaWindow(used=0.9, resets_at=past),
        other=QuotaWindow(used=1.0),
    )
    found = windows(quota, NOW)
    said = [window_words(use, hour) for use in found]
    assert said == ["5-hour 62% until 03:10", "7-day renewed", "other 100%"]
    assert [use.tone for use in found] == [Tone.OK, Tone.OK, Tone.BAD]
    assert msgspec.structs.replace(found[0], used=0.8).tone is Tone.WARN
