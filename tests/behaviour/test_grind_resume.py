"""Going on with a run: the same sequence as if it had never stopped, and every refusal (SPEC 1.3, 7)."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Done, Project
from tests.support.runs import Gate, Run, configure, grinding, instruct, the_run, verdict

if TYPE_CHECKING:
    from pathlib import Path

METERED = """
[agent.command]
command = ["sh", "-c", '''
cat >/dev/null
echo "$PITBOSS_SESSION_SEQ" >$PITBOSS_PROMPT_NAME.txt
echo '{"input_tokens": 100, "output_tokens": 10, "cost_usd": 0.25}' >$PITBOSS_USAGE_FILE
[ $PITBOSS_PROMPT_NAME != bravo ]
''']
"""


def create(folder: Path) -> Project:
    """A project whose prompts take turns in a way that is easily got wrong; `bravo` always fails."""
    project = Project.create(folder)
    configure(project, agent="command", more=METERED)
    instruct(project, "alpha", weight=3)
    instruct(project, "bravo", every=2)
    instruct(project, "charlie", weight=2, max_runs=2)
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return create(tmp_path / "repo")


@pytest.fixture
def paused(project: Project) -> Run:
    """A run that a budget has stopped after two sessions."""
    assert project.pitboss("grind", "--max-iterations", "2").code == 3
    return the_run(project)


def refused(project: Project, *args: str) -> str:
    """Resume, which must be refused without a change to the run; return what was said."""
    run = the_run(project)
    before = (run.folder / "state.json").read_bytes(), run.records, project.git("for-each-ref")
    done = project.pitboss("grind", "--resume", *args)
    assert (done.code, done.out) == (4, ""), done
    assert ((run.folder / "state.json").read_bytes(), run.records, project.git("for-each-ref")) == before
    return done.err


def test_a_run_stopped_and_resumed_again_and_again_goes_the_way_of_one_that_never_stopped(
    project: Project, tmp_path: Path
) -> None:
    whole = create(tmp_path / "whole")
    assert whole.pitboss("grind", "--max-iterations", "9").code == 3
    for iterations in (1, 2, 5, 9):
        done = project.pitboss(
            "grind", *(["--resume"] if iterations > 1 else []), "--max-iterations", str(iterations)
        )
        assert done.code == 3, done
    uninterrupted, resumed = the_run(whole), the_run(project)
    assert resumed.sequence() == uninterrupted.sequence()
    assert len({prompt for _, prompt, _ in resumed.sequence()}) == 3
    same = ("scheduler_state", "budget_consumed", "last_session_seq", "status", "stop_reason", "prompt_names")
    assert {name: resumed.state[name] for name in same} == {name: uninterrupted.state[name] for name in same}
    assert resumed.files(resumed.branch) == uninterrupted.files(uninterrupted.branch)


def test_resuming_says_so_and_budgets_go_on_from_what_was_used(project: Project, paused: Run) -> None:
    done = project.pitboss("grind", "--resume", "--max-iterations", "none", "--max-cost", "1")
    assert done.code == 3
    assert done.err.startswith(f"resuming {paused.run_id} after session 2\n")
    assert paused.ending() == ("aborted", "max-cost reached: $1.0000 >= $1.0000")
    assert paused.state["budget_consumed"] == {
        "iterations": 4,
        "tokens_input": 400,
        "tokens_output": 40,
        "cost_usd": 1.0,
        "consecutive_failures": 1,
    }


def test_a_budget_that_is_used_up_stops_a_resumed_run_at_once(project: Project, paused: Run) -> None:
    assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3
    assert len(paused.records) == 2


def test_a_failure_before_the_pause_still_counts_in_the_exit_code(project: Project) -> None:
    instruct(project, "alpha", max_runs=1)
    instruct(project, "bravo", every=2, max_runs=1)
    instruct(project, "charlie", every=3, max_runs=1)
    assert project.pitboss("grind", "--max-iterations", "2").code == 3
    assert project.pitboss("grind", "--resume", "--max-iterations", "none").code == 1
    assert [r["status"] for r in the_run(project).records] == ["ok", "error", "ok"]


def test_a_run_may_be_named_by_the_beginning_of_its_id(project: Project, paused: Run) -> None:
    assert project.pitboss("grind", "--resume", paused.run_id[:16], "--max-iterations", "3").code == 3
    assert len(paused.records) == 3


def test_without_any_run(project: Project) -> None:
    assert project.pitboss("grind", "--resume") == Done(
        4,
        "",
        f"error: no resumable grind run found under {project.root}/.pitboss/grind/runs\n"
        "hint: start a new run with `pitboss grind`\n",
    )


def test_a_run_that_is_not_there(project: Project, paused: Run) -> None:
    assert refused(project, "20260101T000000Z-abcd") == (
        'error: grind run "20260101T000000Z-abcd" not found at '
        f"{project.root}/.pitboss/grind/runs/20260101T000000Z-abcd\n"
        "hint: `pitboss runs` lists all runs\n"
    )


def test_a_completed_run_is_neither_resumed_by_name_nor_found_as_the_latest(project: Project) -> None:
    for name in ("alpha", "bravo", "charlie"):
        instruct(project, name, max_runs=1)
    assert project.pitboss("grind").code == 1
    run = the_run(project)
    assert refused(project, run.run_id) == (
        f'error: grind run "{run.run_id}" is Completed and cannot be resumed; '
        "start a new run with `pitboss grind`\n"
    )
    assert refused(project).startswith("error: no resumable grind run found under ")


def test_a_run_whose_state_cannot_be_read(project: Project, paused: Run) -> None:
    (paused.folder / "state.json").write_text("{not json")
    err = refused(project, paused.run_id)
    assert err.startswith(f'error: grind run "{paused.run_id}": failed to read state: ')
    assert f"hint: `pitboss repair {paused.run_id}` rebuilds it" in err


def test_another_rotation(project: Project, paused: Run) -> None:
    project.write(".pitboss/grind/rotations/night.toml", 'prompts = [{name = "alpha"}]\n')
    assert refused(project, "--rotation", "night") == (
        f'error: grind run "{paused.run_id}": plan name changed (was "default", now "night"); '
        "start a new run with `pitboss grind`\nhint: or resume with `--rotation default`\n"
    )


def test_prompts_that_were_added_and_removed_are_named_and_accepted_only_when_asked(
    project: Project, paused: Run
) -> None:
    prompts = project.root / ".pitboss/grind/prompts"
    (prompts / "bravo.md").unlink()
    instruct(project, "delta", weight=100)
    assert refused(project) == (
        f'error: grind run "{paused.run_id}": prompt set changed (added: ["delta"], removed: ["bravo"]); '
        "start a new run with `pitboss grind`\nhint: or accept the new set with `--allow-prompt-changes`\n"
    )
    assert project.pitboss("grind", "--resume", "--allow-prompt-changes", "--max-iterations", "3").code == 3
    assert paused.sequence()[2:] == [(3, "delta", 3)]
    assert paused.state["prompt_names"] == ["alpha", "charlie", "delta"]
    assert project.pitboss("grind", "--resume", "--max-iterations", "4").code == 3


def test_a_dirty_tree(project: Project, paused: Run) -> None:
    project.write("notes.txt", "mine\n")
    assert refused(project) == (
        "error: the working tree has uncommitted changes that no session made\n"
        "hint: put them away with `git stash -u`, then resume\n"
    )
    assert (project.root / "notes.txt").read_text() == "mine\n"


def test_a_rotation_is_resumed_without_naming_it(project: Project) -> None:
    project.write(".pitboss/grind/rotations/night.toml", 'prompts = [{name = "charlie"}, {name = "alpha"}]\n')
    assert project.pitboss("grind", "--rotation", "night", "--max-iterations", "1").code == 3
    assert project.pitboss("grind", "--resume", "--max-iterations", "4").code == 3
    run = the_run(project)
    assert run.state["plan_name"] == "night"
    assert {prompt for _, prompt, _ in run.sequence()} == {"alpha", "charlie"}
    assert len(run.records) == 4


def test_of_two_runs_the_one_that_changed_last_is_resumed(project: Project, paused: Run) -> None:
    project.git("checkout", "-q", "main")
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    (latest,) = (
        Run(project, path.parent.name)
        for path in paused.folder.parent.glob("*/state.json")
        if path.parent.name != paused.run_id
    )
    assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3
    assert (len(paused.records), len(latest.records)) == (2, 2)


def test_a_run_that_was_killed_with_its_agent_resumes_with_an_aborted_record_and_the_work_rescued(
    tmp_path: Path,
) -> None:
    project = Project.create(tmp_path / "repo")
    gate = Gate(tmp_path / "gate")
    project.prompt("a-first", "echo one >one.txt", max_runs=1)
    project.prompt("b-killed", f"echo half >half.txt; {gate.script}", max_runs=1)
    project.prompt("c-last", "echo last >last.txt", max_runs=1)
    with grinding(project) as live:
        gate.wait()
        os.kill(live.runner(), signal.SIGKILL)
        killed = live.ended()
    assert killed.code == 70
    assert killed.err.endswith(
        "error: the runner was killed (signal 9)\n"
        "hint: `pitboss grind --resume` goes on from where it stopped\n"
    )
    assert the_run(project).state["status"] == "active"
    assert project.pitboss("grind", "--resume").code == 0
    run = the_run(project)
    assert [(r["prompt"], *verdict(r)) for r in run.records] == [
        ("a-first", "ok", None, True, 0),
        ("b-killed", "aborted", "interrupted", False, 1),
        ("c-last", "ok", None, True, 0),
    ]
    assert run.rescued("b-killed")["half.txt"] == "half\n"
    assert run.files(run.branch) == {"one.txt": "one\n", "last.txt": "last\n"}
