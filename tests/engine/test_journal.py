"""The journal under several sessions that write at the same time: nobody waits for ever, nothing is lost (SPEC 7)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitboss.core.budget import Caps
from pitboss.core.choosers.scripted import ScriptedChooser
from pitboss.core.quota import Quota
from pitboss.core.run import build_state
from pitboss.core.session import (
    Assignment,
    Outcome,
    SessionRecord,
    SessionStatus,
    TokenUsage,
    transcript_name,
)
from pitboss.engine import state_writer
from pitboss.engine.attempt import Attempt
from pitboss.engine.journal import Journal
from pitboss.engine.state_writer import CROWD
from pitboss.store.catalogue import read_state
from pitboss.store.log import iter_records
from pitboss.store.rundir import RunDir
from tests.support.cli import wait_until
from tests.support.clock import NapClock

RUN = "20260101T000000Z-abcd"
SESSIONS = 8
BOUND_S = 60.0


def now() -> datetime:
    return datetime.now(UTC)


def live_through(journal: Journal, seq: int) -> None:
    """Everything that a session with a wait and a second attempt has the journal write."""
    journal.started(seq, 1000 + seq, seq)
    journal.waiting(seq, now(), now(), begun=True)
    journal.waited(seq, 0.5)
    journal.attempting(seq, Attempt(agent="codex", nth=2))
    journal.noted("codex", Quota())
    journal.ended(seq, Outcome(status=SessionStatus.OK, ended_at=now()))
    record(journal, seq)
    journal.checkpoint()


def record(journal: Journal, seq: int) -> None:
    outcome = journal.outcome(seq)
    journal.recorded(
        SessionRecord(
            seq=seq,
            run_id=RUN,
            prompt="alpha",
            started_at=now(),
            ended_at=outcome.ended_at,
            status=outcome.status,
            tokens=outcome.tokens,
            rotation=seq,
            transcript_path=transcript_name(seq),
        )
    )


def a_session(seq: int) -> Assignment:
    return Assignment(
        seq=seq, prompt="alpha", rotation=seq, started_at=now(), base_commit="1" * 40, agent="codex"
    )


def dispatch(journal: Journal, *seqs: int) -> None:
    for seq in seqs:
        journal.assigned(a_session(seq))
    journal.dispatched()


@pytest.mark.parametrize("sessions", [8, CROWD + 5])
def test_sessions_that_write_at_the_same_time_all_come_to_their_end(tmp_path: Path, sessions: int) -> None:
    state = build_state(run_id=RUN, branch="b", plan_name="p", prompt_names=("alpha",), now=now())
    with RunDir.create(tmp_path, state) as rundir:
        journal = Journal(rundir, state, ScriptedChooser(()), now)
        dispatch(journal, *range(1, sessions + 1))
        threads = [
            Thread(target=live_through, args=(journal, seq), daemon=True) for seq in range(sessions, 0, -1)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(BOUND_S)
        assert not any(thread.is_alive() for thread in threads)
        kept = read_state(rundir.paths)
    assert kept.last_session_seq == journal.state.last_session_seq == sessions
    assert kept.in_flight == ()
    assert kept.budget_consumed.iterations == sessions
    assert sorted(record.seq for record in iter_records(rundir.paths.log)) == list(range(1, sessions + 1))


def test_sessions_that_waited_for_the_same_write_go_on_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = NapClock()
    monkeypatch.setattr(state_writer, "time", clock)
    monkeypatch.setattr(state_writer, "SHARED_S", 0.02)
    state = build_state(run_id=RUN, branch="b", plan_name="p", prompt_names=("alpha",), now=now())
    outcome = Outcome(status=SessionStatus.OK, ended_at=now())
    ends = range(1, 11)
    with RunDir.create(tmp_path, state) as rundir:
        journal = Journal(rundir, state, ScriptedChooser(()), now)
        dispatch(journal, *range(1, CROWD + 20))

        def end(seq: int) -> None:
            journal.ended(seq, outcome, apart=seq != ends[-1])
            written = {each.seq: each.progress.outcome for each in read_state(rundir.paths).in_flight}
            assert written[seq] is not None

        threads = [Thread(target=end, args=(seq,), daemon=True) for seq in ends]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(journal.outcomes) == len(ends))
        time.sleep(0.05)  # until the last of them waits for the write
        journal.dispatched()  # by the loop: that write serves all
        for thread in threads:
            thread.join(BOUND_S)
    apart_s = state_writer.APART_S
    assert sorted(clock.naps) == pytest.approx([nth * apart_s for nth in range(1, len(clock.naps) + 1)])
    assert len(ends) // 2 < len(clock.naps) < len(ends)


@settings(max_examples=40, deadline=None)
@given(st.permutations([*range(1, 6)] * 2), st.integers(0, 10))
def test_what_a_session_used_counts_once_from_the_end_of_its_agent_on(steps: list[int], crash: int) -> None:
    """Each session ends at its first step and is recorded at its second; the runner dies after `crash` steps."""
    ended, recorded = set[int](), set[int]()
    with TemporaryDirectory() as folder:
        state = build_state(run_id=RUN, branch="b", plan_name="p", prompt_names=("alpha",), now=now())
        with RunDir.create(Path(folder), state) as rundir:
            journal = Journal(rundir, state, ScriptedChooser(()), now)
            dispatch(journal, *range(1, 6))
            for nth, seq in enumerate([*steps, 0]):
                if nth == crash:
                    journal = resumed(rundir, adopts=bool(nth % 2))
                used, running = journal.spent_with_outcomes()
                assert (used.tokens_input, running) == (sum(10**each for each in ended), 5 - len(recorded))
                assert list(journal.outcomes) == sorted(ended - recorded)
                if seq in ended:
                    record(journal, seq)
                    recorded.add(seq)
                elif seq:
                    tokens = TokenUsage(input=10**seq)
                    journal.ended(seq, Outcome(status=SessionStatus.OK, ended_at=now(), tokens=tokens))
                    ended.add(seq)


def resumed(rundir: RunDir, *, adopts: bool) -> Journal:
    """What the next process makes of the files: the records after the checkpoint are replayed."""
    state = read_state(rundir.paths)
    journal = Journal(rundir, state, ScriptedChooser(()), now)
    for each in sorted(iter_records(rundir.paths.log), key=lambda each: each.seq):
        if each.seq > state.last_session_seq:
            journal.replayed(each)
    if adopts:
        journal.adopt(journal.state)
    return journal


def test_new_caps_are_written_at_once_in_a_crowd_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_writer, "LONGEST_REST_S", BOUND_S)
    monkeypatch.setattr(state_writer, "SHARED_S", BOUND_S)
    state = build_state(run_id=RUN, branch="b", plan_name="p", prompt_names=("alpha",), now=now())
    with RunDir.create(tmp_path, state) as rundir:
        journal = Journal(rundir, state, ScriptedChooser(()), now)
        dispatch(journal, *range(1, CROWD + 5))
        caps = Caps(max_iterations=7)
        capping = Thread(target=journal.capped, args=(caps,), daemon=True)
        capping.start()
        capping.join(BOUND_S / 4)
        assert not capping.is_alive()
        assert read_state(rundir.paths).caps == caps


def test_agents_are_shown_the_latest_sessions_in_the_order_in_which_they_ended(tmp_path: Path) -> None:
    state = build_state(run_id=RUN, branch="b", plan_name="p", prompt_names=("alpha",), now=now())
    with RunDir.create(tmp_path, state) as rundir:
        before = Journal(rundir, state, ScriptedChooser(()), now)
        assert before.latest_sessions() == []
        dispatch(before, *range(1, SESSIONS + 1))
        for seq in range(SESSIONS, 2, -1):
            live_through(before, seq)
        shown = [f"{seq} alpha ok: (no summary provided)" for seq in range(SESSIONS, 0, -1)]
        assert before.latest_sessions() == shown[:-2]
        after = Journal(rundir, before.state, ScriptedChooser(()), now)
        assert after.latest_sessions() == shown[:-2]
        for seq in (2, 1):
            live_through(after, seq)
        assert after.latest_sessions() == shown
        rundir.paths.log.unlink()
        assert after.latest_sessions() == shown


def test_what_is_assigned_is_on_disk_once_it_is_dispatched(tmp_path: Path) -> None:
    state = build_state(run_id=RUN, branch="b", plan_name="p", prompt_names=("alpha",), now=now())
    with RunDir.create(tmp_path, state) as rundir:
        journal = Journal(rundir, state, ScriptedChooser(()), now)
        for seq in (1, 2, 3):
            assert journal.next_seq() == seq
            journal.assigned(a_session(seq))
        assert read_state(rundir.paths).in_flight == ()
        journal.dispatched()
        assert read_state(rundir.paths).in_flight == journal.state.in_flight
        assert [session.seq for session in journal.state.in_flight] == [1, 2, 3]


def test_in_a_crowd_what_nobody_waits_for_is_written_now_and_then(tmp_path: Path) -> None:
    def pids() -> list[int | None]:
        return [session.progress.pid for session in read_state(rundir.paths).in_flight]

    def is_kept_up() -> bool:
        journal.keep_up()
        return pids()[0] == 77

    state = build_state(run_id=RUN, branch="b", plan_name="p", prompt_names=("alpha",), now=now())
    with RunDir.create(tmp_path, state) as rundir:
        journal = Journal(rundir, state, ScriptedChooser(()), now)
        dispatch(journal, 1)
        journal.started(1, 66, 1)
        assert pids() == [66]
        dispatch(journal, *range(2, CROWD + 2))
        journal.started(1, 77, 1)
        assert pids()[0] == 66
        wait_until(is_kept_up)


def test_a_session_that_is_not_in_flight_has_nothing_to_tell(tmp_path: Path) -> None:
    state = build_state(run_id=RUN, branch="b", plan_name="p", prompt_names=("alpha",), now=now())
    with RunDir.create(tmp_path, state) as rundir:
        journal = Journal(rundir, state, ScriptedChooser(()), now)
        with pytest.raises(AssertionError, match="session 7 is not in flight"):
            journal.session(7)
