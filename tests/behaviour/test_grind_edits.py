"""Prompt files edited while a run is live: they count from the next session on, if they are prompts (SPEC 10)."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Gate, Live, configure, grinding, the_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STAYS = "warning: the prompt alpha keeps its old text: "


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    configure(project)
    return project


@contextlib.contextmanager
def held(project: Project, *args: str) -> Iterator[tuple[Live, Callable[[], None]]]:
    """A run of `alpha` whose first session waits until the second thing is called."""
    gate = Gate(project.root.parent / "gate")
    project.prompt("alpha", f"{gate.script}\necho old >>said.txt")
    with grinding(project, *args) as live:
        gate.wait()
        yield live, gate.open


def path(project: Project) -> Path:
    return project.root / ".pitboss/grind/prompts/alpha.md"


def said(project: Project) -> str:
    run = the_run(project)
    return run.files(run.branch)["said.txt"]


def test_an_edit_counts_from_the_next_session_on_and_a_resume_goes_on_with_it(project: Project) -> None:
    with held(project, "--max-iterations", "2") as (live, let_go):
        project.prompt("alpha", "echo new >>said.txt", verify=True, max_session_seconds=77)
        let_go()
        done = live.ended()
    assert done.code == 3
    assert "warning: the prompt alpha was edited: session 2 is the first to get its new text\n" in done.err
    run = the_run(project)
    assert [r["reason"].partition(":")[0] for r in run.records if "reason" in r] == ["verify_failed"]
    assert said(project) == "old\n"
    project.prompt("alpha", "echo newer >>said.txt")
    resumed = project.pitboss("grind", "--resume", "--max-iterations", "3")
    assert resumed.code == 3
    assert "was edited" not in resumed.err
    assert said(project) == "old\nnewer\n"


def test_a_run_that_is_killed_after_an_edit_is_resumed_with_the_new_text(project: Project) -> None:
    with held(project, "--max-iterations", "2") as (live, let_go):
        project.prompt("alpha", "echo new >>said.txt", weight=3)
        os.kill(live.runner(), signal.SIGKILL)
        assert live.ended().code == 70
    let_go()
    resumed = project.pitboss("grind", "--resume", "--max-iterations", "2")
    assert resumed.code == 3, resumed
    assert [r["status"] for r in the_run(project).records] == ["aborted", "ok"]
    assert said(project) == "new\n"


def test_a_run_that_is_killed_after_a_bad_edit_is_resumed_with_the_text_that_it_had(
    project: Project, tmp_path: Path
) -> None:
    gates = [Gate(tmp_path / "first"), Gate(tmp_path / "second")]
    waits = "".join(
        f'if [ "$PITBOSS_SESSION_SEQ" = {seq} ]; then {gate.script}; fi\n'
        for seq, gate in enumerate(gates, 1)
    )
    project.prompt("alpha", f"{waits}echo old >>said.txt")
    with grinding(project, "--max-iterations", "4") as live:
        gates[0].wait()
        path(project).write_text("no front matter")
        gates[0].open()
        gates[1].wait()
        live.wait_for(STAYS)
        os.kill(live.runner(), signal.SIGKILL)
        assert live.ended().code == 70
    gates[1].open()
    assert project.pitboss("status", "--json").json()["next_pick"] == "alpha"
    resumed = project.pitboss("grind", "--resume", "--max-iterations", "3")
    assert resumed.code == 3, resumed
    goes_on = "no frontmatter: the first line must be `---`; the run goes on with the text that it had\n"
    assert f"warning: {path(project)}:1: {goes_on}" in resumed.err
    assert [record["status"] for record in the_run(project).records] == ["ok", "aborted", "ok"]
    assert said(project) == "old\nold\n"
    assert project.pitboss("grind").code == 4  # a new run has no text to go on with


def piped(file: Path) -> None:
    """Put a pipe that nobody writes to in the place of a file."""
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (
            lambda file: file.write_text("no front matter"),
            "{file}:1: no frontmatter: the first line must be `---`",
        ),
        (lambda file: file.unlink(), "{file}: does not exist"),
        (
            lambda file: file.write_text(file.read_text().replace("name: alpha", "name: beta")),
            "{file}: it is now called beta, and the set of prompts changes only when a run is resumed",
        ),
        (
            lambda file: file.write_text(file.read_text().replace("---\n```", "agent: codex\n---\n```", 1)),
            "{file}: the run was started without the agent codex",
        ),
        (piped, "{file}: is not a regular file"),
    ],
    ids=["no prompt", "removed", "renamed", "another agent", "a pipe"],
)
def test_what_the_run_cannot_take_is_warned_of_once_and_the_old_text_stays(
    project: Project, edit: Callable[[Path], object], reason: str
) -> None:
    with held(project, "--max-iterations", "3") as (live, let_go):
        edit(path(project))
        let_go()
        done = live.ended()
    assert done.code == 3
    assert done.err.count(STAYS) == 1
    assert f"{STAYS}{reason.format(file=path(project))}\n" in done.err
    assert said(project) == "old\nold\nold\n"


def test_a_prompt_that_is_added_takes_part_only_in_a_resume_that_allows_it(project: Project) -> None:
    with held(project, "--max-iterations", "2") as (live, let_go):
        project.prompt("beta", "echo beta >>said.txt")
        let_go()
        done = live.ended()
    assert (done.code, said(project)) == (3, "old\nold\n")
    assert project.pitboss("grind", "--resume", "--max-iterations", "4").code == 4
    allowed = project.pitboss("grind", "--resume", "--max-iterations", "4", "--allow-prompt-changes")
    assert allowed.code == 3
    assert "beta" in said(project)
