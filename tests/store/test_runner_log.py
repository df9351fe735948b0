"""runner.log: bounded, never through a link, made again when it is gone (SPEC 10)."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from pitboss.errors import StorageError
from pitboss.store.opening import take_notices
from pitboss.store.paths import RunPaths
from pitboss.store.runner_log import RunnerLog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    paths = RunPaths(tmp_path, "20261122T181937Z-d843")
    paths.root.mkdir(parents=True)
    return paths


@pytest.fixture
def stderr() -> Iterator[int]:
    """A descriptor in place of stderr's."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


def test_what_is_written_goes_to_the_file_after_what_is_there(paths: RunPaths, stderr: int) -> None:
    paths.runner_log.write_text("earlier\n")
    RunnerLog(paths).take_over(stderr)
    os.write(stderr, b"now\n")
    assert paths.runner_log.read_text() == "earlier\nnow\n"


def test_a_file_that_grows_too_large_loses_its_older_half_for_all_who_write(
    paths: RunPaths, stderr: int
) -> None:
    log = RunnerLog(paths, largest=100)
    log.take_over(stderr)
    other = os.dup(stderr)
    for number in range(20):
        os.write(stderr, b"line %02d\n" % number)
        log.keep_small()
    os.write(other, b"the other\n")
    os.close(other)
    said = paths.runner_log.read_text()
    assert said.startswith("[earlier lines were dropped]\nline 13\n")
    assert said.endswith("line 19\nthe other\n")
    assert paths.runner_log.stat().st_size <= 110


@pytest.mark.parametrize("symbolic", [True, False])
def test_a_link_in_its_place_is_never_followed(
    paths: RunPaths, stderr: int, tmp_path: Path, *, symbolic: bool
) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs\n")
    log = RunnerLog(paths)
    log.take_over(stderr)
    paths.runner_log.unlink()
    (paths.runner_log.symlink_to if symbolic else paths.runner_log.hardlink_to)(theirs)
    log.keep_small()
    os.write(stderr, b"ours\n")
    assert theirs.read_text() == "theirs\n"
    assert paths.runner_log.read_text() == "ours\n"
    assert len(take_notices()) == 1


def test_a_directory_that_is_gone_for_a_while_keeps_nobody_from_writing(paths: RunPaths, stderr: int) -> None:
    log = RunnerLog(paths)
    log.take_over(stderr)
    shutil.rmtree(paths.root)
    log.keep_small()
    os.write(stderr, b"lost\n")
    with pytest.raises(StorageError, match=r"cannot append to .*runner\.log"):
        RunnerLog(paths).take_over(stderr)
    paths.root.mkdir()
    log.keep_small()
    os.write(stderr, b"kept\n")
    assert paths.runner_log.read_text() == "kept\n"
