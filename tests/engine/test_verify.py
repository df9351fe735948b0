"""The project's tests and the fixers of a session, whatever comes of them (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.core.config import Config, Limits
from pitboss.core.session import FIXER, IMPLEMENTER, SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.user_commands import TestResult
from tests.support.stage import FILES, USED, Stage, badly
from tests.support.values import prompt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OK, ERROR = SessionStatus.OK, SessionStatus.ERROR
FAILING = TestResult(passed=False, tail="assert 1 == 2", failing="test_sums")
VERIFIED = [prompt("alpha", verify=True)]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path, prompts=VERIFIED, config=Config(fixer_max_attempts=2)) as stage:
        yield stage


def test_work_that_passes_lands(stage: Stage) -> None:
    line = stage.run()
    assert (line.status, line.commit, stage.tested) == (OK, stage.memory.tip, ["verify.log"])


def test_only_prompts_that_ask_for_tests_are_tested(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        assert stage.run().status is OK
        assert stage.tested == []


def test_work_that_failed_by_itself_is_not_tested(stage: Stage) -> None:
    stage.plays["claude_code"] = [badly("exit_code: 1", usage=USED)]
    assert stage.run().status is ERROR
    assert stage.tested == []


def test_a_fixer_mends_what_the_tests_found_and_is_billed_for_it(stage: Stage) -> None:
    stage.tests = [FAILING]
    stage.plays["claude_code"] = [stage.well("broken"), stage.well("mended")]
    line = stage.run()
    assert (line.status, line.reason, stage.memory.landed) == (OK, None, {"a": "mended"})
    assert stage.tested == ["verify.log", "verify-01.log"]
    assert line.cost_usd == 2 * USED.cost_usd
    assert {role: tokens.input for role, tokens in line.tokens.by_role.items()} == {
        IMPLEMENTER: USED.input,
        FIXER: USED.input,
    }
    fixer = stage.asked[1][1]
    assert "assert 1 == 2" in fixer.text
    assert fixer.transcript.endswith("session-0001.fix-01.log")


def test_as_many_fixers_start_as_are_configured_and_then_the_work_is_rescued(stage: Stage) -> None:
    stage.tests = [FAILING] * 3
    line = stage.run()
    assert (line.status, line.reason, len(line.rescue)) == (ERROR, "verify_failed: test_sums", 1)
    assert (len(stage.asked), len(stage.tested), stage.memory.landed) == (3, 3, FILES)


@pytest.mark.parametrize(
    ("result", "status", "reason"),
    [
        (
            TestResult(passed=False, failing="no tests found", found=False),
            ERROR,
            "verify_failed: no tests found",
        ),
        (TestResult(passed=False, stop=StopRequest.SKIP), SessionStatus.SKIPPED, "skipped"),
        (TestResult(passed=False, stop=StopRequest.ABORT), SessionStatus.ABORTED, "aborted"),
    ],
)
def test_no_fixer_starts_where_none_could_help(
    stage: Stage, result: TestResult, status: SessionStatus, reason: str
) -> None:
    stage.tests = [result]
    line = stage.run()
    assert (line.status, line.reason, len(stage.asked)) == (status, reason, 1)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (SessionStatus.SKIPPED, "skipped"),
        (SessionStatus.ABORTED, "aborted"),
        (ERROR, "billing: no credit"),
        (ERROR, "cost_cap: $2 >= $1"),
    ],
)
def test_a_fixer_that_ends_so_is_the_last(stage: Stage, status: SessionStatus, reason: str) -> None:
    stage.tests = [FAILING, FAILING]
    stage.plays["claude_code"] = [stage.well(), badly(reason, status=status)]
    line = stage.run()
    assert (line.status, line.reason, len(stage.asked)) == (status, reason, 2)


def test_a_fixer_that_failed_otherwise_is_followed_by_the_tests(stage: Stage) -> None:
    stage.tests = [FAILING]
    stage.plays["claude_code"] = [stage.well(), badly("exit_code: 1")]
    assert stage.run().status is OK


def test_no_fixer_starts_once_the_session_has_cost_what_it_may(tmp_path: Path) -> None:
    capped = [prompt("alpha", verify=True, max_session_cost_usd=USED.cost_usd)]
    with Stage(tmp_path, prompts=capped) as stage:
        stage.tests = [FAILING]
        line = stage.run()
        assert (line.status, line.reason, len(stage.asked)) == (ERROR, "verify_failed: test_sums", 1)


def test_fixers_never_hand_over_to_another_agent(tmp_path: Path) -> None:
    config = Config(limits=Limits(fallback=("codex",), max_wait_s=1000.0))
    with Stage(tmp_path, prompts=VERIFIED, config=config) as stage:
        stage.tests = [FAILING]
        stage.plays["claude_code"] = [stage.well(), badly("rate_limited: limit"), stage.well("mended")]
        line = stage.run()
        assert (line.status, stage.asked_agents) == (OK, ["claude_code"] * 3)
        assert [request.transcript.rpartition("/")[2] for _, request in stage.asked] == [
            "session-0001.log",
            "session-0001.fix-01.log",
            "session-0001.fix-01.attempt-02.log",
        ]
