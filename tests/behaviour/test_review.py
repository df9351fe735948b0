"""`pitboss review` goes through what a run landed, riskiest first, and keeps every mark at once (SPEC 11)."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.behaviour.test_cli_observers import documented
from tests.behaviour.test_land import night
from tests.support.cli import Project, wait_until
from tests.support.extras import hide
from tests.support.runs import configure, the_run
from tests.support.tmux import command, terminal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after a run of four sessions, of which the third failed and the second deleted a test."""
    project = Project.create(tmp_path_factory.mktemp("ground") / "project")
    project.write("tests/test_one.py", "def test_one():\n    assert True\n")
    project.commit("A test")
    night(
        project,
        "echo one >one.txt; echo 'Adds one.' >$PITBOSS_SUMMARY_FILE",
        "rm tests/test_one.py; seq 200 >long.txt; echo 'Tidies up.' >$PITBOSS_SUMMARY_FILE",
        "echo half >half.txt; exit 3",
        "echo four >four.txt",
    )
    project.git("checkout", "-q", "main")
    return project


@pytest.fixture
def project(ground: Project, tmp_path: Path) -> Project:
    """A copy of it."""
    shutil.copytree(ground.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def marks(project: Project) -> dict[str, str]:
    """What review.json says."""
    file = the_run(project).folder / "review.json"
    found: dict[str, str] = json.loads(file.read_text())["marks"] if file.exists() else {}
    return found


def test_without_a_terminal_the_list_is_printed(project: Project) -> None:
    assert project.pitboss("review", "mark", "4", "leave").code == 0

    lines = project.pitboss("review").out.splitlines()

    assert [line.split()[:5] for line in lines[::2]] == [
        ["2", "high", "-", "p2", "Tidies"],
        ["1", "low", "-", "p1", "Adds"],
        ["4", "low", "left", "out", "p4"],
    ]
    assert "deletes tests: tests/test_one.py" in lines[1]


def test_the_list_as_json(project: Project) -> None:
    run = the_run(project)
    assert project.pitboss("review", "mark", "1", "accept").code == 0

    found = project.pitboss("review", run.run_id, "--json").json()

    assert [each["seq"] for each in found] == [2, 1, 4]
    assert sorted(found[0]) == sorted(documented("review"))
    assert found[0]["reasons"][0] == "deletes tests: tests/test_one.py"
    assert found[1] == {
        "seq": 1,
        "prompt": "p1",
        "commit": run.record("p1")["commit"],
        "summary": "Adds one.",
        "risk": "low",
        "reasons": found[1]["reasons"],
        "mark": "accept",
    }
    assert [each["mark"] for each in found] == [None, "accept", None]


def test_marks_can_be_set_and_cleared_from_a_script(project: Project) -> None:
    run = the_run(project)

    done = project.pitboss("review", "mark", "2", "leave", "--run", run.run_id)

    assert done == (0, f"session 2 of run {run.run_id}: left out\n", "")
    assert marks(project) == {"2": "leave"}
    assert project.pitboss("review", "mark", "2", "clear").out == f"session 2 of run {run.run_id}: no mark\n"
    assert marks(project) == {}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("mark", "3", "leave"), 1, "landed nothing"),
        (("mark", "9", "leave"), 1, "has no record of session 9"),
        (("mark", "1", "perhaps"), 4, "accept, leave, clear"),
        (("mark", "x", "leave"), 4, "accept, leave, clear"),
        (("mark", "9" * 5000, "leave"), 4, "accept, leave, clear"),
        (("mark", "1"), 4, "accept, leave, clear"),
        (("a", "b"), 4, "unexpected extra arguments"),
    ],
)
def test_what_cannot_be_marked_is_refused(
    project: Project, words: tuple[str, ...], code: int, said: str
) -> None:
    done = project.pitboss("review", *words)
    assert done.code == code
    assert said in done.err
    assert marks(project) == {}


