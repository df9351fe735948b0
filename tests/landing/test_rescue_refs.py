"""Rescue refs as users meet them: listed, found by a short name, shown and applied (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.errors import CommandError
from pitboss.git import commits
from pitboss.git.repo import Repo
from pitboss.landing import rescue_refs, rescued_work
from pitboss.landing.refs import parse_rescue, rescue_ref
from tests.support.shell import sh

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A file of ten lines on main; two commits that change its top, loose."""
    root = tmp_path / "repo"
    root.mkdir()
    sh(
        root,
        """git init -q -b main; git config user.name a; git config user.email b
        seq 10 > f; echo d > doomed; git add -A; git commit -qm base
        git checkout -q --detach; sed -i s/^1$/one/ f; git commit -qam 'top line'
        mkdir new; echo n > new/n; git rm -q doomed; git add -A; git commit -qm 'more'
        git update-ref refs/kept HEAD; git checkout -q main""",
    )
    return Repo.discover(root)


def kept(repo: Repo) -> rescue_refs.Rescued:
    rescue_refs.keep(repo, "run-a", 7, [repo.line("rev-parse", "refs/kept")], why="head_moved: main")
    return rescued_work.find(repo, "run-a/session-0007")


def test_refs_are_numbered_listed_and_never_made_twice(repo: Repo) -> None:
    one, two = repo.line("rev-parse", "main"), repo.line("rev-parse", "refs/kept")
    assert rescue_refs.keep(repo, "run-a", 1, [one], why="") == ("refs/pitboss/rescue/run-a/session-0001",)
    names = ("refs/pitboss/rescue/run-a/session-0001", "refs/pitboss/rescue/run-a/session-0001-2")
    assert rescue_refs.keep(repo, "run-a", 1, [one, two, two], why="") == names
    rescue_refs.keep(repo, "run-b", 12, [two], why="")
    assert [(r.short_name, r.oid, r.subject) for r in rescue_refs.list_rescued(repo)] == [
        ("run-a/session-0001", one, "base"),
        ("run-a/session-0001-2", two, "more"),
        ("run-b/session-0012", two, "more"),
    ]
    assert [r.ref for r in rescue_refs.list_rescued(repo, "run-a")] == list(names)
    assert rescue_refs.list_rescued(repo, "run-a", 2) == ()


@pytest.mark.parametrize("nth", [1, 2, 10_000])
@pytest.mark.parametrize("seq", [0, 7, 9_999, 10_000])
def test_the_name_of_a_ref_says_whose_work_it_is(seq: int, nth: int) -> None:
    assert parse_rescue(rescue_ref("20261126T113855Z-c205", seq, nth)) == seq


def test_a_ref_that_somebody_else_named_says_nothing() -> None:
    for name in (
        "mine",
        "session-0001",
        "run-a/session-1",
        "run-a/session-0001-x",
        "run-a/session-0001/more",
    ):
        assert parse_rescue(name) is None


def test_a_first_ref_goes_beside_one_that_somebody_else_made(repo: Repo) -> None:
    one, two = repo.line("rev-parse", "main"), repo.line("rev-parse", "refs/kept")
    repo.git("update-ref", rescue_ref("run-a", 1, 1), one)
    assert rescue_refs.keep(repo, "run-a", 1, [two], why="", first=True) == (rescue_ref("run-a", 1, 2),)
    assert [r.oid for r in rescue_refs.list_rescued(repo, "run-a", 1)] == [one, two]


def test_the_reason_is_remembered_beside_the_ref(repo: Repo) -> None:
    assert rescue_refs.why_kept(repo, kept(repo).ref) == "head_moved: main"
    (ref,) = rescue_refs.keep(repo, "run-b", 1, [repo.line("rev-parse", "main")], why="")
    assert rescue_refs.why_kept(repo, ref) is None


