"""A linked working tree that is registered without git is one to git (SPEC 6)."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.linked_worktree import forget_worktree, link_worktree
from pitboss.git.repo import Repo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REASON = "being made"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    root = tmp_path / "repo"
    root.mkdir()
    sh(root, "git init -q -b main . && echo one >one && git add -A")
    sh(root, "git -c user.name=a -c user.email=a@b commit -qm first")
    return Repo.discover(root)


def sh(cwd: Path, script: str) -> str:
    return subprocess.run(["sh", "-ec", script], cwd=cwd, capture_output=True, check=True).stdout.decode()


def test_git_lists_it_checks_it_out_and_removes_it(repo: Repo, tmp_path: Path) -> None:
    place, head = tmp_path / "place", repo.line("rev-parse", "HEAD")
    assert link_worktree(repo, place, head, reason=REASON)
    listed = sh(repo.root, "git worktree list --porcelain").split("\n\n")[1].splitlines()
    assert listed == [f"worktree {place}", f"HEAD {head}", "detached", f"locked {REASON}"]
    sh(place, "git checkout -q -b side main --")
    assert (place / "one").read_text() == "one\n"
    assert sh(place, "git status --porcelain --branch") == "## side\n"
    sh(repo.root, f"git worktree unlock {place}; git worktree remove {place}")
    assert not list((repo.common_dir / "worktrees").glob("*"))


@pytest.fixture
def grave(tmp_path: Path) -> Iterator[int]:
    """A folder for what is to be deleted."""
    (tmp_path / "grave").mkdir()
    opened = os.open(tmp_path / "grave", os.O_RDONLY)
    yield opened
    os.close(opened)


def test_git_forgets_one_and_knows_the_other(repo: Repo, tmp_path: Path, grave: int) -> None:
    places, folder = [tmp_path / "one", tmp_path / "two"], repo.common_dir / "worktrees"
    for place in places:
        assert link_worktree(repo, place, repo.line("rev-parse", "HEAD"), reason=REASON)
    linked = [repo.worktree(place, folder / place.name, settings={}) for place in places]
    shutil.rmtree(places[0])
    assert forget_worktree(linked[0], grave)
    listed = sh(repo.root, "git worktree list --porcelain").splitlines()
    assert [line for line in listed if line.startswith("worktree ")] == [
        f"worktree {repo.root}",
        f"worktree {places[1]}",
    ]
    shutil.rmtree(places[1])
    assert forget_worktree(linked[1], grave)
    assert not folder.exists()
    assert link_worktree(repo, places[0], repo.line("rev-parse", "HEAD"), reason=REASON)
    assert sh(places[0], "git rev-parse --is-inside-work-tree") == "true\n"


def test_nothing_is_forgotten_behind_a_link(repo: Repo, tmp_path: Path, grave: int) -> None:
    place, folder = tmp_path / "one", repo.common_dir / "worktrees"
    assert link_worktree(repo, place, repo.line("rev-parse", "HEAD"), reason=REASON)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    worktree = repo.worktree(place, folder / place.name, settings={})
    assert not forget_worktree(worktree, grave)
    assert (tmp_path / "elsewhere" / place.name / "gitdir").exists()
    folder.unlink()
    assert not forget_worktree(worktree, grave)


def test_what_only_git_can_make_is_left_to_git(repo: Repo, tmp_path: Path) -> None:
    place, head = tmp_path / "place", repo.line("rev-parse", "HEAD")
    (repo.common_dir / "worktrees" / place.name).mkdir(parents=True)
    assert not link_worktree(repo, place, head, reason=REASON)
    sh(repo.root, "git config core.repositoryFormatVersion 1; git config extensions.worktreeConfig true")
    assert not link_worktree(repo, tmp_path / "other", head, reason=REASON)
    config = repo.common_dir / "config"
    config.rename(tmp_path / "config")
    config.symlink_to(tmp_path / "config")
    assert not link_worktree(repo, tmp_path / "other", head, reason=REASON)
    assert not place.exists()
    assert not (tmp_path / "other").exists()


def test_a_sparse_tree_is_left_to_git_which_copies_its_patterns(repo: Repo, tmp_path: Path) -> None:
    sh(
        repo.root,
        "git config core.sparseCheckout true; mkdir -p .git/info; echo /one >.git/info/sparse-checkout",
    )
    assert not link_worktree(repo, tmp_path / "place", repo.line("rev-parse", "HEAD"), reason=REASON)
    assert not (tmp_path / "place").exists()


def test_nothing_is_written_over(repo: Repo, tmp_path: Path) -> None:
    place, head = tmp_path / "place", repo.line("rev-parse", "HEAD")
    place.mkdir()
    (place / "work").write_text("work\n")
    with pytest.raises(FileExistsError):
        link_worktree(repo, place, head, reason=REASON)
    assert [entry.name for entry in place.iterdir()] == ["work"]