def test_a_file_of_marks_that_makes_no_sense_is_an_error_and_stays(project: Project) -> None:
    file = the_run(project).folder / "review.json"
    file.write_text("{")

    for words in (("review",), ("review", "mark", "1", "leave"), ("land",)):
        done = project.pitboss(*words)
        assert done.code == 1
        assert done.err.startswith(f"error: {file} makes no sense: ")
    assert file.read_text() == "{"
    needed = project.pitboss("status").out
    assert "session 3 (p3): its work did not land" in needed
    assert "pitboss land" in needed


def test_a_run_that_landed_nothing(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    run = night(project, "true")
    assert project.pitboss("review") == (0, f"run {run.run_id} has landed nothing\n", "")
    assert project.pitboss("review", "--json").json() == []


def test_keys_go_through_the_sessions_and_each_mark_is_kept_at_once(project: Project) -> None:
    with terminal(project, height=30) as screen:
        screen.enter(command("review"))
        screen.wait_for(
            "1 of 3", "session 2", "high risk", "Tidies up.", "deletes tests", "no tests ran", "long.txt"
        )
        assert screen.screen.rstrip().endswith("q quit")
        screen.keys("d")
        screen.wait_for("@@ -0,0 +1,200 @@")
        screen.keys("]", "]")
        screen.wait_for("deleted file mode")
        screen.keys("[")
        screen.wait_for("new file mode")
        screen.keys("n")
        screen.wait_for("2 of 3", "session 1", "Adds one.", "1 left out")
        assert marks(project) == {"2": "leave"}
        screen.keys("y")
        screen.wait_for("3 of 3", "session 4", "1 accepted, 1 left out")
        assert marks(project) == {"1": "accept", "2": "leave"}
        screen.keys("u")
        screen.wait_for("2 of 3", "session 1 is as it was before")
        assert marks(project) == {"2": "leave"}
        screen.keys("q")
        wait_until(lambda: screen.flag("alternate_on") == "0")

        screen.enter(command("review"))
        screen.wait_for("2 of 3", "session 1")
        screen.keys("y")
        screen.wait_for("3 of 3")
        screen.keys("y")
        screen.wait_for("every session has its mark")
        screen.keys("q")
        wait_until(lambda: screen.flag("alternate_on") == "0")
    assert marks(project) == {"1": "accept", "2": "leave", "4": "accept"}
    assert project.pitboss("land").code == 0
    assert project.git("log", "--format=%(trailers:key=Pitboss-Session,valueonly)", "main").split() == [
        "4",
        "1",
    ]


def test_arrows_go_to_the_next_session_and_the_one_before_and_mark_nothing(project: Project) -> None:
    with terminal(project) as screen:
        screen.enter(command("review"))
        screen.wait_for("1 of 3", "session 2")
        screen.keys("Right")
        screen.wait_for("2 of 3", "session 1", "Adds one.")
        screen.keys("l")
        screen.wait_for("3 of 3", "session 4")
        screen.keys("Right", "Left")
        screen.wait_for("2 of 3", "session 1")
        screen.keys("h", "h", "h")
        screen.wait_for("1 of 3", "session 2")
        screen.keys("q")
        wait_until(lambda: screen.flag("alternate_on") == "0")
    assert marks(project) == {}


def test_t_shows_what_the_tests_printed_and_shows_the_session_again(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    configure(project, more='[tests]\ncommand = "echo 4 passed, 1 \\u001b[31mslow"')
    project.prompt("tested", "echo 1 >one", max_runs=1, verify=True)
    assert project.pitboss("grind").code == 0
    with terminal(project) as screen:
        screen.enter(command("review"))
        screen.wait_for("1 of 1", "the tests ran before it landed", "new file mode")
        screen.keys("t")
        screen.wait_for("4 passed, 1 ^[[31mslow")
        assert "new file mode" not in screen.screen
        screen.keys("t")
        screen.wait_for("new file mode")
        screen.keys("q")
        wait_until(lambda: screen.flag("alternate_on") == "0")


def test_without_the_extra_a_terminal_is_told_what_is_missing_and_lists_work(
    project: Project, tmp_path: Path
) -> None:
    hide(project, tmp_path / "hidden", "textual")
    with terminal(project, width=300) as screen:
        screen.enter(command("review"))
        screen.wait_for(
            "pitboss review` needs the extra `screens`, which is not installed: textual",
            "pitboss review | cat` prints the list",
        )
        assert screen.flag("alternate_on") == "0"
    assert project.pitboss("review").out.count("risk") == 0
    assert len(project.pitboss("review").out.splitlines()) == 6
    assert len(project.pitboss("review", "--json").json()) == 3
    assert project.pitboss("review", "mark", "1", "accept").code == 0


def test_the_editor_gets_the_diff(project: Project, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    editor = project.write(".git/editor", f'#!/bin/sh\ncat "$1" >{seen}.part && mv {seen}.part {seen}\n')
    editor.chmod(0o755)
    with terminal(project, EDITOR=str(editor)) as screen:
        screen.enter(command("review"))
        screen.wait_for("session 2", "long.txt")
        screen.keys("o")
        wait_until(seen.exists)
        screen.wait_for("session 2", "high risk")
        screen.keys("?")
        screen.wait_for("the diff in your editor")
        screen.keys("q")
        wait_until(lambda: screen.flag("alternate_on") == "0")
    assert "diff --git a/long.txt b/long.txt" in seen.read_text()
    assert "+200\n" in seen.read_text()


@pytest.mark.parametrize("editor", ["no-such-editor --wait", "false", "sh -c 'kill -9 $$'"])
def test_an_editor_that_fails_gives_the_terminal_back(project: Project, editor: str) -> None:
    with terminal(project, EDITOR=editor) as screen:
        screen.enter(command("review"))
        screen.wait_for("session 2", "long.txt")
        screen.keys("o")
        screen.wait_for("the editor failed", "session 2", "high risk")
        screen.keys("?")
        screen.wait_for("the diff in your editor")
        screen.keys("q")
        wait_until(lambda: screen.flag("alternate_on") == "0")


def test_ctrl_c_in_the_editor_is_the_editors(project: Project, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    editor = project.write(".git/editor", f"#!/bin/sh\ntrap 'exit 0' INT\n: >{begun}\nsleep 100\n")
    editor.chmod(0o755)
    with terminal(project, EDITOR=str(editor)) as screen:
        screen.enter(command("review"))
        screen.wait_for("session 2", "long.txt")
        screen.keys("o")
        wait_until(begun.exists)
        screen.keys("C-c")
        screen.wait_for("session 2", "high risk")
        screen.keys("?")
        screen.wait_for("the diff in your editor")
        screen.keys("C-c")
        wait_until(lambda: screen.flag("alternate_on") == "0")


def test_it_works_in_a_small_window_and_shows_no_control_characters(project: Project) -> None:
    run = the_run(project)
    lines = [json.loads(line) for line in (run.folder / "sessions.jsonl").read_text().splitlines()]
    lines[1]["summary"] = "Red \x1b[31m and [bold]markup[/bold]"
    (run.folder / "sessions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with terminal(project, width=40, height=10) as screen:
        screen.enter(command("review"))
        screen.wait_for("session 2", "[bold]markup[/bold]")
        screen.keys("q")
        wait_until(lambda: screen.flag("alternate_on") == "0")


def test_a_run_whose_rest_is_left_out_needs_nobody_to_land_it(project: Project) -> None:
    assert project.pitboss("review", "mark", "4", "leave").code == 0
    assert "pitboss land" in project.pitboss("status").out
    assert project.pitboss("land").code == 0
    assert "pitboss land" not in project.pitboss("status").out
