"""The tutorial works as pasted: every command in it, in its order, with the results that it names (SPEC 8)."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import COMMAND, PATIENCE_S, Done, Project

if TYPE_CHECKING:
    from collections.abc import Iterator

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
FILE = re.compile(r"`(\.pitboss/[^`]+\.md)`:\n\n````markdown\n(.*?)````\n", re.DOTALL)
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def steps() -> Iterator[tuple[str, str]]:
    """What a reader does, in order: a file to write and its text, or "" and a command to paste."""
    text = TUTORIAL.read_text(encoding="utf-8")
    files = {found.start(): (found[1], found[2]) for found in FILE.finditer(text)}
    prose = FILE.sub(lambda found: " " * len(found[0]), text)
    commands = {
        found.start() + at: ("", line)
        for found in COMMANDS.finditer(prose)
        for at, line in enumerate(found[1].splitlines())
    }
    for _, step in sorted({**files, **commands}.items()):
        yield step


@pytest.fixture(scope="module")
def pasted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """Every command of the tutorial with how it ended, RUN_ID filled in as a reader would."""
    home = tmp_path_factory.mktemp("tutorial") / "reader"
    home.mkdir()
    project = Project(home)
    program = home / "pitboss"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    who = {f"GIT_{role}_{what}": "reader" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {**project.env, **who, "PATH": f"{home}:{project.env['PATH']}"}
    here, done = home, {}
    for name, text in steps():
        if name:
            (here / name).write_text(text, encoding="utf-8")
            continue
        runs = sorted(path.name for path in here.glob(".pitboss/grind/runs/2*"))
        command = text.replace("RUN_ID", runs[0] if runs else "RUN_ID")
        ended = subprocess.run(
            ["sh", "-c", command],
            cwd=here,
            env=env,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if "cd " in command:
            here /= "greeter"
        if "rescue apply" in command:
            subprocess.run(["git", "clean", "-fdq"], cwd=here, env=env, check=True)
        done[text.partition("#")[0].strip()] = Done(
            ended.returncode, ended.stdout.decode(), ended.stderr.decode()
        )
    return done


def test_every_command_ends_as_the_tutorial_says(pasted: dict[str, Done]) -> None:
    named = {
        "pitboss grind": 1,
        "pitboss grind --max-iterations 2": 3,
        "pitboss grind --resume --max-iterations 4": 3,
    }
    expected = {command: named.get(command, 0) for command in pasted}
    assert len(pasted) > 15
    assert {command: done.code for command, done in pasted.items()} == expected, pasted


def test_its_run_is_what_the_text_says_of_it(pasted: dict[str, Done]) -> None:
    landed = pasted["git log --oneline pitboss/grind/RUN_ID"].out.splitlines()
    assert [line.partition(" ")[2] for line in landed[:3]] == ["notes: Added a line to NOTES.md."] * 3
    assert "4 sessions" in pasted["pitboss status"].out
    assert "thought.txt" in pasted["pitboss rescue show RUN_ID/session-0001"].out
