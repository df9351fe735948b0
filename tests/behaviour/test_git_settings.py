"""Git's settings after a run that was killed, and under one that goes on (SPEC 1.6, 1.8, 7)."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Gate, configure, grinding, the_run, verdict

if TYPE_CHECKING:
    from pathlib import Path

HARM = {
    "leads elsewhere": "git config core.worktree ../beside",
    "is bare": "git config core.bare true",
    "cannot be read": "echo '[core' >.git/config",
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_what_a_killed_session_set_is_put_back_before_git_is_asked(tmp_path: Path, harm: str) -> None:
    project = Project.create(tmp_path / "repo")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside/README.md").write_text("precious\n")
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", f"echo work >work.txt; {harm}; {gate.script}", max_runs=1)
    users = (project.root / ".git/config").read_text()
    with grinding(project) as live:
        gate.wait()
        os.kill(live.runner(), signal.SIGKILL)
        assert live.ended().code == 70
    gate.open()
    done = project.pitboss("grind", "--resume")
    assert done.code == 0, done
    assert "git's config was put back" in done.err
    assert (project.root / ".git/config").read_text() == users
    assert (tmp_path / "beside/README.md").read_text() == "precious\n"
    run = the_run(project)
    assert verdict(run.records[0])[0] == "aborted"
    assert run.rescued("alpha") == {"work.txt": "work\n"}


MOVED = {
    "linked": 'mv .git "$MOVED"; ln -s "$MOVED" .git',
    "linked inside a stand-in": 'mv .git "$MOVED"; mkdir -p .git/refs/heads; ln -s "$MOVED" .git',
    "led to by a file": 'mv .git "$MOVED"; echo "gitdir: $MOVED" >.git',
    "renamed": "mv .git .git-old",
    "inside a stand-in": 'mv .git "$MOVED"; mkdir .git; mv "$MOVED" .git/real',
    "beside a new one": "mv .git old; git init -q -b main;"
    " git -c user.name=a -c user.email=a@local commit -q --allow-empty -m own",
    "a copy": 'until cp -a .git/. "$MOVED"; do :; done; until rm -rf .git; do :; done; ln -s "$MOVED" .git',
}


@pytest.mark.parametrize("move", MOVED.values(), ids=MOVED)
def test_a_git_directory_that_a_killed_session_moved_comes_back(tmp_path: Path, move: str) -> None:
    project = Project.create(tmp_path / "repo")
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", f"MOVED={tmp_path}/moved; echo work >work.txt; {move}; {gate.script}", max_runs=1)
    with grinding(project) as live:
        gate.wait()
        os.kill(live.runner(), signal.SIGKILL)
        assert live.ended().code == 70
    gate.open()
    done = project.pitboss("grind", "--resume")
    assert done.code == 0, done
    assert "was moved back" in done.err
    assert (project.root / ".git/HEAD").is_file()
    assert not (project.root / ".git").is_symlink()
    run = the_run(project)
    assert verdict(run.records[0])[0] == "aborted"
    assert run.rescued("alpha")["work.txt"] == "work\n"


def test_a_git_directory_that_its_user_moves_after_a_kill_stays_there(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", f"echo work >work.txt; {gate.script}", max_runs=1)
    with grinding(project) as live:
        gate.wait()
        os.kill(live.runner(), signal.SIGKILL)
        assert live.ended().code == 70
    gate.open()
    (project.root / ".git").rename(tmp_path / "users")
    (project.root / ".git").symlink_to(tmp_path / "users")
    done = project.pitboss("grind", "--resume")
    assert done.code == 0, done
    assert "moved back" not in done.err
    assert (project.root / ".git").is_symlink()


def test_what_the_user_changes_between_runs_is_the_users(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    project.prompt("alpha", "echo $PITBOSS_SESSION_SEQ >work.txt", max_runs=3)
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    project.git("config", "core.hooksPath", "mine")
    done = project.pitboss("grind", "--resume", "--max-iterations", "2")
    assert done.code == 3, done
    assert "put back" not in done.err
    assert project.git("config", "core.hooksPath") == "mine\n"


def test_a_start_that_git_refuses_is_no_run(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    project.prompt("alpha", "true", max_runs=1)
    hook = project.write(".git/hooks/reference-transaction", "#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    done = project.pitboss("grind")
    assert done.code == 4, done
    assert done.err.startswith(
        "error: cannot start the run: git update-ref failed: fatal: ref updates aborted by hook"
    )
    assert not (project.root / ".pitboss/grind/runs").exists()


@pytest.mark.parametrize("end", ["", "exit 1"], ids=["lands", "is rescued"])
@pytest.mark.parametrize("parallel", ["1", "2"], ids=["in place", "side by side"])
@pytest.mark.parametrize("extension", [False, True], ids=["", "settings of each tree"])
def test_a_sparse_checkout_that_a_session_made_deletes_nothing(
    tmp_path: Path, *, extension: bool, parallel: str, end: str
) -> None:
    project = Project.create(tmp_path / "repo")
    if extension:
        project.git("config", "extensions.worktreeConfig", "true")
    project.write("one/a.txt", "a\n")
    project.write("two/b.txt", "b\n")
    project.commit("More")
    narrow = f"git sparse-checkout set one; echo work >>one/a.txt; {end}"
    project.prompt("alpha", narrow, max_runs=1, parallel_safe=True)
    project.prompt("beta", "cat two/b.txt", max_runs=1, every=2, parallel_safe=True)
    assert project.pitboss("grind", "--max-parallel", parallel).code in (0, 1)
    run = the_run(project)
    assert verdict(run.record("beta"))[0] == "ok"
    (kept,) = run.record("alpha").get("rescue") or [run.branch]
    assert project.git("diff", "--name-status", "main", kept) == "M\tone/a.txt\n"
    assert (project.root / "two/b.txt").read_text() == "b\n"


def test_git_notes_working_copies_by_whole_paths_whatever_the_setting(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    project.git("config", "extensions.worktreeConfig", "true")
    project.git("config", "worktree.useRelativePaths", "true")
    shim, log = tmp_path / "bin/git", tmp_path / "log"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\necho "$*" >>{log}\nexec {shutil.which("git")} "$@"\n')
    shim.chmod(0o755)
    for name in ("alpha", "beta"):
        project.prompt(name, f"echo work >{name}.txt", max_runs=1, parallel_safe=True)
    path = f"{shim.parent}{os.pathsep}{os.environ['PATH']}"
    assert project.pitboss("grind", "--max-parallel", "2", PATH=path).code == 0
    added = [line for line in log.read_text().splitlines() if " worktree add " in line]
    assert added
    assert all(" -c worktree.useRelativePaths=false worktree add " in line for line in added)


def test_in_the_mode_worktree_your_checkout_is_as_sparse_as_you_like(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    project.write("one/a.txt", "a\n")
    project.write("two/b.txt", "b\n")
    project.commit("More")
    project.git("config", "extensions.worktreeConfig", "true")
    configure(project, grind='mode = "worktree"\n')
    project.prompt(
        "alpha", f"git -C {project.root} sparse-checkout set one; echo work >>one/a.txt", max_runs=1
    )
    assert project.pitboss("grind").code == 0
    assert project.git("sparse-checkout", "list") == "one\n"
    assert not (project.root / "two").exists()
