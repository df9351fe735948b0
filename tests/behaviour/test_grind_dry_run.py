"""`grind --dry-run` and `--dry-run --resume`, to the letter, and that they change nothing at all (SPEC 8)."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Done, Project
from tests.support.runs import the_run

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
[agent]
backend = "shell"
[grind]
consecutive_failure_limit = 0
[grind.budgets]
max_tokens = 5000
[grind.hooks]
post_session = "echo done"
"""
ROTATION = """
prompts = [{name = "alpha", weight_override = 3}, {name = "bravo", max_runs_override = 2}]
[budgets]
max_iterations = 40
[hooks]
pre_session = '''
make
  deps'''
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    project.write(".pitboss/config.toml", CONFIG)
    project.write(".pitboss/grind/rotations/night.toml", ROTATION)
    project.prompt("alpha", "echo text >>a.txt")
    project.prompt("bravo", "exit 1", weight=2, every=2, verify=False)
    project.prompt("charlie", "true", parallel_safe=True, verify=True, max_runs=1)
    return project


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file below a folder, .git and .pitboss included, with a hash of what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def dry_run(project: Project, *args: str, cwd: Path | None = None) -> Done:
    """Run `grind --dry-run`, which must leave the folder as it is to the byte."""
    before = fingerprint(project.root.parent)
    done = project.pitboss("grind", "--dry-run", *args, cwd=cwd)
    assert fingerprint(project.root.parent) == before
    return done


def test_a_dry_run_shows_everything_resolved(project: Project) -> None:
    prompts = project.root / ".pitboss/grind/prompts"
    done = dry_run(project, "--rotation", "night", "--max-cost", "2.5", "--until", "2031-01-02T03:04:05Z")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "=== pitboss grind --dry-run ===\n"
        "version: 1\n"
        "\n## Workspace\n"
        f"- root: {project.root}\n"
        "- branch: main\n"
        "- agent: shell\n"
        "- mode: in-place\n"
        "- max_parallel: 1\n"
        "\n## Prompts\n"
        f"- alpha [project] weight=1 every=1 max_runs=(none) verify=no parallel_safe=no {prompts}/alpha.md\n"
        f"- bravo [project] weight=2 every=2 max_runs=(none) verify=no parallel_safe=no {prompts}/bravo.md\n"
        "\n## Plan\n"
        "name: night\n"
        "- alpha weight=3 every=1 max_runs=(none)\n"
        "- bravo weight=2 every=2 max_runs=2\n"
        "\n## Budgets\n"
        "- max_iterations: 40\n"
        "- until: 2031-01-02T03:04:05Z\n"
        "- max_cost_usd: $2.5000\n"
        "- max_tokens: 5000\n"
        "\n## Hooks\n"
        "- pre_session: make deps\n"
        "- post_session: echo done\n"
        "- on_failure: (none)\n"
        "\n## Scheduler preview\n"
        "1. alpha (rotation 1)\n"
        "2. bravo (rotation 2)\n"
        "3. alpha (rotation 3)\n"
        "4. bravo (rotation 4)\n"
        "5. alpha (rotation 5)\n"
        "6. alpha (rotation 6)\n"
        "7. alpha (rotation 7)\n"
        "8. alpha (rotation 8)\n"
        "9. alpha (rotation 9)\n"
        "10. alpha (rotation 10)\n"
    )


def test_a_dry_run_without_a_rotation_takes_all_prompts_and_ends_where_they_do(project: Project) -> None:
    (project.root / ".pitboss/grind/prompts/alpha.md").unlink()
    (project.root / ".pitboss/grind/prompts/bravo.md").unlink()
    done = dry_run(project)
    assert done.code == 0
    assert "\n## Plan\nname: default\n- charlie weight=1 every=1 max_runs=1\n" in done.out
    assert done.out.endswith("\n## Scheduler preview\n1. charlie (rotation 1)\n(nothing left to run)\n")


def test_the_preview_is_what_then_runs(project: Project) -> None:
    done = dry_run(project, "--rotation", "night")
    assert project.pitboss("grind", "--rotation", "night", "--max-iterations", "10").code == 3
    preview = done.out.partition("## Scheduler preview\n")[2].splitlines()
    assert preview == [f"{seq}. {name} (rotation {at})" for seq, name, at in the_run(project).sequence()]


def test_a_dry_run_of_a_resume_starts_from_where_the_run_is(project: Project) -> None:
    assert project.pitboss("grind", "--rotation", "night", "--max-iterations", "4").code == 3
    run = the_run(project)
    done = dry_run(project, "--resume", "--max-iterations", "9")
    assert (done.code, done.err) == (0, "")
    assert "- branch: main\n" in done.out
    assert done.out.partition("\n## Hooks\n")[2] == (
        "- pre_session: make deps\n"
        "- post_session: echo done\n"
        "- on_failure: (none)\n"
        "\n## Resume\n"
        f"- run_id: {run.run_id}\n"
        "- last_session_seq: 4\n"
        "- scheduler_rotation: 4\n"
        "- iterations_consumed: 4\n"
        "- tokens_consumed: 0 (input=0, output=0)\n"
        "- cost_consumed_usd: $0.0000\n"
        "- consecutive_failures: 4\n"
        "\n## Scheduler preview (resumed scheduler state)\n"
        "1. alpha (rotation 5)\n"
        "2. alpha (rotation 6)\n"
        "3. alpha (rotation 7)\n"
        "4. alpha (rotation 8)\n"
        "5. alpha (rotation 9)\n"
        "6. alpha (rotation 10)\n"
        "7. alpha (rotation 11)\n"
        "8. alpha (rotation 12)\n"
        "9. alpha (rotation 13)\n"
        "10. alpha (rotation 14)\n"
    )


def test_a_dry_run_of_a_resume_refuses_what_the_resume_would(project: Project) -> None:
    assert dry_run(project, "--resume").err.startswith("error: no resumable grind run found under ")
    assert project.pitboss("grind", "--rotation", "night", "--max-iterations", "1").code == 3
    (project.root / ".pitboss/grind/rotations/night.toml").write_text('prompts = [{name = "alpha"}]')
    done = dry_run(project, "--resume")
    assert (done.code, done.out) == (4, "")
    assert 'prompt set changed (added: [], removed: ["bravo"])' in done.err


@pytest.mark.parametrize("state", ["plain folder", "dirty"])
def test_a_dry_run_works_where_a_run_would_be_refused_and_says_why(
    project: Project, tmp_path: Path, state: str
) -> None:
    folder = tmp_path / "elsewhere"
    shutil.copytree(project.root / ".pitboss", folder / ".pitboss")
    if state == "dirty":
        folder = project.root
        project.write("README.md", "dirt\n")
    done = dry_run(project, cwd=folder)
    branch, problem = {
        "plain folder": ("(none)", "this is not a git repository"),
        "dirty": ("main", "the working tree is not clean"),
    }[state]
    assert done.code == 0, done
    workspace = done.out.partition("## Workspace\n")[2].partition("\n\n")[0].splitlines()
    assert workspace == [
        f"- root: {folder}",
        f"- branch: {branch}",
        "- agent: shell",
        "- mode: in-place",
        "- max_parallel: 1",
        f"- problem: {problem}",
    ]


def test_a_dry_run_reports_every_mistake_like_a_run(project: Project) -> None:
    project.write(".pitboss/grind/prompts/bad.md", "no fence\n")
    done = dry_run(project, "--rotation", "nowhere")
    assert (done.code, done.out) == (4, "")
    assert "bad.md" in done.err
    assert "no rotation is named 'nowhere'" in done.err


@pytest.mark.parametrize("state", ["bare", "empty", "broken"])
def test_a_dry_run_refuses_a_repository_that_no_run_could_use(
    project: Project, tmp_path: Path, state: str
) -> None:
    folder = tmp_path / "elsewhere"
    shutil.copytree(project.root / ".pitboss", folder / ".pitboss")
    project.git("init", "-q", *(("--bare",) if state == "bare" else ()), str(folder))
    if state == "broken":
        (folder / ".git" / "HEAD").write_text("")
    done = dry_run(project, cwd=folder)
    real = project.pitboss("grind", cwd=folder)
    assert (done.code, done.out, done.err) == (4, "", real.err)
    told = {"bare": "no working tree", "empty": "commit something first", "broken": ".git/HEAD names no"}
    assert "error: creating run branch: " in done.err
    assert told[state] in done.err
