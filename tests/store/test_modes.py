"""Permissions are given back to what lacks them, and to nothing that takes its place (SPEC 1.6)."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from pitboss.store.modes import permit, permit_all
from tests.support.disk import open_descriptors

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def files_only(mode: int, _path: str) -> int:
    return 0o600 if stat.S_ISREG(mode) else 0


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file of the user's that nobody may use."""
    file = tmp_path / "precious"
    file.touch(0o000)
    return file


def test_only_what_is_missing_is_added(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(0o440)
    assert permit(file, files_only)
    assert mode(file) == 0o640
    assert not permit(file, files_only)
    assert not permit(tmp_path / "missing", files_only)


def test_a_link_is_not_followed(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "link").symlink_to(precious)
    assert not permit(tmp_path / "link", lambda *_: 0o777)
    assert mode(precious) == 0


@pytest.mark.parametrize("kind", ["link", "file", "nothing"])
def test_what_takes_its_place_after_the_look_stays_as_it_is(
    tmp_path: Path, precious: Path, kind: str
) -> None:
    file = tmp_path / "file"
    file.touch(0o000)

    def swapped(*_: object) -> int:
        file.rename(tmp_path / "moved")
        if kind == "link":
            file.symlink_to(precious)
        elif kind == "file":
            os.link(precious, file)
        return 0o600

    before = open_descriptors()
    assert not permit(file, swapped)
    assert (mode(precious), mode(tmp_path / "moved"), open_descriptors()) == (0, 0, before)


def test_everything_in_a_folder_is_permitted_by_its_path_but_nothing_behind_a_link(
    tmp_path: Path, precious: Path
) -> None:
    top = tmp_path / "top"
    (top / "inner").mkdir(parents=True)
    (top / "inner/file").touch(0o000)
    (top / "link").symlink_to(precious)
    (top / "folder").symlink_to(tmp_path)
    (top / "inner").chmod(0)
    asked = []

    def needed(mode: int, path: str) -> int:
        asked.append(os.path.relpath(path, tmp_path))
        return 0o700 if stat.S_ISDIR(mode) else 0o400

    permit_all(top, needed)
    assert sorted(asked) == ["top", "top/inner", "top/inner/file"]
    assert (mode(top / "inner"), mode(top / "inner/file"), mode(precious)) == (0o700, 0o400, 0)


def test_a_folder_that_becomes_a_link_is_not_entered(tmp_path: Path, precious: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def swapped(mode: int, _path: str) -> int:
        if stat.S_ISDIR(mode):
            folder.rename(tmp_path / "moved")
            folder.symlink_to(precious.parent)
        return 0o700

    permit_all(folder, swapped)
    assert mode(precious) == 0
