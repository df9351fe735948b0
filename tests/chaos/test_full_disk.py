"""A full disk at any write: said in words with exit 70, nothing lost, and the run goes on when there is space."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.chaos.checks import Baseline, records_of
from tests.chaos.full_disk import FullDisk, FullPoint, complaints, settle, try_full

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.trial import Trial, Trials

SAMPLES = 8
SIZE = 4 * 1024 * 1024


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> FullDisk:
    return FullDisk(tmp_path_factory.mktemp("disk"))


@pytest.fixture(scope="session")
def calls(disk: FullDisk, trials: Trials, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many calls of an undisturbed run need space."""
    return disk.count(trials.fresh(tmp_path_factory.mktemp("counted") / "place"), "grind")


@pytest.mark.parametrize("lasting", [0, 1], ids=["until space is freed", "for one call"])
@pytest.mark.parametrize("sample", range(SAMPLES))
def test_a_disk_that_fills_up_anywhere_costs_nothing_but_time(
    disk: FullDisk, calls: int, fresh: Trial, tmp_path: Path, sample: int, lasting: int
) -> None:
    point = FullPoint(1 + (calls - 1) * sample // (SAMPLES - 1), lasting)
    assert try_full(disk, fresh, tmp_path, fresh.baseline, point) == []


@pytest.mark.parametrize("at", [1, 3, 5])
def test_git_that_cannot_write_has_not_refused_the_commit(disk: FullDisk, fresh: Trial, at: int) -> None:
    """Wherever the commit runs out of space, its session stays in flight and lands when the run goes on."""
    ended = disk.run(fresh, at, "grind", only="commit")
    assert "git commit failed" in ended.stderr
    (session,) = fresh.state()["in_flight"]
    assert (session["seq"], session["outcome"]["status"]) == (1, "ok")
    assert fresh.state()["status"] == "failed"
    assert fresh.repair().code == 0
    assert fresh.wrong() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB of its own; where mounting is not allowed the shim above has to do."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={SIZE},mode=755,uid={os.getuid()},gid={os.getgid()}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "pitboss-test", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(
            f"no small file system here, the shim stands in for it: {mounted.stderr.decode().strip()}"
        )
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("left", [0, 16, 32, 64, 96], ids=lambda kib: f"{kib} KiB left")
def test_a_real_full_disk_costs_nothing_but_time(trials: Trials, small_disk: Path, left: int) -> None:
    trial = trials.paused(small_disk / "place")
    trial.log = Path(shutil.move(trial.log, small_disk.parent / "testimony"))
    fill(small_disk / "ballast", left * 1024)
    assert complaints(trial.resume(), trial) == []
    (small_disk / "ballast").unlink()
    assert settle(trial, as_the_agent_fared(trial)) == []


def as_the_agent_fared(trial: Trial) -> Baseline:
    """What to expect: an agent that met the full disk itself has failed, and that is what is recorded."""
    third = [r for r in records_of(trial)[2:] if r["status"] == "error"]
    return Baseline([*trial.baseline.records[:2], *(third or trial.baseline.records[2:])])


def fill(ballast: Path, left: int) -> None:
    """Leave `left` bytes free, to the page."""
    free = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - left))
