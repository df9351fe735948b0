"""The user's checkout goes to another branch whole or not at all, and nothing that is in no commit is lost (SPEC 8)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.errors import StartError
from pitboss.git.errors import GitError
from pitboss.git.repo import Repo
from pitboss.git.switch import HeadPosition, Prospect, Switch

if TYPE_CHECKING:
    from pathlib import Path

# `main` and `run` differ in a changed, an added and a deleted file, a folder over a file and a file over a folder.
SCENE = """
git init -q -b main . && git config user.name u && git config user.email u@local
echo '*.out' >.gitignore; echo old >changed; echo gone >deleted; mkdir folder deep; echo a >folder/a; echo f >file
echo d >deep/only-here
git add -A && git commit -qm main && git checkout -q -b run
echo new >changed; git rm -q deleted folder/a file deep/only-here; mkdir file; echo b >file/b; echo x >folder
echo added >added; git add -A && git commit -qm run
"""


class Ground:
    """The two branches, `run` checked out."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.root = root
        self.sh(SCENE)
        self.repo = Repo.discover(root)
        self.note = root / ".git/note"
        self.switch = Switch(self.repo, self.note)
        self.main = self.spot("main")
        self.run = self.spot("run")

    def sh(self, script: str) -> str:
        done = subprocess.run(["sh", "-ec", script], cwd=self.root, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def spot(self, name: str) -> HeadPosition:
        found = HeadPosition.named(self.repo, name)
        assert found is not None
        return found

    def where(self) -> tuple[str, str]:
        """What HEAD is on, and git's status."""
        return (self.sh("git symbolic-ref --short HEAD || git rev-parse HEAD"), self.sh("git status -s"))


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path / "repo")


def test_there_and_back(ground: Ground) -> None:
    assert ground.switch.obstacle(ground.main) is None
    ground.switch.to(ground.main)
    assert ground.where() == ("main", "")
    assert not ground.switch.is_cut_short()
    ground.switch.to(HeadPosition(commit=ground.run.commit))
    assert ground.where() == (ground.run.commit, "")
    ground.switch.to(ground.main)
    assert ground.where() == ("main", "")


def test_between_branches_at_one_commit_only_head_moves(ground: Ground) -> None:
    ground.sh("git branch twin; touch changed")
    ground.switch.to(ground.spot("twin"))
    assert ground.where() == ("twin", "")


def test_a_file_that_only_looks_changed_is_no_obstacle(ground: Ground) -> None:
    ground.sh("touch -d '2001-01-01' changed added")
    assert ground.switch.to(ground.main)
    assert ground.where() == ("main", "")


@pytest.mark.parametrize("refs", ["git pack-refs --all", "git checkout -q --detach"])
def test_there_and_back_if_the_files_of_the_branches_do_not_tell(ground: Ground, refs: str) -> None:
    ground.sh(refs)
    main = HeadPosition.named(ground.repo, "main")
    assert main == ground.main
    assert ground.switch.obstacle(ground.main) is None
    ground.switch.to(ground.main)
    assert ground.where() == ("main", "")


@pytest.mark.parametrize(
    ("script", "may"),
    [
        ("true", False),
        ("echo '*.log' >>.gitignore", True),
        ("mkdir d; echo '* -text' >d/.gitattributes", True),
        (
            "git init -q inner; git -C inner -c user.name=u -c user.email=u@local commit -q --allow-empty -m i",
            True,
        ),
    ],
)
def test_a_switch_may_reveal_files_if_it_changes_rules_or_leaves_a_repository_behind(
    ground: Ground, script: str, *, may: bool
) -> None:
    ground.sh(f"{script}; git add -A 2>/dev/null; git commit -q --allow-empty -m more")
    assert ground.switch.begin_look(ground.main)().may_reveal is may


def test_git_is_not_silent_about_a_repository_that_it_leaves_behind(ground: Ground) -> None:
    ground.sh(
        "git init -q inner; git -C inner -c user.name=u -c user.email=u@local commit -q --allow-empty -m i"
    )
    ground.sh("git add -A 2>/dev/null; git commit -q -m more")
    assert not ground.switch.to(ground.main)
    assert ground.where() == ("main", "?? inner/")


def test_a_switch_to_the_commit_that_is_checked_out_meets_nothing(ground: Ground) -> None:
    ground.sh("git branch twin")
    found = ground.switch.begin_look(ground.spot("twin"))()
    assert found == Prospect(obstacle=None, may_reveal=False)


