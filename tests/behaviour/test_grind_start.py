"""When a run may not start: exit 4, words a person and a script can use, and nothing changed (SPEC 5, 8)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.agents.table import agent_names
from pitboss.core.prompt_template import new_prompt
from tests.support.agents import executable
from tests.support.cli import COMMAND, Done, Project
from tests.support.runs import configure, the_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    project.prompt("one", "true")
    return project


def refused(project: Project, *args: str, cwd: Path | None = None, **env: str) -> str:
    """Run `grind`, which must refuse and leave branches and runs as they were; return what it said."""
    before = project.git("for-each-ref"), project.git("symbolic-ref", "HEAD")
    done = project.pitboss("grind", *args, cwd=cwd, **env)
    assert (done.code, done.out) == (4, ""), done
    assert (project.git("for-each-ref"), project.git("symbolic-ref", "HEAD")) == before
    assert not (project.root / ".pitboss/grind/runs").exists()
    return done.err


def test_outside_a_git_repository(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    shutil.copytree(project.root / ".pitboss", folder / ".pitboss")
    said = refused(project, cwd=folder)
    assert re.fullmatch(r".* \(fatal: not a git repository \(or any .*\)(: \.git)?\)\n.*\n", said)
    assert said.startswith(
        f"error: creating run branch: {folder} is not the working tree of a git repository (fatal: "
    )
    assert said.endswith("\nhint: run `git init` and commit something first, or go to a repository\n")


@pytest.mark.parametrize("content", ["", "\0" * 21, "nonsense\n"], ids=["empty", "zeros", "nonsense"])
def test_a_head_that_a_power_cut_left_empty_is_named(project: Project, content: str) -> None:
    project.prompt("one", "true")
    head = project.root / ".git/HEAD"
    whole = head.read_text()
    head.write_text(content)
    hint = "hint: .git/HEAD names no branch and no commit: `echo 'ref: refs/heads/BRANCH' >.git/HEAD` puts it back"
    for args in (("grind",), ("grind", "--resume"), ("repair", "x")):
        assert hint in project.pitboss(*args).err
    head.write_text(whole)
    assert project.pitboss("grind", "--max-iterations", "1").code == 3


def test_what_is_said_of_a_broken_repository_helps(project: Project) -> None:
    project.prompt("one", "true")
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    run_id = the_run(project).run_id
    git, aside = project.root / ".git", project.root.parent / "aside"
    shutil.copytree(git, aside)

    def hinted(hint: str) -> None:
        for args in (("grind",), ("land",), ("doctor",), ("doctor", "--trust")):
            done = project.pitboss(*args)
            assert hint in done.out + done.err, (args, done)
            assert "nothing can be remembered" not in done.err
        shutil.rmtree(git)
        shutil.copytree(aside, git)

    (git / "config").write_text("[core\n")
    hinted(f"git cannot work with .git/config as it is: `pitboss repair {run_id}` undoes")
    (git / "HEAD").unlink()
    hinted(".git/HEAD names no branch and no commit")
    shutil.rmtree(git / "objects")
    hinted(f"{git} has no objects: put that back from a copy of it")


def test_no_run_is_to_be_continued_where_none_has_begun(project: Project) -> None:
    project.prompt("one", "true")
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    limited = ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *COMMAND, "grind")
    done = subprocess.run(limited, cwd=project.root, env=project.env, capture_output=True, check=False)
    assert done.returncode == 4
    assert done.stderr.endswith(
        b"File too large\nhint: raise the limit on the size of a file, as by `ulimit -f unlimited`\n"
    )


def test_in_a_repository_without_a_commit(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "unborn"
    shutil.copytree(project.root / ".pitboss", folder / ".pitboss")
    project.git("init", "-q", str(folder))
    assert refused(project, cwd=folder) == (
        "error: creating run branch: the repository has no commit yet\nhint: commit something first\n"
    )


@pytest.mark.parametrize(
    ("paths", "words"),
    [(("README.md",), "1 path changed"), (("README.md", "new/file.txt"), "2 paths changed")],
    ids=["one path", "two paths"],
)
def test_in_a_dirty_working_tree(project: Project, paths: tuple[str, ...], words: str) -> None:
    for path in paths:
        project.write(path, "dirt\n")
    assert refused(project) == (
        f"error: the working tree is not clean: {words} or untracked\n"
        "hint: commit them, or put them away with `git stash -u`\n"
    )
    assert (project.root / "README.md").read_text() == "dirt\n"


def test_in_the_middle_of_a_merge(project: Project) -> None:
    project.write(".git/MERGE_HEAD", project.git("rev-parse", "HEAD"))
    assert refused(project) == (
        "error: a merge is in progress in the working tree\nhint: finish or abort it first\n"
    )


def test_beside_a_branch_that_is_in_the_way_of_the_run_branch(project: Project) -> None:
    project.git("branch", "pitboss")
    err = refused(project)
    assert re.fullmatch(
        r"error: creating run branch: no branch can be named pitboss/grind/\S+ beside one named `pitboss`\n"
        r"hint: rename that one: `git branch -m pitboss OTHER-NAME`\n",
        err,
    ), err


def test_with_a_git_that_is_too_old(project: Project, tmp_path: Path) -> None:
    real = shutil.which("git")
    folder = tmp_path / "bin"
    folder.mkdir()
    script = f"""
