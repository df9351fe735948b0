"""Git works where it is told to, whatever the repository says by now (SPEC 1.6)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.commit_calls import commit
from pitboss.git.repo import Repo

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *args: str) -> str:
    return subprocess.run(("git", *args), cwd=folder, check=True, capture_output=True).stdout.decode().strip()


def born(root: Path) -> Path:
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "user.name", "u")
    git(root, "config", "user.email", "u@local")
    (root / "file").write_text("one\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    return root


@pytest.fixture(params=["plain", "linked", "submodule", "separate"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A working tree of each kind there is."""
    plain = born(tmp_path / "plain")
    match request.param:
        case "linked":
            git(plain, "worktree", "add", "-q", "-b", "side", "../linked")
        case "submodule":
            allow = ("-c", "protocol.file.allow=always")
            git(born(tmp_path / "outer"), *allow, "submodule", "--quiet", "add", str(plain), "submodule")
            return tmp_path / "outer/submodule"
        case "separate":
            git(tmp_path, "clone", "-q", "--separate-git-dir", "elsewhere.git", "plain", "separate")
    return tmp_path / str(request.param)


HOSTILE = [
    ("config", "core.worktree", "{elsewhere}"),
    ("config", "core.bare", "true"),
    ("config", "include.path", "{elsewhere}/config"),
]


@pytest.mark.parametrize("args", HOSTILE, ids=lambda args: args[1])
def test_a_tree_of_any_kind_stays_where_it_was_found(
    root: Path, tmp_path: Path, args: tuple[str, ...]
) -> None:
    elsewhere = tmp_path / "beside"
    elsewhere.mkdir()
    (elsewhere / "config").write_text(f"[core]\n\tworktree = {elsewhere}\n")
    (elsewhere / "file").write_text("precious\n")
    repo = Repo.discover(root)
    git(root, *(arg.format(elsewhere=elsewhere) for arg in args))
    (root / "file").write_text("two\n")
    assert repo.status().few_paths == ("file",)
    repo.git("checkout-index", "-f", "-a")
    assert (root / "file").read_text() == "one\n"
    assert (elsewhere / "file").read_text() == "precious\n"


def test_a_hook_sees_of_the_repository_what_git_lets_it_see(root: Path, tmp_path: Path) -> None:
    repo = Repo.discover(root)
    hook = repo.common_dir / "hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\nenv | grep -E "^GIT_(DIR|WORK_TREE|COMMON_DIR)=" | sort >{tmp_path}/seen\n')
    hook.chmod(0o755)
    git(
        root,
        "-c",
        "user.name=u",
        "-c",
        "user.email=u@local",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "by hand",
    )
    by_hand = (tmp_path / "seen").read_text()
    (root / "file").write_text("two\n")
    repo.git("add", "-A")
    assert commit(repo, "by pitboss").code == 0
    assert (tmp_path / "seen").read_text() == by_hand


def test_a_folder_that_leads_to_a_repository_elsewhere_is_none_of_ours(tmp_path: Path) -> None:
    repo = Repo.discover(born(tmp_path / "repo"))
    theirs = born(tmp_path / "theirs")
    born(repo.root / "own")
    (repo.root / "plain").mkdir()
    (repo.root / "led").mkdir()
    (repo.root / "led/.git").write_text(f"gitdir: {theirs}/.git\n")
    inner = {name: repo.inner(name) for name in ("own", "plain", "led")}
    assert {name: found and found.root for name, found in inner.items()} == {
        "own": repo.root / "own",
        "plain": None,
        "led": None,
    }
