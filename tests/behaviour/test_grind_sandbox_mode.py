"""`grind --sandbox`, and the sandbox that a run keeps when it is resumed (SPEC 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import the_run
from tests.support.sandboxes import needs_bwrap

if TYPE_CHECKING:
    from pathlib import Path

OPEN = '[agent]\nbackend = "shell"\n[sandbox]\ncommand = ["env", "AROUND=wrapper"]\n'
WRAPPED = f'{OPEN}mode = "command"\n'
BARE = '[agent]\nbackend = "shell"\n'
SAY = "echo ${AROUND:-nothing} > around-$PITBOSS_SESSION_SEQ.txt"


def project(folder: Path, config: str, script: str = SAY) -> Project:
    made = Project.create(folder / "repo")
    made.write(".pitboss/config.toml", config)
    made.prompt("chore", script, max_runs=2)
    return made


def around(made: Project) -> list[str]:
    """What was around each session."""
    run = the_run(made)
    files = run.files(run.branch)
    return [files[name].strip() for name in sorted(files)]


@pytest.mark.parametrize(
    ("began", "first", "then", "more", "expected"),
    [
        (OPEN, ["--sandbox", "command"], OPEN, [], ["wrapper", "wrapper"]),
        (WRAPPED, [], OPEN, [], ["wrapper", "wrapper"]),
        (WRAPPED, [], OPEN, ["--sandbox", "off"], ["wrapper", "nothing"]),
        (WRAPPED, ["--sandbox", "off"], WRAPPED, [], ["nothing", "nothing"]),
        (OPEN, [], WRAPPED, [], ["nothing", "wrapper"]),
    ],
    ids=["chosen", "configured", "taken-off", "off-by-choice", "put-on"],
)
def test_a_run_keeps_its_sandbox_unless_told_otherwise(
    tmp_path: Path, began: str, first: list[str], then: str, more: list[str], expected: list[str]
) -> None:
    made = project(tmp_path, began)
    assert made.pitboss("grind", "--max-iterations", "1", *first).code == 3
    made.write(".pitboss/config.toml", then)
    done = made.pitboss("grind", "--resume", "--max-iterations", "none", *more)
    assert done.code == 0, done
    assert around(made) == expected


def test_a_resume_says_that_its_sandbox_is_not_that_of_the_configuration(tmp_path: Path) -> None:
    made = project(tmp_path, WRAPPED)
    assert made.pitboss("grind", "--max-iterations", "1").code == 3
    made.write(".pitboss/config.toml", OPEN)
    told = made.pitboss("config", "--effective", "--run", the_run(made).run_id).out
    assert [line.split() for line in told.splitlines() if line.startswith("sandbox.mode")] == [
        ["sandbox.mode", "run", '"command"']
    ]
    done = made.pitboss("grind", "--resume")
    said = "the sandbox is command, as when the run began, and not off, as in config.toml; `--sandbox off` changes it"
    assert said in done.err


@pytest.mark.parametrize("resumed", [False, True], ids=["start", "resume"])
def test_a_wrapper_that_nothing_names_is_refused(tmp_path: Path, resumed: bool) -> None:
    made = project(tmp_path, WRAPPED if resumed else BARE)
    if resumed:
        assert made.pitboss("grind", "--max-iterations", "1").code == 3
        made.write(".pitboss/config.toml", BARE)
    done = made.pitboss("grind", *(["--resume"] if resumed else ["--sandbox", "command"]))
    assert done.code == 4, done
    assert "[sandbox] command in .pitboss/config.toml names none" in done.err


def test_a_run_can_be_repaired_although_its_wrapper_is_gone(tmp_path: Path) -> None:
    made = project(tmp_path, WRAPPED)
    assert made.pitboss("grind", "--max-iterations", "1").code == 3
    made.write(".pitboss/config.toml", BARE)
    done = made.pitboss("repair", the_run(made).run_id)
    assert done.code == 0, done


@needs_bwrap
def test_bubblewrap_for_one_run(tmp_path: Path) -> None:
    made = project(tmp_path, BARE, "ls ~/.ssh > seen.txt; touch ~/by-agent || echo stopped >> seen.txt")
    key = tmp_path / "repo-home/.ssh/id"
    key.parent.mkdir()
    key.write_text("key")
    assert made.pitboss("grind", "--max-iterations", "1", "--sandbox", "bwrap").code == 3
    run = the_run(made)
    assert run.files(run.branch) == {"seen.txt": "stopped\n"}
    assert run.state["selection"]["sandbox"] == "bwrap"


@pytest.mark.parametrize(
    "words", [("--sandbox=docker",), ("--sandbox", "docker"), ("work", "--sandbox", "OFF")]
)
def test_a_mode_that_there_is_not_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = project(tmp_path, BARE).pitboss("grind", *words)
    assert done.code == 4
    assert "is not one of 'off', 'bwrap', 'command'" in done.err


@pytest.mark.parametrize(
    "words", [("work", "--sandbox", "off"), ("--sandbox=off",), ("-pdo it", "--sandbox", "off")]
)
def test_a_mode_is_taken_beside_whatever_else_the_command_line_says(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    made = project(tmp_path, BARE)
    made.prompt("work", "true")
    assert made.pitboss("grind", "--dry-run", *words).code == 0
