"""A run whose sessions work inside bubblewrap (SPEC 13)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

import pytest

from tests.support.agents import executable
from tests.support.cli import Project, wait_until
from tests.support.runs import Run, grinding, the_run
from tests.support.sandboxes import needs_bwrap

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
[agent]
backend = "shell"
[sandbox]
mode = "bwrap"
[tests]
command = "test ! -e ~/.ssh/id && echo tested >> $PITBOSS_SCRATCHPAD"
[grind]
mode = "{mode}"
[grind.worktree]
setup = "cat ~/.ssh/id; test ! -e ~/.ssh/id"
[grind.hooks]
post_session = "cat $PITBOSS_SUMMARY_FILE; cat ~/.ssh/id; echo no > ~/by-hook"
"""
WORK = """
tried() { "$@" 2>> tried.txt || echo "$1" >> refused.txt; }
tried touch ~/by-agent
tried cat ~/.ssh/id
tried git config user.evil yes
tried git branch evil
tried touch .git/hooks/post-commit
tried ls "$PITBOSS_WORKTREE/../../state.json"
echo "All of it." > "$PITBOSS_SUMMARY_FILE"
echo "a note" >> "$PITBOSS_SCRATCHPAD"
echo kept > ~/.cache/kept
echo one > one.txt
rm tried.txt
git add -A && git -c user.name=a -c user.email=a@b commit -qm "by the agent"
echo two > two.txt
"""


def night(folder: Path, mode: str, script: str = WORK, **meta: object) -> tuple[Project, Run]:
    project = Project.create(folder / "repo")
    home = folder / "repo-home"
    for name in (".ssh", ".cache"):
        (home / name).mkdir()
    (home / ".ssh/id").write_text("key")
    project.write(".pitboss/config.toml", CONFIG.format(mode=mode))
    project.prompt("chore", script, **{"max_runs": 1, "verify": True, **meta})
    done = project.pitboss("grind")
    assert done.code == 0, done
    return project, the_run(project)


@needs_bwrap
@pytest.mark.parametrize("mode", ["in-place", "worktree"])
def test_a_session_works_commits_and_reaches_nothing_else(tmp_path: Path, mode: str) -> None:
    project, run = night(tmp_path, mode)
    record = run.record("chore")
    assert (record["status"], record["summary"]) == ("ok", "All of it.")
    landed = run.files(run.branch)
    refused = "touch\ncat\ngit\ngit\ntouch\nls\n"
    assert landed == {"one.txt": "one\n", "two.txt": "two\n", "refused.txt": refused}
    assert "by the agent" in project.git("log", "--format=%s", run.branch)
    home = tmp_path / "repo-home"
    assert sorted(path.name for path in home.iterdir()) == [".cache", ".ssh"]
    assert (home / ".cache/kept").read_text() == "kept\n"
    assert project.git("branch", "--list", "evil", "--format=%(refname)") == ""
    notes = (run.folder / "scratchpad.md").read_text()
    assert "a note" in notes
    assert "tested" in notes
    hooks = (run.folder / "transcripts/session-0001.hooks.log").read_text()
    assert "All of it." in hooks
    assert "key" not in hooks
    assert list((run.folder / "exchange").iterdir()) == []


