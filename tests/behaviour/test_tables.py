"""Tables fit a terminal of 80 columns; for programs they are whole (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.tmux import command, terminal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "a-folder-with-a-name-that-takes-a-good-part-of-a-line")
    project.prompt("a-long-prompt-name", "exit 3", max_runs=1)
    assert project.pitboss("grind").code == 1
    assert (
        project.pitboss("queue", "add", "Do something whose description takes all of a line. " * 3).code == 0
    )
    return project


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("prompts", "ls"), "prompt-name.md"),
        (("agents",), "claude_code"),
        (("history",), "no room for "),
        (("queue", "ls"), "Do something"),
    ],
)
def test_a_table_is_no_wider_than_the_terminal(project: Project, words: tuple[str, ...], shown: str) -> None:
    whole = project.pitboss(*words).out.partition("\n\n")[0].splitlines()
    rows = [line.split()[0] for line in whole]
    with terminal(project, height=40) as screen:
        screen.enter(f"clear; {command(*words)}; echo ended")
        lines = screen.wait_for(shown, "\nended").partition("\nended")[0].splitlines()
    assert [line.split()[0] for line in lines if line][: len(rows)] == rows, "no row takes two lines"
    assert all(len(line) < 80 for line in lines[: len(rows)])


def test_files_are_counted_in_plain_words_on_a_terminal_and_as_scripts_expect_elsewhere(
    project: Project,
) -> None:
    assert project.pitboss("prompts", "validate").out == "1 prompt(s) ok, 0 error(s)\n"
    with terminal(project) as screen:
        screen.enter(f"clear; {command('prompts', 'validate')}; echo ended")
        assert "1 prompt ok, 0 errors\n" in screen.wait_for("\nended")
