"""Every way in which a session can end: what its record says, where its work is, which hooks ran (SPEC 6)."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.core.config import Config, GrindSettings, HookSettings, WorktreeSettings
from pitboss.core.diff_stat import DiffStat
from pitboss.core.events import SET_UP, Phase, PhaseChanged, SessionEnded, SessionStarted, Warned
from pitboss.core.host import HostLost
from pitboss.core.requests import Skip
from pitboss.core.session import Outcome, SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.usage import Usage
from pitboss.core.user_commands import HookResult, TestResult
from pitboss.hosts.scripted import ScriptedHost
from pitboss.landing.in_memory import ROOT, InMemoryPlace, StoredCommit
from pitboss.store.mailbox import send
from tests.support.cli import wait_until
from tests.support.stage import FILES, USED, Crash, Stage
from tests.support.values import prompt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.core.agent import AgentRequest
    from pitboss.core.session import Assignment, SessionRecord

OK, ERROR = SessionStatus.OK, SessionStatus.ERROR
HOOKS = HookSettings(pre_session="before", post_session="after", on_failure="failed")
CHANGED = {"a": "two"}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path, hooks=HOOKS) as stage:
        yield stage


def told(stage: Stage, kind: type) -> list[Any]:
    return [event for event in stage.events if isinstance(event, kind)]


def test_a_session_lands_what_its_agent_did_and_costs_what_it_used(stage: Stage) -> None:
    line = stage.run()
    assert stage.log == [line]
    assert (line.seq, line.status, line.reason, line.commit) == (1, OK, None, stage.memory.tip)
    assert stage.memory.landed == CHANGED
    assert (line.tokens.input, line.tokens.output, line.cost_usd) == (USED.input, USED.output, USED.cost_usd)
    assert stage.in_flight == ()
    assert [command for command, _ in stage.hooked] == ["before", "after"]
    assert stage.hooked[1][1]["PITBOSS_SESSION_STATUS"] == "ok"


@pytest.mark.parametrize(
    ("verify", "tests", "writes"),
    [
        (False, [], 4),  # in flight, the agent's pid, the outcome, the record
        (True, [], 5),  # the outcome once more, verified
        (True, [TestResult(passed=False)], 6),  # the fixer's pid
    ],
)
def test_a_session_writes_what_recovery_needs_and_no_more(
    tmp_path: Path, verify: bool, tests: list[TestResult], writes: int
) -> None:
    with Stage(tmp_path, prompts=[prompt("alpha", verify=verify)]) as stage:
        stage.tests = list(tests)
        assert stage.run().status is OK
        assert stage.rundir.written == writes


def test_viewers_see_a_session_begin_go_through_its_phases_and_end(stage: Stage) -> None:
    line = stage.run()
    (began,), (ended,) = told(stage, SessionStarted), told(stage, SessionEnded)
    assert (began.seq, began.prompt, began.host, began.next_pick) == (1, "alpha", "host-1", "alpha")
    assert (ended.record, ended.next_pick) == (line, "alpha")
    assert ended.diff == DiffStat(files=1, added=1, removed=1)
    phases = [event.phase for event in told(stage, PhaseChanged)]
    assert phases == [Phase.HOOK, Phase.AGENT, Phase.LAND, Phase.HOOK]
    hooks = [event.detail for event in told(stage, PhaseChanged) if event.phase is Phase.HOOK]
    assert hooks == ["pre_session", "post_session"]


def test_viewers_learn_of_each_session_on_which_machine_it_runs(stage: Stage) -> None:
    stage.run()
    stage.run()
    assert [event.host for event in told(stage, SessionStarted)] == ["host-1", "host-2"]
    assert stage.parts.started().host == "here"


def test_a_session_that_changed_nothing_is_ok_and_commits_nothing(stage: Stage) -> None:
    stage.plays["claude_code"] = [stage.well(FILES["a"])]
    line = stage.run()
    assert (line.status, line.commit, line.rescue) == (OK, None, ())


def test_an_agent_that_says_it_did_nothing_and_did_nothing_has_failed(stage: Stage) -> None:
    stage.plays["claude_code"] = [stage.well(FILES["a"], usage=Usage(), idle=True)]
    line = stage.run()
    assert (line.status, str(line.reason).partition(":")[0]) == (ERROR, "agent_error")


def test_what_a_failed_agent_did_is_rescued_and_the_hook_for_failures_runs(stage: Stage) -> None:
    stage.plays["claude_code"] = [stage.well(status=ERROR, reason="exit_code: 1")]
    line = stage.run()
    assert (line.status, line.reason, line.commit, len(line.rescue)) == (ERROR, "exit_code: 1", None, 1)
    assert stage.memory.landed == FILES
    assert [command for command, _ in stage.hooked] == ["before", "after", "failed"]


def test_what_a_failed_agent_did_lands_where_everything_lands(tmp_path: Path) -> None:
    with Stage(tmp_path, config=Config(grind=GrindSettings(land="always"))) as stage:
        stage.plays["claude_code"] = [stage.well(status=ERROR, reason="exit_code: 1")]
        line = stage.run()
        assert (line.status, line.commit) == (ERROR, stage.memory.tip)
        assert stage.memory.landed == CHANGED


@pytest.mark.parametrize("status", [SessionStatus.TIMEOUT, SessionStatus.ABORTED, SessionStatus.SKIPPED])
def test_what_an_agent_did_that_was_ended_is_rescued(stage: Stage, status: SessionStatus) -> None:
    stage.plays["claude_code"] = [stage.well(status=status, reason="why")]
    line = stage.run()
    assert (line.status, line.reason, line.commit, len(line.rescue)) == (status, "why", None, 1)
    after = [command for command, _ in stage.hooked[1:]]
    assert after == (["after", "failed"] if status is SessionStatus.TIMEOUT else [])


@pytest.mark.parametrize(
    ("result", "status", "reason"),
    [
        (HookResult(passed=False, detail="exit code 3"), ERROR, "hook_failed: exit code 3"),
        (HookResult(passed=False, stop=StopRequest.SKIP), SessionStatus.SKIPPED, "skipped"),
        (HookResult(passed=False, stop=StopRequest.ABORT), SessionStatus.ABORTED, "aborted"),
    ],
)
def test_no_agent_starts_after_a_hook_that_does_not_pass(
    stage: Stage, result: HookResult, status: SessionStatus, reason: str
) -> None:
    stage.hooks["before"] = result
    line = stage.run()
    assert stage.asked == []
    assert (line.status, line.reason, line.cost_usd) == (status, reason, 0)


@pytest.mark.parametrize("status", [OK, ERROR])
def test_an_empty_hook_is_none(tmp_path: Path, status: SessionStatus) -> None:
    """As in a rotation, where it switches the configured one off."""
    with Stage(tmp_path, hooks=HookSettings(pre_session="", post_session="", on_failure="")) as stage:
        stage.plays["claude_code"] = [stage.well(status=status)]
        assert stage.run().status is status
        assert stage.hooked == []


def test_a_hook_after_the_record_changes_nothing_about_it(stage: Stage) -> None:
    stage.hooks["after"] = HookResult(passed=False, detail="exit code 1")
    line = stage.run()
    assert (line.status, stage.log) == (OK, [line])
    assert [event.text for event in stage.events if hasattr(event, "text")] == [
        "hook `after` failed: exit code 1"
    ]


def test_a_skip_that_the_agent_asked_for_itself_is_heard_when_it_has_ended(stage: Stage) -> None:
    def ask(_: AgentRequest) -> None:
        send(stage.rundir.paths, Skip(seq=1), by="test")

    stage.plays["claude_code"] = [stage.well(then=ask)]
    assert (line := stage.run()).status is SessionStatus.SKIPPED
    assert line.reason == "skipped"


def test_the_summary_is_what_the_agent_wrote_without_secrets(tmp_path: Path) -> None:
    key = "sk-ant-api03-" + "a" * 40
    with Stage(tmp_path) as stage:

        def write(_: AgentRequest) -> None:
            stage.rundir.paths.summary(1).write_text(f"did it with {key}\n")

        stage.plays["claude_code"] = [stage.well(then=write)]
        line = stage.run()
        assert str(line.summary).startswith("did it with ")
        assert key not in str(line.summary) + stage.rundir.paths.summary(1).read_text()


def beside_a_landing(stage: Stage) -> tuple[SessionRecord, bool]:
    """Run a session in a slot while another has its turn to land; its record, and whether it vacated its place."""
    session, records, vacated = stage.dispatch(in_slot=True), [], Event()
    thread = Thread(target=lambda: records.append(stage.parts.sessions.run(session, vacated.set)))
    with stage.places.turn():
        thread.start()
        wait_until(lambda: stage.memory.branches.get(str(session.branch)) != session.base_commit)
    thread.join(30)
    return records[0], vacated.is_set()


def test_a_session_vacates_its_place_while_others_land(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        session, records, vacated = stage.dispatch(in_slot=True), [], Event()
        thread = Thread(target=lambda: records.append(stage.parts.sessions.run(session, vacated.set)))
        with stage.places.turn():
            thread.start()
            assert vacated.wait(30)
            following = stage.dispatch(in_slot=True)
            assert following.worktree == session.worktree
        thread.join(30)
        assert (records[0].status, records[0].commit) == (OK, stage.memory.tip)
        assert stage.memory.landed == CHANGED


def test_a_session_that_has_landed_vacates_its_place_before_the_checkout_follows_and_it_is_recorded(
    tmp_path: Path,
) -> None:
    with Stage(tmp_path) as stage:
        session = stage.dispatch(in_slot=True)
        following: list[Assignment] = []

        def go_on() -> None:
            following.append(stage.dispatch(in_slot=True))
            assert (stage.memory.trees[ROOT], stage.log) == (FILES, [])

        record = stage.parts.sessions.run(session, go_on)
        (second,) = following
        assert (second.worktree, second.base_commit) == (session.worktree, record.commit)
        assert (stage.memory.trees[ROOT], stage.log) == (CHANGED, [record])


def test_after_a_crash_the_one_that_had_landed_gets_its_record_and_the_later_session_the_place(
    tmp_path: Path,
) -> None:
    with Stage(tmp_path) as stage:

        def die() -> None:
            stage.dispatch(in_slot=True)
            raise Crash

        with pytest.raises(Crash):
            stage.parts.sessions.run(stage.dispatch(in_slot=True), die)
        landed = stage.memory.tip
        lines = stage.resume()
        assert [(line.seq, line.status, line.commit) for line in lines] == [
            (1, OK, landed),
            (2, SessionStatus.ABORTED, None),
        ]
        assert (stage.memory.tip, stage.memory.trees[ROOT]) == (landed, CHANGED)


def test_work_that_met_a_conflict_keeps_its_place_until_it_has_its_record(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        session, vacated = stage.dispatch(in_slot=True), Event()
        stage.memory.branches[stage.memory.run_branch] = stage.memory.add(
            StoredCommit(files={"a": "three"}, parents=(session.base_commit,))
        )
        record = stage.parts.sessions.run(session, vacated.set)
        assert (record.commit, len(record.rescue), vacated.is_set()) == (None, 1, False)


def test_a_session_whose_hooks_are_to_follow_keeps_its_place(stage: Stage) -> None:
    line, vacated = beside_a_landing(stage)
    assert (line.status, vacated) == (OK, False)
    assert [command for command, _ in stage.hooked] == ["before", "after"]


def test_a_session_that_does_not_land_keeps_its_place(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.plays["claude_code"] = [stage.well(status=ERROR, reason="exit_code: 1")]
        session, records, vacated = stage.dispatch(in_slot=True), [], Event()
        with stage.places.turn():
            thread = Thread(target=lambda: records.append(stage.parts.sessions.run(session, vacated.set)))
            thread.start()
            wait_until(lambda: stage.parts.journal.progress(1).outcome is not None)
        thread.join(30)
        assert (records[0].status, len(records[0].rescue), vacated.is_set()) == (ERROR, 1, False)


def test_after_a_crash_the_later_session_has_the_place_and_the_earlier_what_it_committed(
    tmp_path: Path,
) -> None:
    with Stage(tmp_path) as stage:
        first = stage.dispatch(in_slot=True)
        place = stage.places.at(first)
        place.prepare()
        stage.memory.trees[place.path]["a"] = "two"
        place.commit("two")
        stage.parts.journal.ended(1, Outcome(status=OK, ended_at=stage.clock.now()))
        stage.parts.journal.vacated(1, str(place.committed()))
        place.vacate(str(place.committed()))
        second = stage.dispatch(in_slot=True)
        assert second.worktree == first.worktree
        stage.places.at(second).prepare()
        stage.memory.trees[place.path]["a"] = "three"
        del stage.memory.branches[str(first.branch)]  # by the second one's agent

        lines = stage.resume()

        assert [(line.seq, line.status, len(line.rescue)) for line in lines] == [
            (1, OK, 0),
            (2, SessionStatus.ABORTED, 1),
        ]
        assert stage.memory.landed == CHANGED
        assert stage.memory.commits[stage.memory.rescued[lines[1].rescue[0]]].files == {"a": "three"}


def test_transcripts_go_with_the_record_where_none_are_kept(tmp_path: Path) -> None:
    with Stage(tmp_path, config=Config(grind=GrindSettings(transcript_retention="keep_none"))) as stage:
        stage.run()
        assert list(stage.rundir.paths.transcripts.iterdir()) == []


# --- side by side ---------------------------------------------------------------------------------------------------


def test_a_new_working_copy_is_set_up_once_and_then_reused(tmp_path: Path) -> None:
    grind = GrindSettings(worktree=WorktreeSettings(setup="make ready"))
    with Stage(tmp_path, config=Config(grind=grind)) as stage:
        lines = [stage.run(in_slot=True) for _ in range(2)]
        assert [line.status for line in lines] == [OK, OK]
        assert [command for command, _ in stage.hooked] == ["make ready"]
        hooks = [event.detail for event in told(stage, PhaseChanged) if event.phase is Phase.HOOK]
        assert hooks == [SET_UP]
        assert {request.cwd for _, request in stage.asked} == {"/in-memory/worktrees/slot-1"}


def test_no_agent_starts_in_a_working_copy_whose_set_up_failed(tmp_path: Path) -> None:
    grind = GrindSettings(worktree=WorktreeSettings(setup="make ready"))
    with Stage(tmp_path, config=Config(grind=grind)) as stage:
        stage.hooks["make ready"] = HookResult(passed=False, detail="exit code 2")
        line = stage.run(in_slot=True)
        assert (line.status, line.reason, stage.asked) == (ERROR, "hook_failed: exit code 2", [])


def test_work_that_meets_what_landed_meanwhile_is_rescued_and_gets_another_turn(stage: Stage) -> None:
    first, second = (stage.dispatch(in_slot=True) for _ in range(2))
    stage.plays["claude_code"] = [stage.well("mine"), stage.well("theirs")]
    landed, conflicted = (stage.parts.sessions.run(session) for session in (first, second))
    assert (landed.status, stage.memory.landed) == (OK, {"a": "mine"})
    assert (conflicted.status, conflicted.retry) == (ERROR, True)
    assert (str(conflicted.reason).partition(":")[0], len(conflicted.rescue)) == ("conflict", 1)


def test_a_second_turn_that_conflicts_again_gets_no_third(stage: Stage) -> None:
    first, second = stage.dispatch(in_slot=True), stage.dispatch(in_slot=True, retry_of=7)
    stage.plays["claude_code"] = [stage.well("mine"), stage.well("theirs")]
    stage.parts.sessions.run(first)
    assert not stage.parts.sessions.run(second).retry


def test_records_come_in_any_order_and_a_session_in_flight_stays_until_those_before_it_have_theirs(
    stage: Stage,
) -> None:
    first, second = (stage.dispatch(in_slot=True) for _ in range(2))
    stage.plays["claude_code"] = [stage.well(FILES["a"])]
    stage.parts.sessions.run(second)
    assert [session.seq for session in stage.in_flight] == [1, 2]
    stage.parts.sessions.run(first)
    assert ([line.seq for line in stage.log], stage.in_flight) == ([2, 1], ())


def test_what_landed_meanwhile_is_tested_with_the_work_before_that_lands(tmp_path: Path) -> None:
    config = Config(fixer_max_attempts=0)
    with Stage(tmp_path, prompts=[prompt("alpha", verify=True)], config=config) as stage:

        def add_file(request: AgentRequest) -> None:
            stage.memory.trees[request.cwd]["b"] = "new"

        first, second = (stage.dispatch(in_slot=True) for _ in range(2))
        stage.plays["claude_code"] = [stage.well("mine"), stage.well(FILES["a"], then=add_file)]
        stage.parts.sessions.run(first)
        stage.tests = [TestResult(passed=True), TestResult(passed=False, failing="test_both")]
        line = stage.parts.sessions.run(second)
        assert (line.status, line.reason, len(line.rescue)) == (ERROR, "verify_failed: test_both", 1)
        assert stage.memory.landed == {"a": "mine"}


LOST = "interrupted: worker rack-2 lost"


def lost(*_: object) -> Any:
    raise HostLost("rack-2")


def test_no_agent_starts_on_a_host_that_is_lost_before(stage: Stage) -> None:
    stage.hosts.hook = lost
    line = stage.run()
    assert (line.status, line.reason, stage.asked) == (SessionStatus.ABORTED, LOST, [])


@pytest.mark.parametrize("nth", [0, 1])
def test_a_session_whose_host_is_lost_during_its_tests_is_aborted_and_pays_for_its_fixers(
    tmp_path: Path, nth: int
) -> None:
    with Stage(tmp_path, prompts=[prompt("alpha", verify=True)]) as stage:
        results = iter([TestResult(passed=False)] * nth)
        stage.hosts.tests = lambda *_: next(results, None) or lost()
        line = stage.run()
        assert (line.status, line.reason, line.commit) == (SessionStatus.ABORTED, LOST, None)
        assert line.cost_usd == USED.cost_usd * (1 + nth)
        assert len(line.rescue) == 1


def test_a_session_whose_host_is_lost_before_its_tests_are_found_is_aborted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Stage(tmp_path, prompts=[prompt("alpha", verify=True)]) as stage:
        monkeypatch.setattr(ScriptedHost, "find_tests", lost)
        assert (stage.run().status, stage.log[0].reason) == (SessionStatus.ABORTED, LOST)


def test_work_that_has_landed_stays_when_the_host_is_lost_in_the_hook_afterwards(stage: Stage) -> None:
    stage.hosts.hook = lambda hook, _: lost() if hook.command == "after" else HookResult(passed=True)
    assert stage.run().status is OK
    assert [event.text for event in told(stage, Warned)] == [f"hook `after` may not have run: {LOST}"]


def test_a_merge_that_nobody_could_test_because_the_host_was_lost_does_not_land(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Stage(tmp_path, prompts=[prompt("alpha", verify=True)]) as stage:
        first, second = (stage.dispatch(in_slot=True) for _ in range(2))
        stage.parts.sessions.run(first)
        monkeypatch.setattr(InMemoryPlace, "catch_up", lost)
        line = stage.parts.sessions.run(second)
        assert (line.status, line.reason, line.commit) == (SessionStatus.ABORTED, LOST, None)
