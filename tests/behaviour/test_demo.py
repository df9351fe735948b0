"""`pitboss demo` shows every way a session can go, on any machine, and every command it names works (SPEC 8)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.cli import Done, Project
from tests.support.runs import Run, facts, the_run
from tests.support.sandboxes import needs_bwrap


class Shown(NamedTuple):
    """A demo that has been run."""

    done: Done
    repository: Path
    project: Project
    run: Run


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The demo as it is without options."""
    return played(tmp_path_factory.mktemp("demo"))


def played(folder: Path, *options: str) -> Shown:
    """Run the demo as a person with awkward git settings, a prompt of their own, and inside a git hook."""
    project = Project.create(folder / "elsewhere")
    home = Path(project.env["HOME"])
    hooks = home / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    (home / ".gitconfig").write_text(
        f"[commit]\ngpgsign = true\n[gpg]\nprogram = false\n[core]\nhooksPath = {hooks}\nautocrlf = true\n"
    )
    prompts = home / ".pitboss" / "grind" / "prompts"
    prompts.mkdir(parents=True)
    (prompts / "mine.md").write_text("---\nname: mine\ndescription: Mine.\n---\n```sh\nexit 9\n```\n")
    temporary = home / "temporary files"
    temporary.mkdir()
    done = project.pitboss(
        "demo",
        *options,
        GIT_CONFIG_GLOBAL=str(home / ".gitconfig"),
        GIT_DIR=str(project.root / ".git"),
        GIT_INDEX_FILE="nowhere",
        TMPDIR=str(temporary),
    )
    (repository,) = temporary.glob("pitboss-demo-*")
    return Shown(done, repository, project, the_run(Project(repository)))


def anonymous(text: str, repository: Path) -> str:
    """`text` with what differs from run to run replaced."""
    text = text.replace(str(repository), "REPOSITORY")
    text = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{4}", "RUN", text)
    text = re.sub(r"\b[0-9a-f]{7}  ", "COMMIT  ", text)
    return re.sub(
        r"^(  |\$ )\S+( -m pitboss)? (?=grind|log|show|rescue|report|review|land)",
        r"\1pitboss ",
        text,
        flags=re.MULTILINE,
    )


def test_the_demo_tells_what_landed_what_did_not_and_where_to_look(demo: Shown) -> None:
    assert demo.done.code == 0, demo.done
    assert (
        anonymous(demo.done.out, demo.repository)
        == """\
A small broken Python package is in REPOSITORY
$ pitboss grind --prompts-dir .pitboss/grind/prompts

Landed on pitboss/grind/RUN
  COMMIT  add-tests   Tested calc.sums.
  COMMIT  changelog   Listed what has landed so far under Unreleased.
  COMMIT  format      Tidied calc/shares.py.
  COMMIT  format      Tidied calc/sums.py.

Did not land
  session 4  add-tests   error: verify failed: test_shares.Shares.test_a_quarter_is_25_percent
  session 5  changelog   error: exit code: 3: CHANGELOG.md has an Unreleased section already.

Rescued, each under a ref of its own
  refs/pitboss/rescue/RUN/session-0004  add-tests

Look further
  cd 'REPOSITORY'
  pitboss log  # every session in a line
  pitboss show RUN 1 --diff  # what the first one changed
  pitboss rescue show RUN/session-0004  # what was rescued

The morning after
  pitboss report RUN  # what landed, what it cost, what needs you
  pitboss review RUN  # go through what landed, riskiest first
  pitboss land RUN  # take what landed

The report, for a browser: REPOSITORY/.pitboss/grind/runs/RUN/report.html
"""
    )


def test_the_demo_shows_the_run_as_it_goes(demo: Shown) -> None:
    ended = re.findall(r"session-000(\d) (ok|error) +(\S+)", demo.done.err)
    assert ended == [
        ("1", "ok", "add-tests"),
        ("2", "ok", "changelog"),
        ("3", "ok", "format"),
        ("4", "error", "add-tests"),
        ("5", "error", "changelog"),
        ("6", "ok", "format"),
    ]


def test_every_command_the_demo_names_works(demo: Shown) -> None:
    shown = demo.done.out.partition("Look further\n")[2].splitlines()
    lines = [line for line in shown if line.startswith("  ")]
    assert len(lines) == 7
    done = subprocess.run(
        ["sh", "-ec", "\n".join(lines)], env=demo.project.env, capture_output=True, check=False
    )
    assert done.returncode == 0, done
    assert b"Tested calc.sums." in done.stdout


def test_the_rescued_test_finds_the_bug_that_the_package_has(demo: Shown) -> None:
    (ref,) = set(re.findall(r"refs/pitboss/rescue/\S+", demo.done.out))
    rescued = subprocess.run(
        ["git", "show", f"{ref}:tests/test_shares.py"], cwd=demo.repository, capture_output=True, check=True
    )
    assert b"percent(1, 4), 25" in rescued.stdout


def test_the_demo_leaves_the_repository_it_was_called_in_alone(demo: Shown) -> None:
    assert demo.project.git("status", "--porcelain") == ""
    assert demo.project.git("for-each-ref", "--format=%(refname)") == "refs/heads/main\n"


def morning(shown: Shown) -> list[object]:
    """What a person finds after the night: the same for two nights if what happened is the same."""
    run = shown.run
    branches = (run.branch, *(ref for record in run.records for ref in record.get("rescue", [])))
    trees = [run.project.git("rev-parse", f"{branch}^{{tree}}") for branch in branches]
    subjects = run.project.git("log", "--format=%s", run.branch)
    return [subjects, trees, *map(facts, run.records)]


@needs_bwrap
def test_a_night_in_the_sandbox_ends_in_the_same_morning(demo: Shown, tmp_path: Path) -> None:
    fenced = played(tmp_path, "--sandbox", "bwrap")
    assert fenced.done.code == 0, fenced.done
    told = anonymous(fenced.done.out, fenced.repository).replace(" --sandbox bwrap", "")
    assert told == anonymous(demo.done.out, demo.repository)
    assert morning(fenced) == morning(demo)
    assert fenced.run.state["selection"]["sandbox"] == "bwrap"
