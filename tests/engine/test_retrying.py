"""Attempts of one session: retried, waited for, handed over and back, without any time passing (SPEC 6)."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

import msgspec
import pytest

from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.budget import Caps
from pitboss.core.config import Config, Limits
from pitboss.core.events import Phase, PhaseChanged
from pitboss.core.quota import Quota, QuotaWindow
from pitboss.core.requests import Skip, Stop
from pitboss.core.retry import SETTLING_S, UNKNOWN_RESET_S, Cause
from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage
from pitboss.engine.clock import SystemClock
from pitboss.store.mailbox import send
from tests.support.stage import USED, Stage, badly
from tests.support.values import prompt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.core.requests import Request
    from pitboss.core.session import SessionRecord

OK, ERROR = SessionStatus.OK, SessionStatus.ERROR
LIMITED, BUSY = "rate_limited: you have hit your limit", "overloaded: 529"
FALLBACK = Config(limits=Limits(fallback=("codex",)))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as stage:
        yield stage


def waits(stage: Stage) -> list[str]:
    return [e.detail for e in stage.events if isinstance(e, PhaseChanged) and e.phase is Phase.WAIT]


def costs(line: SessionRecord) -> tuple[int, float, int]:
    return line.tokens.input, line.cost_usd, line.attempts


def test_a_busy_service_is_asked_again_and_every_attempt_is_billed(stage: Stage) -> None:
    stage.plays["claude_code"] = [badly(BUSY, usage=USED), badly(BUSY), stage.well()]
    line = stage.run()
    assert (line.status, costs(line)) == (OK, (2 * USED.input, 2 * USED.cost_usd, 3))
    assert waits(stage) == [f"retry: {BUSY}"] * 2
    assert 20 + 40 <= stage.clock.slept <= 1.25 * (20 + 40)
    assert line.waited_s == pytest.approx(stage.clock.slept, abs=0.01)


def test_retries_end_and_so_does_the_session(tmp_path: Path) -> None:
    with Stage(tmp_path, config=Config(limits=Limits(retries=2))) as stage:
        stage.plays["claude_code"] = [badly(BUSY, usage=USED) for _ in range(5)]
        line = stage.run()
        assert (line.status, line.reason, line.attempts) == (ERROR, BUSY, 3)


def test_an_agent_that_can_go_on_with_its_own_session_is_asked_to(stage: Stage) -> None:
    stage.plays["claude_code"] = [badly(BUSY, usage=USED, session_id="s1"), stage.well()]
    stage.run()
    (_, first), (_, second) = stage.asked
    assert first.resume is None
    assert second.resume is not None
    assert (second.resume.session_id, second.resume.usage) == ("s1", USED)
    assert "body for alpha" in first.text
    assert "body for alpha" not in second.text


def test_a_session_that_the_agent_has_lost_begins_again_at_once(stage: Stage) -> None:
    lost = badly("agent_error: no such session", lost_session=True)
    stage.plays["claude_code"] = [badly(BUSY, usage=USED, session_id="s1"), lost, stage.well()]
    line = stage.run()
    assert line.status is OK
    assert [request.resume is not None for _, request in stage.asked] == [False, True, False]


@pytest.mark.parametrize("ahead", [60.0, 600.0])
def test_a_limit_is_waited_out_until_it_ends(stage: Stage, ahead: float) -> None:
    resets_at = stage.clock.now().timestamp() + ahead
    stage.plays["claude_code"] = [badly(LIMITED, usage=USED, resets_at=resets_at), stage.well()]
    line = stage.run()
    assert (line.status, line.attempts) == (OK, 2)
    assert ahead + SETTLING_S <= line.waited_s <= ahead + SETTLING_S + 25
    assert waits(stage) == ["claude_code's usage limit"]


def test_a_limit_whose_end_is_unknown_is_tried_now_and_then_until_patience_ends(tmp_path: Path) -> None:
    with Stage(tmp_path, config=Config(limits=Limits(max_wait_s=1.5 * UNKNOWN_RESET_S))) as stage:
        stage.plays["claude_code"] = [badly(LIMITED) for _ in range(9)]
        line = stage.run()
        assert (line.status, line.reason, line.attempts) == (ERROR, LIMITED, 3)
        assert line.waited_s == pytest.approx(1.5 * UNKNOWN_RESET_S, abs=0.01)


def test_a_limit_that_one_session_met_holds_back_the_next(stage: Stage) -> None:
    ends = stage.clock.now().timestamp() + 600
    stage.parts.gate.close("claude_code", ends, Cause.LIMIT)
    line = stage.run()
    assert (line.status, line.attempts, len(stage.asked)) == (OK, 1, 1)
    assert line.waited_s == pytest.approx(600, abs=0.3)


def test_a_quota_that_is_as_good_as_used_up_holds_back_the_next_session(tmp_path: Path) -> None:
    with Stage(tmp_path, config=Config(limits=Limits(pause_at=0.9))) as stage:
        full = Quota(five_hour=QuotaWindow(used=0.95, resets_at=stage.clock.now().timestamp() + 100))
        noted = AgentEvent(kind=EventKind.QUOTA, quota=full)
        stage.plays["claude_code"] = [msgspec.structs.replace(stage.well(), events=(noted,))]
        assert stage.run().waited_s == 0
        assert stage.parts.journal.state.quota == {"claude_code": full}
        assert stage.run().waited_s == pytest.approx(100, abs=0.3)


# --- another agent --------------------------------------------------------------------------------------------------


def test_another_agent_takes_over_from_a_limited_one_without_its_model(tmp_path: Path) -> None:
    with Stage(tmp_path, config=FALLBACK, prompts=[prompt("alpha", model="opus")]) as stage:
        stage.plays["claude_code"] = [badly(LIMITED, usage=USED)]
        line = stage.run()
        assert (line.status, line.agent, line.waited_s) == (OK, "codex", 0)
        assert costs(line) == (2 * USED.input, 2 * USED.cost_usd, 2)
        assert [(name, request.model) for name, request in stage.asked] == [
            ("claude_code", "opus"),
            ("codex", None),
        ]


def test_work_goes_back_to_the_first_agent_and_its_own_session_once_its_limit_ends_sooner(
    tmp_path: Path,
) -> None:
    with Stage(tmp_path, config=FALLBACK, prompts=[prompt("alpha", model="opus")]) as stage:
        now = stage.clock.now().timestamp()
        stage.plays["claude_code"] = [badly(LIMITED, usage=USED, session_id="s1", resets_at=now + 100)]
        stage.plays["codex"] = [badly(LIMITED, usage=USED, resets_at=now + 5000)]
        line = stage.run()
        assert (line.status, line.agent, stage.asked_agents) == (
            OK,
            "claude_code",
            ["claude_code", "codex", "claude_code"],
        )
        last = stage.asked[-1][1]
        assert (last.model, last.resume and last.resume.session_id) == ("opus", "s1")
        assert 100 <= line.waited_s <= 110


def test_an_agent_that_others_know_to_be_limited_is_not_even_started(tmp_path: Path) -> None:
    with Stage(tmp_path, config=FALLBACK) as stage:
        stage.parts.gate.close("claude_code", stage.clock.now().timestamp() + 600, Cause.LIMIT)
        line = stage.run()
        assert (line.status, line.agent, line.attempts, stage.asked_agents) == (OK, "codex", 1, ["codex"])


def test_a_fallback_that_is_no_good_leaves_the_first_agent_to_be_waited_for(tmp_path: Path) -> None:
    with Stage(tmp_path, config=FALLBACK) as stage:
        stage.plays["claude_code"] = [badly(LIMITED)]
        stage.plays["codex"] = [badly("spawn_failed: no such program")]
        line = stage.run()
        assert (line.status, stage.asked_agents) == (OK, ["claude_code", "codex", "claude_code"])


# --- what ends it early ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "ask", "status", "said"),
    [
        (LIMITED, Skip(seq=1), SessionStatus.SKIPPED, "skipped"),
        (LIMITED, Stop(now=True), SessionStatus.ABORTED, "rate_limited: stopped while it waited for"),
        (LIMITED, Stop(), SessionStatus.ABORTED, "rate_limited: stopped while it waited for"),
        (BUSY, Stop(now=True), SessionStatus.ABORTED, "aborted"),
        (BUSY, Stop(), OK, "None"),
    ],
)
def test_a_wait_ends_when_somebody_stops_it_but_a_drain_waits_for_seconds(
    stage: Stage, reason: str, ask: Request, status: SessionStatus, said: str
) -> None:
    def asks() -> None:
        send(stage.rundir.paths, ask, by="test")

    stage.clock.on_sleep = asks
    stage.plays["claude_code"] = [badly(reason, usage=USED)]
    line = stage.run()
    assert (line.status, str(line.reason).startswith(said)) == (status, True)
    assert line.cost_usd == USED.cost_usd * len(stage.asked)


def test_no_further_attempt_of_a_session_that_has_reached_its_own_cap(tmp_path: Path) -> None:
    with Stage(tmp_path, prompts=[prompt("alpha", max_session_cost_usd=0.2)]) as stage:
        stage.plays["claude_code"] = [badly(BUSY, usage=USED)]
        line = stage.run()
        assert (line.status, line.reason, line.attempts) == (ERROR, "cost_cap: $0.2500 >= $0.2000", 1)


def test_each_attempt_gets_what_those_before_it_have_left_of_money_and_time(tmp_path: Path) -> None:
    capped = prompt("alpha", max_session_cost_usd=1.0, max_session_seconds=100)
    with Stage(tmp_path, prompts=[capped]) as stage:

        def work_long(_: object) -> None:
            stage.clock.slept += 30

        stage.plays["claude_code"] = [
            stage.well(then=work_long, status=ERROR, reason=BUSY),
            stage.well(then=work_long, status=ERROR, reason=BUSY, usage=Usage(cost_usd=0.5)),
        ]
        stage.run()
        assert [request.max_cost_usd for _, request in stage.asked] == [1.0, 0.75, 0.25]
        assert [request.max_seconds for _, request in stage.asked] == [100, 70, 40]


def test_a_session_stopped_before_its_agent_could_start_has_done_nothing(stage: Stage) -> None:
    stage.parts.gate.close("claude_code", stage.clock.now().timestamp() + 600, Cause.LIMIT)
    stage.clock.on_sleep = lambda: send(stage.rundir.paths, Stop(now=True), by="test")
    line = stage.run()
    assert (line.status, stage.asked, line.cost_usd) == (SessionStatus.ABORTED, [], 0)
    assert line.reason == "rate_limited: stopped while it waited for claude_code's usage limit"


def test_a_service_that_stays_away_is_waited_for_like_a_limit(tmp_path: Path) -> None:
    with Stage(tmp_path, config=Config(limits=Limits(retries=1))) as stage:
        stage.plays["claude_code"] = [badly(BUSY), badly(BUSY)]
        line = stage.run()
        assert (line.status, line.attempts) == (OK, 3)
        assert waits(stage) == [f"retry: {BUSY}", f"claude_code's service: {BUSY}"]


def test_a_run_that_drains_waits_for_no_service(tmp_path: Path) -> None:
    with Stage(tmp_path, config=Config(limits=Limits(retries=0))) as stage:
        stage.clock.on_sleep = lambda: send(stage.rundir.paths, Stop(), by="test")
        stage.plays["claude_code"] = [badly(BUSY)]
        line = stage.run()
        assert line.reason == "overloaded: stopped while it waited for claude_code's service"


def test_a_login_that_was_refused_is_tried_once_more_after_a_moment(stage: Stage) -> None:
    stage.plays["claude_code"] = [badly("auth: log in"), badly("auth: log in"), stage.well()]
    line = stage.run()
    assert (line.status, line.reason, line.attempts) == (ERROR, "auth: log in", 2)
    assert waits(stage) == ["retry: auth: log in"]


def test_a_hard_budget_of_the_run_ends_a_session_that_waits(tmp_path: Path) -> None:
    config = Config(hard_budgets=True)
    with Stage(tmp_path, config=config, caps=Caps(max_cost_usd=0.2)) as stage:
        used = AgentEvent(kind=EventKind.USAGE, usage=USED)
        stage.plays["claude_code"] = [msgspec.structs.replace(badly(BUSY, usage=USED), events=(used,))]
        line = stage.run()
        assert (line.status, line.reason, line.attempts) == (SessionStatus.ABORTED, "aborted", 1)


def test_whoever_waits_is_woken_by_a_request(stage: Stage) -> None:
    woken: list[bool] = []

    def ask() -> None:
        woken.append(stage.clock.unless.is_set())
        stage.parts.control.bell.ring()
        woken.append(stage.clock.unless.is_set())

    stage.clock.on_sleep = ask
    stage.plays["claude_code"] = [badly(BUSY), stage.well()]
    assert stage.run().status is OK
    assert woken == [False, True] * (len(woken) // 2) != []


def test_the_clock_lets_whoever_sleeps_be_woken() -> None:
    rung, asleep = Event(), SystemClock()
    rung.set()
    began = asleep.elapsed_s()
    asleep.sleep(300, rung)
    assert asleep.elapsed_s() - began < 300


def test_the_cap_that_one_session_reaches_rings_for_the_others(tmp_path: Path) -> None:
    with Stage(tmp_path, config=Config(hard_budgets=True), caps=Caps(max_cost_usd=0.2)) as stage:
        rung: list[bool] = []
        used = AgentEvent(kind=EventKind.USAGE, usage=USED)
        play = msgspec.structs.replace(stage.well(), events=(used, used), waits=True)
        stage.plays["claude_code"] = [play]
        with stage.parts.control.bell.calling(lambda: rung.append(True)):
            line = stage.run()
        assert (line.status, rung) == (ERROR, [True])
