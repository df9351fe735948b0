"""What follows a failed attempt: waits, retries, fallbacks, dead ends, step by step and as properties (SPEC 6)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.agent import AgentOutcome
from pitboss.core.config import Limits
from pitboss.core.quota import Quota, QuotaWindow
from pitboss.core.retry import (
    LOGIN_PAUSE_S,
    LONGEST_LIMIT_S,
    SETTLING_S,
    UNKNOWN_RESET_S,
    Again,
    Cause,
    Fallback,
    Restart,
    Tries,
    dead_end,
    fallback,
    limit_ahead,
    next_attempt,
    opens_at,
    stuck_for,
)
from pitboss.core.session import Reason, SessionStatus
from pitboss.core.usage import Usage
from tests.support.values import record

NOW = 1_800_000_000.0
HOUR = 3600.0
MANY = 2000
"""Steps after which a session would have gone on for ever."""

reasons = st.sampled_from([*Reason, "a word of tomorrow", ""]).flatmap(
    lambda word: st.sampled_from([str(word), f"{word}: in other words"])
)
moments = st.none() | st.floats(NOW - 1e6, NOW + 1e7) | st.sampled_from([0.0, NOW, 1e15])
failures = st.builds(
    AgentOutcome,
    status=st.just(SessionStatus.ERROR),
    usage=st.just(Usage()),
    reason=st.none() | reasons,
    resets_at=moments,
)
limits = st.builds(
    Limits,
    max_wait_s=st.floats(0, 10 * HOUR),
    fallback=st.lists(st.sampled_from(["claude_code", "codex", "gemini"]), max_size=3).map(tuple),
    retries=st.integers(0, 5),
    retry_base_seconds=st.floats(0, HOUR),
)
jitters = st.floats(0, 1)


def failed(reason: str | None, resets_at: float | None = None, **changes: Any) -> AgentOutcome:
    values: dict[str, Any] = {"status": SessionStatus.ERROR, "usage": Usage(), "reason": reason}
    return AgentOutcome(**{**values, "resets_at": resets_at, **changes})


def test_a_lost_session_is_begun_anew_at_once_whatever_else_the_agent_said() -> None:
    lost = failed("rate_limited: no conversation found", lost_session=True)
    step = next_attempt(lost, Tries(retries=2), Limits(retries=0, max_wait_s=0.0), now=NOW, jitter=0.5)
    assert step == Restart()
    assert Tries(retries=2, agents=("codex",)).after(Restart()) == Tries(retries=2, agents=("codex",))


def test_a_program_that_is_being_updated_is_started_again_unless_another_can_go_on() -> None:
    gone = failed("spawn_failed: no such program", missing=True)
    assert after(gone, retry_base_seconds=20.0) == Again(after_s=20.0, cause=Cause.RETRY)
    assert after(gone, Tries(retries=2), retry_base_seconds=20.0) == Again(after_s=80.0, cause=Cause.RETRY)
    assert after(gone, Tries(retries=3)) is None
    assert after(gone, Tries(agents=("codex", "gemini"))) == Fallback(agent="codex")


def after(
    ended: AgentOutcome, tries: Tries | None = None, *, jitter: float = 0.0, **settings: Any
) -> Again | Restart | Fallback | None:
    return next_attempt(ended, tries or Tries(), Limits(**settings), now=NOW, jitter=jitter)


@pytest.mark.parametrize(
    ("resets_in", "jitter", "waits"),
    [
        (2.0, 0.0, 2.0 + SETTLING_S),
        (2.0, 1.0, 2.0 + SETTLING_S + 0.2),
        (5 * HOUR, 0.0, 5 * HOUR + SETTLING_S),
        (5 * HOUR, 0.5, 5 * HOUR + SETTLING_S + 12.5),
        (LONGEST_LIMIT_S, 0.0, LONGEST_LIMIT_S + SETTLING_S),
    ],
)
def test_a_limit_is_waited_for_until_its_end_and_a_little_longer(
    resets_in: float, jitter: float, waits: float
) -> None:
    ended = failed("rate_limited: 5-hour limit", NOW + resets_in)
    assert after(ended, jitter=jitter, max_wait_s=0.0) == Again(after_s=waits, cause=Cause.LIMIT, dated=True)


@pytest.mark.parametrize(
    ("retries", "max_wait_s", "waits"),
    [(0, HOUR, False), (0, 3 * HOUR, True), (1, 0.0, True), (3, HOUR, True)],
)
def test_without_retries_an_end_that_was_told_is_waited_for_within_max_wait_alone(
    retries: int, max_wait_s: float, waits: bool
) -> None:
    step = after(failed("rate_limited", NOW + 2 * HOUR), retries=retries, max_wait_s=max_wait_s)
    told = Again(after_s=2 * HOUR + SETTLING_S, cause=Cause.LIMIT, dated=True)
    assert step == (told if waits else None)


@pytest.mark.parametrize("resets_at", [None, NOW - HOUR, 0.0, -1e15, NOW * 1000, NOW + LONGEST_LIMIT_S + 1])
def test_an_end_that_nobody_told_or_that_cannot_be_is_looked_for_every_quarter_of_an_hour(
    resets_at: float | None,
) -> None:
    assert after(failed("rate_limited", resets_at)) == Again(
        after_s=UNKNOWN_RESET_S, cause=Cause.LIMIT, blind_s=UNKNOWN_RESET_S
    )


@pytest.mark.parametrize("ago_s", [0.0, 1.0, UNKNOWN_RESET_S - 1])
def test_a_limit_that_has_just_ended_is_looked_for_again_soon(ago_s: float) -> None:
    ended = failed("rate_limited", NOW - ago_s)
    assert after(ended, retry_base_seconds=20.0) == Again(after_s=20.0, cause=Cause.LIMIT, blind_s=20.0)
    assert after(ended, retry_base_seconds=0.0) == Again(
        after_s=SETTLING_S, cause=Cause.LIMIT, blind_s=SETTLING_S
    )


def test_blind_waits_take_max_wait_to_the_second_and_no_longer() -> None:
    tries, waits = Tries(), []
    while isinstance(step := after(failed("rate_limited"), tries, max_wait_s=2000.0), Again):
        waits.append(step.after_s)
        tries = tries.after(step)
    assert (step, waits) == (None, [900.0, 900.0, 200.0])
    assert after(failed("rate_limited"), max_wait_s=0.0) is None


def test_waiting_for_an_end_that_was_told_leaves_all_of_max_wait() -> None:
    told = Tries().after(Again(after_s=5 * HOUR, cause=Cause.LIMIT, dated=True))
    assert told.blind_wait_s == 0.0
    assert told.after(Again(after_s=900.0, cause=Cause.LIMIT, blind_s=900.0)).blind_wait_s == 900.0


def test_each_fallback_is_tried_once_in_their_order_and_then_the_last_one_is_waited_for() -> None:
    tries, agents = Tries(agents=("codex",)), []
    ended = failed("rate_limited", NOW + 60)
    names = ("codex", "gemini", "gemini", "qwen")
    while isinstance(step := after(ended, tries, fallback=names), Fallback):
        agents.append(step.agent)
        tries = tries.after(step)
    assert agents == ["gemini", "qwen"]
    assert tries.agents == ("codex", "gemini", "qwen")
    assert step == Again(after_s=60 + SETTLING_S, cause=Cause.LIMIT, dated=True)


@pytest.mark.parametrize("reason", ["spawn_failed: no such program", "billing", "not_found"])
def test_a_fallback_that_is_no_good_hands_on_and_the_last_one_back(reason: str) -> None:
    limits: dict[str, Any] = {"fallback": ("gemini", "qwen"), "retries": 0}
    tries = Tries(agents=("codex", "gemini"))
    assert after(failed(reason), tries, **limits) == Fallback(agent="qwen")
    tries = tries.after(Fallback(agent="qwen"))
    assert after(failed(reason), tries, **limits) == Fallback(agent="codex")
    tries = tries.after(Fallback(agent="codex"))
    assert after(failed(reason), tries, **limits) is None
    assert after(failed("rate_limited", NOW + 60), tries, **limits) == Again(
        after_s=60 + SETTLING_S, cause=Cause.LIMIT, dated=True
    )


def test_an_agent_whose_limit_is_over_sooner_is_gone_back_to() -> None:
    limits: dict[str, Any] = {"fallback": ("codex",)}
    left = after(failed("rate_limited", NOW + 60), Tries(agents=("claude_code",)), **limits)
    assert left == Fallback(agent="codex", left_until=NOW + 60)
    tries = Tries(agents=("claude_code",)).after(left)
    assert tries.ends == {"claude_code": NOW + 60}
    back = Fallback(agent="claude_code")
    assert after(failed("rate_limited"), tries, **limits) == back
    assert after(failed("rate_limited", NOW + HOUR), tries, **limits) == Fallback(
        agent="claude_code", left_until=NOW + HOUR
    )
    assert after(failed("rate_limited", NOW + 30), tries, **limits) == Again(
        after_s=30 + SETTLING_S, cause=Cause.LIMIT, dated=True
    )
    assert tries.after(back).ends == {}


def test_an_undated_limit_is_looked_at_again_before_a_later_date() -> None:
    tries = Tries(agents=("claude_code", "codex"), ends={"claude_code": NOW + HOUR})
    assert after(failed("rate_limited"), tries, fallback=("codex",)) == Again(
        after_s=UNKNOWN_RESET_S, cause=Cause.LIMIT, blind_s=UNKNOWN_RESET_S
    )


def test_no_agent_takes_over_from_one_whose_service_is_busy() -> None:
    assert after(failed("overloaded"), fallback=("codex",)) == Again(after_s=20.0, cause=Cause.RETRY)


def test_a_busy_service_is_asked_again_after_twice_the_time_each() -> None:
    tries, waits = Tries(used=True), []
    while isinstance(step := after(failed("overloaded: 529"), tries, retries=7), Again):
        waits.append(step.after_s)
        tries = tries.after(step)
    assert (step, waits) == (None, [20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 900.0])


def test_jitter_makes_a_retry_up_to_a_quarter_later() -> None:
    assert after(failed("overloaded"), jitter=1.0) == Again(after_s=25.0, cause=Cause.RETRY)


@pytest.mark.parametrize("retries", [1, 2000, 10**9])
def test_absurd_numbers_of_retries_are_still_counted(retries: int) -> None:
    tries = Tries(retries=retries - 1)
    assert isinstance(after(failed("overloaded"), tries, retries=retries, retry_base_seconds=0.0), Again)
    assert after(failed("overloaded"), Tries(retries=retries, used=True), retries=retries) is None


def test_a_service_that_stays_away_is_waited_for_in_steps_that_go_on_doubling() -> None:
    tries, waits = Tries(), list[tuple[Cause, float]]()
    while isinstance(step := after(failed("overloaded: 529"), tries, retries=2, max_wait_s=2000.0), Again):
        waits.append((step.cause, step.after_s))
        tries = tries.after(step)
    assert step is None
    assert waits == [
        (Cause.RETRY, 20.0),
        (Cause.RETRY, 40.0),
        *((Cause.OUTAGE, seconds) for seconds in (80.0, 160.0, 320.0, 640.0, 800.0)),
    ]


@pytest.mark.parametrize(
    "worked", [{"usage": Usage(input=1)}, {"usage": Usage(cost_usd=0.1)}, {"tool_calls": 1}]
)
def test_what_got_to_work_before_its_service_went_away_met_no_outage(worked: dict[str, Any]) -> None:
    tries = Tries().seen(failed("overloaded", **worked)).seen(failed("overloaded"))
    assert after(failed("overloaded"), tries, retries=0) is None
    assert after(failed("overloaded"), tries.after(Fallback(agent="codex")), retries=0) is None


def test_nobody_waits_for_an_outage_without_max_wait() -> None:
    assert after(failed("overloaded"), retries=0, max_wait_s=0.0) is None


def test_an_outage_lets_another_agent_go_on_and_is_waited_for_when_there_is_none() -> None:
    limits: dict[str, Any] = {"fallback": ("codex",), "retries": 0}
    tries = Tries(agents=("claude_code",))
    assert after(failed("overloaded"), tries, **limits) == Fallback(agent="codex")
    tries = tries.after(Fallback(agent="codex"))
    assert after(failed("overloaded"), tries, **limits) == Fallback(agent="claude_code")
    tries = tries.after(Fallback(agent="claude_code"))
    assert after(failed("overloaded"), tries, **limits) == Again(
        after_s=20.0, cause=Cause.OUTAGE, blind_s=20.0
    )


def test_a_login_that_was_refused_is_asked_again_once() -> None:
    step = after(failed("auth: 401"), retries=0, max_wait_s=0.0)
    assert step == Again(after_s=LOGIN_PAUSE_S, cause=Cause.LOGIN)
    assert after(failed("auth"), retry_base_seconds=1.0) == Again(after_s=1.0, cause=Cause.LOGIN)
    assert after(failed("auth: 401"), Tries().after(step)) is None
    handed_on = Tries(agents=("codex",)).after(step).after(Fallback(agent="gemini"))
    assert after(failed("auth"), handed_on) == step
    assert after(failed("auth"), handed_on.after(step)) == Fallback(agent="codex")


def test_ends_that_prove_wrong_are_believed_less_each_time_and_not_beyond_max_wait() -> None:
    tries, waits = Tries(), list[float]()
    soon = failed("rate_limited", NOW + 1.0)
    while isinstance(step := after(soon, tries, max_wait_s=200.0), Again):
        assert step.dated
        waits.append(step.after_s)
        tries = tries.after(step)
    assert (step, waits) == (None, [6.0, 40.0, 80.0, 98.0])
    far = failed("rate_limited", NOW + 5 * HOUR)
    assert after(far, tries, max_wait_s=200.0) == Again(
        after_s=5 * HOUR + SETTLING_S, cause=Cause.LIMIT, dated=True
    )
    assert after(soon, tries.seen(failed("rate_limited", usage=Usage(output=1)))) == Again(
        after_s=1 + SETTLING_S, cause=Cause.LIMIT, dated=True
    )


def test_retries_are_counted_anew_after_a_wait_and_for_another_agent() -> None:
    tried = Tries(retries=3, blind_wait_s=5.0, agents=("codex",))
    assert tried.after(Again(after_s=1.0, cause=Cause.LIMIT, dated=True)).retries == 0
    assert tried.after(Fallback(agent="gemini")) == Tries(agents=("codex", "gemini"))
    assert tried.after(Again(after_s=1.0, cause=Cause.RETRY)).retries == 4


WAITED_FOR = {Reason.RATE_LIMITED, Reason.OVERLOADED, Reason.AUTH}


@pytest.mark.parametrize("reason", [None, "", "unheard_of", *sorted(set(Reason) - WAITED_FOR)])
def test_nothing_else_is_tried_again(reason: str | None) -> None:
    assert after(failed(reason, NOW + 60), fallback=("codex",)) is None


@pytest.mark.parametrize("status", sorted(set(SessionStatus) - {SessionStatus.ERROR}))
def test_an_attempt_that_is_no_error_is_the_last_one(status: SessionStatus) -> None:
    assert after(failed("rate_limited", NOW + 60, status=status)) is None


@given(failures, limits, jitters)
def test_no_wait_is_negative_and_none_ends_before_the_limit(
    ended: AgentOutcome, settings: Limits, jitter: float
) -> None:
    step = next_attempt(ended, Tries(agents=("claude_code",)), settings, now=NOW, jitter=jitter)
    if isinstance(step, Again):
        assert 0 <= step.after_s <= LONGEST_LIMIT_S + HOUR
        assert (step.cause is Cause.LIMIT) == (ended.reason or "").startswith(Reason.RATE_LIMITED)
        assert not step.dated or NOW + step.after_s >= (ended.resets_at or 0.0) + SETTLING_S


@given(st.lists(failures, min_size=1, max_size=5), limits, jitters)
def test_a_session_that_fails_for_ever_ends_unless_a_limit_is_dated_again_and_again(
    outcomes: list[AgentOutcome], settings: Limits, jitter: float
) -> None:
    tries, blind_s = Tries(agents=("claude_code",)), 0.0
    for n in range(MANY):
        step = next_attempt(outcomes[n % len(outcomes)], tries, settings, now=NOW, jitter=jitter)
        if step is None:
            break
        blind_s += step.blind_s if isinstance(step, Again) else 0.0
        tries = tries.after(step)
    else:
        # A busy service between two looks at a limit is asked as often as ever: not for ever, as blind waits end.
        assert any(limit_ahead(ended.resets_at, NOW) for ended in outcomes)
    assert len(tries.agents) <= 2 * len({"claude_code", *settings.fallback})
    assert blind_s <= settings.max_wait_s * len(tries.agents) + 1e-6


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("auth: Invalid API key", "log in"),
        ("billing", "payment"),
        ("not_found: no such model", "model"),
        ("permission_denied: every tool call was denied", "permission_mode"),
        ("rate_limited: 5-hour limit", "fallback"),
    ],
)
def test_a_dead_end_has_a_hint(reason: str, word: str) -> None:
    assert word in (dead_end(reason) or "")


DEAD_ENDS = {
    Reason.AUTH,
    Reason.BILLING,
    Reason.NOT_FOUND,
    Reason.PERMISSION_DENIED,
    Reason.RATE_LIMITED,
}


@pytest.mark.parametrize("reason", [None, "", "authentic", "not auth: x", *sorted(set(Reason) - DEAD_ENDS)])
def test_any_other_reason_is_of_its_session_alone(reason: str | None) -> None:
    assert dead_end(reason) is None


def window(used: float, resets_at: float | None) -> QuotaWindow:
    return QuotaWindow(used=used, resets_at=resets_at)


@pytest.mark.parametrize(
    ("five_hour", "seven_day", "opens"),
    [
        (window(0.94, NOW + 60), None, None),
        (window(0.95, NOW + 60), None, NOW + 60),
        (window(1.0, NOW + 60), window(0.2, NOW + 900), NOW + 60),
        (window(1.0, NOW + 60), window(0.97, NOW + 900), NOW + 900),
        (None, window(1.0, NOW + 900), NOW + 900),
        (window(1.0, None), None, None),
        (window(1.0, NOW), None, None),
        (window(1.0, NOW * 1000), None, None),
        (None, None, None),
    ],
)
def test_an_agent_is_held_back_until_the_last_full_window_ends(
    five_hour: QuotaWindow | None, seven_day: QuotaWindow | None, opens: float | None
) -> None:
    assert opens_at(Quota(five_hour=five_hour, seven_day=seven_day), 0.95, NOW) == opens


def test_a_full_window_of_another_length_holds_back_too() -> None:
    month = Quota(five_hour=window(0.1, NOW + 60), other=window(0.97, NOW + 86_400))
    assert opens_at(month, 0.95, NOW) == NOW + 86_400
    assert opens_at(month, 0.98, NOW) is None


def test_without_a_quota_or_a_share_nothing_is_held_back() -> None:
    assert opens_at(None, 0.95, NOW) is None
    assert opens_at(Quota(five_hour=window(1.0, NOW + 60)), None, NOW) is None


@given(moments)
def test_a_limit_ahead_is_in_the_future_and_near(moment: float | None) -> None:
    end = limit_ahead(moment, NOW)
    assert end is None or (end == moment and NOW < end <= NOW + LONGEST_LIMIT_S)


def test_a_fallback_is_told_without_an_attempt_as_well() -> None:
    limits = Limits(fallback=("codex", "gemini"))
    assert fallback(Tries(agents=("claude_code",)), limits) == Fallback(agent="codex")
    assert fallback(Tries(agents=("claude_code", "codex")), limits) == Fallback(agent="gemini")
    assert fallback(Tries(agents=("gemini", "codex")), limits) is None


def test_a_record_of_an_outage_that_was_waited_for_in_vain_ends_the_run_and_others_by_their_reason() -> None:
    away = record(1, status=SessionStatus.ERROR, commit=None, reason="overloaded", waited_s=9.0)
    assert "once the service is back" in (stuck_for(away, Limits()) or "")
    assert stuck_for(away, Limits(max_wait_s=0.0)) is None
    assert stuck_for(record(1, status=SessionStatus.ERROR, reason="auth"), Limits()) == dead_end("auth")
    assert stuck_for(record(1, status=SessionStatus.ABORTED, reason="auth"), Limits()) is None


def test_only_the_end_of_a_limit_or_an_outage_may_take_hours_to_come() -> None:
    assert [cause for cause in Cause if cause.is_long] == [Cause.LIMIT, Cause.OUTAGE]
