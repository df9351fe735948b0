"""A sample of the sweep of a run of one task: whenever it is killed, its task is kept and gets done (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.aftermath import Aftermath, look
from tests.chaos.checks import processes_of
from tests.chaos.crash import KILLED, Moment
from tests.chaos.scenario import copy
from tests.chaos.sweeps import TaskSweep

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> TaskSweep:
    return TaskSweep(tmp_path_factory.mktemp("task"))


def agent(seq: int, calls: str) -> Moment:
    return Moment(calls, after="open", file=f"session-{seq:04}.log")


MOMENTS = {
    "the task is durable, the run is not": (Moment("open", after="rename", file="task.md"),),
    "the run has just come to be": (Moment("open", after="rename", file="state.json"),),
    "its agent runs": (agent(1, "waitpid"),),
    "its agent has ended well": (agent(1, "waitpid rename pipe2"),),
    "its last session is recorded": (Moment("open", after="fsync", file="sessions.jsonl", nth=2),),
    "twice while its agent runs": (agent(1, "waitpid"), agent(2, "waitpid")),
}


@pytest.mark.parametrize("moments", MOMENTS.values(), ids=MOMENTS)
def test_a_task_survives_its_run(sweep: TaskSweep, tmp_path: Path, moments: tuple[Moment, ...]) -> None:
    place, crashes = copy(sweep.template, tmp_path / "place"), list[Aftermath]()
    for moment in moments:
        command = ("grind", "--resume") if crashes else sweep.begin
        ended = sweep.shim.crash_at(place, moment, *command)
        assert ended.code == KILLED, ended
        assert processes_of(place) == []
        if place.run_id() is None:
            assert sweep.start_again(place) == []
            return
        crashes.append(look(place))
    assert sweep.finish(place, crashes) == []