case "$1 $2" in
version*) echo git version 2.30.9 ;;
*--path-format*) echo --path-format=absolute; shift 2; exec {real} rev-parse "$@" ;;
*) exec {real} "$@" ;;
esac"""
    executable(folder / "git", script)
    assert refused(project, PATH=f"{folder}:{os.environ['PATH']}") == (
        "error: git 2.30.9 is too old\nhint: pitboss needs git 2.38 or newer\n"
    )


def test_without_git(project: Project, tmp_path: Path) -> None:
    assert refused(project, PATH=str(tmp_path)) == (
        "error: cannot start git: no such program\nhint: install git 2.38 or newer, and have it on PATH\n"
    )


def test_without_prompts(project: Project) -> None:
    (project.root / ".pitboss/grind/prompts/one.md").unlink()
    assert refused(project).startswith("error: no prompts discovered\nhint: ")
    assert refused(project, "--prompts-dir", "my prompts") == (
        "error: no prompts discovered in my prompts\n"
        "hint: `pitboss prompts new NAME --dir 'my prompts'` makes one there\n"
    )


def test_a_dry_run_has_no_json(project: Project) -> None:
    assert "--dry-run prints text" in refused(project, "--dry-run", "--json")


def test_every_mistake_in_every_file_is_named_at_once(project: Project) -> None:
    prompts = project.root / ".pitboss/grind/prompts"
    project.prompt("bad", "true", weight=0, colour="red")
    project.write(".pitboss/grind/prompts/unfenced.md", "no fence\n")
    project.write(".pitboss/config.toml", "[grind]\nmax_parallel = 0\nland = 'never'\n")
    err = refused(project)
    lines = err.splitlines()
    assert len([line for line in lines if line.startswith("error: ")]) >= 5, err
    for words in (
        f"{prompts}/bad.md",
        "weight",
        "colour",
        f"{prompts}/unfenced.md",
        f"{project.root}/.pitboss/config.toml",
        "grind.max_parallel",
        "grind.land",
    ):
        assert words in err


def test_an_unknown_rotation_is_named_with_the_ones_there_are(project: Project) -> None:
    folder = project.root / ".pitboss/grind/rotations"
    project.write(".pitboss/grind/rotations/night.toml", 'prompts = [{name = "one"}]\n')
    assert refused(project, "--rotation", "nihgt") == (
        f"error: {folder}: no rotation is named 'nihgt'; did you mean 'night'? (existing rotations: night)\n"
    )


def test_only_what_is_wrong_with_prompts_hints_at_their_check(project: Project) -> None:
    hint = "hint: `pitboss prompts validate` checks all prompts\n"
    project.write(".pitboss/grind/rotations/night.toml", 'prompts = [{name = "nobody"}]\n')
    assert hint not in refused(project, "--rotation", "night")
    project.write(".pitboss/grind/prompts/bad.md", "no frontmatter")
    assert refused(project, "--rotation", "night").endswith(hint)


def test_an_unknown_agent_is_named_with_the_ones_there_are(project: Project) -> None:
    assert refused(project, "--agent", "comand") == (
        "error: unknown agent `comand`\n"
        f"hint: did you mean `command`? known agents: {', '.join(agent_names())}\n"
    )


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("nope", "unknown agent `nope`\nhint: known agents: "),
        ("claud_code", "unknown agent `claud_code`\nhint: did you mean `claude_code`? "),
        ("acp:kimmi", "unknown agent `acp:kimmi`\n"),
        ("command", "the agent `command` has no command\n"),
    ],
)
def test_an_agent_that_a_prompt_cannot_have_is_named_with_the_prompt(
    project: Project, agent: str, words: str
) -> None:
    project.prompt("second", "true", agent=agent)
    file = project.root / ".pitboss/grind/prompts/second.md"
    assert refused(project).startswith(f"error: {file}: {words}")


@pytest.mark.parametrize("args", [("grind",), ("rescue", "ls"), ("doctor",), ("init",)])
def test_a_bare_repository_is_called_one(project: Project, tmp_path: Path, args: tuple[str, ...]) -> None:
    bare = tmp_path / "bare.git"
    project.git("clone", "-q", "--bare", str(project.root), str(bare))
    shutil.copytree(project.root / ".pitboss", bare / ".pitboss")
    done = project.pitboss(*args, cwd=bare)
    assert done.code != 0
    assert (
        "hint: this repository has no working tree: go to a clone of it that has one\n" in done.out + done.err
    )
    assert "git init" not in done.out + done.err
    assert not (bare / ".gitignore").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[grind\n", "1: not valid TOML"),
        ('[grind]\nmax_parallel = "two"\n', "2: grind.max_parallel: "),
        ("[grind.budgets]\nmax_cost_usd = -4\n", "2: grind.budgets.max_cost_usd: "),
    ],
)
def test_what_is_wrong_with_the_settings_sends_nobody_to_the_prompts(
    project: Project, text: str, problem: str
) -> None:
    project.write(".pitboss/config.toml", text)
    err = refused(project)
    assert err.startswith(f"error: {project.root}/.pitboss/config.toml:{problem}")
    assert "hint:" not in err


def test_an_agent_without_a_command_is_refused_before_the_night(project: Project) -> None:
    configure(project, agent="command")
    assert refused(project).startswith(
        "error: the agent `command` has no command\nhint: set [agent.command] command"
    )


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--max-iterations", "many"), "Invalid value for '--max-iterations'"),
        (("--until", "yesteryear"), "Invalid value for '--until'"),
        (("--no-such-option",), "No such option"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_a_wrong_command_line(project: Project, args: tuple[str, ...], words: str) -> None:
    err = refused(project, *args)
    assert err.startswith(f"error: {words}")
    assert err.endswith("hint: `pitboss grind --help` shows how to use it\n")


def test_a_run_may_start_from_a_folder_below_and_from_a_detached_head(project: Project) -> None:
    project.prompt("one", "pwd", max_runs=1)
    project.git("checkout", "-q", "--detach")
    below = project.root / "below"
    below.mkdir()
    done: Done = project.pitboss("grind", cwd=below)
    assert done.code == 0, done
    (transcript,) = project.root.glob(".pitboss/grind/runs/*/transcripts/session-0001.log")
    assert transcript.read_text() == f"{project.root}\n"


def test_a_run_may_start_where_pitboss_is_not_ignored_and_paths_are_awkward(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "it's a répo")
    project.write(".gitignore", "*.o\n")
    project.git("add", ".gitignore")
    project.git("-c", "user.name=t", "-c", "user.email=t@local", "commit", "-qm", "no ignore")
    configure(project)
    project.prompt("one", "echo text >added.txt", max_runs=1)
    project.prompt("two", "echo half >half.txt; exit 3", max_runs=1)
    assert project.pitboss("grind").code == 1
    run = the_run(project)
    assert run.files(run.branch) == {"added.txt": "text\n"}
    assert run.rescued("two") == {"added.txt": "text\n", "half.txt": "half\n"}
    assert project.git("status", "--porcelain") == "?? .pitboss/\n"


def test_a_run_in_a_linked_worktree_leaves_the_main_one_alone(project: Project, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    project.git("worktree", "add", "-q", str(linked))
    shutil.copytree(project.root / ".pitboss", linked / ".pitboss")
    done = project.pitboss("grind", "--max-iterations", "1", cwd=linked)
    assert done.code == 3, done
    assert project.git("branch", "--show-current") == "main\n"
    assert project.git("-C", str(linked), "branch", "--show-current") == "linked\n"
    assert not (project.root / ".pitboss/grind/runs").exists()


UNBOUNDED = "only you can end this run, and codex may cost money: no budget is set"


@pytest.mark.parametrize(
    ("args", "settings", "config", "warned"),
    [
        ((), {}, "", True),
        (("--max-iterations", "1"), {}, "", False),
        ((), {"max_runs": 1}, "", False),
        ((), {}, "[grind.budgets]\nmax_cost_usd = 1.0\n", False),
        (("--agent", "shell"), {}, "", False),
    ],
    ids=["no cap", "option", "max_runs", "configured", "free agent"],
)
def test_an_agent_that_costs_and_no_budget_is_warned_about_before_the_start(
    project: Project, args: tuple[str, ...], settings: dict[str, object], config: str, warned: bool
) -> None:
    agent = executable(project.root.parent / "agent", "exit 3")
    project.prompt("one", "true", **settings)
    project.write(
        ".pitboss/config.toml",
        f'[agent]\nbackend = "codex"\n[agent.codex]\nbinary = "{agent}"\n[limits]\nretries = 0\n'
        f"[grind]\nconsecutive_failure_limit = 1\n{config}",
    )
    planned = project.pitboss("grind", "--dry-run", *args)
    assert (UNBOUNDED in planned.err, UNBOUNDED in planned.out) == (warned, False)
    limit = () if warned or settings or config or "--max-iterations" in args else ("--until", "1s")
    err = project.pitboss("grind", *args, *limit).err
    assert (UNBOUNDED in err) == warned
    assert err.count("only you can end this run") <= 1
    if warned:
        assert UNBOUNDED in project.pitboss("grind", "--resume").err


def test_a_prompt_that_begins_with_a_slash_command_is_warned_about_before_the_start(project: Project) -> None:
    project.write(".pitboss/grind/prompts/one.md", "---\nname: one\ndescription: d\n---\n/review\n")
    err = project.pitboss("grind", "--max-iterations", "1").err
    assert "warning: " in err.splitlines()[0]
    assert "one.md: body: begins with the slash command /review" in err.splitlines()[0]


def test_a_prompt_that_nobody_edited_is_refused(project: Project) -> None:
    project.write(".pitboss/grind/prompts/two.md", new_prompt("two"))
    assert "two.md: body: is still the template's text" in refused(project)
