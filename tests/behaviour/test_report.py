"""`pitboss report`, and the report that every run writes when it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest

from pitboss import proctree
from pitboss.cli.shared.reporting import report_at_the_end
from pitboss.git.repo import Repo
from pitboss.store.paths import RunPaths
from tests.support.cli import Project, wait_until
from tests.support.processes import finish
from tests.support.runs import the_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.runs import Run

EVIL = "<script>alert(1)</script>\x1b[2J <b>bold</b> [x](y)"


def page(run: Run) -> str:
    return (run.folder / "report.html").read_text(encoding="utf-8")


def report(project: Project, *args: str) -> dict[str, Any]:
    done = project.pitboss("report", *args, "--format", "json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


@pytest.fixture
def mixed(project: Project) -> Run:
    """A run in which sessions landed, failed and did nothing."""
    project.write("tests/test_a.py", "def test_a(): pass\n")
    project.write("package.json", "{}\n")
    project.commit("tests")
    project.prompt("a-add", "echo new > new.txt; echo 'Adds a file.' > $PITBOSS_SUMMARY_FILE")
    project.prompt(
        "b-drop",
        f"rm tests/test_a.py; echo 1 > package.json; printf '%s' '{EVIL}' > $PITBOSS_SUMMARY_FILE",
    )
    project.prompt("c-fail", "echo half > half.txt; exit 3")
    project.prompt("d-idle", "true")
    assert project.pitboss("grind", "--max-iterations", "4").code == 3
    return the_run(project)


def test_a_run_writes_its_report_and_says_where(project: Project) -> None:
    project.prompt("alpha", "echo new > new.txt")
    done = project.pitboss("grind", "--max-iterations", "1")
    run = the_run(project)
    assert done.err.splitlines()[-1] == f"report: {run.folder / 'report.html'}"
    assert "1 of 1 session landed" in page(run)
    assert "1 of 1 session landed" in (run.folder / "report.md").read_text()


def test_what_landed_comes_riskiest_first_with_its_reasons(project: Project, mixed: Run) -> None:
    found = report(project, mixed.run_id)
    assert {
        key: found[key] for key in ("run_id", "sessions", "landed", "rescued", "failed", "changed_nothing")
    } == {
        "run_id": mixed.run_id,
        "sessions": 4,
        "landed": 2,
        "rescued": 1,
        "failed": 0,
        "changed_nothing": 1,
    }
    drop, add = found["landed_sessions"]
    assert (drop["prompt"], drop["risk"], drop["diff"]) == (
        "b-drop",
        "high",
        {"files": 2, "added": 1, "removed": 2},
    )
    assert drop["reasons"][:3] == [
        "deletes tests: tests/test_a.py",
        "changes dependencies: package.json",
        "no tests ran",
    ]
    assert (add["prompt"], add["risk"], add["reasons"]) == (
        "a-add",
        "low",
        ["no tests ran", "1 line in 1 file"],
    )
    assert [each["prompt"] for each in found["rescued_sessions"]] == ["c-fail"]
    assert found["verdict"] == (
        "2 of 4 sessions landed, 1 rescued, 1 changed nothing, $0.00 spent; "
        "the run stopped at its limit: 4 of 4 sessions; 2 things need you."
    )


def test_sections_are_in_the_order_of_the_contract(project: Project, mixed: Run) -> None:
    order = ["Needs you", "Landed", "Rescued", "Money", "Timeline", "Prompts", "All sessions"]
    titles = re.findall(r"<h2>([A-Za-z ]+?)(?: \(\d+\))?</h2>", page(mixed))
    assert titles == order
    text = project.pitboss("report", mixed.run_id).out
    assert [text.index(name) for name in order] == sorted(text.index(name) for name in order)


def test_every_command_that_needs_a_person_works_as_pasted(project: Project, mixed: Run) -> None:
    commands = [need["command"] for need in report(project, mixed.run_id)["needs_you"]]
    assert commands
    for command in commands:
        if command.startswith("pitboss "):
            assert project.pitboss(*command.split()[1:]).code == 0, command
        else:
            project.git("-c", "user.name=a", "-c", "user.email=a@b.c", *command.split()[1:])


@pytest.mark.parametrize("thrown_away", ["at once", "by gc"])
def test_commands_work_as_pasted_also_if_what_sessions_printed_is_gone(
    project: Project, thrown_away: str
) -> None:
    settings = '[agent]\nbackend = "shell"\n[tests]\ncommand = "test ! -e bad.txt"\n'
    kept = '[grind]\ntranscript_retention = "keep_none"\n' if thrown_away == "at once" else ""
    project.write(".pitboss/config.toml", settings + kept)
    project.prompt("bad", "echo bad >bad.txt", verify=True, max_runs=1)
    assert project.pitboss("grind").code == 1
    run = the_run(project)
    if thrown_away == "by gc":
        assert project.pitboss("gc", run.run_id).code == 0

    (need,) = report(project, run.run_id)["needs_you"]

    assert need["text"] == "session 1 (bad) did not pass the tests: verify failed"
    assert need["command"] == f"pitboss rescue show {run.run_id}/session-0001"
    assert "+bad" in project.pitboss(*need["command"].split()[1:]).out
    assert re.search(r"^transcript  +\(not kept\)$", project.pitboss("show").out, re.MULTILINE)


def test_every_link_of_the_page_leads_to_something_on_it(mixed: Run) -> None:
    text = page(mixed)
    targets = set(re.findall(r'href="#([^"]+)"', text))
    ids = re.findall(r' id="([^"]+)"', text)
    assert targets <= set(ids)
    assert {f"s{seq}" for seq in range(1, 5)} <= targets
    assert len(ids) == len(set(ids))


def test_text_of_agents_is_shown_as_text(project: Project, mixed: Run) -> None:
    text = page(mixed)
    assert "<script" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    marked = (mixed.folder / "report.md").read_text()
    assert "\\<script\\>" in marked
    assert "[x](y)" not in marked
    assert "\x1b" not in project.pitboss("report", mixed.run_id).out


def test_nothing_of_the_page_comes_from_elsewhere(mixed: Run) -> None:
    assert not re.search(r'(?:src|href)="(?!#)|@import|url\((?!#)|<script|<link', page(mixed))


def test_a_run_without_a_session_has_a_report(project: Project) -> None:
    project.prompt("alpha", "echo new > new.txt")
    project.pitboss("grind", "--max-iterations", "0")
    assert "No session ran; the run stopped at its limit" in page(the_run(project))


@pytest.mark.parametrize(
    ("left", "lost"),
    [(None, 1), ((), 1), ((0,), 2), ((0, 2), 2)],
    ids=["gone", "emptied", "cut", "gap"],
)
def test_a_log_that_lost_records_is_not_taken_for_all_there_is(
    project: Project, left: tuple[int, ...] | None, lost: int
) -> None:
    project.prompt("alpha", "date +%N > new.txt")
    project.pitboss("grind", "--max-iterations", "3")
    run = the_run(project)
    log = run.folder / "sessions.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.unlink() if left is None else log.write_bytes(b"".join(lines[i] for i in left))
    damage, repair = f"it has no record of session {lost}", f"pitboss repair {run.run_id}"
    for word in ("status", "report", "log"):
        done = project.pitboss(word)
        assert (done.code, damage in done.out + done.err, repair in done.out + done.err) == (0, True, True)
        assert "No session ran" not in done.out
    for words in (("land",), ("land", "--dry-run"), ("review",), ("show", f"{lost}") if left else ("show",)):
        done = project.pitboss(*words)
        assert (done.code, damage in done.err, repair in done.err) == (1, True, True)
    repaired = project.pitboss(*repair.split()[1:])
    assert (repaired.code, log.read_bytes()) == (0, b"".join(lines))
    assert "nothing else to repair\n" in repaired.err
    assert damage not in project.pitboss("status").out


def test_a_run_that_was_killed_has_a_report_and_a_better_one_once_it_is_resumed(project: Project) -> None:
    project.prompt("alpha", "echo new >> new.txt; while [ ! -e ../go ]; do sleep 0.05; done")
    with project.started("grind", "--max-iterations", "1") as process:
        wait_until(lambda: list(project.root.glob(".pitboss/grind/runs/*/transcripts/*.log")))
        run = the_run(project)
        wait_until(lambda: run.state["in_flight"])
        (runner, *_) = proctree.children(process.pid)
        os.kill(runner, signal.SIGKILL)
        process.wait(30)
    assert "the run crashed" in page(run)
    (project.root.parent / "go").touch()
    assert project.pitboss("grind", "--resume", run.run_id, "--max-iterations", "2").code == 3
    assert "1 of 2 sessions landed" in page(run)


def test_a_folder_in_its_way_does_not_keep_the_report_from_being_written(project: Project) -> None:
    place = "$PITBOSS_WORKTREE/.pitboss/grind/runs/$PITBOSS_RUN_ID/report.html"
    project.prompt("alpha", f"echo new > new.txt; mkdir -p {place}/in/the/way")
    project.pitboss("grind", "--max-iterations", "1")
    assert "1 of 1 session landed" in page(the_run(project))


def test_a_report_that_cannot_be_made_is_one_warning(project: Project) -> None:
    said = report_at_the_end(Repo.discover(project.root), RunPaths(project.root, "no-such-run"))
    assert said.startswith("warning: no report was written: ")
    assert said.endswith("`pitboss report no-such-run` tries again")


@pytest.mark.parametrize(("others", "calls"), [((), 3), (("theirs.txt",), 4)])
def test_the_report_of_a_run_takes_few_git_calls(
    project: Project,
    mixed: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    others: tuple[str, ...],
    calls: int,
) -> None:
    for name in others:  # on the branch that the run began on
        project.write(name, "theirs\n")
        project.commit(name)
    real, noted = shutil.which("git"), tmp_path / "calls"
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin/git"
    git.write_text(f'#!/bin/sh\necho "$*" >> {noted}\nexec {real} "$@"\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
    repo = Repo.discover(project.root)
    noted.unlink()
    assert report_at_the_end(repo, RunPaths(project.root, mixed.run_id)).startswith("report: ")
    assert len(noted.read_text().splitlines()) == calls, noted.read_text()


WHAT_IT_LOADS = """
import sys
from pathlib import Path
from pitboss import app
from pitboss.cli.shared import guarded
from pitboss.git.repo import Repo
from pitboss.store.end_marker import note_live
from pitboss.store.paths import RunPaths
repo = Repo.discover(Path(sys.argv[1]))
paths = RunPaths(repo.root, sys.argv[2])
note_live(paths)
for step in (lambda: guarded.get_ready(paths), lambda: guarded.at_the_end(repo, paths)):
    before = set(sys.modules)
    step()
    print(*sorted(name for name in sys.modules.keys() - before if name.startswith("pitboss.")))
