"""Queued tasks in a live run: when they start, what counts of them, and that each is run once at most (SPEC 10)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.core.budget import Caps
from pitboss.core.config import Config, HookSettings
from pitboss.core.events import RunEnded, SessionStarted, Warned
from pitboss.core.selection import Selection
from pitboss.core.session import SessionStatus
from pitboss.core.stops import StopReason
from pitboss.core.user_commands import TestResult
from pitboss.engine.task_queue import TaskQueue
from pitboss.store.catalogue import read_state
from pitboss.store.claims import Claim, claim, claimed
from pitboss.store.paths import queue_dir
from pitboss.store.queue import add, waiting, withdraw
from tests.support.stage import Crash, Stage
from tests.support.values import RUN_ID, STARTED, prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pitboss.core.agent import AgentRequest

OK, ABORTED = SessionStatus.OK, SessionStatus.ABORTED
TASK = "---\nname: door\n{}\n---\nMend the door.\n"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


@pytest.fixture
def stage(repo: Path) -> Iterator[Stage]:
    with Stage(repo) as stage:
        yield stage


def queued(stage: Stage, settings: str = "verify: false", text: str = TASK) -> str:
    """Queue a task; its id."""
    return add(stage.repo, text.format(settings), STARTED)


def ground(stage: Stage, sessions: int) -> list[tuple[str, str | None]]:
    """Let the run have so many sessions; the prompt of each and the id of its task."""
    log = stage.grind(caps=Caps(max_iterations=sessions))
    return [(line.prompt, line.queued) for line in log]


def waiting_ids(stage: Stage) -> list[str]:
    """The tasks that the run has taken in."""
    return [task.id for task in stage.parts.journal.state.queue]


def warnings(stage: Stage) -> list[str]:
    return [event.text for event in stage.events if isinstance(event, Warned)]


def test_tasks_come_before_the_rotation_oldest_first(stage: Stage) -> None:
    first, second = queued(stage), queued(stage, text="Mend the window.")
    assert ground(stage, 4) == [
        ("door", first),
        ("mend-the-window", second),
        ("alpha", None),
        ("alpha", None),
    ]
    assert waiting(stage.repo).tasks == ()
    assert claimed(stage.repo, second) == Claim(RUN_ID, 2)
    started = [(event.prompt, event.queued) for event in stage.events if isinstance(event, SessionStarted)]
    assert started[:3] == [("door", first), ("mend-the-window", second), ("alpha", None)]


def test_a_task_that_is_queued_while_the_last_session_runs_still_runs(stage: Stage) -> None:
    late: list[str] = []
    stage.script = ["alpha"]
    stage.plays["claude_code"] = [stage.well(then=lambda _request: late.append(queued(stage)))]
    assert ground(stage, 9) == [("alpha", None), ("door", late[0])]
    [ended] = (event for event in stage.events if isinstance(event, RunEnded))
    assert ended.stop_reason is StopReason.EXHAUSTED


def test_a_task_is_worked_on_as_it_says(repo: Path) -> None:
    hooks = HookSettings(pre_session="before", post_session="after", on_failure="failed")
    with Stage(repo, hooks=hooks, config=Config(fixer_max_attempts=1)) as stage:
        stage.tests = [TestResult(passed=False, failing="test_it")]
        queued(stage, "agent: codex\nmodel: small\nverify: true\nmax_session_seconds: 77")
        ground(stage, 1)
        [line] = stage.log
        (who, first), (fixer, second) = stage.asked
        assert (who, fixer, line.agent, line.status) == ("codex", "codex", "codex", OK)
        assert (first.model, first.max_seconds) == ("small", 77)
        assert "Mend the door." in first.text
        assert "Mend the door." in second.text
        assert len(stage.tested) == 2
        assert [command for command, _ in stage.hooked] == ["before", "after"]
        assert stage.hooked[0][1]["PITBOSS_PROMPT_NAME"] == "door"


def test_a_task_named_like_a_prompt_is_not_taken_for_it(repo: Path) -> None:
    with Stage(repo, prompts=[prompt("alpha", verify=True)]) as stage:
        queued(stage, text=TASK.replace("door\n", "alpha\n"))
        assert [prompt for prompt, _ in ground(stage, 2)] == ["alpha", "alpha"]
        bodies = ["Mend the door." in request.text for _, request in stage.asked]
        assert (bodies, len(stage.tested)) == ([True, False], 1)


def test_what_a_task_says_when_it_is_taken_counts(stage: Stage) -> None:
    task_id = queued(stage, "verify: true")
    file = queue_dir(stage.repo) / f"{task_id}.md"
    stage.parts.queue.look()
    file.write_text(TASK.format("verify: true").replace("door.", "window."))

    def spoil(_request: AgentRequest) -> None:
        stage.rundir.paths.queued_task(task_id).write_text("---\nname: door\n---\nNo tests, please.\n")

    stage.plays["claude_code"] = [stage.well(then=spoil)]
    ground(stage, 1)
    assert "Mend the window." in stage.asked[0][1].text
    assert len(stage.tested) == 1


def test_a_file_that_is_no_task_is_warned_of_once_and_ends_nothing(stage: Stage) -> None:
    folder = queue_dir(stage.repo)
    good = queued(stage)
    bad = folder / "bad.md"
    bad.write_text("---\nverify: maybe\n---\nx")
    other = folder / "other.md"
    other.write_text("---\nagent: nobody\n---\nx")
    assert ground(stage, 3) == [("door", good), ("alpha", None), ("alpha", None)]
    assert warnings(stage) == [
        f"a task in the queue cannot be run: {bad}:2: verify: must be true or false, not 'maybe'",
        f"a task in the queue cannot be run: {other}: unknown agent `nobody`",
    ]
    bad.write_text("Mend it.")
    stage.parts.queue.look()
    assert waiting_ids(stage) == ["bad"]
    assert len(warnings(stage)) == 2


@pytest.mark.parametrize("selection", [Selection(names=("alpha",)), Selection(task_runs=1)])
def test_a_run_of_certain_prompts_takes_only_tasks_queued_while_it_lives(
    repo: Path, selection: Selection
) -> None:
    with Stage(repo, selection=selection) as stage:
        early, late = queued(stage), list[str]()

        def queue_another(_request: AgentRequest) -> None:
            late.append(queued(stage))

        stage.plays["claude_code"] = [stage.well(then=queue_another)]
        assert ground(stage, 3) == [("alpha", None), ("door", late[0]), ("alpha", None)]
        assert [task.id for task in waiting(repo).tasks] == [early]


def test_tasks_count_for_budgets(stage: Stage) -> None:
    queued(stage)
    stage.plays["claude_code"] = [stage.well(status=SessionStatus.ERROR, reason="exit_code: 1")]
    ground(stage, 1)
    state = read_state(stage.rundir.paths)
    used = state.budget_consumed
    assert (used.iterations, used.consecutive_failures, used.cost_usd) == (1, 1, 0.25)
    assert (state.scheduler_state.rotation, state.scheduler_state.runs_per_prompt) == (0, {})


def removed(repo: Path, task_id: str) -> None:
    assert withdraw(repo, task_id)


def taken_by_another(repo: Path, task_id: str) -> None:
    assert claim(repo, task_id, Claim("another", 1))


@pytest.mark.parametrize("in_slot", [False, True])
@pytest.mark.parametrize("lose", [removed, taken_by_another])
def test_a_task_that_goes_while_it_is_dispatched_is_not_run_and_leaves_nothing(
    stage: Stage, lose: Callable[[Path, str], None], in_slot: bool
) -> None:
    task_id = queued(stage)
    stage.parts.queue.look()
    lose(stage.repo, task_id)
    assert stage.try_dispatch("door", queued=task_id, in_slot=in_slot) is None
    assert (stage.in_flight, stage.parts.journal.state.queue) == ((), ())
    assert read_state(stage.rundir.paths).in_flight == ()
    assert [event for event in stage.events if isinstance(event, SessionStarted)] == []
    following = stage.dispatch(in_slot=in_slot)
    assert (following.seq, following.worktree) == (1, "worktrees/slot-1" if in_slot else None)
    stage.parts.queue.look()
    assert waiting_ids(stage) == []


def test_a_task_that_comes_back_is_not_run_again(stage: Stage) -> None:
    task_id = queued(stage)
    ground(stage, 1)
    stage.rundir.paths.queued_task(task_id).rename(queue_dir(stage.repo) / f"{task_id}.md")
    assert ground(stage, 2) == [("door", task_id), ("alpha", None)]
    [said] = warnings(stage)[-1:]
    assert f"session 1 of run {RUN_ID} took it" in said


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(1, 6))
def test_a_crash_at_any_write_leaves_one_record_and_the_task_in_the_run_directory(
    stage: Stage, write: int, after: bool
) -> None:
    task_id = queued(stage)
    stage.parts.queue.look()
    stage.die_at(write, after=after)
    with suppress(Crash):
        stage.run("door", queued=task_id)
    begun = bool(stage.in_flight) or bool(stage.log)
    stage.resume()
    if not read_state(stage.rundir.paths).last_session_seq and not stage.log:
        assert (write, after) == (1, False)
        assert [task.id for task in waiting(stage.repo).tasks] == [task_id]
        return
    assert begun
    [line] = stage.log
    assert (line.prompt, line.queued) == ("door", task_id)
    assert stage.rundir.paths.queued_task(task_id).exists()
    assert waiting(stage.repo).tasks == ()
    assert len(stage.asked) <= 1


@pytest.mark.parametrize("moved", [False, True])
def test_recovery_finishes_the_move_and_does_not_run_the_task(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    task_id = queued(stage)
    stage.parts.queue.look()
    take = stage.parts.queue.take

    def die(session: Any) -> bool:
        if moved:
            take(session)
        raise Crash

    monkeypatch.setattr(TaskQueue, "take", lambda _queue, session: die(session))
    with pytest.raises(Crash):
        stage.dispatch("door", queued=task_id)
    [line] = stage.resume()
    assert (line.status, line.reason, line.queued) == (ABORTED, "interrupted", task_id)
    assert stage.rundir.paths.queued_task(task_id).exists()
    assert claimed(stage.repo, task_id) == Claim(RUN_ID, 1)
    assert waiting(stage.repo).tasks == ()
    assert stage.asked == []


def test_a_task_whose_tests_were_due_when_the_run_died_is_tested(stage: Stage) -> None:
    task_id = queued(stage, "verify: true")
    stage.parts.queue.look()
    stage.die_at(4)
    with pytest.raises(Crash):
        stage.run("door", queued=task_id)
    [line] = stage.resume()
    assert (line.status, line.queued) == (OK, task_id)
    assert stage.tested
