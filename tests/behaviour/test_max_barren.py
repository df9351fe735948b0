"""`max_barren` as a user meets it: a prompt that lands nothing again and again leaves the run (SPEC 11)."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Gate, configure, grinding, the_run

if TYPE_CHECKING:
    from pathlib import Path

LANDS = "echo $PITBOSS_SESSION_SEQ >>landed.txt"
OUT = "idle takes no further part: its last 2 sessions landed nothing (max_barren 2)"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    configure(project)
    return project


def test_a_prompt_that_lands_nothing_leaves_the_run_and_the_others_go_on(project: Project) -> None:
    project.prompt("idle", "true", max_barren=2)
    project.prompt("works", LANDS, max_runs=4)
    done = project.pitboss("grind")
    run = the_run(project)
    assert done.code == 0
    assert [r["prompt"] for r in run.records] == ["idle", "works", "idle", "works", "works", "works"]
    assert f"warning: {OUT}\n" in done.err
    assert run.ending() == ("completed", "every prompt has had its runs or landed nothing too often")
    said = project.pitboss("status")
    assert f"left out  {OUT}\n" in said.out
    assert json.loads(project.pitboss("status", "--json").out)["left_out"] == [
        {"prompt": "idle", "streak": 2, "max_barren": 2}
    ]
    for form in ("text", "md", "html", "json"):
        assert OUT in project.pitboss("report", "--format", form).out.replace("\\", "")


def test_a_session_that_lands_starts_the_count_again(project: Project) -> None:
    project.prompt("odd", f"[ $((PITBOSS_SESSION_SEQ % 3)) != 0 ] || {LANDS}", max_barren=3)
    done = project.pitboss("grind", "--max-iterations", "8")
    assert done.code == 3
    assert [bool(r["commit"]) for r in the_run(project).records] == [False, False, True] * 2 + [False] * 2


def test_a_dry_run_says_the_limit_and_that_of_a_run_to_resume_who_is_left_out(project: Project) -> None:
    project.prompt("idle", "true", max_barren=2)
    project.prompt("works", LANDS)
    assert " max_runs=(none) max_barren=2 verify=no" in project.pitboss("grind", "--dry-run").out
    assert project.pitboss("grind", "--max-iterations", "5").code == 3
    again = project.pitboss("grind", "--dry-run", "--resume", "--max-iterations", "9").out
    assert f"- left_out: {OUT}\n" in again
    preview = again.partition("## Scheduler preview")[2]
    assert "works" in preview
    assert "idle" not in preview


def test_a_killed_run_goes_on_with_the_sequence_of_one_that_was_not(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("idle", "true", max_barren=2)
    project.prompt("works", f"[ $PITBOSS_SESSION_SEQ != 4 ] || {{ {gate.script}; }}; {LANDS}", max_runs=4)
    with grinding(project) as live:
        gate.wait()
        os.kill(live.runner(), signal.SIGKILL)
        live.ended()
    gate.open()
    resumed = project.pitboss("grind", "--resume")
    assert resumed.code == 0, resumed
    assert [r["prompt"] for r in the_run(project).records] == [
        "idle",
        "works",
        "idle",
        "works",
        "works",
        "works",
    ]


@pytest.mark.parametrize(
    ("before", "after", "sessions"), [(2, 4, 4), (4, 2, 2), (None, 2, 2)], ids=["raised", "lowered", "new"]
)
def test_an_edit_of_the_limit_counts_at_the_next_dispatch(
    project: Project, tmp_path: Path, before: int | None, after: int, sessions: int
) -> None:
    gate = Gate(tmp_path / "gate")
    limit = {} if before is None else {"max_barren": before}
    project.prompt("idle", f"[ $PITBOSS_SESSION_SEQ != 2 ] || {{ {gate.script}; }}", max_runs=6, **limit)
    with grinding(project) as live:
        gate.wait()
        project.prompt("idle", "true", max_barren=after)
        gate.open()
        assert live.ended().code == 0
    assert len(the_run(project).records) == sessions


def test_a_prompt_that_is_out_comes_back_when_its_limit_is_raised_while_the_run_lives(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("idle", "true", max_barren=1)
    project.prompt("works", f"[ $PITBOSS_SESSION_SEQ != 3 ] || {{ {gate.script}; }}; {LANDS}", max_runs=4)
    with grinding(project) as live:
        gate.wait()
        project.prompt("idle", "true", max_barren=2)
        gate.open()
        assert live.ended().code == 0
    assert [r["prompt"] for r in the_run(project).records].count("idle") == 2
    assert "the prompt idle was edited: session " in live.ended().err


def test_a_limit_of_nothing_at_all_is_refused(project: Project) -> None:
    project.prompt("idle", "true", max_barren=0)
    said = project.pitboss("prompts", "validate")
    assert said.code == 1
    assert "max_barren: must be a whole number >= 1, not 0" in said.err
