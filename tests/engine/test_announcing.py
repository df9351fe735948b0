"""Viewers learn how urgently a run is asked to end, once for each level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.events import Aborting, Draining
from pitboss.core.stops import StopBy
from tests.support.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path


def test_a_drain_names_the_sessions_that_are_waited_for_and_an_abort_who_asked(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.dispatch()
        stage.dispatch()
        stage.events.clear()
        for _ in range(3):
            stage.signal()
            stage.parts.control.listen()
        assert stage.events == [Draining(by=StopBy.SIGNAL, in_flight=(1, 2)), Aborting(by=StopBy.SIGNAL)]