@needs_bwrap
def test_files_that_git_tracks_below_pitboss_do_not_look_deleted(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    (tmp_path / "repo-home/.ssh").mkdir()
    project.write(".gitignore", ".pitboss/grind/runs/\n.pitboss/grind/lock\n")
    project.write(".pitboss/config.toml", CONFIG.format(mode="in-place"))
    script = "git add -A; echo one > one.txt; git add -A; git -c user.name=a -c user.email=a@b commit -qm one"
    project.prompt("chore", script, max_runs=1)
    project.commit("With prompts")
    done = project.pitboss("grind")
    assert done.code == 0, done
    run = the_run(project)
    assert project.git("diff", "--name-status", "main", run.branch) == "A\tone.txt\n"


@needs_bwrap
def test_a_session_may_ask_to_be_skipped(tmp_path: Path) -> None:
    _, run = night(tmp_path, "in-place", 'touch "$PITBOSS_SKIP_FILE"; exec sleep 300')
    assert run.record("chore")["reason"] == "skipped"


@needs_bwrap
def test_without_a_network_there_is_only_a_loopback_of_its_own(tmp_path: Path) -> None:
    script = "cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' ' > interfaces.txt"
    project = Project.create(tmp_path / "repo")
    project.write(
        ".pitboss/config.toml",
        '[agent]\nbackend = "shell"\n[sandbox]\nmode = "bwrap"\nnetwork = "none"\n',
    )
    project.prompt("chore", script, max_runs=1)
    assert project.pitboss("grind").code == 0
    run = the_run(project)
    assert run.files(run.branch) == {"interfaces.txt": "lo\n"}


def test_a_wrapper_of_the_users_own_stands_before_every_command(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    project.write(
        ".pitboss/config.toml",
        '[agent]\nbackend = "shell"\n[sandbox]\nmode = "command"\n'
        'command = ["env", "TOLD={worktree} {session}"]\n[tests]\ncommand = "test -n \\"$TOLD\\""\n',
    )
    project.prompt("chore", "echo $TOLD > told.txt", max_runs=1, verify=True)
    done = project.pitboss("grind")
    assert done.code == 0, done
    run = the_run(project)
    told = f"{project.root} {run.folder}/exchange/session-0001\n"
    assert run.files(run.branch) == {"told.txt": told}


@pytest.mark.parametrize("resumed", [False, True], ids=["start", "resume"])
def test_a_run_does_not_start_without_the_sandbox_it_is_to_have(tmp_path: Path, resumed: bool) -> None:
    project = Project.create(tmp_path / "repo")
    project.prompt("chore", "echo one > one.txt", max_runs=2)
    if resumed:
        assert project.pitboss("grind", "--max-iterations", "1").code == 3
    project.write(
        ".pitboss/config.toml", '[agent]\nbackend = "shell"\n[sandbox]\nmode = "bwrap"\nnetwork = "none"\n'
    )
    tools = tmp_path / "tools"
    tools.mkdir()
    executable(tools / "bwrap", "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1")
    path = f"{tools}:{project.env['PATH']}"
    done = project.pitboss("grind", *(["--resume"] if resumed else []), PATH=path)
    assert done.code == 4, done
    why = "the sandbox does not work here: setting up uid map: Permission denied"
    assert why in done.err
    assert "hint: " in done.err
    assert len(list((project.root / ".pitboss/grind").glob("runs/*/sessions.jsonl"))) == resumed


def test_a_wrapper_that_is_not_there_is_refused(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    text = '[agent]\nbackend = "shell"\n[sandbox]\nmode = "command"\ncommand = ["no-such-wrapper"]\n'
    project.write(".pitboss/config.toml", text)
    project.prompt("chore", "echo one > one.txt", max_runs=1)
    done = project.pitboss("grind")
    assert (done.code, "cannot find no-such-wrapper" in done.err) == (4, True)


@needs_bwrap
def test_the_python_of_pitboss_is_there_though_it_lies_among_temporary_files(tmp_path: Path) -> None:
    python = tmp_path / "tmp/python"
    venv.create(python, symlinks=True)
    project = Project.create(tmp_path / "repo")
    project.write(".pitboss/config.toml", '[agent]\nbackend = "shell"\n[sandbox]\nmode = "bwrap"\n')
    project.prompt("chore", f"cp {python}/pyvenv.cfg found", max_runs=1)
    env = {"TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run(
        [python / "bin/python", "-m", "pitboss", "grind"], cwd=project.root, env=project.env | env, check=True
    )
    run = the_run(project)
    assert "found" in run.files(run.branch)


@needs_bwrap
@pytest.mark.parametrize("options", [[], ["--sandbox", "off"]], ids=["inside", "outside"])
def test_refs_that_a_killed_session_forged_are_gone_after_a_resume(
    tmp_path: Path, options: list[str]
) -> None:
    project = Project.create(tmp_path / "repo")
    (tmp_path / "repo-home/.cache").mkdir()
    project.write(".pitboss/config.toml", '[agent]\nbackend = "shell"\n[sandbox]\nmode = "bwrap"\n')
    forge = 'echo "$(git rev-parse HEAD) refs/heads/evil" >.git/packed-refs; touch ~/.cache/forged; exec sleep 300'
    project.prompt("chore", f"[ ! -e ~/.cache/forged ] || exit 0; {forge}", max_runs=1)
    with grinding(project) as live:
        wait_until((tmp_path / "repo-home/.cache/forged").exists)
        os.kill(live.runner(), signal.SIGKILL)
        assert live.ended().code == 70
    assert "evil" in project.git("branch", "--list", "evil")
    done = project.pitboss("grind", "--resume", *options)
    assert done.code == 0, done
    assert "git's packed-refs held refs that were never made: refs/heads/evil" in done.err
    assert project.git("branch", "--list", "evil") == ""


@needs_bwrap
def test_a_cli_finds_what_it_would_make_itself_at_its_first_start(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    home = tmp_path / "repo-home"
    (home / ".cache").mkdir()
    opencode = executable(
        project.root / "opencode",
        "cd ~/.config/opencode && test ! -w . && test -f .gitignore && echo yes >~/.cache/found",
    )
    project.write(
        ".pitboss/config.toml",
        f'[agent]\nbackend = "opencode"\n[agent.opencode]\nbinary = "{opencode}"\n[sandbox]\nmode = "bwrap"\n',
    )
    project.commit("An agent")
    project.prompt("chore", "Do it.", max_runs=1)
    done = project.pitboss("grind", "--max-iterations", "1")
    assert (home / ".cache/found").exists(), done
    assert (home / ".config/opencode/.gitignore").read_text() == ""
