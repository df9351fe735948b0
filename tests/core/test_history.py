"""What the sessions of a group came to: counts, money that may be unknown, and a small line (SPEC 11)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.history import BARS, UNKNOWN, By, PastSession, Tally, grouped, past, summed, trend
from pitboss.core.session import QUEUED_TASKS, SessionStatus
from tests.support.values import STARTED, record

OK, ERROR = SessionStatus.OK, SessionStatus.ERROR
AGENT: dict[str, Any] = {"agent": "claude_code", "model": "sonnet"}


def seen(seq: int, prompt: str = "alpha", status: SessionStatus = OK, **changes: Any) -> PastSession:
    return past(record(seq, prompt, status, **changes))


def day(moment: float) -> str:
    return f"day-{int(moment // 86400)}"


def test_a_record_is_kept_as_far_as_history_asks() -> None:
    line = record(3, cost_usd=0.5, **AGENT)
    assert past(line) == PastSession(
        run_id="rid",
        seq=3,
        prompt="alpha",
        agent="claude_code",
        model="sonnet",
        started=(STARTED + timedelta(hours=1)).timestamp(),
        seconds=60.0,
        cost_usd=0.5,
        cost_known=True,
        commit=line.commit,
        failure=None,
        barren=False,
    )
    assert past(line).id == ("rid", 3)


@pytest.mark.parametrize(
    ("changes", "failure", "barren"),
    [
        ({}, None, False),
        ({"commit": None}, None, True),
        ({"status": SessionStatus.DIRTY, "commit": None, "reason": "head_moved"}, None, True),
        ({"status": ERROR, "commit": None, "reason": "exit_code: 3"}, "exit_code", True),
        ({"status": ERROR, "reason": "exit_code: 3"}, "exit_code", False),
        ({"status": SessionStatus.TIMEOUT, "commit": None}, "timeout", True),
        ({"status": ERROR, "commit": None, "reason": "words of another program"}, "error", True),
        ({"status": SessionStatus.ABORTED, "commit": None, "reason": "aborted"}, None, False),
        ({"status": SessionStatus.SKIPPED, "commit": None, "reason": "skipped"}, None, False),
        ({"status": ERROR, "commit": None, "reason": "overloaded", "waited_s": 9.0}, "overloaded", False),
    ],
)
def test_a_session_fails_for_a_reason_and_is_barren_if_it_landed_nothing(
    changes: dict[str, Any], failure: str | None, barren: bool
) -> None:
    found = seen(1, **changes)
    assert (found.failure, found.barren) == (failure, barren)


def test_groups_go_by_prompt_agent_model_or_day() -> None:
    later = STARTED + timedelta(days=2)
    lines = [
        seen(1, "bravo", started_at=later, ended_at=later),
        seen(2, "alpha", **AGENT),
        seen(3, "alpha"),
        seen(4, "made-up", queued="t1", **AGENT),
        seen(5, "charlie", **AGENT),
    ]
    keys = {by: [(key, len(some)) for key, some in grouped(lines, by, day)] for by in By}
    first, last = day(lines[1].started), day(lines[0].started)
    assert keys == {
        By.PROMPT: [("alpha", 2), (QUEUED_TASKS, 1), ("bravo", 1), ("charlie", 1)],
        By.AGENT: [("claude_code", 3), (UNKNOWN, 2)],
        By.MODEL: [("sonnet", 3), (UNKNOWN, 2)],
        By.DAY: [(first, 4), (last, 1)],
    }


def test_a_group_says_what_its_sessions_came_to() -> None:
    lines = [
        seen(1, cost_usd=1.0),
        seen(2, cost_usd=0.5, ended_at=STARTED + timedelta(hours=1, seconds=10)),
        seen(3, status=ERROR, commit=None, reason="stalled: silent", cost_usd=1.5),
        seen(4, status=ERROR, commit=None, reason="exit_code: 1"),
        seen(5, status=ERROR, commit=None, reason="stalled"),
    ]
    assert summed("alpha", lines, {("rid", 2), ("other", 1)}) == Tally(
        key="alpha",
        sessions=5,
        landed=2,
        accepted=1,
        barren=3,
        failures={"stalled": 2, "exit_code": 1},
        cost_usd=3.0,
        cost_known=True,
        cost_per_landed_usd=1.5,
        cost_per_accepted_usd=3.0,
        median_s=60.0,
    )


@pytest.mark.parametrize(
    ("cost_usd", "known", "lands", "per_landed"),
    [
        (1.0, True, True, 1.0),
        (1.0, True, False, None),
        (1.0, False, True, 1.0),
        (0.0, False, True, None),
        (0.0, True, True, 0.0),
    ],
)
def test_an_unknown_cost_is_no_zero(
    cost_usd: float, known: bool, lands: bool, per_landed: float | None
) -> None:
    line = seen(1, cost_usd=cost_usd, cost_known=known, commit="c" * 40 if lands else None)
    group = summed("alpha", [line], ())
    assert (group.cost_known, group.cost_per_landed_usd, group.cost_per_accepted_usd) == (
        known,
        per_landed,
        None,
    )


def test_a_few_sessions_are_a_small_sample() -> None:
    assert summed("alpha", [seen(seq) for seq in range(1, 10)], ()).is_small
    assert not summed("alpha", [seen(seq) for seq in range(1, 11)], ()).is_small


@pytest.mark.parametrize(
    ("landed", "line"),
    [
        ("", ""),
        ("+", "█"),
        ("-", "▁"),
        ("+-", "█▁"),
        ("--------++++++++", "▁▁▁▁████"),
        ("+-+-+-+-+-+-+-+-", "▅" * 8),
    ],
)
def test_a_trend_is_the_share_that_landed_oldest_first(landed: str, line: str) -> None:
    lines = [
        seen(seq, started_at=STARTED + timedelta(minutes=seq), commit="c" if each == "+" else None)
        for seq, each in enumerate(landed, 1)
    ]
    assert trend(lines[::-1]) == line


@given(
    st.lists(st.tuples(st.sampled_from(["alpha", "bravo"]), st.booleans(), st.integers(0, 99)), max_size=60)
)
def test_groups_add_up_to_all_sessions(happened: list[tuple[str, bool, int]]) -> None:
    lines = [
        seen(seq, name, commit="c" if lands else None, cost_usd=float(cents))
        for seq, (name, lands, cents) in enumerate(happened, 1)
    ]
    for by in By:
        groups = [summed(key, some, ()) for key, some in grouped(lines, by, day)]
        assert sum(group.sessions for group in groups) == len(lines)
        assert sum(group.landed for group in groups) == sum(lands for _, lands, _ in happened)
        assert sum(group.cost_usd for group in groups) == pytest.approx(sum(cents for *_, cents in happened))
        assert all(group.landed + group.barren == group.sessions for group in groups)
    assert len(trend(lines)) == min(8, len(lines))
    assert set(trend(lines)) <= set(BARS)
