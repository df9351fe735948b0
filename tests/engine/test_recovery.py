"""A runner that dies at any write of its journal, and what the next one makes of it (SPEC 1.1, 7)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pitboss.agents.scripted import NO_PROCESS
from pitboss.core.config import Config, HookSettings
from pitboss.core.recovery.facts import Checkout
from pitboss.core.session import SessionStatus
from pitboss.core.user_commands import TestResult
from tests.support.stage import FILES, USED, Crash, Stage, badly
from tests.support.values import assigned, prompt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pitboss.core.session import SessionRecord

OK, ERROR, ABORTED = SessionStatus.OK, SessionStatus.ERROR, SessionStatus.ABORTED
MOST_WRITES = 40
BUSY = "overloaded: 529"


def well(stage: Stage) -> None:
    """The session goes well at once."""
    stage.plays["claude_code"] = [stage.well("mended")]


def retried(stage: Stage) -> None:
    """It goes well at the third attempt."""
    stage.plays["claude_code"] = [badly(BUSY, usage=USED), badly(BUSY, usage=USED), stage.well("mended")]


def mended(stage: Stage) -> None:
    """Its tests pass after the second fixer."""
    stage.tests = [TestResult(passed=False, failing="test_it")] * 2
    stage.plays["claude_code"] = [stage.well(), badly("exit_code: 1", usage=USED), stage.well("mended")]


def failing(stage: Stage) -> None:
    """It fails."""
    stage.plays["claude_code"] = [stage.well(status=ERROR, reason="exit_code: 1")]


def lives(
    tmp_path: Path, how: Callable[[Stage], None], *, write: int, after: bool, in_slot: bool
) -> tuple[Stage, SessionRecord | None]:
    """The stage after a session in which the runner died at that write; the record if it came to one before."""
    verify = how is mended
    stage = Stage(tmp_path, prompts=[prompt("alpha", verify=verify)], config=Config(fixer_max_attempts=3))
    how(stage)
    stage.die_at(write, after=after)
    try:
        return stage, stage.run(in_slot=in_slot)
    except Crash:
        return stage, None


@pytest.mark.parametrize("in_slot", [False, True])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("how", [well, retried, mended, failing])
def test_a_crash_at_any_write_of_the_journal_leaves_exactly_one_record(
    tmp_path: Path, how: Callable[[Stage], None], after: bool, in_slot: bool
) -> None:
    for write in range(1, MOST_WRITES):
        folder = tmp_path / str(write)
        folder.mkdir()
        stage, line = lives(folder, how, write=write, after=after, in_slot=in_slot)
        with stage:
            if line is not None:
                return  # it had no more writes than that
            started = len(stage.asked)
            stage.resume()
            log = stage.log
            assert len(stage.asked) == started or how is mended, "an agent that ended never runs again"
            assert len(log) == (1 if started or log else 0), f"records after a crash at write {write}"
            assert stage.in_flight == ()
            if log:
                spent = USED.cost_usd * len(stage.asked)
                assert log[0].cost_usd == spent or not log[0].cost_known, "unknown is never written as zero"
                assert (log[0].commit is not None) == (stage.memory.landed != FILES)
                assert log[0].status is ABORTED or stage.memory.landed == (
                    FILES if how is failing else {"a": "mended"}
                )
            assert stage.resume() == []
            assert stage.log == log
    raise AssertionError("no session writes that often")


def cut_short(stage: Stage, write: int, *, in_slot: bool = False) -> None:
    """Run a session until the runner dies right after a write: 1 dispatch, 2 agent seen, 3 outcome, 4 record."""
    stage.die_at(write, after=True)
    with pytest.raises(Crash):
        stage.run(in_slot=in_slot)


def test_a_session_whose_agent_never_started_costs_nothing_and_is_aborted(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        cut_short(stage, 1)
        (line,) = stage.resume()
        assert (line.status, line.reason, line.cost_usd) == (ABORTED, "interrupted", 0)
        assert (stage.asked, line.commit, line.rescue) == ([], None, ())


def test_work_whose_outcome_is_durable_lands_and_its_hooks_run_once(tmp_path: Path) -> None:
    with Stage(tmp_path, hooks=HookSettings(post_session="after")) as stage:
        cut_short(stage, 3)
        (line,) = stage.resume()
        assert (line.status, line.commit, stage.memory.landed) == (OK, stage.memory.tip, {"a": "two"})
        assert [command for command, _ in stage.hooked] == ["after"]
        assert len(stage.asked) == 1


def test_hooks_after_the_record_do_not_run_again(tmp_path: Path) -> None:
    with Stage(tmp_path, hooks=HookSettings(post_session="after")) as stage:
        cut_short(stage, 4)
        assert stage.resume() == []
        assert (len(stage.log), stage.hooked) == (1, [])


def test_a_session_whose_tree_is_somebody_elses_now_is_settled_without_a_look_at_it(tmp_path: Path) -> None:
    with Stage(tmp_path, hooks=HookSettings(post_session="after")) as stage:
        cut_short(stage, 3)
        elsewhere = Checkout(branch="main", dirty=False)
        (line,) = stage.resume(checkout=elsewhere, moved_since=True)
        assert (line.status, line.reason, line.commit) == (ABORTED, "interrupted", None)
        assert (line.cost_usd, stage.hooked) == (USED.cost_usd, [])


def test_a_session_whose_agent_was_seen_is_billed_by_its_transcript_and_its_work_is_rescued(
    tmp_path: Path,
) -> None:
    with Stage(tmp_path) as stage:
        cut_short(stage, 2)
        (line,) = stage.resume()
        assert (line.status, line.cost_known, line.commit, len(line.rescue)) == (ABORTED, False, None, 1)
        assert stage.memory.landed == FILES


def test_an_agent_that_outlived_its_runner_is_ended_on_the_sessions_host_before_its_work_is_looked_at(
    tmp_path: Path,
) -> None:
    with Stage(tmp_path) as stage:
        cut_short(stage, 2)
        stage.hosts.survivors = {(NO_PROCESS, None)}
        (line,) = stage.resume(alive=frozenset({1}))
        assert (line.status, stage.hosts.survivors) == (ABORTED, set())


def test_sessions_that_ended_land_in_the_order_in_which_they_did(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        first, second = stage.dispatch(in_slot=True), stage.dispatch(in_slot=True)
        stage.plays["claude_code"] = [stage.well("second"), stage.well("first")]
        for session in (second, first):
            stage.clock.slept += 1
            stage.die_at(2, after=True)
            with pytest.raises(Crash):
                stage.parts.sessions.run(session)
        lines = stage.resume()
        assert [(line.seq, line.status) for line in lines] == [(2, OK), (1, ERROR)]
        assert (stage.memory.landed, lines[1].retry) == ({"a": "second"}, True)


def test_a_wait_that_the_crash_cut_short_counts_until_the_run_was_gone(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.plays["claude_code"] = [badly("rate_limited: limit", usage=USED)]

        def die() -> None:
            stage.die_at(1)
            raise Crash

        stage.clock.on_sleep = die
        gone_at = stage.clock.now().timestamp() + 60
        with pytest.raises(Crash):
            stage.run()
        stage.rundir.paths.ended.touch()
        os.utime(stage.rundir.paths.ended, (gone_at, gone_at))
        (line,) = stage.resume()
        assert (line.status, line.cost_usd, line.waited_s) == (ABORTED, USED.cost_usd, 60)


def test_fixers_that_a_dead_runner_started_are_billed_and_never_run_again(tmp_path: Path) -> None:
    with Stage(tmp_path, prompts=[prompt("alpha", verify=True)]) as stage:
        stage.tests = [TestResult(passed=False, failing="test_it")]
        stage.plays["claude_code"] = [stage.well(), stage.well("mended")]
        cut_short(stage, 4)
        assert len(stage.asked) == 2
        (line,) = stage.resume()
        assert (line.status, len(stage.asked), stage.memory.landed) == (OK, 2, {"a": "mended"})
        assert line.cost_usd == USED.cost_usd
        assert not line.cost_known


def test_a_session_of_which_nobody_knows_the_agent_has_an_unknown_cost(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.parts.journal.assigned(assigned(1, base_commit=stage.memory.tip))
        stage.parts.journal.dispatched()
        (line,) = stage.resume()
        assert (line.status, line.cost_known) == (ABORTED, False)
