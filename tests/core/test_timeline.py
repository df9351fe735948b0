"""A night as lanes: sessions by slot, with what they did inside, from events or from records alone."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.diff_stat import DiffStat
from pitboss.core.events import Phase, PhaseChanged, SessionEnded, SessionStarted
from pitboss.core.session import SessionStatus
from pitboss.core.timeline import MOST_STRETCHES, USERS_TREE, Stretch, Track, lanes, track_of, tracked
from pitboss.core.view import Flight
from tests.support.values import STARTED, record

if TYPE_CHECKING:
    from datetime import datetime

    from pitboss.core.session import SessionRecord


def at(minute: float) -> datetime:
    return STARTED + timedelta(minutes=minute)


def ran(seq: int, began: float, ended: float, **changes: Any) -> SessionRecord:
    return record(seq, started_at=at(began), ended_at=at(ended), **changes)


def followed(*events: SessionStarted | PhaseChanged | SessionEnded) -> Track:
    track: Track | None = None
    for event in events:
        track = tracked(track, event)
    assert track is not None
    return track


def test_a_session_is_tracked_through_its_phases_to_its_end() -> None:
    done = ran(1, 0, 5)
    track = followed(
        SessionStarted(t=at(0), seq=1, prompt="alpha", slot="worktrees/slot-1", host="here"),
        PhaseChanged(t=at(0), seq=1, phase=Phase.AGENT),
        PhaseChanged(t=at(3), seq=1, phase=Phase.WAIT, detail="limit"),
        PhaseChanged(t=at(4), seq=1, phase=Phase.LAND),
        SessionEnded(t=at(6), record=done, diff=DiffStat(files=2)),
    )
    assert track == Track(
        seq=1,
        began=at(0),
        slot="worktrees/slot-1",
        host="here",
        stretches=(
            Stretch(phase=Phase.AGENT, began=at(0), ended=at(3)),
            Stretch(phase=Phase.WAIT, began=at(3), ended=at(4), detail="limit"),
            Stretch(phase=Phase.LAND, began=at(4), ended=at(6)),
        ),
        diff=DiffStat(files=2),
    )
    (lane,) = lanes([done], (), {1: track})
    assert lane.name == "worktrees/slot-1"
    assert (lane.spans[0].began, lane.spans[0].ended, lane.spans[0].status) == (
        at(0),
        at(6),
        SessionStatus.OK,
    )


def test_a_session_that_died_with_its_run_ends_there_and_not_when_the_run_is_resumed() -> None:
    died = ran(1, 0, 5, status=SessionStatus.ABORTED, reason="interrupted", commit=None)
    track = followed(
        SessionStarted(t=at(0), seq=1, prompt="alpha"),
        PhaseChanged(t=at(0), seq=1, phase=Phase.HOOK),
        PhaseChanged(t=at(1), seq=1, phase=Phase.AGENT),
        PhaseChanged(t=at(480), seq=1, phase=Phase.LAND),
        SessionEnded(t=at(481), record=died),
    )
    ((span,),) = (lane.spans for lane in lanes([died], (), {1: track}))
    assert (span.began, span.ended) == (at(0), at(5))
    assert [(each.phase, each.ended) for each in span.stretches] == [
        (Phase.HOOK, at(1)),
        (Phase.AGENT, at(5)),
    ]


def test_a_session_that_was_cut_short_goes_on_only_until_it_was_last_heard_of() -> None:
    track = followed(
        SessionStarted(t=at(0), seq=1, prompt="alpha"), PhaseChanged(t=at(1), seq=1, phase=Phase.AGENT)
    )
    live = Flight(seq=1, prompt="alpha", started_at=at(0), step_at=at(7))
    dead = msgspec.structs.replace(live, cut_short=True)
    assert [(span.ended, span.stretches[-1].ended) for span in lanes([], [live], {1: track})[0].spans] == [
        (None, None)
    ]
    assert [(span.ended, span.stretches[-1].ended) for span in lanes([], [dead], {1: track})[0].spans] == [
        (at(7), at(7))
    ]
    assert lanes([], [msgspec.structs.replace(dead, step_at=None)], {})[0].spans[0].ended == at(0)
    assert track_of(Flight(seq=1, cut_short=True), Track(seq=1)) == Track(seq=1)


def test_a_session_seen_from_its_middle_on_is_tracked_from_there() -> None:
    track = followed(PhaseChanged(t=at(1), seq=2, phase=Phase.VERIFY), PhaseChanged(seq=2, phase=Phase.LAND))
    assert track == Track(seq=2, stretches=(Stretch(phase=Phase.VERIFY, began=at(1)),))
    assert followed(SessionEnded(record=ran(3, 0, 1))) == Track(seq=3)


def test_of_a_session_that_goes_on_for_ever_the_last_phases_are_kept() -> None:
    changes = [PhaseChanged(t=at(n), seq=1, phase=Phase.WAIT) for n in range(MOST_STRETCHES + 5)]
    track = reduce(tracked, changes, Track(seq=1))
    assert len(track.stretches) == MOST_STRETCHES
    assert track.stretches[-1].began == at(MOST_STRETCHES + 4)


def test_from_records_alone_sessions_share_as_few_lanes_as_they_can() -> None:
    night = [ran(1, 0, 10), ran(2, 1, 4), ran(3, 5, 8, commit=None, rescue=("r",)), ran(4, 10, 12)]
    found = lanes(night, [Flight(seq=5, prompt="bravo", started_at=at(11)), Flight(seq=6)], {})
    assert [(lane.name, [span.seq for span in lane.spans]) for lane in found] == [
        (USERS_TREE, [1, 4]),
        ("lane 2", [2, 3, 5]),
    ]
    third, last = found[1].spans[1:]
    assert (third.landed, third.rescued) == (False, True)
    assert (last.prompt, last.status, last.ended) == ("bravo", None, None)


def test_events_say_in_which_slot_a_session_was_and_two_at_once_in_one_slot_are_kept_apart() -> None:
    tracks = {
        1: Track(seq=1, began=at(0), slot="slot-2"),
        2: Track(seq=2, began=at(0), slot="slot-2"),
        3: Track(seq=3, began=at(9)),
    }
    found = lanes([ran(1, 0, 5), ran(2, 1, 6), ran(3, 9, 9.5)], (), tracks)
    assert [(lane.name, [span.seq for span in lane.spans]) for lane in found] == [
        (USERS_TREE, [3]),
        ("lane 2", [2]),
        ("slot-2", [1]),
    ]


def test_a_session_that_waits_to_land_leaves_its_lane_to_the_next_one() -> None:
    landing = (Stretch(phase=Phase.LAND, began=at(3), ended=at(5)),)
    tracks = {
        1: Track(seq=1, began=at(0), slot="slot-1", stretches=landing),
        2: Track(seq=2, began=at(4), slot="slot-1"),
    }
    (lane,) = lanes([ran(1, 0, 5), ran(2, 4, 9)], (), tracks)
    assert [(span.began, span.ended) for span in lane.spans] == [(at(0), at(4)), (at(4), at(9))]
    (lane,) = lanes([ran(2, 4, 9)], [Flight(seq=1, prompt="a", started_at=at(0))], tracks)
    assert [(span.seq, span.ended) for span in lane.spans] == [(1, at(4)), (2, at(9))]


def test_a_session_that_died_in_a_phase_has_left_it_when_it_was_recorded() -> None:
    track = followed(
        SessionStarted(t=at(0), seq=1, prompt="alpha"), PhaseChanged(t=at(2), seq=1, phase=Phase.AGENT)
    )
    (lane,) = lanes([ran(1, 0, 3)], (), {1: track})
    assert lane.spans[0].stretches == (Stretch(phase=Phase.AGENT, began=at(2), ended=at(3)),)
    (flying,) = lanes([], [Flight(seq=1, prompt="alpha", started_at=at(0))], {1: track})
    assert flying.spans[0].stretches == track.stretches


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12))
def test_nothing_overlaps_in_a_lane_and_nobody_is_left_out(night: list[tuple[int, int]]) -> None:
    records = [ran(seq, began, ended) for seq, (began, ended) in enumerate(night, 1)]
    found = lanes(records, (), {})
    assert sorted(span.seq for lane in found for span in lane.spans) == [each.seq for each in records]
    for lane in found:
        for earlier, later in zip(lane.spans, lane.spans[1:], strict=False):
            assert earlier.ended is not None
            assert earlier.ended <= later.began
