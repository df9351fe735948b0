"""Refs change all or none, also by a git that is kept running, and whatever becomes of that."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from pitboss.git.errors import GitError
from pitboss.git.locks import LockScope, remove_stale_locks
from pitboss.git.ref_changes import change_refs, drop_if_symbolic, keep_changing
from pitboss.git.repo import Repo
from tests.support.processes import leave_out_children, living_children

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE, TWO = "refs/pitboss/one", "refs/pitboss/two"


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repo]:
    """A repository with one commit, in which the user's hook refuses every change of a ref."""
    script = """git init -q; git -c user.name=a -c user.email=b commit -q --allow-empty -m base
    printf '#!/bin/sh\\nexit 1\\n' > .git/hooks/reference-transaction; chmod +x .git/hooks/reference-transaction"""
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, check=True, capture_output=True)
    leave_out_children()
    found = Repo.discover(tmp_path)
    kept = keep_changing(found)
    yield found
    kept.close()


def there(repo: Repo) -> list[str]:
    return repo.git("for-each-ref", "--format=%(refname)", "refs/pitboss").decode().split()


def test_one_git_makes_one_change_after_another(repo: Repo) -> None:
    tip = repo.line("rev-parse", "HEAD")
    change_refs(repo, [f"create {ONE} {tip}"])
    child = living_children()
    change_refs(repo, [f"create {TWO} {tip}", f"delete {ONE} {tip}"])
    assert (living_children(), len(child), there(repo)) == (child, 1, [TWO])
    change_refs(repo, [])
    assert repo.kept_refs is not None
    repo.kept_refs.close()
    assert living_children() == []


def test_what_git_refuses_changes_nothing_and_git_says_why(repo: Repo) -> None:
    tip = repo.line("rev-parse", "HEAD")
    change_refs(repo, [f"create {ONE} {tip}"])
    with pytest.raises(GitError) as refused:
        change_refs(repo, [f"create {TWO} {tip}", f"create {ONE} {tip}"])
    assert "reference already exists" in refused.value.stderr
    assert there(repo) == [ONE]
    change_refs(repo, [f"delete {ONE} {tip}"])
    assert there(repo) == []


@pytest.mark.parametrize("order", ["update {ref} {new} {tip}", "delete {ref} {tip}"])
@pytest.mark.parametrize("is_kept", [True, False], ids=["git is kept", "git is started"])
def test_a_ref_that_stands_for_another_is_changed_and_the_other_is_not(
    repo: Repo, order: str, *, is_kept: bool
) -> None:
    tip = repo.line("rev-parse", "HEAD")
    new = repo.commit_tree(f"{tip}^{{tree}}", parent=tip, message="new")
    if not is_kept:
        repo.kept_refs = None
    change_refs(repo, [f"create {TWO} {tip}"])
    (repo.common_dir / ONE).write_text(f"ref: {TWO}\n")
    change_refs(repo, [order.format(ref=ONE, tip=tip, new=new)])
    assert repo.commit_id(TWO) == tip
    assert repo.commit_id(ONE) == (new if order.startswith("update") else None)


def test_only_a_ref_that_stands_for_another_is_dropped_as_one(repo: Repo) -> None:
    tip = repo.line("rev-parse", "HEAD")
    change_refs(repo, [f"create {TWO} {tip}"])
    (repo.common_dir / ONE).write_text("ref: refs/pitboss/nothing\n")
    for ref in (ONE, TWO, "refs/pitboss/never-made"):
        drop_if_symbolic(repo, ref)
    assert [path.name for path in (repo.common_dir / "refs/pitboss").iterdir()] == ["two"]


def test_a_git_that_was_killed_is_started_again(repo: Repo) -> None:
    tip = repo.line("rev-parse", "HEAD")
    change_refs(repo, [f"create {ONE} {tip}"])
    (child,) = living_children()
    os.kill(child, signal.SIGKILL)
    change_refs(repo, [f"create {TWO} {tip}"])
    assert there(repo) == [ONE, TWO]


def test_without_one_that_is_kept_git_is_started_for_each_change(repo: Repo) -> None:
    repo.kept_refs = None
    tip = repo.line("rev-parse", "HEAD")
    change_refs(repo, [f"create {ONE} {tip}"])
    assert (there(repo), living_children()) == ([ONE], [])


def pretend(folder: Path, repo: Repo, monkeypatch: pytest.MonkeyPatch, when_asked: str) -> None:
    """Put a script in the place of git that runs `when_asked` when it is to prepare a change."""
    (folder / "bin").mkdir()
    script = folder / "bin" / "git"
    script.write_text(
        f"#!/bin/sh\nwhile read -r line; do case $line in\nprepare) {when_asked};;\n"
        "commit) echo 'commit: ok';;\nesac; done\n"
    )
    script.chmod(0o755)
    monkeypatch.setitem(repo.pinned, "PATH", f"{folder / 'bin'}:{os.environ['PATH']}")


def test_nobody_knows_what_became_of_a_change_in_whose_middle_git_died(
    tmp_path: Path, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, repo, monkeypatch, "echo 'prepare: ok'; exit")
    tip = repo.line("rev-parse", "HEAD")
    dying = keep_changing(repo)
    with pytest.raises(GitError, match="in the middle"):
        change_refs(repo, [f"create {ONE} {tip}"])
    dying.close()


def test_nobody_takes_its_locks_for_those_of_a_dead_git(
    tmp_path: Path, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / ".git" / "packed-refs.lock"
    waits = f"touch {lock}; sleep 0.5; test -e {lock} || exit; rm {lock}; echo 'prepare: ok'"
    pretend(tmp_path, repo, monkeypatch, waits)
    slow = keep_changing(repo)
    done: list[bool] = []
    change = Thread(target=lambda: done.append(slow.change(f"create {ONE} {'1' * 40}\n")))
    change.start()
    while not lock.exists():
        time.sleep(0.01)
    assert remove_stale_locks(repo, LockScope(branch="main", worktrees=tmp_path / "none"), wait_s=0.0) == ()
    change.join()
    slow.close()
    assert done == [True]
    lock.touch()
    assert remove_stale_locks(repo, LockScope(branch="main", worktrees=tmp_path / "none")) == (lock,)
