"""The run is woken when something may have come into its mailbox, whatever became of the folders (SPEC 10)."""

from __future__ import annotations

import resource
import select
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pitboss.core.requests import Pause, Skip, Stop
from pitboss.store.mail_watch import MailWatch
from pitboss.store.mailbox import send
from pitboss.store.rundir import RunDir
from tests.support.values import fresh_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.core.requests import Request
    from pitboss.store.paths import RunPaths


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[RunPaths]:
    with RunDir.create(tmp_path, fresh_run()) as rundir:
        yield rundir.paths


@pytest.fixture
def watch(paths: RunPaths) -> Iterator[MailWatch]:
    with closing(MailWatch(paths)) as watch:
        yield watch


def rings(watch: MailWatch) -> bool:
    """The system tells of a new name before whoever made it goes on, so there is nothing to wait for."""
    return select.select([watch], [], [], 0)[0] == [watch]


@pytest.mark.parametrize("what", [Stop(), Skip(seq=3), Pause()], ids=["stop", "skip", "letter"])
def test_a_request_rings_until_somebody_looks(paths: RunPaths, watch: MailWatch, what: Request) -> None:
    assert not rings(watch)
    send(paths, what, by="test")
    assert rings(watch)
    watch.forget()
    assert not rings(watch)
    watch.forget()
    assert not rings(watch)


def test_the_skip_file_rings_too(paths: RunPaths, watch: MailWatch) -> None:
    paths.skip_file.touch()
    assert rings(watch)


def test_what_goes_away_or_changes_does_not_ring(paths: RunPaths, watch: MailWatch) -> None:
    send(paths, Stop(), by="test")
    watch.forget()
    (paths.control / "drain").write_text("more")
    (paths.control / "drain").unlink()
    assert not rings(watch)


def test_a_folder_that_was_replaced_rings_once_that_is_known(paths: RunPaths, watch: MailWatch) -> None:
    paths.control.rename(paths.control.with_name("moved"))
    watch.renew()
    send(paths, Stop(), by="test")
    watch.renew()
    watch.forget()
    send(paths, Skip(), by="test")
    assert rings(watch)
    watch.forget()
    (paths.control.with_name("moved") / "drain").touch()
    assert not rings(watch)


def test_one_that_took_its_place_is_watched_in_its_stead(paths: RunPaths, watch: MailWatch) -> None:
    moved = paths.control.with_name("moved")
    paths.control.rename(moved)
    paths.control.mkdir()
    watch.renew()
    watch.forget()
    (moved / "drain").touch()
    assert not rings(watch)
    send(paths, Stop(), by="test")
    assert rings(watch)


def test_a_link_in_its_place_is_not_followed(paths: RunPaths, watch: MailWatch, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    paths.control.rmdir()
    paths.control.symlink_to(elsewhere)
    watch.renew()
    watch.forget()
    (elsewhere / "drain").touch()
    assert not rings(watch)


def test_where_the_system_tells_nothing_there_is_no_watch(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(OSError, match="tells of no new names"):
        MailWatch(paths)


def test_with_no_descriptor_to_spare_there_is_none_either(paths: RunPaths) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            MailWatch(paths)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
