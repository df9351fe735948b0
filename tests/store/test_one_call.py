"""Folders entered in one system call: where the system has it, and never through a link."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from pitboss.store import anchors, one_call, opening
from tests.support.disk import open_descriptors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BELOW = b".pitboss/grind/runs"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    (tmp_path / os.fsdecode(BELOW)).mkdir(parents=True)
    (tmp_path / "link").symlink_to(".pitboss")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def enter() -> one_call.Enter:
    made = one_call.make()
    if made is None:
        pytest.skip("this system has no openat2, or forbids it")
    return made


def test_the_folder_is_opened(folder: int, enter: one_call.Enter, tmp_path: Path) -> None:
    opened = enter(folder, BELOW)
    try:
        assert os.path.samestat(os.fstat(opened), (tmp_path / os.fsdecode(BELOW)).stat())
        assert not os.get_inheritable(opened)
    finally:
        os.close(opened)


@pytest.mark.parametrize("path", [b"link", b"link/grind", b".pitboss/nowhere", b"..", b"/"])
def test_no_link_is_followed_and_nothing_outside_is_reached(
    folder: int, enter: one_call.Enter, path: bytes
) -> None:
    assert enter(folder, path) < 0


def test_a_system_that_refuses_the_call_is_one_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_descriptors()
    monkeypatch.setattr(one_call, "_through_libc", lambda: lambda _folder, _path: -1)
    assert one_call.make() is None
    assert open_descriptors() == before


def test_other_systems_have_no_such_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert one_call.make() is None


def test_a_folder_that_nobody_holds_on_to_is_walked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchors, "_enter", None)
    anchors.hasten()
    (tmp_path / os.fsdecode(BELOW)).mkdir(parents=True)
    assert opening.is_folder(tmp_path / os.fsdecode(BELOW))


@pytest.mark.usefixtures("enter")
def test_one_call_opens_a_folder_that_somebody_holds_on_to_and_tells_of_one_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchors, "_enter", None)
    anchors.hasten()
    below = tmp_path / os.fsdecode(BELOW)
    below.mkdir(parents=True)
    anchors.anchor(tmp_path)
    before = open_descriptors()
    opened = opening.open_folder(below)
    assert os.path.samestat(os.fstat(opened), below.stat())
    os.close(opened)
    with pytest.raises(FileNotFoundError, match=str(below / "gone")):
        opening.open_folder(below / "gone" / "deeper")
    assert open_descriptors() == before
