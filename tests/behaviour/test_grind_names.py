"""`grind NAME...`: a run of these prompts only, also when it is resumed (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import the_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.runs import Run

NIGHT = 'prompts = [{name = "alpha", weight_override = 3}, {name = "bravo"}]\n'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    project.write(".pitboss/grind/rotations/night.toml", NIGHT)
    for name in ("alpha", "bravo", "charlie"):
        project.prompt(name, f"echo more >>{name}.txt", tags=["day"] if name == "bravo" else ["dusk"])
    return project


def names(run: Run) -> list[str]:
    """The prompts of a run's sessions, in order."""
    return [prompt for _, prompt, _ in run.sequence()]


def test_a_run_of_some_prompts_only_and_its_resume(project: Project) -> None:
    assert project.pitboss("grind", "charlie", "alpha", "charlie", "--max-iterations", "2").code == 3
    run = the_run(project)
    assert names(run) == ["alpha", "charlie"]
    assert run.state["prompt_names"] == ["alpha", "charlie"]
    assert run.state["selection"]["names"] == ["charlie", "alpha"]
    assert project.pitboss("grind", "--resume", "--max-iterations", "4").code == 3
    assert names(run) == ["alpha", "charlie"] * 2


def test_a_rotation_keeps_its_say_about_the_prompts_that_are_named(project: Project) -> None:
    done = project.pitboss("grind", "alpha", "bravo", "--rotation", "night", "--max-iterations", "4")
    assert done.code == 3
    assert names(the_run(project)).count("alpha") == 3
    only = project.pitboss("grind", "alpha", "--rotation", "night", "--dry-run")
    assert "- alpha weight=3" in only.out
    assert "bravo" not in only.out


def test_a_tag_narrows_the_names_further(project: Project) -> None:
    shown = project.pitboss("grind", "alpha", "bravo", "--tag", "day", "--dry-run")
    assert "- bravo weight=1" in shown.out
    assert "alpha" not in shown.out


@pytest.mark.parametrize(
    ("args", "error", "hint"),
    [
        (
            ("alhpa", "bravo", "x"),
            "no prompt is named 'alhpa' or 'x'; did you mean 'alpha'?",
            "existing prompts: alpha, bravo, charlie",
        ),
        (
            ("charlie", "--rotation", "night"),
            "rotation 'night' does not contain 'charlie'",
            "`--rotation default` chooses from all prompts",
        ),
    ],
    ids=["unknown", "not in the rotation"],
)
def test_a_name_that_cannot_take_part(project: Project, args: tuple[str, ...], error: str, hint: str) -> None:
    for more in ((), ("--dry-run",)):
        done = project.pitboss("grind", *args, *more)
        assert (done.code, done.out, done.err) == (4, "", f"error: {error}\nhint: {hint}\n")
    assert not (project.root / ".pitboss/grind/runs").exists()


def test_a_resume_of_other_prompts_has_to_be_asked_for(project: Project) -> None:
    assert project.pitboss("grind", "alpha", "bravo", "--max-iterations", "1").code == 3
    refused = project.pitboss("grind", "alpha", "--resume", "--max-iterations", "2")
    assert refused.code == 4
    assert 'prompt set changed (added: [], removed: ["bravo"])' in refused.err
    (project.root / ".pitboss/grind/prompts/bravo.md").unlink()
    assert 'removed: ["bravo"]' in project.pitboss("grind", "--resume", "--max-iterations", "2").err
    allowed = project.pitboss("grind", "--resume", "--allow-prompt-changes", "--max-iterations", "3")
    assert allowed.code == 3
    assert names(the_run(project)) == ["alpha"] * 3


def test_status_knows_what_a_run_of_some_prompts_would_do_next(project: Project) -> None:
    assert project.pitboss("grind", "charlie", "--max-iterations", "1").code == 3
    assert project.pitboss("status", "--json").json()["next_pick"] == "charlie"
