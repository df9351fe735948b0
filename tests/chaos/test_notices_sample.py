"""A sample of the sweep over a run that somebody hears of: news that waits when it is killed is told (SPEC 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.crash import Moment
from tests.chaos.notices import FINISHED, KILLED, mistold, notices
from tests.chaos.sweeps import NotifiedSweep
from tests.chaos.test_onlookers_sample import killed_at

if TYPE_CHECKING:
    from pathlib import Path

FAILS, BREAKS_TESTS, LAST = 4, 5, 7


@pytest.fixture(scope="session")
def notified(tmp_path_factory: pytest.TempPathFactory) -> NotifiedSweep:
    return NotifiedSweep(tmp_path_factory.mktemp("notified"))


MOMENTS = {
    "the first news may be on its way": Moment("open", after="fsync", file="sessions.jsonl", nth=FAILS),
    "news waits": Moment("open", after="fsync", file="sessions.jsonl", nth=BREAKS_TESTS),
    "the last agent has ended": Moment("waitpid", after="open", file=f"session-{LAST:04}.log"),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_no_news_is_lost_with_the_run_and_none_is_told_too_often(
    notified: NotifiedSweep, tmp_path: Path, moment: Moment
) -> None:
    place = notified.fresh(tmp_path / "place")

    crash = killed_at(notified, place, moment)

    *_, last = notices(place)
    assert last[0] == KILLED
    assert any(text.startswith(f"session {FAILS} (d-fails)") for text in last)
    assert notified.finish(place, [crash]) == []
    assert mistold(place, [crash]) == []
    assert notices(place)[-1][0] == FINISHED


def test_a_run_whose_guardian_was_killed_tells_all_of_it_when_it_goes_on(
    notified: NotifiedSweep, tmp_path: Path
) -> None:
    place = notified.fresh(tmp_path / "place")
    at_its_end = Moment("waitpid", after="open", file="lock", nth=2)

    assert notified.try_guardian(place, at_its_end) == []

    assert mistold(place, [], guarded=False) == []
