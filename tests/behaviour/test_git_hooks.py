"""The user's git hooks are children like all others: bounded, part of the run, ended by a second stop (SPEC 1.4)."""

from __future__ import annotations

import os
import time
from signal import SIGKILL, SIGTERM
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from pitboss.warden import LOOK_EVERY_S
from tests.support.cli import Project, wait_until
from tests.support.runs import configure, grinding, the_run, verdict

if TYPE_CHECKING:
    from pathlib import Path

FOR_EVER = "trap '' TERM; while :; do sleep 0.1; done"
AGAIN = "git commit --amend --no-edit --allow-empty -q"


def project_with(folder: Path, **hooks: str) -> Project:
    """A project of one prompt that runs once, whose git hooks note that they have begun."""
    project = Project.create(folder / "repo")
    configure(project)
    project.prompt("chore", "echo text >work.txt", max_runs=1)
    for name, script in hooks.items():
        path = project.write(
            f".git/hooks/{name.replace('_', '-')}", f"#!/bin/sh\necho >>{folder}/begun\n{script}\n"
        )
        path.chmod(0o755)
    return project


def left_of(project: Project) -> list[int]:
    """Processes that carry the run's marker."""
    return proctree.carrying({"PITBOSS_RUN_ID": the_run(project).run_id}, since=0)


@pytest.mark.parametrize(
    ("hook", "ended"),
    [
        ("pre_commit", ("aborted", "aborted: a git hook or filter still ran when the run was stopped")),
        ("post_commit", ("dirty", "hook_failed: a git hook or filter still ran when the run was stopped")),
    ],
)
def test_a_second_stop_ends_a_hook_that_hangs_at_once(
    tmp_path: Path, hook: str, ended: tuple[str, str]
) -> None:
    project = project_with(tmp_path, **{hook: FOR_EVER})
    with grinding(project) as live:
        wait_until((tmp_path / "begun").exists)
        live.send(SIGTERM)
        live.wait_for("stop again to abort\n")
        live.send(SIGTERM)
        done = live.ended()
    record = the_run(project).records[0]
    landed = hook == "post_commit"
    assert done.code == 2
    assert verdict(record) == (*ended, landed, int(not landed))
    assert left_of(project) == []


def test_a_hook_that_starts_itself_without_end_is_ended_and_what_it_amended_lands(tmp_path: Path) -> None:
    project = project_with(tmp_path, post_commit=AGAIN)
    done = project.pitboss("grind")
    record = the_run(project).records[0]
    reason = "hook_failed: a git hook or filter started more than 1000 processes"
    assert (done.code, *verdict(record)) == (0, "dirty", reason, True, 0), done
    assert project.git("show", f"{record['commit']}:work.txt") == "text\n"
    assert left_of(project) == []


def test_hooks_are_gone_when_guardian_and_runner_are_killed_at_once(tmp_path: Path) -> None:
    project = project_with(tmp_path, post_commit=AGAIN)
    with project.started("grind") as guardian:
        wait_until((tmp_path / "begun").exists)
        time.sleep(LOOK_EVERY_S)
        runner = next(pid for pid in proctree.children(guardian.pid))
        for pid in (guardian.pid, runner):
            os.kill(pid, SIGKILL)
        wait_until(lambda: left_of(project) == [])
    project.write(".git/hooks/post-commit", "")
    assert project.pitboss("grind", "--resume").code in (0, 1)
    assert len(the_run(project).records) == 1


def test_a_hook_may_leave_nothing_running(tmp_path: Path) -> None:
    project = project_with(
        tmp_path, post_commit=f"setsid sleep 300 >/dev/null 2>&1 & echo $! >{tmp_path}/pid"
    )
    assert project.pitboss("grind").code == 0
    assert proctree.start_time(int((tmp_path / "pid").read_text())) is None


def test_hooks_in_a_folder_that_hides_itself_run_in_working_copies(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    configure(project, grind='mode = "worktree"')
    project.prompt("chore", "echo text >work.txt", max_runs=1)
    project.write(".husky/_/.gitignore", "*")
    project.write(".husky/_/pre-commit", "#!/bin/sh\necho not that\nexit 1\n").chmod(0o755)
    project.git("config", "core.hooksPath", ".husky/_")
    project.pitboss("grind")
    assert verdict(the_run(project).records[0]) == ("error", "commit_refused: not that", False, 1)


TAKING = {
    "all of it": "git reset -q --hard; exit 1",
    "all of it, and agrees": "git reset -q --hard",
    "an edit": "git checkout -q HEAD -- README.md; exit 1",
    "all of it but a stash that it drops": "git stash -q -u; git stash drop -q; exit 1",
}


@pytest.mark.parametrize("script", TAKING.values(), ids=TAKING)
@pytest.mark.parametrize("parallel", ["1", "2"], ids=["in place", "side by side"])
def test_what_a_hook_takes_away_is_kept(tmp_path: Path, parallel: str, script: str) -> None:
    project = project_with(tmp_path, pre_commit=f"export GIT_AUTHOR_NAME=a GIT_COMMITTER_NAME=a\n{script}")
    project.prompt("chore", "echo text >work.txt; echo more >>README.md", max_runs=1, parallel_safe=True)
    project.pitboss("grind", "--max-parallel", parallel)
    run = the_run(project)
    assert verdict(run.records[0])[0] in ("error", "dirty")
    assert run.rescued("chore") == {"work.txt": "text\n", "README.md": "# Project\nmore\n"}
    assert project.git("status", "--porcelain") == ""


def test_a_hook_that_only_refuses_costs_no_second_ref(tmp_path: Path) -> None:
    project = project_with(tmp_path, pre_commit="exit 1")
    project.pitboss("grind")
    run = the_run(project)
    assert verdict(run.records[0]) == ("error", "commit_refused", False, 1)
