"""`pitboss history`: what the sessions of all runs came to, and whether their changes are in use (SPEC 11)."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import Done, Project
from tests.support.runs import configure, the_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.runs import Run

AS_SOMEBODY = ("-c", "user.name=t", "-c", "user.email=t@local")
LANDS = "echo $PITBOSS_SESSION_SEQ >made-$PITBOSS_SESSION_SEQ.txt"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    configure(project)
    return project


def ran(project: Project, sessions: int = 3, script: str = LANDS) -> Run:
    """A run that landed so many sessions."""
    project.prompt("works", script, max_runs=sessions)
    assert project.pitboss("grind").code == 0
    return the_run(project)


def git(project: Project, *args: str) -> str:
    return project.git(*AS_SOMEBODY, *args)


def row(project: Project, *args: str, key: str = "works") -> dict[str, Any]:
    rows: list[dict[str, Any]] = project.pitboss("history", "--json", *args).json()
    return next(each for each in rows if each["key"] == key)


def accepted(project: Project) -> int:
    return int(row(project)["accepted"])


def revert(project: Project, *what: str) -> None:
    git(project, "revert", "--no-edit", *what)


def test_what_landed_is_counted_and_is_accepted_once_it_is_merged(project: Project) -> None:
    run = ran(project)
    before = row(project)
    assert (before["sessions"], before["landed"], before["accepted"]) == (3, 3, 0)
    git(project, "merge", "-q", "--no-ff", "-m", "Merge", run.branch)
    assert accepted(project) == 3


def test_a_rebase_and_a_cherry_pick_are_known_by_their_trailers(project: Project) -> None:
    run = ran(project)
    project.write("other.txt", "other\n")
    project.commit("Meanwhile")
    git(project, "cherry-pick", run.records[1]["commit"])
    assert accepted(project) == 1
    git(project, "checkout", "-q", run.branch)
    git(project, "rebase", "-q", "main")
    git(project, "checkout", "-q", "main")
    git(project, "merge", "-q", "--ff-only", run.branch)
    assert accepted(project) == 3


@pytest.mark.parametrize(
    "message", [("-m", "All of it"), ("--no-edit",)], ids=["by its patch", "by what git writes"]
)
def test_a_squashed_run_is_accepted(project: Project, message: tuple[str, ...]) -> None:
    run = ran(project)
    project.write("other.txt", "other\n")
    project.commit("Meanwhile")
    git(project, "merge", "-q", "--squash", run.branch)
    git(project, "commit", "-q", *message)
    assert accepted(project) == 3
    revert(project, "HEAD")
    assert accepted(project) == 0


def test_a_change_that_was_committed_again_without_trailers_is_known_by_its_patch(project: Project) -> None:
    run = ran(project)
    git(project, "cherry-pick", "--no-commit", run.records[2]["commit"])
    git(project, "commit", "-q", "-m", "Somebody's own words")
    assert accepted(project) == 1


def test_what_was_reverted_is_not_accepted_until_that_is_reverted_or_it_is_picked_again(
    project: Project,
) -> None:
    run = ran(project)
    git(project, "merge", "-q", "--ff-only", run.branch)
    first, second = (each["commit"] for each in run.records[:2])
    revert(project, first)
    revert(project, second)
    assert accepted(project) == 1
    revert(project, "HEAD")
    assert accepted(project) == 2
    git(project, "cherry-pick", first)
    assert accepted(project) == 3


def test_a_merge_that_was_reverted_takes_back_all_that_it_brought(project: Project) -> None:
    run = ran(project)
    git(project, "merge", "-q", "--no-ff", "-m", "Merge", run.branch)
    revert(project, "-m", "1", "HEAD")
    assert accepted(project) == 0
    revert(project, "HEAD")
    assert accepted(project) == 3


def test_an_agents_own_commit_is_accepted_by_its_id(project: Project) -> None:
    commit = "git -c user.name=a -c user.email=a@l commit -qm own"
    run = ran(project, 1, f"{LANDS}; git add -A; {commit}")
    assert accepted(project) == 0
    git(project, "merge", "-q", "--ff-only", run.branch)
    assert accepted(project) == 1


def test_the_default_branch_is_that_of_origin_here_or_there(project: Project) -> None:
    run = ran(project, 1)
    git(project, "update-ref", "refs/remotes/origin/trunk", run.branch)
    assert accepted(project) == 0
    git(project, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    assert accepted(project) == 1
    git(project, "update-ref", "-d", "refs/remotes/origin/trunk")
    assert accepted(project) == 0
    git(project, "merge", "-q", "--ff-only", run.branch)
    assert accepted(project) == 1


def test_without_a_usual_name_it_is_the_branch_that_the_last_run_began_on(project: Project) -> None:
    git(project, "branch", "-m", "main", "work")
    run = ran(project, 1)
    assert accepted(project) == 0
    git(project, "merge", "-q", "--ff-only", run.branch)
    assert accepted(project) == 1


def test_failures_barren_sessions_and_money_are_counted_and_unknown_cost_is_said(project: Project) -> None:
    project.prompt("breaks", "exit 3", max_runs=2)
    project.prompt("idle", "true", max_runs=1)
    project.prompt("works", LANDS, max_runs=1)
    assert project.pitboss("grind").code == 1
    log = the_run(project).project.root / ".pitboss/grind/runs" / the_run(project).run_id / "sessions.jsonl"
    text = log.read_text().replace('"prompt":"works"', '"prompt":"works","cost_known":false')
    log.write_text(text.replace('"prompt":"idle"', '"prompt":"idle","cost_known":false'))
    broken = row(project, key="breaks")
    assert (broken["landed"], broken["barren"], broken["failures"]) == (0, 2, {"exit_code": 2})
    assert broken["cost_per_landed_usd"] is None
    assert row(project, key="idle")["barren"] == 1
    works = row(project, key="works")
    assert works["cost_known"] is False
    assert works["cost_per_landed_usd"] is None
    assert "unknown" in project.pitboss("history").out
    assert list(works) == [
        "key",
        "sessions",
        "landed",
        "accepted",
        "barren",
        "failures",
        "cost_usd",
        "cost_known",
        "cost_per_landed_usd",
        "cost_per_accepted_usd",
        "median_s",
    ]


def test_a_removed_run_directory_counts_by_its_copy(project: Project) -> None:
    run = ran(project)
    shutil.rmtree(project.root / ".pitboss/grind/runs" / run.run_id)
    assert row(project)["landed"] == 3
    shutil.rmtree(project.root / ".pitboss")
    assert row(project)["landed"] == 3


def linked(project: Project, name: str) -> Project:
    """A second working tree, with prompts of its own."""
    root = project.root.parent / name
    project.git("worktree", "add", "-q", "-b", name, str(root))
    other = Project(root)
    configure(other)
    return other


def test_runs_of_all_working_trees_count_wherever_one_asks(project: Project) -> None:
    first, second = linked(project, "first"), linked(project, "second")
    ran(project, 1)
    ran(first, 2)
    ran(second, 3)
    assert [row(each)["landed"] for each in (project, first, second)] == [6, 6, 6]
    shutil.rmtree(first.root)
    assert [row(each)["landed"] for each in (project, second)] == [6, 6]
    project.git("worktree", "prune")
    project.git("worktree", "remove", "--force", str(second.root))
    assert row(project)["landed"] == 6


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.unlink(),
        lambda file: file.write_bytes(b"\x93garbage"),
        lambda file: file.write_bytes(file.read_bytes()[:-7]),
        lambda file: (file.unlink(), file.mkdir()),
    ],
    ids=["deleted", "garbage", "torn", "a folder"],
)
def test_what_it_keeps_may_go_at_any_time(project: Project, spoil: Any) -> None:
    run = ran(project)
    git(project, "cherry-pick", "--no-commit", run.records[0]["commit"])
    git(project, "commit", "-q", "-m", "Somebody's own words")
    before = project.pitboss("history")
    spoil(project.root / ".git/pitboss/history")
    for _ in range(2):
        assert project.pitboss("history") == before


def test_what_it_keeps_never_goes_through_a_link(project: Project, tmp_path: Path) -> None:
    ran(project, 1)
    treasure = tmp_path / "treasure"
    treasure.write_text("mine")
    kept = project.root / ".git/pitboss/history"
    kept.symlink_to(treasure)
    assert row(project)["landed"] == 1
    assert treasure.read_text() == "mine"


def test_a_log_that_grew_is_read_again_and_another_runs_lines_are_not_taken(project: Project) -> None:
    first = ran(project, 1)
    assert row(project)["sessions"] == 1
    log = project.root / ".pitboss/grind/runs" / first.run_id / "sessions.jsonl"
    line = log.read_text()
    log.write_text(line + line.replace(first.run_id, "20200101T000000Z-0000") + line + "garbage\n")
    assert row(project)["sessions"] == 1
    log.write_text(line + line.replace('"seq":1,', '"seq":2,'))
    assert row(project)["sessions"] == 2


def said(done: Done) -> list[str]:
    assert done.code == 0, done
    return done.out.splitlines()


def test_it_is_a_table_by_prompt_agent_model_or_day(project: Project) -> None:
    assert said(project.pitboss("history")) == ["no sessions yet"]
    assert project.pitboss("history", "--json").json() == []
    project.prompt("breaks", "exit 3", max_runs=1)
    project.prompt("works", LANDS, max_runs=11)
    project.pitboss("grind")
    lines = said(project.pitboss("history"))
    assert lines[0].split("  ")[0] == "PROMPT"
    assert lines[1].split()[:5] == ["works", "11", "11", "0", "0"]
    assert lines[1].endswith("████████")
    assert lines[2].split()[:2] == ["breaks", "1*"]
    assert lines[2].endswith("exit_code 1")
    assert lines[3].split()[:2] == ["all", "12"]
    assert "*: fewer than 10 sessions, too few to go by" in lines
    assert row(project, "--by", "agent", key="shell")["sessions"] == 12
    assert row(project, "--by", "model", key="(unknown)")["sessions"] == 12
    day = the_run(project).records[0]["started_at"][:10]
    assert row(project, "--by", "day", key=day)["sessions"] == 12
    assert row(project, "--since", "1d")["sessions"] == 11
    assert said(project.pitboss("history", "--since", "0s")) == ["no sessions since then"]


@pytest.mark.parametrize("wrong", [("--since", "soon"), ("--by", "mood")])
def test_an_option_that_means_nothing_is_refused(project: Project, wrong: tuple[str, ...]) -> None:
    assert project.pitboss("history", *wrong).code == 4


def test_a_repository_without_commits_or_with_its_objects_gone_still_has_a_history(project: Project) -> None:
    run = ran(project, 1)
    project.git("update-ref", "-d", f"refs/heads/{run.branch}")
    project.git("reflog", "expire", "--expire=now", "--all")
    project.git("gc", "-q", "--prune=now")
    project.write("other.txt", "other\n")
    project.commit("Somebody's own")
    assert accepted(project) == 0
    (project.root / ".git/pitboss/history").unlink()
    assert row(project)["landed"] == 1


@pytest.mark.parametrize("digits", [30, 5000])
def test_a_trailer_with_any_number_of_digits_names_no_session(project: Project, digits: int) -> None:
    forged = f"forged\n\nPitboss-Run: $PITBOSS_RUN_ID\nPitboss-Session: {'9' * digits}"
    commit = f'echo x >x; git add x; git -c user.name=t -c user.email=t@local commit -qm "{forged}"'
    run = ran(project, sessions=1, script=commit)
    assert "no report" not in project.pitboss("status").err
    assert (run.folder / "report.md").exists()
    git(project, "merge", "-q", run.branch)
    assert accepted(project) == accepted(project) == 1
