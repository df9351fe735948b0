"""A run as a screen watches it: live, killed, resumed, at rest, damaged, gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.condition import Condition
from pitboss.core.diff_stat import DiffStat
from pitboss.core.events import (
    Phase,
    PhaseChanged,
    RunEnded,
    RunEvent,
    RunStarted,
    SessionEnded,
    SessionStarted,
    Step,
    StepKind,
)
from pitboss.core.recovery.refusals import RunNotFound
from pitboss.core.redact import Secrets
from pitboss.core.stops import RunStatus, StopReason
from pitboss.core.view import Activity, View, fold
from pitboss.store.backup import Backup
from pitboss.store.event_log import EventLog, decode_event, encode_event
from pitboss.store.lock import RunLock
from pitboss.store.opening import remove_tree
from pitboss.store.paths import RunPaths, lock_path
from pitboss.store.record_codec import encode_record
from pitboss.store.run_watch import RunWatch, latest_steps
from pitboss.store.rundir import RunDir
from tests.support.disk import NO_FILES, put
from tests.support.values import BRANCH, RUN_ID, STARTED, flying, fresh_run, record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NOW = datetime(2026, 5, 1, 23, 0, tzinfo=UTC)
BEGAN = RunStarted(t=STARTED, run_id=RUN_ID, branch=BRANCH, rotation="default", started_at=STARTED)
OVER = RunEnded(
    run_id=RUN_ID,
    branch=BRANCH,
    status=RunStatus.ABORTED,
    stop_reason=StopReason.DRAINED,
    message="drained on request",
    exit_code=0,
)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    (tmp_path / ".git").mkdir()
    with RunDir.create(tmp_path, fresh_run()) as directory:
        yield directory


@pytest.fixture
def watch(run: RunDir, tmp_path: Path) -> RunWatch:
    return RunWatch(tmp_path, "ri")


def begun(seq: int, **changes: object) -> SessionStarted:
    return SessionStarted(t=NOW, seq=seq, prompt="alpha", **changes)  # type: ignore[arg-type]


def step(seq: int, text: str) -> Step:
    return Step(t=NOW, seq=seq, what=StepKind.TEXT, text=text)


def emitted(run: RunDir, *events: RunEvent) -> None:
    log = EventLog(run.paths, Secrets(()), started=True)
    for event in events:
        log(event)


def seen_in(lines: Iterable[bytes]) -> View:
    """The fold of lines of events.jsonl."""
    view = View()
    for event in map(decode_event, lines):
        view = view if event is None else fold(view, event)
    return view


# --- a live run ------------------------------------------------------------------------------------------------


def test_a_live_run_is_followed_from_look_to_look(run: RunDir, watch: RunWatch, tmp_path: Path) -> None:
    with RunLock.acquire(lock_path(tmp_path), run_id=RUN_ID) as lock:
        run.checkpoint(fresh_run(in_flight=(flying(1), flying(2))))
        emitted(run, BEGAN, begun(1, slot="worktrees/slot-1"), begun(2), step(2, "reads"))
        seen = watch.look()
        assert (seen.run_id, seen.live, seen.problem, seen.condition) == (
            RUN_ID,
            lock.info,
            None,
            Condition.LIVE,
        )
        assert [(flight.seq, flight.step) for flight in seen.view.in_flight] == [(1, ""), (2, "reads")]
        assert watch.look() is seen, "nothing happened"

        run.record(record(1))
        emitted(
            run,
            PhaseChanged(t=NOW, seq=2, phase=Phase.LAND),
            SessionEnded(t=NOW, record=record(1), diff=DiffStat(files=3)),
        )
        seen = watch.look()
        assert [flight.seq for flight in seen.view.in_flight] == [2]
        assert seen.records == (record(1),)
        assert (seen.view.diffs, seen.view.used.iterations) == ({1: DiffStat(files=3)}, 1)
        assert (seen.tracks[1].slot, seen.tracks[2].stretches[0].phase) == ("worktrees/slot-1", Phase.LAND)
    assert watch.look().condition is Condition.CRASHED


def test_it_is_followed_across_a_kill_and_a_resume(run: RunDir, watch: RunWatch, tmp_path: Path) -> None:
    run.checkpoint(fresh_run(in_flight=(flying(1),)))
    emitted(run, BEGAN, begun(1), step(1, "dies"))
    run.paths.log.write_bytes(encode_record(record(1))[:60])
    seen = watch.look()
    assert (seen.condition, seen.records, [f.seq for f in seen.view.in_flight]) == (
        Condition.CRASHED,
        (),
        [1],
    )

    with RunLock.acquire(lock_path(tmp_path), run_id=RUN_ID):
        run.paths.log.write_bytes(b"")
        run.record(record(1))
        run.checkpoint(fresh_run(last_session_seq=1, in_flight=(flying(2),)))
        emitted(
            run, msgspec.structs.replace(BEGAN, t=NOW, resumed=True, last_seq=1), begun(2), step(2, "lives")
        )
        seen = watch.look()
        assert [(flight.seq, flight.step) for flight in seen.view.in_flight] == [(2, "lives")]
        assert (seen.records, seen.view.started_at, seen.view.activity) == (
            (record(1),),
            STARTED,
            Activity.RUNNING,
        )


def test_a_run_at_rest_shows_how_it_ended_and_all_its_records(run: RunDir, watch: RunWatch) -> None:
    for seq in range(1, 61):
        run.record(record(seq, cost_known=seq != 7))
    run.checkpoint(fresh_run(status=RunStatus.ABORTED, stop_reason="drained on request", last_session_seq=60))
    emitted(run, BEGAN, OVER)
    seen = watch.look()
    assert (seen.condition, seen.stop_reason, seen.view.ended) == (
        Condition.ABORTED,
        "drained on request",
        OVER,
    )
    assert (len(seen.records), len(seen.view.recent), seen.view.recent[0]) == (60, 50, record(60))
    assert (seen.view.used.iterations, seen.view.cost_known) == (60, False)


# --- what may be wrong ---------------------------------------------------------------------------------------------


def test_the_rotation_says_whom_it_prefers_as_long_as_its_state_can_be_read(
    watch: RunWatch, tmp_path: Path
) -> None:
    assert [(each.name, each.score) for each in watch.look().standings] == [("alpha", 0), ("bravo", 0)]
    RunPaths(tmp_path, RUN_ID).state.write_text("{")
    assert RunWatch(tmp_path, RUN_ID).look().standings == ()


@pytest.mark.parametrize("kind", NO_FILES)
def test_without_readable_events_the_files_say_what_they_can(run: RunDir, watch: RunWatch, kind: str) -> None:
    put(run.paths.events, kind)
    run.record(record(1))
    run.checkpoint(fresh_run(last_session_seq=1, in_flight=(flying(2),)))
    seen = watch.look()
    assert (seen.records, [flight.seq for flight in seen.view.in_flight]) == ((record(1),), [2])
    assert seen.view.branch == BRANCH


def test_garbage_among_the_events_is_passed_over_and_a_torn_line_is_waited_for(
    run: RunDir, watch: RunWatch
) -> None:
    line = encode_event(step(1, "reads"))
    run.checkpoint(fresh_run(in_flight=(flying(1),)))
    run.paths.events.write_bytes(b'garbage\n{"kind":"new"}\n\x00\n' + encode_event(begun(1)) + line[:20])
    assert [flight.step for flight in watch.look().view.in_flight] == [""]
    run.paths.events.write_bytes(b'garbage\n{"kind":"new"}\n\x00\n' + encode_event(begun(1)) + line)
    assert [flight.step for flight in watch.look().view.in_flight] == ["reads"]


def test_events_in_a_new_file_are_read_from_its_start(run: RunDir, watch: RunWatch) -> None:
    run.checkpoint(fresh_run(in_flight=(flying(1),)))
    emitted(run, BEGAN, begun(1), step(1, "a step that takes more room than the next one does"))
    watch.look()
    run.paths.events.unlink()
    assert [flight.step[:6] for flight in watch.look().view.in_flight] == ["a step"]
    emitted(run, step(1, "short"))
    assert [flight.step for flight in watch.look().view.in_flight] == ["short"]


def test_a_damaged_state_is_named_until_it_is_whole_again(run: RunDir, watch: RunWatch) -> None:
    run.record(record(1))
    emitted(run, BEGAN)
    run.paths.state.write_bytes(b"{")
    seen = watch.look()
    assert (seen.state, seen.condition, seen.stop_reason) == (None, Condition.UNREADABLE, None)
    assert (seen.problem or "").startswith(f"parsing {run.paths.state}: ")
    assert (seen.records, seen.view.branch) == ((record(1),), BRANCH)
    run.checkpoint(fresh_run())
    assert watch.look().problem is None


def test_a_log_that_cannot_be_read_is_named(run: RunDir, watch: RunWatch) -> None:
    run.paths.log.unlink()
    run.paths.log.mkdir()
    assert "Is a directory" in (watch.look().problem or "")


def test_a_log_that_was_replaced_is_read_again(run: RunDir, watch: RunWatch) -> None:
    run.record(record(1))
    run.record(record(2))
    assert len(watch.look().records) == 2
    mended = run.paths.log.with_name("mended")
    mended.write_bytes(encode_record(record(1, cost_usd=1.0)) + b"garbage\n" + encode_record(record(1)))
    mended.rename(run.paths.log)
    seen = watch.look()
    assert (seen.records, seen.view.used.cost_usd) == ((record(1, cost_usd=1.0),), 1.0)
    run.paths.log.unlink()
    assert watch.look().records == ()


def test_a_run_whose_directory_was_deleted_is_shown_from_its_backup(
    run: RunDir, watch: RunWatch, tmp_path: Path
) -> None:
    run.record(record(1))
    Backup(tmp_path).keep()
    assert watch.look().problem is None
    remove_tree(run.paths.root)
    seen = watch.look()
    assert (seen.records, seen.state, "its directory is gone" in (seen.problem or "")) == (
        (record(1),),
        fresh_run(),
        True,
    )
    assert [each.seq for each in RunWatch(tmp_path, RUN_ID).look().records] == [1]


def test_a_run_that_is_wholly_gone_keeps_its_last_state(run: RunDir, watch: RunWatch) -> None:
    watch.look()
    remove_tree(run.paths.root)
    seen = watch.look()
    assert (seen.state, seen.records) == (fresh_run(), ())
    assert "not found" in (seen.problem or "")


def test_no_run_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(RunNotFound):
        RunWatch(tmp_path, "none")


# --- long nights ---------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.one_of(
            st.builds(begun, st.integers(1, 3)),
            st.builds(step, st.integers(1, 3), st.sampled_from(["one", "two"])),
            st.builds(lambda seq: PhaseChanged(t=NOW, seq=seq, phase=Phase.LAND), st.integers(1, 3)),
            st.builds(lambda seq: SessionEnded(t=NOW, record=record(seq)), st.integers(1, 3)),
            st.just(BEGAN),
        ),
        max_size=20,
    )
)
def test_steps_that_no_longer_matter_are_not_decoded_and_the_view_is_the_same(events: list[RunEvent]) -> None:
    """Sessions begin before they do anything, and do nothing once they have ended."""
    lines, flying = list[bytes](), set[int]()
    for event in events:
        seq = getattr(event, "seq", 0)
        if isinstance(event, RunStarted):
            flying.clear()
        elif isinstance(event, SessionStarted):
            flying.add(seq)
        elif seq not in flying:
            continue
        elif isinstance(event, SessionEnded):
            flying.remove(seq)
        lines.append(encode_event(event))
    assert seen_in(latest_steps(lines)) == seen_in(lines)


def test_of_many_steps_the_last_one_is_kept() -> None:
    night: list[RunEvent] = [
        begun(1),
        *(step(1, str(n)) for n in range(100)),
        SessionEnded(record=record(1)),
        begun(2),
        step(2, "x"),
    ]
    kept = [decode_event(line) for line in latest_steps(map(encode_event, night))]
    assert kept == [night[0], *night[-3:]]


def test_the_events_on_disk_fold_to_what_the_live_display_had(run: RunDir) -> None:
    moment = NOW + timedelta(milliseconds=5)
    events: list[RunEvent] = [BEGAN, begun(1), msgspec.structs.replace(step(1, "one"), t=moment), OVER]
    for count in range(1, len(events) + 1):
        run.paths.events.unlink(missing_ok=True)
        emitted(run, *events[:count])
        shown = View()
        for event in events[:count]:
            shown = fold(shown, event)
        assert seen_in(run.paths.events.read_bytes().splitlines(keepends=True)) == shown
