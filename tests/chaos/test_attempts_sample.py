"""A sample of the sweep over sessions of several attempts: moments that other runs do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.aftermath import look
from tests.chaos.crash import KILLED, Moment
from tests.chaos.crashing import processes_left
from tests.chaos.scenario import copy
from tests.chaos.sweeps import AttemptsSweep

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND, THIRD = "session-0001.log", "session-0001.attempt-02.log", "session-0001.attempt-03.log"
STARTED, REAPED, NOTED = "pipe2", "waitpid", "waitpid rename"


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> AttemptsSweep:
    return AttemptsSweep(tmp_path_factory.mktemp("attempts"))


@pytest.mark.parametrize("calls", [STARTED, REAPED, NOTED])
@pytest.mark.parametrize("transcript", [FIRST, SECOND, THIRD])
def test_each_attempt_is_in_one_record_once_whenever_the_runner_dies(
    sweep: AttemptsSweep, tmp_path: Path, transcript: str, calls: str
) -> None:
    place = copy(sweep.template, tmp_path / "place")
    moment = Moment(calls, after="open", file=transcript)
    ended = sweep.shim.crash_at(place, moment, "grind")
    assert ended.code == KILLED, ended
    assert processes_left(place) == []
    assert sweep.finish(place, [look(place)]) == []
