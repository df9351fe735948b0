"""Commands that only look run nothing that came with a clone or a pull (SPEC 8)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.agents import executable
from tests.support.cli import Project

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
[agent]
backend = "claude_code"
[agent.claude_code]
binary = "tools/agent"
[agent.codex]
binary = "CANARY"
[agent.command]
command = ["sh", "tools/agent"]
[tests]
command = "tools/agent"
[grind.hooks]
pre_session = "tools/agent"
"""
PROMPT = "---\nname: one\ndescription: d\nmax_runs: 1\nverify: true\n---\nDo it.\n"


class Clone(Project):
    """A repository that was just cloned; `ran` tells whether anything that came with it ran."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.canary = root.parent / "canary"

    def ran(self) -> bool:
        """Whether anything ran since this was asked last."""
        there = self.canary.exists()
        self.canary.unlink(missing_ok=True)
        return there

    def program(self, name: str) -> Path:
        """A program of the repository that tells when it runs."""
        return executable(self.write(name, ""), f"echo >>{self.canary}; echo 2.1.332")

    def checks(self, *args: str) -> list[dict[str, Any]]:
        """What `doctor` found."""
        found: list[dict[str, Any]] = json.loads(self.pitboss("doctor", "--json", *args).out)["checks"]
        return found

    def withheld(self) -> str:
        """Why `doctor` did not run something; empty when it ran what there is."""
        return " ".join(check["finding"] for check in self.checks() if check["subject"] == "trust")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    (tmp_path / "origin").mkdir()
    origin = Clone(tmp_path / "origin")
    origin.git("init", "-q", "-b", "main")
    agent = executable(tmp_path / "elsewhere", f"echo >>{origin.canary}; echo 1.2.3")
    origin.write(".pitboss/config.toml", CONFIG.replace("CANARY", str(agent)))
    origin.write(".pitboss/grind/prompts/one.md", PROMPT)
    origin.program("tools/agent")
    for name in ("git", "claude", "gemini", "aider", "sh", "env"):
        origin.program(name)
    origin.commit("All of it")
    origin.git("clone", "-q", str(origin.root), str(tmp_path / "clone"))
    return Clone(tmp_path / "clone")


READERS = (
    ("doctor",),
    ("doctor", "--json"),
    ("doctor", "--probe"),
    ("grind", "--dry-run"),
    ("prompts", "ls"),
    ("prompts", "validate"),
    ("prompts", "show", "one"),
    ("runs",),
    ("status",),
    ("log",),
    ("rescue", "ls"),
    ("show", "x", "1"),
    ("completion", "bash"),
)


@pytest.mark.parametrize("path", ["PATH", ".:PATH", "PATH:", "tools:.:PATH", "CLONE:PATH"])
def test_nothing_of_a_fresh_clone_is_run(clone: Clone, path: str) -> None:
    value = path.replace("PATH", clone.env["PATH"]).replace("CLONE", str(clone.root))
    readers = READERS if path == ".:PATH" else READERS[:3]
    for args in readers:
        clone.pitboss(*args, PATH=value)
        # Found by an absolute PATH, `git` is the user's own choice.
        assert path.startswith("CLONE") or not clone.ran(), args


def test_what_was_not_run_is_told_with_why_and_what_to_do(clone: Clone) -> None:
    (told,) = (check for check in clone.checks() if check["subject"] == "trust")
    assert told["health"] == "warning"
    assert told["finding"].startswith(
        "not run, because this repository has not been used here before: tools/agent ([agent.claude_code] binary), "
    )
    assert told["hint"].startswith("look at them first; `pitboss doctor --trust`")
    probed = [check for check in clone.checks("--probe") if check["subject"] == "probe"]
    assert [check["finding"] for check in probed] == [
        "claude_code: not tried, because this repository has not been used here before"
    ]


@pytest.mark.parametrize("args", [("init",), ("doctor", "--trust"), ("grind", "--max-iterations", "0")])
def test_a_repository_that_was_used_here_is_not_asked_about_again(
    clone: Clone, args: tuple[str, ...]
) -> None:
    assert clone.withheld() != ""
    clone.pitboss(*args)
    clone.ran()
    assert clone.withheld() == ""
    assert clone.ran()
    # Elsewhere than in this clone nobody knows of it.
    assert "trusted" not in clone.git("status", "--porcelain", "--ignored")


def test_init_says_which_programs_it_lets_run(clone: Clone) -> None:
    told = clone.pitboss("init").err
    assert "`pitboss doctor` may run them: tools/agent ([agent.claude_code] binary)" in told
    assert "may run them" not in clone.pitboss("init").err


def test_a_pull_that_changes_what_is_named_or_what_it_does_asks_again(clone: Clone) -> None:
    clone.pitboss("doctor", "--trust")
    clone.write("README", "more")
    assert clone.withheld() == ""

    clone.write("tools/agent", (clone.root / "tools/agent").read_text() + "true\n")
    told = clone.withheld()
    assert "tools/agent ([agent.claude_code] binary)" in told
    assert "sh tools/agent ([agent.command] command)" in told
    assert told.startswith(
        "not run, because of something new or changed since this repository was last used here: "
    )
    clone.ran()
    clone.pitboss("doctor", "--trust")

    config = clone.root / ".pitboss/config.toml"
    config.write_text(config.read_text() + '[agent.gemini]\nbinary = "tools/agent"\n')
    assert clone.withheld().endswith("last used here: tools/agent ([agent.gemini] binary)")
    assert clone.ran(), "what has not changed is asked as before"


def test_arguments_that_the_repository_names_keep_an_agent_from_working_only(project: Project) -> None:
    claude = executable(project.write("../bin/claude", "").resolve(), "echo 2.1.332")
    project.write(
        ".pitboss/config.toml",
        '[agent]\nbackend = "claude_code"\n[agent.claude_code]\nextra_args = ["--settings", "x.json"]\n',
    )
    path = f"{claude.parent}:{project.env['PATH']}"
    report = json.loads(project.pitboss("doctor", "--probe", "--json", PATH=path, IS_SANDBOX="1").out)
    findings = [check["finding"] for check in report["checks"]]
    assert f"claude_code: 2.1.332, known to work ({claude})" in findings
    assert "claude_code: not tried, because this repository has not been used here before" in findings


def test_an_agent_installed_in_the_working_tree_is_the_repositorys(project: Project) -> None:
    claude = executable(project.write("venv/bin/claude", ""), "echo 2.1.332")
    path = f"{claude.parent}:{project.env['PATH']}"
    project.write(".pitboss/config.toml", '[agent]\nbackend = "claude_code"\n')

    def found() -> list[str]:
        report = json.loads(project.pitboss("doctor", "--json", PATH=path).out)
        return [check["finding"] for check in report["checks"] if check["subject"] in ("agent", "trust")]

    assert found()[0].endswith("has not been used here before: venv/bin/claude (in this repository)")
    assert f"claude_code: found, not run ({claude})" in found()
    project.pitboss("doctor", "--trust", PATH=path)
    assert f"claude_code: 2.1.332, known to work ({claude})" in found()


def test_outside_of_git_nothing_can_be_remembered(clone: Clone, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    (clone.root / ".git").rename(tmp_path / "gone")
    clone.root.rename(plain)
    done = clone.pitboss("doctor", "--trust", cwd=plain)
    assert (done.code, done.err.splitlines()[0]) == (
        1,
        f"error: {plain} is not in a git repository: nothing can be remembered about it",
    )


def test_a_bare_repository_that_came_with_a_clone_says_nothing_to_git(project: Project) -> None:
    canary = project.root.parent / "canary"
    monitor = executable(project.write("monitor", ""), f"echo >>{canary}")
    bare = project.root / "bare"
    project.git("init", "-q", "--bare", str(bare))
    (bare / "config").write_text(
        f"[core]\nrepositoryformatversion = 0\nbare = false\nworktree = {project.root}\nfsmonitor = {monitor}\n",
        encoding="utf-8",
    )
    project.prompt("one", "true")
    for args in (("grind", "--dry-run"), ("rescue", "ls"), ("doctor",)):
        project.pitboss(*args, cwd=bare)
        assert not canary.exists(), args
    assert "is not the working tree of a git repository" in project.pitboss("rescue", "ls", cwd=bare).err


def test_modules_of_a_clone_are_not_ours(project: Project) -> None:
    project.prompt("one", "true")
    for name in ("click", "typing", "msgspec", "yaml", "json", "tomllib"):
        project.write(f"{name}.py", "raise SystemExit('a module of the repository')\n")
    for args in (("doctor",), ("prompts", "ls"), ("runs", "--json")):
        assert "a module of the repository" not in project.pitboss(*args).err


def test_attributes_of_a_clone_name_no_programs(project: Project) -> None:
    project.write(".gitattributes", "* diff=evil filter=evil merge=evil\n")
    project.prompt("one", "echo work >work.txt", max_runs=1)
    project.commit("Attributes")
    assert project.pitboss("grind").code == 0
    run_id = project.pitboss("runs", "--json").json()[0]["run_id"]
    canary = project.root.parent / "canary"
    project.git("config", "diff.evil.textconv", f"touch {canary}; cat")
    project.git("config", "diff.evil.command", f"touch {canary}; cat")
    done = project.pitboss("show", run_id, "1", "--diff")
    assert "+work" in done.out
    assert not canary.exists()
