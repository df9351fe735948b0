"""A sample of the sweeps with people about: viewers that are stopped and killed, requests on their way (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.aftermath import Aftermath, look
from tests.chaos.checks import processes_of
from tests.chaos.crash import KILLED, Moment
from tests.chaos.steering import Hand
from tests.chaos.sweeps import SteeredSweep, WatchedSweep
from tests.chaos.viewers import viewers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.crashing import Sweep
    from tests.chaos.scenario import Place


@pytest.fixture(scope="session")
def steered(tmp_path_factory: pytest.TempPathFactory) -> SteeredSweep:
    return SteeredSweep(tmp_path_factory.mktemp("steered"))


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> WatchedSweep:
    return WatchedSweep(tmp_path_factory.mktemp("watched"))


def agent(seq: int, calls: str) -> Moment:
    return Moment(calls, after="open", file=f"session-{seq:04}.log")


STEERED = {
    "a task is claimed": Moment("rename", after="symlink", file="task-2"),
    "an agent has ended": agent(4, "waitpid"),
    "a record is durable": Moment("open", after="fsync", file="sessions.jsonl", nth=5),
}


@pytest.mark.parametrize("moment", STEERED.values(), ids=STEERED)
def test_what_was_granted_to_who_steers_outlives_a_kill_and_nothing_else_changes(
    steered: SteeredSweep, tmp_path: Path, moment: Moment
) -> None:
    place = steered.fresh(tmp_path / "place")
    with Hand(place) as hand:
        wrong = steered.finish(place, [killed_at(steered, place, moment)])
    assert [*wrong, *hand.lost()] == []


@pytest.mark.parametrize("on_terminal", [True, False], ids=["a terminal", "a browser"])
def test_viewers_are_nothing_to_a_run_that_is_killed_and_who_is_left_sees_its_end(
    watched: WatchedSweep, tmp_path: Path, *, on_terminal: bool
) -> None:
    place = watched.fresh(tmp_path / "place")
    with viewers(place, on_terminal=on_terminal, awaiting=watched.before) as watching:
        crash = killed_at(watched, place, agent(4, "waitpid"))
        watching.killed.process.kill()
        assert watched.finish(place, [crash]) == []
        assert watching.blind(watched.after) == []


def killed_at(sweep: Sweep, place: Place, moment: Moment) -> Aftermath:
    """Kill the run there at that moment, and look at what is left."""
    ended = sweep.shim.crash_at(place, moment, *sweep.begin)
    assert ended.code == KILLED, ended
    assert processes_of(place) == []
    return look(place)