"""


def test_a_guardian_that_got_ready_loads_nothing_more_at_the_end_of_the_run(
    project: Project, mixed: Run
) -> None:
    ahead, at_the_end = finish(WHAT_IT_LOADS, project.root, mixed.run_id)
    assert {"pitboss.cli.shared.desk", "pitboss.screens.report.page"} <= set(ahead.split())
    assert at_the_end == ""


@pytest.mark.parametrize(("form", "title"), [("text", "Report on no run\n"), ("md", "# Report on no run\n")])
def test_a_report_on_nothing_has_a_title(project: Project, form: str, title: str) -> None:
    done = project.pitboss("report", "--since", "1d", "--format", form)
    assert (done.code, done.out[: len(title)]) == (0, title)


def test_since_joins_runs(project: Project) -> None:
    project.prompt("alpha", "echo new >> new.txt")
    for _ in range(2):
        project.pitboss("grind", "--max-iterations", "1")
    found = report(project, "--since", "1h")
    assert (found["run_id"], found["sessions"], len(found["runs"])) == (None, 2, 2)
    assert report(project, "--since", "0s")["sessions"] == 0
    html = project.pitboss("report", "--since", "1d", "--format", "html").out
    assert {"r1s1", "r2s1"} <= set(re.findall(r' id="([^"]+)"', html))
    assert project.pitboss("report", "--since", "soon").code == 4


@pytest.mark.parametrize("left", [b"", b"{", None])
def test_since_names_a_run_that_cannot_be_read(project: Project, left: bytes | None) -> None:
    project.prompt("alpha", "echo new >> new.txt")
    project.pitboss("grind", "--max-iterations", "1")
    run = the_run(project)
    project.pitboss("grind", "--max-iterations", "1")
    state = run.folder / "state.json"
    state.unlink() if left is None else state.write_bytes(left)
    found = report(project, "--since", "1h")
    assert (found["sessions"], len(found["runs"])) == (2, 2)
    assert f"pitboss repair {run.run_id} --dry-run" in [need["command"] for need in found["needs_you"]]
    assert f"{run.run_id}: cannot be read" in project.pitboss("report", "--since", "1h").out


def test_the_end_of_a_file_name_says_the_format(project: Project, mixed: Run) -> None:
    for name, begins in (
        ("r.html", "<!DOCTYPE html>"),
        ("r.md", "# Report"),
        ("r.json", "{"),
        ("r.txt", "Report on"),
    ):
        done = project.pitboss("report", mixed.run_id, "-o", name)
        assert (done.code, done.out, done.err) == (0, "", f"report: {name}\n")
        assert (project.root / name).read_text().startswith(begins)


def test_a_place_where_no_report_can_be_written_is_refused(project: Project, mixed: Run) -> None:
    project.write(".git/file", "")
    for place, why in (
        (".git", "Is a directory"),
        ("nowhere/r.html", "No such file or directory"),
        (".git/file/r.md", "Not a directory"),
    ):
        assert project.pitboss("report", mixed.run_id, "-o", place) == (
            1,
            "",
            f"error: cannot write {place}: {why}\nhint: -o FILE names another place\n",
        )
    full = project.pitboss("report", mixed.run_id, "-o", "/dev/full")
    assert (full.code, full.err.splitlines()) == (
        70,
        [
            "error: cannot write /dev/full: No space left on device",
            "hint: free some disk space, then try again",
        ],
    )


def test_a_report_goes_to_standard_output_where_that_is_named(project: Project, mixed: Run) -> None:
    as_always = project.pitboss("report", mixed.run_id)
    assert project.pitboss("report", mixed.run_id, "-o", "-") == as_always
    assert not (project.root / "-").exists()
    empty = project.pitboss("report", mixed.run_id, "-o", "")
    assert (empty.code, empty.out) == (4, "")
    assert "must not be empty" in empty.err


def test_open_shows_the_page_in_the_browser_that_the_user_names(project: Project, tmp_path: Path) -> None:
    project.prompt("one", "echo 1 >one", max_runs=1)
    assert project.pitboss("grind").code == 0
    seen, page = tmp_path / "seen", the_run(project).folder / "report.html"
    browser = project.write(".git/browser", f'#!/bin/sh\necho "$1" >{seen}.part && mv {seen}.part {seen}\n')
    browser.chmod(0o755)
    page.unlink()

    done = project.pitboss("report", "--open", BROWSER=str(browser))

    assert done == (0, "", f"report: {page}\n")
    wait_until(seen.exists)
    assert seen.read_text().strip() == page.as_uri()
    assert page.read_text().startswith("<!DOCTYPE html>")
    elsewhere = tmp_path / "a page.html"
    seen.unlink()
    assert project.pitboss("report", "--open", "-o", str(elsewhere), BROWSER=str(browser)).code == 0
    wait_until(seen.exists)
    assert seen.read_text().strip() == elsewhere.as_uri()
    refused = project.pitboss("report", "--open", "--format", "md")
    assert (refused.code, refused.err.splitlines()[0]) == (1, "error: --open shows html")


def test_open_without_a_browser_says_so_and_where_the_page_is(project: Project) -> None:
    project.prompt("one", "echo 1 >one", max_runs=1)
    assert project.pitboss("grind").code == 0

    done = project.pitboss("report", "--open", BROWSER="/nowhere/browser", PATH=few_programs(project))

    page = the_run(project).folder / "report.html"
    assert (done.code, done.err) == (
        1,
        f"report: {page}\nerror: no browser could be opened\nhint: the variable BROWSER may name one\n",
    )


def few_programs(project: Project) -> str:
    """A folder with git and nothing else."""
    folder = project.root / ".git/few"
    folder.mkdir()
    (folder / "git").symlink_to(str(shutil.which("git")))
    return str(folder)
