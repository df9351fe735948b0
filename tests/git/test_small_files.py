"""Git's small files, whatever an agent makes of them (SPEC 1.6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pitboss.git.ignore_rules import rules_in
from pitboss.git.index import read_index
from pitboss.git.repo import Repo
from pitboss.git.small_files import content_of, is_head, led_to, read_file, text_of

if TYPE_CHECKING:
    from pathlib import Path

TERABYTE = 1024**4


def huge(file: Path, beginning: bytes = b"") -> Path:
    file.write_bytes(beginning)
    os.truncate(file, TERABYTE)
    return file


def test_a_file_that_no_memory_holds_is_not_read(tmp_path: Path) -> None:
    file = huge(tmp_path / "file")
    with pytest.raises(OSError, match="too large"):
        read_file(file)
    assert text_of(file) == ""


def test_of_a_small_file_only_the_beginning_is_read(tmp_path: Path) -> None:
    head = huge(tmp_path / "HEAD", b"ref: refs/heads/main\n")
    assert content_of(head).startswith(b"ref: refs/heads/main\n\0")
    assert not is_head(content_of(head))


def test_such_a_file_leads_nowhere_and_is_no_index(tmp_path: Path) -> None:
    assert led_to(huge(tmp_path / ".git")) is None
    huge(tmp_path / "index", b"DIRC\0\0\0\2")
    assert read_index(Repo(tmp_path, tmp_path, tmp_path), "0" * 40) is None
    assert rules_in(tmp_path / "index", hash_bytes=20) is None


def test_a_path_that_no_system_has_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / ".git").write_bytes(b"gitdir: some\0where\n")
    assert led_to(tmp_path / ".git") is None
    for read in (content_of, text_of, led_to):
        assert not read(tmp_path / "some\0where")
