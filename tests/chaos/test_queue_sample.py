"""A sample of the sweep with queued tasks: whenever the run is killed, each task has one record (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.aftermath import Aftermath, look
from tests.chaos.checks import processes_of
from tests.chaos.crash import KILLED, Moment
from tests.chaos.scenario import copy
from tests.chaos.sweeps import ParallelQueueSweep, QueueSweep

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.crashing import Sweep


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> QueueSweep:
    return QueueSweep(tmp_path_factory.mktemp("queue"))


@pytest.fixture(scope="session")
def side_by_side(tmp_path_factory: pytest.TempPathFactory) -> ParallelQueueSweep:
    return ParallelQueueSweep(tmp_path_factory.mktemp("side-by-side"))


MOMENTS = {
    "the task is in flight": (Moment("symlink", after="rename", file="state.json"),),
    "it is claimed": (Moment("rename", after="symlink", file="task-1"),),
    "its file has moved": (Moment("fsync", after="rename", file="task-1.md"),),
    "its agent runs": (Moment("waitpid", after="open", file="session-0001.log"),),
    "the second is claimed": (Moment("rename", after="symlink", file="task-2"),),
    "the tests of the second are due": (
        Moment("waitpid rename pipe2", after="open", file="session-0002.log"),
    ),
    "twice while tasks are claimed": (
        Moment("rename", after="symlink", file="task-1"),
        Moment("rename", after="symlink", file="task-3"),
    ),
}


@pytest.mark.parametrize("moments", MOMENTS.values(), ids=MOMENTS)
def test_tasks_survive_their_run_and_none_is_run_twice(
    sweep: QueueSweep, tmp_path: Path, moments: tuple[Moment, ...]
) -> None:
    assert killed_at(sweep, tmp_path, moments) == []


MOMENTS_SIDE_BY_SIDE = {
    "the second is claimed while the first runs": (Moment("rename", after="symlink", file="task-2"),),
    "the one that runs alone is claimed": (Moment("rename", after="symlink", file="task-3"),),
    "its agent runs": (Moment("waitpid", after="open", file="session-0003.log"),),
    "the last has moved": (Moment("fsync", after="rename", file="task-4.md"),),
}


@pytest.mark.parametrize("moments", MOMENTS_SIDE_BY_SIDE.values(), ids=MOMENTS_SIDE_BY_SIDE)
def test_tasks_side_by_side_survive_their_run_and_none_is_run_twice(
    side_by_side: ParallelQueueSweep, tmp_path: Path, moments: tuple[Moment, ...]
) -> None:
    assert killed_at(side_by_side, tmp_path, moments) == []


def killed_at(sweep: Sweep, tmp_path: Path, moments: tuple[Moment, ...]) -> list[str]:
    """Kill a run at each of the moments, and say what does not hold of it at its end."""
    place, crashes = copy(sweep.template, tmp_path / "place"), list[Aftermath]()
    for moment in moments:
        command = ("grind", "--resume") if crashes else sweep.begin
        ended = sweep.shim.crash_at(place, moment, *command)
        assert ended.code == KILLED, ended
        assert processes_of(place) == []
        crashes.append(look(place))
    return sweep.finish(place, crashes)
