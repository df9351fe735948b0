"""Git hooks in the user's tree, as a fenced run keeps them (SPEC 13)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pitboss.errors import StorageError
from pitboss.git.repo import Repo
from pitboss.landing.kept_hooks import KeptHooks

HOOK = "#!/bin/sh\n. $(dirname $0)/../shared\n"


class Scene:
    """A repository whose hooks are in its tree, with a file beside them that they call."""

    def __init__(self, folder: Path, named: str) -> None:
        self.root, self.run = folder / "repo", folder / "run"
        self.root.mkdir()
        self.run.mkdir()
        for args in (("init", "-q", "-b", "main"), ("config", "core.hooksPath", named)):
            subprocess.run(("git", *args), cwd=self.root, check=True)
        self.repo = Repo(self.root, self.root / ".git", self.root / ".git")

    def hook(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def kept(self) -> KeptHooks:
        return KeptHooks(self.repo, self.run)


def test_git_runs_them_as_they_were_with_what_they_call(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "tools/hooks")
    ran = tmp_path / "ran"
    scene.hook("tools/hooks/pre-commit", HOOK)
    scene.hook("tools/shared", f"echo theirs >>{ran}\n")
    kept = scene.kept()
    kept.keep()
    for name in ("pre-commit", "post-commit"):
        scene.hook(f"tools/hooks/{name}", f"#!/bin/sh\necho evil >>{ran}\n")
    scene.hook("tools/shared", f"echo evil >>{ran}\n")
    scene.kept().keep()  # as a resumed run does
    assert kept.folder is not None
    repo = scene.repo.with_hooks(kept.folder)
    copy = repo.worktree(scene.root, scene.root / ".git", settings={"core.fsmonitor": "false"})
    for each in (repo, copy):
        each.git("commit", "--quiet", "--allow-empty", "-m", "one")
    assert ran.read_text() == "theirs\n" * 2
    assert oct((kept.folder / "pre-commit").stat().st_mode)[-3:] == "755"


def test_a_power_cut_leaves_no_copy_that_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, ".husky")
    scene.hook(".husky/pre-commit", HOOK)
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    scene.kept().keep()
    assert synced[-2:] == [f"{scene.run}/git-hooks.new/.husky/pre-commit", str(scene.run)]


@pytest.mark.parametrize("named", ["/elsewhere", ".", "../beside"])
def test_hooks_that_are_not_in_the_tree_stay_where_they_are(tmp_path: Path, named: str) -> None:
    scene = Scene(tmp_path, named)
    scene.kept().keep()
    assert scene.kept().folder is None
    assert list(scene.run.iterdir()) == []


def test_a_folder_that_is_not_there_yet_holds_no_hooks(tmp_path: Path) -> None:
    scene = Scene(tmp_path, ".husky")
    kept = scene.kept()
    kept.keep()
    scene.hook(".husky/pre-commit", "#!/bin/sh\nexit 1\n")
    assert kept.folder == scene.run / "git-hooks/.husky"
    scene.repo.with_hooks(kept.folder).git("commit", "--quiet", "--allow-empty", "-m", "one")


def test_hooks_that_cannot_be_copied_are_no_reason_to_go_without(tmp_path: Path) -> None:
    scene = Scene(tmp_path, ".husky")
    (scene.root / ".husky").mkdir()
    os.mkfifo(scene.root / ".husky/pipe")
    with pytest.raises(StorageError, match=r"cannot copy the git hooks in \.husky"):
        scene.kept().keep()
    assert scene.kept().folder is not None
