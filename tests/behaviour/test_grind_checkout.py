"""Which branch is checked out before, during and after a run, and where a run begins (SPEC 5, 7, 8)."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Gate, Run, configure, grinding, the_run

if TYPE_CHECKING:
    from pathlib import Path

ADDS = 'n=$(ls | wc -l); echo "$n" >"file-$n"; echo "Adds file-$n" >"$PITBOSS_SUMMARY_FILE"'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    project.prompt("adds", ADDS)
    return project


def head(project: Project) -> str:
    """The branch that is checked out, or the commit."""
    return project.git("rev-parse", "--abbrev-ref", "HEAD").strip()


def latest(project: Project, *others: Run) -> Run:
    """The run that is none of `others`."""
    known = {run.run_id for run in others}
    runs = (project.root / ".pitboss/grind/runs").iterdir()
    (run_id,) = (path.name for path in runs if path.name not in known)
    return Run(project, run_id)


@pytest.mark.parametrize(
    ("script", "options", "code"),
    [
        ("true", ("--max-iterations", "1"), 3),
        ("exit 1", (), 5),
        (ADDS, ("--max-iterations", "2"), 3),
        ("git checkout -q -b own; echo 1 >one", ("--max-iterations", "1"), 3),
        ("git checkout -q --detach; echo 1 >one; exit 1", ("--max-iterations", "1"), 3),
    ],
)
def test_after_a_run_the_checkout_is_where_it_was(
    project: Project, script: str, options: tuple[str, ...], code: int
) -> None:
    project.write(".pitboss/config.toml", '[agent]\nbackend = "shell"\n')
    project.prompt("adds", script)
    done = project.pitboss("grind", *options)
    assert done.code == code, done
    assert (head(project), project.git("status", "-s")) == ("main", "")
    run = the_run(project)
    assert (run.state["original_branch"], run.state["return_to"]) == ("main", "main")
    where = (
        f"the work is on {run.branch}; main is checked out again\n`pitboss land {run.run_id}` takes it home\n"
        if any(record["commit"] for record in run.records)
        else "\nnothing landed; main is checked out again\n"
    )
    assert where in done.err
    assert ("takes it home" in done.err) is (script == ADDS)
    assert not (run.folder / "switch").exists()


def test_after_a_drain_and_after_an_abort(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("adds", f"{ADDS}; {gate.script}")
    with grinding(project) as live:
        gate.wait()
        assert project.pitboss("stop", "--now").code == 0
        assert live.ended().code == 2
    assert (head(project), project.git("status", "-s")) == ("main", "")
    assert the_run(project).rescued("adds") == {"file-1": "1\n"}


def test_a_detached_head_is_gone_back_to(project: Project) -> None:
    commit = project.git("rev-parse", "HEAD").strip()
    project.git("checkout", "-q", "--detach")
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    assert head(project) == "HEAD"
    assert project.git("rev-parse", "HEAD").strip() == commit
    assert the_run(project).state["return_to"] == commit
    assert "original_branch" not in the_run(project).state


@pytest.mark.parametrize(
    "script",
    [
        "git checkout -q --detach",
        'git checkout -q -b "it\'s" && git branch -D main',
        "git checkout -q -b pitboss/grind/other",
    ],
    ids=["no branch", "an odd name", "the branch of another run"],
)
def test_the_last_line_says_how_the_work_gets_home_from_wherever_the_run_began(
    project: Project, script: str
) -> None:
    subprocess.run(["sh", "-ec", script], cwd=project.root, env=project.env, check=True, capture_output=True)

    done = project.pitboss("grind", "--max-iterations", "1")

    (command,) = re.findall(r"^`pitboss (.*)` takes it home$", done.err, re.MULTILINE)
    assert project.pitboss(*shlex.split(command)).code == 0, command


def test_a_checkout_may_stay(project: Project) -> None:
    configure(project, grind="stay = true")
    done = project.pitboss("grind", "--max-iterations", "1")
    assert head(project) == the_run(project).branch
    assert "checked out again" not in done.err


def test_sessions_elsewhere_leave_the_checkout_alone(project: Project) -> None:
    configure(project, grind='mode = "worktree"')
    project.git("checkout", "-q", "-b", "mine")
    done = project.pitboss("grind", "--max-iterations", "1")
    assert head(project) == "mine"
    assert "return_to" not in the_run(project).state
    assert "checked out again" not in done.err


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("git branch -q -m main renamed", "main is gone"),
        ("git worktree add -q ../elsewhere main", "main is checked out in "),
        (
            "git worktree add -q -b side .trees/side",
            "the working tree has changes that did not land: .trees/\n",
        ),
        ("rm README.md; echo README.md >.gitignore", None),
    ],
)
def test_what_keeps_the_checkout_from_going_back_is_told(
    project: Project, script: str, why: str | None
) -> None:
    project.prompt("adds", f"{script}; {ADDS}")
    hook = "touch README.md; " if why is None else ""
    configure(project, more=f'[grind.hooks]\npost_session = "{hook}true"\n')
    done = project.pitboss("grind", "--max-iterations", "1")
    assert done.code == 3
    assert head(project) == the_run(project).branch
    told = why or "README.md, which git ignores, would be overwritten"
    assert f"warning: the checkout stays on {the_run(project).branch}: {told}" in done.err


def test_a_warning_names_the_run_in_its_commands(project: Project) -> None:
    spoil = f"printf '[x' >{project.root}/.git/config"
    more = f'[grind]\nmode = \'worktree\'\n[grind.hooks]\npost_session = """{spoil}"""'
    project.write(".pitboss/config.toml", f'[agent]\nbackend = "shell"\n{more}\n')
    done = project.pitboss("grind", "--max-iterations", "1")
    (warning,) = (line for line in done.err.splitlines() if line.startswith("warning: git worktree failed"))
    run_id = the_run(project).run_id
    assert f"`pitboss repair {run_id}` and `pitboss grind --resume {run_id}`" in warning


def test_a_user_who_went_elsewhere_meanwhile_stays_there(project: Project) -> None:
    configure(project, more='[grind.hooks]\npost_session = "git checkout -q -b elsewhere"\n')
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    assert head(project) == "elsewhere"


def test_a_resumed_run_goes_over_to_its_branch_and_back_to_where_it_was_resumed(project: Project) -> None:
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    run = the_run(project)
    project.git("checkout", "-q", "-b", "other")
    done = project.pitboss("grind", "--resume", "--max-iterations", "2")
    assert done.code == 3
    assert f"other is checked out: going over to {run.branch}\n" in done.err
    assert head(project) == "other"
    assert (run.state["original_branch"], run.state["return_to"]) == ("main", "other")
    assert run.files(run.branch) == {"file-1": "1\n", "file-2": "2\n"}


def test_a_run_resumed_on_its_own_branch_goes_back_to_where_it_began(project: Project) -> None:
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    project.git("checkout", "-q", the_run(project).branch)
    assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3
    assert head(project) == "main"


def test_another_branch_with_changes_is_refused_and_never_reset(project: Project) -> None:
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    project.write("notes.txt", "mine\n")
    done = project.pitboss("grind", "--resume", "--max-iterations", "2")
    assert done.code == 4
    assert done.err.startswith("error: the working tree has uncommitted changes that no session made\n")
    assert (head(project), (project.root / "notes.txt").read_text()) == ("main", "mine\n")


def killed_in_flight(project: Project, tmp_path: Path) -> Run:
    """A run that was killed, guardian and all, while its second session was at work."""
    gate = Gate(tmp_path / "gate")
    first = "[ $(ls file-* 2>/dev/null | wc -l) = 0 ]"
    project.prompt("adds", f"if {first}; then {ADDS}; else echo half >half; {gate.script}; fi")
    with grinding(project) as live:
        gate.wait()
        live.kill()
    return the_run(project)


def test_nothing_is_taken_from_a_tree_where_somebody_works_on_another_branch(
    project: Project, tmp_path: Path
) -> None:
    run = killed_in_flight(project, tmp_path)
    project.git("stash", "-q", "-u")
    project.git("checkout", "-q", "-b", "mine", "main")
    project.write("mine.txt", "mine\n")
    project.commit("mine")
    tip = project.git("rev-parse", "mine")
    project.prompt("adds", ADDS)
    done = project.pitboss("grind", "--resume", "--max-iterations", "3")
    assert done.code == 3, done
    assert [(r["status"], r.get("reason"), r.get("rescue")) for r in run.records] == [
        ("ok", None, None),
        ("aborted", "interrupted", None),
        ("ok", None, None),
    ]
    assert (head(project), project.git("rev-parse", "mine")) == ("mine", tip)
    assert run.files(run.branch) == {"file-1": "1\n", "file-2": "2\n"}


def test_a_dirty_tree_on_another_branch_is_the_users_although_a_session_is_in_flight(
    project: Project, tmp_path: Path
) -> None:
    run = killed_in_flight(project, tmp_path)
    project.git("stash", "-q", "-u")
    project.git("checkout", "-q", "-b", "mine", "main")
    project.write("mine.txt", "mine\n")
    before = (run.folder / "state.json").read_bytes()
    done = project.pitboss("grind", "--resume")
    assert (done.code, "put them away with `git stash -u`" in done.err) == (4, True)
    assert (head(project), (project.root / "mine.txt").read_text()) == ("mine", "mine\n")
    assert (run.folder / "state.json").read_bytes() == before


def test_a_run_starts_from_where_it_is_told_to(project: Project) -> None:
    project.git("checkout", "-q", "-b", "mine")
    project.write("mine.txt", "mine\n")
    project.commit("mine")
    assert project.pitboss("grind", "--from", "main", "--max-iterations", "1").code == 3
    run = the_run(project)
    assert run.files(run.branch) == {"file-1": "1\n"}
    assert (head(project), (project.root / "mine.txt").exists()) == ("mine", True)
    assert (run.state["original_branch"], run.state["return_to"]) == ("main", "mine")
    assert run.state["base_commit"] == project.git("rev-parse", "main").strip()


@pytest.mark.parametrize("kind", ["annotated tag", "plain tag", "short commit", "remote branch"])
def test_a_run_that_starts_from_what_is_no_branch_goes_back_to_where_its_user_was(
    project: Project, kind: str
) -> None:
    tip = project.git("rev-parse", "main").strip()
    project.git(
        "-c", "user.name=t", "-c", "user.email=t@local", "tag", "-a", "-m", "one", "annotated", "main"
    )
    project.git("tag", "plain", "main")
    project.git("update-ref", "refs/remotes/origin/main", tip)
    project.git("checkout", "-q", "-b", "mine")
    project.write("mine.txt", "mine\n")
    project.commit("mine")
    revision = {
        "annotated tag": "annotated",
        "plain tag": "plain",
        "short commit": tip[:9],
        "remote branch": "origin/main",
    }[kind]
    done = project.pitboss("grind", "--from", revision, "--max-iterations", "1")
    run = the_run(project)
    assert (done.code, head(project), run.state["base_commit"]) == (3, "mine", tip)
    assert (run.state["original_branch"], run.state["return_to"]) == ("mine", "mine")
    assert f"the work is on {run.branch}; mine is checked out again\n" in done.err


def test_a_run_elsewhere_starts_from_where_it_is_told_to_beside_changes_of_the_user(project: Project) -> None:
    configure(project, grind='mode = "worktree"')
    project.git("checkout", "-q", "-b", "mine")
    project.write("mine.txt", "mine\n")
    project.commit("mine")
    project.write("begun.txt", "begun\n")
    done = project.pitboss("grind", "--from", "main", "--max-iterations", "1")
    run = the_run(project)
    assert (done.code, run.files(run.branch)) == (3, {"file-1": "1\n"})
    assert (head(project), (project.root / "begun.txt").read_text()) == ("mine", "begun\n")
    assert f"the work is on {run.branch}" in done.err.splitlines()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--from", "HEAD^{tree}"),
            "error: creating run branch: there is no commit HEAD^{tree} to start from\nhint: ",
        ),
        (
            ("--from", "no-such"),
            "error: creating run branch: there is no commit no-such to start from\nhint: ",
        ),
        (("--from", "--help"), "error: creating run branch: there is no commit --help to start from\nhint: "),
        (
            ("--from", "main", "--resume"),
            "error: --from is for a new run: a resumed one continues where it was",
        ),
    ],
)
def test_a_start_that_cannot_be(project: Project, options: tuple[str, ...], said: str) -> None:
    done = project.pitboss("grind", *options)
    assert (done.code, done.err[: len(said)]) == (4, said)
    assert not (project.root / ".pitboss/grind/runs").exists()
    assert project.git("branch", "--list", "pitboss/*") == ""


def test_a_run_on_top_of_an_earlier_one_says_so(project: Project) -> None:
    configure(project, grind="stay = true")
    first = project.pitboss("grind", "--max-iterations", "1")
    earlier = the_run(project)
    assert "on top of" not in first.err
    done = project.pitboss("grind", "--max-iterations", "1")
    assert (
        f"warning: this run begins on the branch of run {earlier.run_id}, on top of its work; "
        "`--from main` begins elsewhere\n"
    ) in done.err
    elsewhere = project.pitboss("grind", "--max-iterations", "1", "--from", "main")
    assert "on top of" not in elsewhere.err
    asked = project.pitboss("grind", "--max-iterations", "1", "--from", earlier.branch)
    assert f"this run begins on the branch of run {earlier.run_id}" in asked.err


def test_a_tree_that_a_killed_run_left_between_two_branches_is_put_right_by_repair(project: Project) -> None:
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    run = the_run(project)
    project.git("checkout", "-q", run.branch)
    commits = [project.git("rev-parse", name).strip() for name in (run.branch, "main")]
    (run.folder / "switch").write_text(" ".join(commits))
    (project.root / "file-1").unlink()
    done = project.pitboss("grind")
    assert done.code == 4
    assert (
        f"hint: a run was killed while it switched branches: `pitboss repair {run.run_id}` puts" in done.err
    )
    assert "switch of branches was cut short" in project.pitboss("repair", run.run_id, "--dry-run").out
    assert project.pitboss("repair", run.run_id).code == 0
    assert (head(project), project.git("status", "-s")) == (run.branch, "")
    assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3
    assert (head(project), project.git("status", "-s")) == ("main", "")
