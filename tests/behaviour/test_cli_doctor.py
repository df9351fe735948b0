"""`doctor` finds what would keep a run from starting or ending well."""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.store.rundir import RunDir
from tests.behaviour.test_cli_observers import documented
from tests.support.agents import executable
from tests.support.cli import Project
from tests.support.values import run_state

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    project.prompt("alpha", "true")
    return project


def findings(project: Project, path: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """What doctor finds, by subject."""
    report = json.loads(project.pitboss("doctor", "--json", PATH=path or project.env["PATH"]).out)
    found: dict[str, list[dict[str, Any]]] = {}
    for check in report["checks"]:
        found.setdefault(check["subject"], []).append(check)
    return found


def test_a_healthy_project_is_all_ok(project: Project) -> None:
    done = project.pitboss("doctor")

    assert (done.code, done.err) == (0, "")
    lines = [re.split(r"  +", line, maxsplit=2) for line in done.out.splitlines()]
    assert {line[0] for line in lines} == {"ok"}
    assert {
        line[1]: line[2] for line in lines if line[1] not in ("git", "agent", "sandbox", "prices", "disk")
    } == {
        "repository": "on main, clean",
        "files": "rotation default: alpha",
        "lock": "no run is live",
    }
    assert [line[1] for line in lines if line[1] in ("git", "disk")] == ["git", "disk"]


def test_the_public_price_table_is_named_with_its_date(project: Project) -> None:
    (found,) = findings(project)["prices"]
    assert found["health"] == "ok"
    assert re.search(r"genai-prices \d[\d.]+, last checked 20\d\d-\d\d-\d\d$", found["finding"])


def test_json_has_the_documented_shape(project: Project) -> None:
    report = project.pitboss("doctor", "--json").json()

    assert sorted(report) == sorted(documented("doctor"))
    assert report["ok"] is True
    assert {tuple(check) for check in report["checks"]} == {("subject", "health", "finding", "hint")}


def test_every_problem_of_config_and_prompts_is_found_at_once(project: Project) -> None:
    project.write(".pitboss/config.toml", '[grind]\nmax_parallel = 0\n[agent]\nbackend = "shell"\n')
    project.write(".pitboss/grind/prompts/bad.md", "no fence\n")

    done = project.pitboss("doctor")

    assert done.code == 1
    problems = [line for line in done.out.splitlines() if line.startswith("problem")]
    assert len(problems) == 2
    assert "config.toml:2: grind.max_parallel" in problems[0]
    assert "bad.md" in problems[1]


def test_a_prompt_that_nobody_edited_is_a_problem_and_a_slash_command_a_warning(project: Project) -> None:
    project.write(".pitboss/grind/prompts/beta.md", "---\nname: beta\ndescription: d\n---\n/review\n")
    (warned, _) = findings(project)["files"]
    assert warned["health"] == "warning"
    assert "beta.md: body: begins with the slash command /review" in warned["finding"]

    project.pitboss("prompts", "new", "gamma")
    (problem,) = findings(project)["files"]
    assert problem["health"] == "problem"
    assert "gamma.md: body: is still the template's text" in problem["finding"]


def test_an_agent_that_is_used_and_missing_is_a_problem(project: Project) -> None:
    project.prompt("beta", "true", agent="claude_code")

    missing = findings(project)["agent"]

    assert [check["finding"] for check in missing if check["health"] == "problem"] == [
        "claude_code: cannot find claude"
    ]


def test_the_configured_agent_is_no_problem_while_no_prompt_uses_it(project: Project) -> None:
    project.write(".pitboss/config.toml", '[agent]\nbackend = "claude_code"\n')
    project.prompt("alpha", "true", agent="shell")

    missing = [check for check in findings(project)["agent"] if "claude" in check["finding"]]

    assert [(check["health"], check["finding"]) for check in missing] == [
        ("warning", "claude_code: cannot find claude")
    ]
    assert missing[0]["hint"].startswith("no prompt uses it; ")
    assert project.pitboss("doctor").code == 0
    project.prompt("beta", "true", agent="shell", verify=True)
    assert project.pitboss("doctor").code == 1, "what shell prompts break, the configured agent fixes"


def test_an_agent_that_only_stands_in_for_another_is_used_too(project: Project) -> None:
    project.write(".pitboss/config.toml", '[agent]\nbackend = "shell"\n[limits]\nfallback = ["codex"]\n')

    missing = findings(project)["agent"]

    assert [check["finding"] for check in missing if check["health"] == "problem"] == [
        "codex: cannot find codex"
    ]


def test_a_program_in_the_repository_is_found_from_its_folders(project: Project) -> None:
    config = '[agent]\nbackend = "claude_code"\n[agent.claude_code]\nbinary = "tools/claude"\n'
    project.write(".pitboss/config.toml", config)
    executable(project.write("tools/claude", ""), "echo 2.1.332")

    done = project.pitboss("doctor", "--trust", "--json", cwd=project.root / "tools")

    (found,) = (c for c in json.loads(done.out)["checks"] if "claude" in c["finding"])
    assert found["finding"] == f"claude_code: 2.1.332, known to work ({project.root}/tools/claude)"
    assert found["health"] == "ok"


def test_agents_are_asked_for_their_version_in_the_environment_that_a_run_gives_them(
    project: Project,
) -> None:
    claude = executable(project.write("../claude", ""), '[ -z "$SECRET" ] && echo 2.1.332')
    config = f'backend = "claude_code"\nenv_remove = ["SEC*"]\n[agent.claude_code]\nbinary = "{claude}"\n'
    project.write(".pitboss/config.toml", f"[agent]\n{config}")
    project.env["SECRET"] = "12345678"
    project.pitboss("doctor", "--trust")

    (found,) = (c for c in findings(project)["agent"] if "claude" in c["finding"])

    assert (found["health"], "2.1.332, known to work" in found["finding"]) == ("ok", True)


def test_an_agent_that_is_not_found_because_agents_get_no_path_is_a_problem_with_what_to_do(
    project: Project,
) -> None:
    claude = executable(project.write("../bin/claude", ""), "echo 2.1.332")
    path = f"{claude.parent.resolve()}:{project.env['PATH']}"
    config = '[agent]\nbackend = "claude_code"\nenv_remove = ["*"]\n'
    project.write(".pitboss/config.toml", config)

    (found,) = (c for c in findings(project, path)["agent"] if "claude" in c["finding"])
    assert (found["health"], found["finding"]) == ("problem", "claude_code: cannot find claude")
    assert 'env_keep = ["PATH", "HOME"]' in found["hint"]

    project.write(".pitboss/config.toml", f'{config}env_keep = ["PATH", "HOME", "IS_SANDBOX"]\n')
    assert project.pitboss("doctor", PATH=path).code == 0


@pytest.mark.parametrize(
    ("version", "health", "words"),
    [
        ("2.1.332", "ok", "known to work"),
        ("9.8.7", "ok", "untried; 2.1.332 is known to work"),
        ("1.0.128", "problem", "too old; 2.1.332 is known to work"),
    ],
)
def test_an_agent_that_answers_is_shown_with_what_is_known_of_its_version(
    project: Project, version: str, health: str, words: str
) -> None:
    project.prompt("beta", "true", agent="claude_code")
    claude = project.write("../bin/claude", f'#!/bin/sh\necho "{version} (Claude Code)"\n')
    claude.chmod(claude.stat().st_mode | stat.S_IXUSR)

    found = findings(project, f"{claude.parent.resolve()}:{project.env['PATH']}")["agent"]

    finding = f"claude_code: {version} (Claude Code), {words} ({claude.resolve()})"
    assert [(c["health"], c["finding"]) for c in found if "claude" in c["finding"]] == [(health, finding)]
    assert all((c["hint"] is not None) == (health == "problem") for c in found if "claude" in c["finding"])


def test_a_tree_that_grind_would_refuse_is_a_warning(project: Project) -> None:
    project.write("mine.txt", "mine")
    project.write(".gitignore", "")

    assert [(c["health"], c["finding"]) for c in findings(project)["repository"]] == [
        ("warning", "on main, but the working tree is not clean: 2 paths changed or untracked"),
        ("warning", ".pitboss is not ignored by git"),
    ]


def test_a_crashed_and_an_unreadable_run_are_warnings_with_what_to_do(project: Project) -> None:
    for run_id in ("crashed", "broken"):
        RunDir.create(project.root, run_state(run_id=run_id)).close()
    project.write(".pitboss/grind/runs/broken/state.json", "{")

    found = {c["finding"].partition(":")[0]: c for c in findings(project)["run"]}

    assert found["crashed crashed"]["hint"] == "`pitboss grind --resume crashed` recovers it and goes on"
    assert found["broken"]["hint"] == "`pitboss repair broken --dry-run` shows what can be rebuilt"
    assert {c["health"] for c in found.values()} == {"warning"}


def test_a_folder_without_a_repository_and_a_repository_without_a_commit_are_problems(
    project: Project,
) -> None:
    bare = project.root.parent / "bare"
    bare.mkdir()
    outside = project.pitboss("doctor", cwd=bare)
    project.git("init", "-q", str(bare))
    unborn = project.pitboss("doctor", cwd=bare)

    assert (outside.code, unborn.code) == (1, 1)
    assert f"problem  repository  {bare} is not in a git repository\n" in outside.out
    assert "problem  repository  there is no commit yet\n" in unborn.out


def test_an_old_git_is_a_problem(project: Project) -> None:
    real = f'PATH={project.env["PATH"]} exec git "$@"'
    script = f'#!/bin/sh\n[ "$1" = version ] && exec echo git version 2.30.2\n{real}\n'
    git = project.write("../bin/git", script)
    git.chmod(git.stat().st_mode | stat.S_IXUSR)

    (check,) = findings(project, f"{git.parent.resolve()}:{project.env['PATH']}")["git"]

    assert (check["health"], check["finding"]) == ("problem", "git version 2.30.2 is too old")


def test_claude_as_root_needs_to_know_that_it_is_in_a_sandbox(project: Project) -> None:
    claude = executable(project.write("../bin/claude", ""), "echo 2.1.332").resolve()
    project.write(".pitboss/config.toml", '[agent]\nbackend = "claude_code"\n')
    path = f"{claude.parent}:{project.env['PATH']}"
    assert project.pitboss("doctor", PATH=path).code == 0
    is_root = os.geteuid() == 0
    done = project.pitboss("doctor", PATH=path, IS_SANDBOX="")
    assert done.code == int(is_root)
    refused = "claude_code: refuses to work as root with all permissions, unless IS_SANDBOX=1"
    assert [line for line in done.out.splitlines() if line.startswith("problem") and refused in line] == (
        [line for line in done.out.splitlines() if line.startswith("problem")]
    )
    assert (refused in done.out) == is_root
