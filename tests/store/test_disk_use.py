"""How much disk something takes: through no link, each file once, and not for ever."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import pytest

from pitboss.store import disk_use as module
from pitboss.store.disk_use import BLOCK, DiskUse, disk_use

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`.pitboss/x` with 64 KiB in a file of two names, and links to a folder and a file of 1 MiB elsewhere."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "large").write_bytes(b"x" * (1 << 20))
    inside = tmp_path / ".pitboss" / "x"
    (inside / "sub").mkdir(parents=True)
    (inside / "sub" / "file").write_bytes(b"x" * 65536)
    os.link(inside / "sub" / "file", inside / "again")
    (inside / "folder").symlink_to(outside)
    (inside / "link").symlink_to(outside / "large")
    return inside


def test_files_count_once_and_links_lead_nowhere(folder: Path) -> None:
    use = disk_use(folder, until=math.inf)

    assert use.whole
    assert 65536 <= use.size < 65536 + 16 * 4096
    assert (
        disk_use(folder / "sub" / "file", until=math.inf).size == os.lstat(folder / "again").st_blocks * BLOCK
    )
    assert disk_use(folder / "folder", until=math.inf).size < 65536
    assert disk_use(folder / "folder" / "large", until=math.inf) == DiskUse(0)
    assert disk_use(folder / "missing", until=math.inf) == DiskUse(0)


def test_it_ends_in_time_and_says_that_it_is_not_all(folder: Path) -> None:
    use = disk_use(folder, until=-math.inf)

    assert not use.whole
    assert use.size < 65536


def test_what_cannot_be_opened_is_not_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> int:
        raise PermissionError(path)

    monkeypatch.setattr(module, "open_folder", refuse)

    assert not disk_use(folder, until=math.inf).whole


def test_a_file_that_goes_meanwhile_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object, **__: object) -> os.stat_result:
        raise FileNotFoundError

    whole = os.stat
    monkeypatch.setattr(os, "stat", lambda name, **how: nothing() if name == "again" else whole(name, **how))

    assert disk_use(folder, until=math.inf).size < 65536 + 16 * 4096
