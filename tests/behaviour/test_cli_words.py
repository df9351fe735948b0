"""What people read: how a run ended, what failed, what was meant; nothing that says nothing (SPEC 8)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pitboss.core.session import SessionStatus
from pitboss.screens.lines import session_lines
from tests.support.cli import Project
from tests.support.runs import Gate, configure, grinding, the_run
from tests.support.values import record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "repo")


def test_what_says_nothing_is_left_out() -> None:
    free = record(1, commit=None, summary="did it")
    assert session_lines(free, sys.stdout) == ["session-0001 ok      alpha         1m00s did it"]
    unknown = record(1, commit=None, cost_known=False, summary="did it")
    assert session_lines(unknown, sys.stdout) == [
        "session-0001 ok      alpha         1m00s cost unknown did it"
    ]
    paid = record(12, tokens=(1000, 500), cost_usd=0.5, summary="did it", status=SessionStatus.DIRTY)
    assert session_lines(paid, sys.stdout) == [
        f"session-0012 dirty   alpha         1m00s   1.5k tok    $0.50 {str(paid.commit)[:7]} did it"
    ]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("grnd",), "there is no command 'grnd'; did you mean 'grind'?"),
        (("stat",), "there is no command 'stat'; did you mean 'status'?"),
        (("xyzzy",), "there is no command 'xyzzy'\n"),
        (("rescue", "aply"), "No such command 'aply'. Did you mean 'apply'?"),
        (
            ("grind", "--max-iteration", "1"),
            "No such option '--max-iteration'. (Did you mean one of: '--max-iter",
        ),
        (
            ("grind", "--max-parallel", "0"),
            "Invalid value for '--max-parallel': 0 is too small: at least 1\n",
        ),
        (
            ("grind", "--max-iterations", "x"),
            "Invalid value for '--max-iterations': 'x' is not a whole number\n",
        ),
        (("grind", "--max-iterations", "9" * 20), "is too large: at most "),
        (
            ("grind", "--max-cost", "much"),
            "Invalid value for '--max-cost': 'much' is not an amount of US dollars\n",
        ),
    ],
)
def test_what_is_wrong_on_a_command_line_is_told_in_words(
    project: Project, args: tuple[str, ...], said: str
) -> None:
    done = project.pitboss(*args)
    assert done.code == 4
    assert said in done.err


def test_show_is_of_the_latest_session_unless_told(project: Project) -> None:
    empty = project.pitboss("show")
    assert (empty.code, "there are no runs under" in empty.err) == (1, True)
    project.prompt("one", "echo 1 >one", max_runs=1)
    project.prompt("two", "echo 2 >two", max_runs=1)
    assert project.pitboss("grind").code == 0
    run = the_run(project)
    latest = project.pitboss("show").out
    assert latest.startswith(f"session     session-0002 of {run.run_id}\nprompt      two\n")
    assert project.pitboss("show", run.run_id).out == project.pitboss("show", "2").out == latest
    assert project.pitboss("show", run.run_id[:9], "1").out.splitlines()[1] == "prompt      one"
    assert project.pitboss("show", "--diff").out.endswith("+2\n")
    assert "tokens" not in latest
    assert "$" not in latest
    missing = project.pitboss("show", "3")
    assert missing.err.startswith(f"error: run {run.run_id} has no record of session 3\n")


def test_what_tests_and_hooks_said_has_a_home(project: Project) -> None:
    configure(
        project,
        more='[tests]\ncommand = "echo FAILED tests/test_a.py::test_one - no; exit 1"\n'
        '[grind.hooks]\npre_session = "echo warmed up"\n',
    )
    project.prompt("one", "echo 1 >one", max_runs=1, verify=True)
    assert project.pitboss("grind").code == 1
    assert the_run(project).record("one")["reason"] == "verify_failed: tests/test_a.py::test_one"
    assert project.pitboss("show", "--verify").out == "FAILED tests/test_a.py::test_one - no\n"
    assert project.pitboss("show", "--hooks").out == "warmed up\n"
    assert "[" not in project.pitboss("log").out


def test_a_stopped_run_with_nothing_left_to_do_is_not_said_to_go_on(project: Project) -> None:
    project.prompt("one", "true", max_runs=2)
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    run = the_run(project)
    goes_on = f"`pitboss grind --resume {run.run_id} --max-iterations 2` goes on\n"
    assert project.pitboss("status").out.endswith(goes_on)
    done = project.pitboss("grind", "--resume", "--max-iterations", "2")
    assert (done.code, "go on with" in done.err) == (3, False)
    assert "goes on" not in project.pitboss("status").out
    project.prompt("one", "true", max_runs=3)
    assert project.pitboss("status").out.endswith("--max-iterations 4` goes on\n")


def test_a_resumed_run_that_landed_nothing_before_either_says_so(project: Project) -> None:
    project.prompt("one", "true", max_runs=2)
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    done = project.pitboss("grind", "--resume", "--max-iterations", "none")
    assert (done.code, "\nnothing landed; main is checked out again\n" in done.err) == (0, True)
    assert "takes it home" not in done.err


def test_a_resumed_run_that_landed_something_before_says_where_it_is(project: Project) -> None:
    project.prompt("a", "echo 1 >one", max_runs=1)
    project.prompt("b", "true", max_runs=1)
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    done = project.pitboss("grind", "--resume", "--max-iterations", "none")
    assert (done.code, f"`pitboss land {the_run(project).run_id}` takes it home" in done.err) == (0, True)


@pytest.mark.parametrize("view", ["--verify", "--hooks"])
def test_without_tests_or_hooks_there_is_nothing_to_show(project: Project, view: str) -> None:
    project.prompt("one", "true", max_runs=1)
    assert project.pitboss("grind").code == 0
    done = project.pitboss("show", view)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: run {the_run(project).run_id} has no output of ")


def test_next_is_one_that_may_run(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("a-once", f"{gate.script}", max_runs=1)
    project.prompt("b-rare", "true", every=7)
    with grinding(project, "--max-iterations", "2") as live:
        gate.wait()
        live.wait_for("0 of 2 sessions; next a-once\n")
        gate.open()
        assert live.ended().code == 3
    assert the_run(project).sequence() == [(1, "a-once", 1), (2, "b-rare", 7)]


def completed(project: Project, words: str) -> list[str]:
    """What bash would offer for the last of `words`."""
    count = str(len(words.split(" ")) - 1)
    done = project.pitboss(_PITBOSS_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=count)
    return [line.removeprefix("plain,") for line in done.out.split()]


def test_runs_prompts_refs_agents_and_tags_are_completed(project: Project) -> None:
    assert completed(project, "pitboss status ") == []
    assert completed(project, "pitboss rescue show ") == []
    project.prompt("alpha", "echo 1 >one; exit 1", max_runs=1, tags=["nightly"])
    project.write(".pitboss/grind/rotations/deep.toml", 'prompts = [{name = "alpha"}]\n')
    assert project.pitboss("grind").code == 1
    run = the_run(project)
    for command in ("status", "log", "show", "repair", "rescue ls", "grind --resume"):
        assert completed(project, f"pitboss {command} ") == [run.run_id]
    assert completed(project, "pitboss prompts show a") == ["alpha"]
    assert completed(project, "pitboss grind --tag ") == ["nightly"]
    assert completed(project, "pitboss grind --agent co") == ["codex", "command", "copilot"]
    assert completed(project, "pitboss grind --rotation ") == ["deep"]
    assert completed(project, "pitboss grind --from ") == ["main", run.branch]
    for command in ("show", "apply"):
        assert completed(project, f"pitboss rescue {command} ") == [f"{run.run_id}/session-0001"]
    assert completed(project, "pitboss skip ") == []
