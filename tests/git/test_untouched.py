"""A look without git says yes only where git would: any doubt is a no (SPEC 6)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.glance import Glances
from pitboss.git.index_entries import MOST_FILES
from pitboss.git.repo import Repo

if TYPE_CHECKING:
    from pathlib import Path

SETUP = """
git init -q -b main . && git config user.name Somebody && git config user.email some@body
mkdir -p src/deep && echo one >src/deep/one && echo two >two && ln -s two link && printf '*.log\\n' >.gitignore
git add -A && git commit -qm first
"""
LATER_S = 10
TOUCHED = {
    "an edit": "echo more >>two",
    "an edit of the same size, its time put back": 't=$(stat -c %y two); echo TWO >two; touch -d "$t" two',
    "another mode": "chmod +x two",
    "a new file": "echo new >src/new",
    "a new folder": "mkdir src/empty",
    "an ignored file": "echo log >src/a.log",
    "a file deleted": "rm two",
    "a folder deleted": "rm -r src",
    "a file replaced by a folder": "rm two; mkdir two",
    "a folder replaced by a link": "mv src/deep ../deep && ln -s ../../deep src/deep",
    "another link": "ln -sfn nowhere link",
    "a repository inside": "git init -q src/inner",
    "a staged edit": "echo more >>two; git add two",
    "a file taken out of the index": "git rm -q --cached two",
    "a path that git is not to look at": "git update-index --assume-unchanged two",
    "another format of index": "git update-index --index-version 4",
    "a conflict": "git checkout -q -b side; echo 1 >two; git commit -qam 1; git checkout -q main; echo 2 >two;"
    "git commit -qam 2; git merge -q side",
    "a submodule": "git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),sub; git commit -qm sub",
    "an index cut short": "head -c 100 .git/index >index && mv index .git/index",
    "no index": "rm .git/index",
    "a commit that only git can read": "git gc -q",
}


def sh(cwd: Path, script: str) -> str:
    done = subprocess.run(["sh", "-c", script], cwd=cwd, capture_output=True, check=False)
    return done.stdout.decode().strip()


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    root = tmp_path / "repo"
    root.mkdir()
    sh(root, SETUP)
    return Repo.discover(root)


@pytest.fixture
def before(repo: Repo) -> Glances:
    """What has looked at the tree as it was committed."""
    glances = Glances(repo)
    glances.is_untouched(repo.line("rev-parse", "HEAD"))
    return glances


def is_untouched(repo: Repo, before: Glances, revision: str = "HEAD") -> bool:
    """As seen at a first look, and at one that knows what the index held before."""
    commit = repo.line("rev-parse", revision)
    first = Glances(repo).is_untouched(commit)
    assert before.is_untouched(commit) == first
    return first


def write_index_at(repo: Repo, seconds: float) -> None:
    """Date the index, if there is one, so many seconds after the files."""
    index = repo.inside("index")
    if index.exists():
        at = os.stat(repo.root / ".gitignore").st_ctime_ns + int(seconds * 1e9)  # noqa: PTH116
        os.utime(index, ns=(at, at))


def test_a_tree_as_committed_is_untouched(repo: Repo, before: Glances) -> None:
    write_index_at(repo, LATER_S)
    assert is_untouched(repo, before)


@pytest.mark.parametrize("script", TOUCHED.values(), ids=TOUCHED)
def test_a_touched_tree_is_not(repo: Repo, before: Glances, script: str) -> None:
    sh(repo.root, script)
    write_index_at(repo, LATER_S)
    assert not is_untouched(repo, before)


def test_a_file_as_old_as_the_index_may_have_been_changed_after_git_read_it(
    repo: Repo, before: Glances
) -> None:
    write_index_at(repo, 0)
    assert not is_untouched(repo, before)


def test_another_commit_is_not_what_the_index_holds(repo: Repo, before: Glances) -> None:
    sh(repo.root, "echo more >>two; git commit -qam second")
    write_index_at(repo, LATER_S)
    assert is_untouched(repo, before)
    assert not is_untouched(repo, before, "HEAD^")


def test_many_files_are_left_to_git(repo: Repo, before: Glances) -> None:
    sh(repo.root, f"for n in $(seq {MOST_FILES}); do echo $n >many-$n; done; git add -A; git commit -qm many")
    write_index_at(repo, LATER_S)
    assert not is_untouched(repo, before)
