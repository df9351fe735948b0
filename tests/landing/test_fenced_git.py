"""What a session's sandbox has to know of git (SPEC 13)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.landing.fenced_git import FencedGit
from pitboss.store.paths import RunPaths
from tests.support.values import assigned

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("named", "kept"),
    [
        (".husky/_", [".husky"]),
        ("web/.husky/_", ["web/.husky"]),
        (".githooks", [".githooks"]),
        (".github/hooks", [".github/hooks"]),
        ("tools/hooks", ["tools/hooks"]),
        ("/elsewhere", []),
        ("../beside", []),
    ],
)
def test_hooks_in_the_tree_can_only_be_read_with_huskys_scripts_around_them(
    tmp_path: Path, named: str, kept: list[str]
) -> None:
    root = tmp_path / "repo"
    root.mkdir()
    for args in (("init", "-q", "-b", "main"), ("config", "core.hooksPath", named)):
        subprocess.run(("git", *args), cwd=root, check=True)
    ground, _ = FencedGit(Repo(root, root / ".git", root / ".git"), RunPaths(root, "r1")).of(assigned(1))
    assert list(ground.kept) == [str(root / name) for name in kept]


MADE = """git init -q -b main . && git config user.name Somebody && git config user.email some@body
mkdir -p .pitboss/prompts && echo '*' >.pitboss/.gitignore && echo chore >.pitboss/prompts/chore.md
git add -f .pitboss/prompts && git commit -qm first"""
AFTERWARDS = {
    "a session that changed something else": ("echo x >x; git add x; git commit -qm x", 1),
    "one that changed a file of it": ("echo y >.pitboss/prompts/chore.md; git commit -qam y", 2),
    "one that put a file into it": ("echo y >.pitboss/new; git add -f .pitboss/new; git commit -qm new", 2),
    "one that took it out": ("git rm -qr .pitboss/prompts; git commit -qm gone", 2),
    "a repository that was packed": ("git gc -q", 1),
    "a commit in a pack": ("echo x >x; git add x; git commit -qm x; git gc -q", 2),
}


@pytest.mark.parametrize(("script", "lists"), AFTERWARDS.values(), ids=AFTERWARDS)
def test_what_git_tracks_of_pitbosss_folder_is_listed_again_only_if_it_may_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, lists: int
) -> None:
    def sh(line: str) -> str:
        return subprocess.run(
            ("sh", "-ec", line), cwd=root, check=True, capture_output=True, text=True
        ).stdout

    root = tmp_path / "repo"
    root.mkdir()
    sh(MADE)
    traces = tmp_path / "traces"
    traces.mkdir()
    (tmp_path / "gitconfig").write_text(f"[trace2]\n\teventTarget = {traces}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    git = FencedGit(Repo.discover(root), RunPaths(root, "r1"))
    for line in (":", script):
        sh(line)
        _, seen = git.of(assigned(1, base_commit=sh("git rev-parse HEAD").strip()))
        assert seen == tuple(filter(None, sh("git ls-files .pitboss").splitlines()))
    calls = "".join(trace.read_text() for trace in traces.iterdir())
    assert calls.count('"name":"ls-tree"') == lists
