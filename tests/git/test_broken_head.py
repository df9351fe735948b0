"""A HEAD on a commit that git cannot read, or not all of, is put back, and no other (SPEC 1.2, 1.8)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.broken_head import head_is_whole, put_head_back
from pitboss.git.repo import Repo

if TYPE_CHECKING:
    from pathlib import Path

SETUP = """git init -q -b main; git config user.name a; git config user.email b; echo base >file; git add file
git commit -qm base; git branch other; git checkout -q -b own; echo own >file; git commit -qam own"""
FILE_OF = "o=$(git rev-parse {}); f=.git/objects/$(echo $o | cut -c1-2)/$(echo $o | cut -c3-)"
BROKEN = {
    "its commit is gone": f"{FILE_OF.format('HEAD')}; rm -f $f",
    "its commit is empty": f"{FILE_OF.format('HEAD')}; chmod u+w $f; : >$f",
    "its tree is gone": f"{FILE_OF.format('HEAD^{tree}')}; rm -f $f",
    "its commit is none": "echo x | git hash-object -t commit -w --stdin --literally >.git/refs/heads/own",
}


def sh(folder: Path, script: str) -> str:
    return subprocess.run(["sh", "-ec", script], cwd=folder, check=True, capture_output=True).stdout.decode()


@pytest.fixture
def base(tmp_path: Path) -> str:
    """A repository on the branch `own`, one commit after the one that is returned."""
    sh(tmp_path, SETUP)
    return sh(tmp_path, "git rev-parse main").strip()


@pytest.mark.parametrize("breaking", BROKEN.values(), ids=BROKEN)
def test_a_broken_branch_goes_back_to_the_base_and_files_stay(
    tmp_path: Path, base: str, breaking: str
) -> None:
    sh(tmp_path, breaking)
    assert put_head_back(Repo.discover(tmp_path), "own", base)
    assert sh(tmp_path, "git rev-parse --symbolic-full-name HEAD own; git rev-parse HEAD").split() == [
        "refs/heads/own",
        "refs/heads/own",
        base,
    ]
    assert (tmp_path / "file").read_text() == "own\n"


def test_from_a_broken_place_head_goes_back_to_the_branch_that_is_sound(tmp_path: Path, base: str) -> None:
    own = sh(tmp_path, "git rev-parse own").strip()
    sh(tmp_path, "o=$(echo x | git hash-object -t commit -w --stdin --literally); echo $o >.git/HEAD")
    assert put_head_back(Repo.discover(tmp_path), "own", base)
    assert sh(tmp_path, "git symbolic-ref HEAD; git rev-parse HEAD").split() == ["refs/heads/own", own]


def test_a_branch_of_the_users_that_is_broken_stays_as_it_is(tmp_path: Path, base: str) -> None:
    sh(tmp_path, f"git checkout -q other; git commit -qm other --allow-empty; {BROKEN['its commit is gone']}")
    was = (tmp_path / ".git/refs/heads/other").read_text()
    assert put_head_back(Repo.discover(tmp_path), "own", base)
    assert sh(tmp_path, "git symbolic-ref HEAD").strip() == "refs/heads/own"
    assert (tmp_path / ".git/refs/heads/other").read_text() == was


@pytest.mark.parametrize("doing", ["true", "git checkout -q --orphan void", "git checkout -q --detach"])
def test_a_head_that_git_can_read_or_that_names_nothing_stays(tmp_path: Path, base: str, doing: str) -> None:
    sh(tmp_path, doing)
    was = (tmp_path / ".git/HEAD").read_text()
    assert not put_head_back(Repo.discover(tmp_path), "own", base)
    assert (tmp_path / ".git/HEAD").read_text() == was


def test_without_a_base_that_can_be_read_nothing_changes(tmp_path: Path, base: str) -> None:
    sh(tmp_path, f"{BROKEN['its commit is gone']}; {FILE_OF.format(base)}; rm -f $f")
    was = (tmp_path / ".git/refs/heads/own").read_text()
    assert not put_head_back(Repo.discover(tmp_path), "own", base)
    assert (tmp_path / ".git/refs/heads/own").read_text() == was


MORE = """mkdir -p a/b; echo deep >a/b/file; ln -s file a/link; echo odd >"a/$(printf 'new\\nline')"; git add -A
git commit -qm more; echo last >last; git add last; git commit -qm last"""
BREAK = {"gone": "rm -f $f", "empty": "chmod u+w $f; : >$f", "garbage": "chmod u+w $f; echo garbage >$f"}


def test_what_a_partial_clone_has_not_fetched_is_not_lost(tmp_path: Path) -> None:
    remote, clone = tmp_path / "remote", tmp_path / "clone"
    remote.mkdir()
    sh(remote, f"{SETUP}; git config uploadpack.allowFilter true; echo later >file; git commit -qam later")
    sh(tmp_path, f"git clone -q --filter=blob:none -b main file://{remote} clone")
    sh(
        clone,
        "git config user.name a; git config user.email b; git checkout -q -b own; git merge -q origin/own",
    )
    base, head = sh(clone, "git rev-parse main HEAD").split()
    remote.rename(tmp_path / "away")
    assert "?" in sh(clone, "git rev-list --objects --missing=print HEAD")
    assert head_is_whole(Repo.discover(clone), "own", base=base, head=head)
    assert sh(clone, "git symbolic-ref HEAD; git rev-parse HEAD").split() == ["refs/heads/own", head]

    sh(
        clone,
        f"echo mine >mine; git add mine; git commit -qm mine; {FILE_OF.format('HEAD:mine')}; chmod u+w $f; : >$f",
    )
    head = sh(clone, "git rev-parse HEAD").strip()
    assert head_is_whole(Repo.discover(clone), "own", base=base, head=head)
    assert sh(clone, "git cat-file -p HEAD:mine") == "mine\n"


def _whole(folder: Path, base: str) -> bool:
    head = sh(folder, "git rev-parse HEAD").strip()
    return head_is_whole(Repo.discover(folder), "own", base=base, head=head)


@pytest.mark.parametrize("breaking", BREAK.values(), ids=BREAK)
@pytest.mark.parametrize("lost", ["HEAD:a/b/file", "HEAD:a", "HEAD:a/b", "HEAD:last"])
def test_what_git_has_lost_is_written_again_from_files_that_hold_it(
    tmp_path: Path, base: str, lost: str, breaking: str
) -> None:
    sh(tmp_path, MORE)
    head = sh(tmp_path, "git rev-parse HEAD")
    sh(tmp_path, f"{FILE_OF.format(lost)}; {breaking}")
    assert _whole(tmp_path, base)
    assert sh(tmp_path, "git rev-parse HEAD") == head
    assert "missing" not in sh(tmp_path, "git fsck --no-dangling 2>&1")
    assert sh(tmp_path, "git status --porcelain; find .git -name '*.lost' -o -name 'pitboss*'") == ""


@pytest.mark.parametrize("breaking", BREAK.values(), ids=BREAK)
@pytest.mark.parametrize("lost", ["HEAD~1:", "HEAD:a/link", "\"HEAD:a/$(printf 'new\\nline')\""])
def test_a_branch_that_stays_broken_goes_back_to_the_base_and_files_stay(
    tmp_path: Path, base: str, lost: str, breaking: str
) -> None:
    sh(tmp_path, f"{MORE}; {FILE_OF.format(lost)}; {breaking}")
    assert not _whole(tmp_path, base)
    assert sh(tmp_path, "git symbolic-ref HEAD; git rev-parse HEAD").split() == ["refs/heads/own", base]
    assert (tmp_path / "a/b/file").read_text() == "deep\n"


@pytest.mark.parametrize(
    "doing", ["true", "git checkout -q other; git commit -q --allow-empty -m o", "echo new >file"]
)
def test_a_head_that_git_can_read_whole_stays(tmp_path: Path, base: str, doing: str) -> None:
    sh(tmp_path, doing)
    was = sh(tmp_path, "cat .git/HEAD; git for-each-ref; git diff-index -p HEAD")
    assert _whole(tmp_path, base)
    assert sh(tmp_path, "cat .git/HEAD; git for-each-ref; git diff-index -p HEAD") == was
