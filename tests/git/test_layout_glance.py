"""A glance at a git directory calls nothing sound that a closer look would mend."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pitboss.git.layout_glance import MOST_BYTES, LayoutGlance


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    (tmp_path / "refs" / "heads").mkdir(parents=True)
    (tmp_path / "worktrees" / "one").mkdir(parents=True)
    for name in ("index", "worktrees/one/HEAD"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def glance(git_dir: Path) -> LayoutGlance:
    folders = (str(git_dir / name) for name in ("refs", "refs/heads", "logs"))
    files = (str(git_dir / name) for name in ("index", "packed-refs", "logs/HEAD"))
    return LayoutGlance(folders, files, str(git_dir / "worktrees"), ("HEAD", "index"))


def _link(path: Path) -> None:
    kept = path.rename(path.with_name("elsewhere"))
    path.symlink_to(kept)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _file_for_a_folder(path: Path) -> None:
    path.rmdir()
    path.write_bytes(b"")


def _large(path: Path) -> None:
    os.truncate(path, MOST_BYTES + 1)


def test_what_git_left_is_sound_and_so_is_what_it_has_not_made_yet(git_dir: Path) -> None:
    assert glance(git_dir).is_sound()
    (git_dir / "worktrees" / "one" / "HEAD").unlink()
    assert glance(git_dir).is_sound()


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("refs", _link),
        ("refs/heads", _link),
        ("refs/heads", _file_for_a_folder),
        ("refs", lambda path: path.chmod(0o500)),
        ("index", _link),
        ("index", _pipe),
        ("index", _large),
        ("index", lambda path: path.chmod(0o400)),
        ("packed-refs", Path.mkdir),
        ("logs", Path.touch),
        ("worktrees/one", _link),
        ("worktrees/one", lambda path: path.chmod(0o500)),
        ("worktrees/one/HEAD", _pipe),
        ("worktrees/one/HEAD", _large),
        ("worktrees/one/index", os.mkfifo),
    ],
)
def test_harm_is_not_sound(git_dir: Path, name: str, harm: Callable[[Path], object]) -> None:
    harm(git_dir / name)
    assert not glance(git_dir).is_sound()