def test_a_ref_is_found_by_a_unique_beginning(repo: Repo) -> None:
    found = kept(repo)
    rescue_refs.keep(repo, "run-b", 1, [found.oid], why="")
    assert rescued_work.find(repo, "run-a") == found
    assert rescued_work.find(repo, found.ref) == found
    with pytest.raises(CommandError, match=r"^run- may be any of run-a/session-0007, run-b/session-0001$"):
        rescued_work.find(repo, "run-")
    with pytest.raises(CommandError, match=r"^no rescue ref nope$"):
        rescued_work.find(repo, "nope")


def test_showing_a_ref_gives_its_commits_and_their_changes(repo: Repo) -> None:
    shown = rescued_work.show(repo, kept(repo)).decode()
    assert "    more\n" in shown
    assert "    top line\n" in shown
    assert "-1\n+one\n" in shown
    assert " 3 files changed, 2 insertions(+), 2 deletions(-)" in shown


def test_applying_merges_into_the_tree_and_commits_nothing(repo: Repo) -> None:
    found = kept(repo)
    sh(repo.root, "sed -i s/^10$/ten/ f; git commit -qam 'bottom line'")
    assert rescued_work.apply(repo, found) == rescued_work.Applied(changed=("doomed", "f", "new/n"))
    assert (repo.root / "f").read_text().split() == ["one", *map(str, range(2, 10)), "ten"]
    assert sh(repo.root, "git status --porcelain -uall") == "D doomed\n M f\n?? new/n"
    assert sh(repo.root, "git log -1 --format=%s") == "bottom line"


def test_conflicts_are_named_and_nothing_is_changed(repo: Repo) -> None:
    found = kept(repo)
    sh(repo.root, "sed -i s/^1$/uno/ f; git commit -qam 'other top'")
    assert rescued_work.apply(repo, found) == rescued_work.Applied(conflicts=("f",))
    assert sh(repo.root, "git status --porcelain") == ""


def test_applying_refuses_a_tree_that_is_not_clean(repo: Repo) -> None:
    found = kept(repo)
    (repo.root / "mine").write_text("mine")
    with pytest.raises(CommandError, match="the working tree is not clean"):
        rescued_work.apply(repo, found)


def test_an_ignored_file_in_the_way_is_not_overwritten(repo: Repo) -> None:
    found = kept(repo)
    sh(repo.root, "echo new > .git/info/exclude; mkdir new; echo precious > new/n")
    with pytest.raises(CommandError, match="would be overwritten"):
        rescued_work.apply(repo, found)
    assert (repo.root / "new/n").read_text() == "precious\n"
    assert sh(repo.root, "git status --porcelain") == ""


def test_only_commits_outside_what_is_kept_count(repo: Repo) -> None:
    main, tip = repo.line("rev-parse", "main"), repo.line("rev-parse", "refs/kept")
    parent = repo.line("rev-parse", "refs/kept~1")
    assert commits.outside(repo, [main, parent, tip], main) == [tip]
    assert commits.outside(repo, [parent], main, tip) == []
    assert commits.outside(repo, [], main) == []


@pytest.mark.parametrize(
    "subject", ["over\rwritten", "vertical\vtab", "form\ffeed", "next\x85line", "u\u2028v", "a\x1cb"]
)
def test_a_subject_may_hold_any_character_that_looks_like_the_end_of_a_line(repo: Repo, subject: str) -> None:
    tip = repo.commit_tree(repo.line("rev-parse", "HEAD^{tree}"), parent="HEAD", message=subject)
    rescue_refs.keep(repo, "a-run", 1, [tip], why="tried")
    assert [r.subject for r in rescue_refs.list_rescued(repo)] == [subject]


def test_a_commit_of_a_time_that_no_calendar_has_is_listed(repo: Repo) -> None:
    made = repo.git(
        "commit-tree", "HEAD^{tree}", "-m", "late", env={"GIT_COMMITTER_DATE": "@999999999999999 +0000"}
    )
    rescue_refs.keep(repo, "a-run", 1, [made.decode().strip()], why="tried")
    assert [r.subject for r in rescue_refs.list_rescued(repo)] == ["late"]