def test_a_commit_that_is_gone_cannot_be_looked_at(ground: Ground) -> None:
    with pytest.raises(GitError):
        ground.switch.obstacle(HeadPosition(commit="1" * 40))


@pytest.mark.parametrize(
    ("script", "obstacle"),
    [
        ("git worktree add -q ../other main", "main is checked out in "),
        ("git update-ref REVERT_HEAD HEAD", "a revert is in progress"),
        (
            "echo precious >deleted; echo deleted >>.git/info/exclude",
            "deleted, which git ignores, would be overwritten",
        ),
        ("mkdir deleted; echo 1 >deleted/x.out", "deleted/x.out, which git ignores, would be overwritten"),
        ("echo 1 >file/x.out", "file/x.out, which git ignores, would be overwritten"),
        (
            "echo precious >deep; echo deep >>.git/info/exclude",
            "deep, which git ignores, would be overwritten",
        ),
    ],
)
def test_what_keeps_a_checkout_from_going(ground: Ground, script: str, obstacle: str) -> None:
    ground.sh(script)
    found = ground.switch.obstacle(ground.main)
    assert found is not None
    assert found.startswith(obstacle)


def test_edits_that_are_in_the_way_are_a_refusal_and_nothing_moves(ground: Ground) -> None:
    ground.sh("echo mine >changed")
    with pytest.raises(StartError, match="cannot check out"):
        ground.switch.to(ground.main)
    assert ground.where() == ("run", "M changed")
    assert (ground.root / "changed").read_text() == "mine\n"


CUT_SHORT = {
    "before anything": "true",
    "some files": "echo old >changed; echo gone >deleted; rm added",
    "a file half written": "printf ol >changed",
    "an empty file": ": >deleted",
    "a file that git has removed to write it again": "rm changed",
    "folders": "rm -r file; echo f >file; rm folder; mkdir folder; echo a >folder/a",
    "all files": "git --work-tree=. checkout -q main -- . && git rm -q --cached added && rm added && git reset -q",
    "files and index": "git read-tree -m -u run main",
}


def cut_short(ground: Ground, moment: str) -> None:
    """Leave what a switch to `main` leaves that dies at the moment."""
    ground.note.write_text(f"{ground.run.commit} {ground.main.commit}\n")
    ground.sh(moment)


@pytest.mark.parametrize("moment", CUT_SHORT.values(), ids=CUT_SHORT)
def test_a_switch_that_is_cut_short_is_taken_back(ground: Ground, moment: str) -> None:
    cut_short(ground, moment)
    assert ground.switch.is_cut_short()
    assert ground.switch.explains()
    ground.switch.undo()
    assert ground.where() == ("run", "")
    assert not ground.switch.is_cut_short()
    assert ground.sh("git diff run") == ""


def test_one_that_had_moved_head_is_over(ground: Ground) -> None:
    ground.switch.to(ground.main)
    ground.note.write_text(f"{ground.run.commit} {ground.main.commit}\n")
    ground.switch.undo()
    assert ground.where() == ("main", "")
    assert not ground.switch.is_cut_short()


@pytest.mark.parametrize("edit", ["echo mine >changed", "echo mine >new-file", "echo mine >deleted"])
def test_what_somebody_changed_since_is_left_alone(ground: Ground, edit: str) -> None:
    cut_short(ground, f"{CUT_SHORT['some files']}; {edit}")
    before = ground.where()
    assert not ground.switch.explains()
    ground.switch.undo()
    assert ground.where() == before
    assert ground.switch.is_cut_short()


@pytest.mark.parametrize("note", ["", "garbage", "a b c", "0" * 40 + " " + "1" * 40])
def test_a_note_that_says_nothing_explains_nothing(ground: Ground, note: str) -> None:
    ground.note.write_text(note)
    ground.sh("echo mine >changed")
    assert not ground.switch.explains()
    ground.switch.undo()
    assert ground.where() == ("run", "M changed")


def test_what_a_user_means_by_a_revision(ground: Ground) -> None:
    ground.sh("git tag v1 main")
    assert HeadPosition.of(ground.repo, "main") == ground.main
    assert HeadPosition.of(ground.repo, "v1") == HeadPosition(commit=ground.main.commit)
    assert HeadPosition.of(ground.repo, "run~1") == HeadPosition(commit=ground.main.commit)
    assert HeadPosition.of(ground.repo, "no-such") is None
    assert HeadPosition.of(ground.repo, "--help") is None
    assert HeadPosition.named(ground.repo, ground.main.commit) == HeadPosition(commit=ground.main.commit)
    assert HeadPosition.named(ground.repo, "v1") is None
