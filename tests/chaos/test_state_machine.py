"""Random sessions, crashes and resumes against a model: the journal on disk always tells one story (SPEC 7)."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pitboss.core.chooser import Choice
from pitboss.core.choosers.rotation import RotationChooser
from pitboss.core.recovery.facts import Facts
from pitboss.core.recovery.plan import plan_recovery
from pitboss.core.recovery.repairs import (
    AbortSession,
    CompleteSession,
    DropInFlight,
    RebuildState,
    ReplayRecords,
)
from pitboss.core.run import fold
from pitboss.core.scheduler import Contender, Pick, next_pick, record_run
from pitboss.core.session import Assignment, InFlight, Landing, Outcome, SessionStatus
from pitboss.core.settling import settle
from pitboss.engine.journal import Journal
from pitboss.store.catalogue import read_state
from pitboss.store.log import scan_log
from pitboss.store.rundir import RunDir
from tests.support.values import BRANCH, RUN_ID, fresh_run

if TYPE_CHECKING:
    from pitboss.core.run import RunState
    from pitboss.core.session import SessionRecord

CONTENDERS = [Contender(name="alpha"), Contender(name="bravo", weight=2), Contender(name="charlie", every=2)]
CHOOSER = RotationChooser(CONTENDERS)
SLOTS = 3
STATUSES = st.sampled_from(
    [SessionStatus.OK, SessionStatus.DIRTY, SessionStatus.ERROR, SessionStatus.SKIPPED]
)


class JournalMachine(RuleBasedStateMachine):
    """Sessions side by side on a real run directory; a crash may come between any two steps of the journal.

    The model: `dispatched` is every prompt ever picked, in order; `ended` every outcome that was durable;
    `records` every record that was.
    """

    @initialize()
    def begin(self) -> None:
        self.repo = Path(tempfile.mkdtemp(prefix="pitboss-machine-"))
        self.now = datetime(2026, 5, 1, tzinfo=UTC)
        self.dispatched: dict[int, str] = {}
        self.ended: dict[int, Outcome] = {}
        self.records: dict[int, SessionRecord] = {}
        state = fresh_run(base_commit="b" * 40, prompt_names=tuple(c.name for c in CONTENDERS))
        self.rundir = RunDir.create(self.repo, state)
        self.journal = Journal(self.rundir, state, CHOOSER, self.clock)

    def teardown(self) -> None:
        if hasattr(self, "repo"):
            self.rundir.close()
            shutil.rmtree(self.repo)

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def flying(self) -> dict[int, InFlight]:
        return {s.seq: s for s in self.journal.state.in_flight}

    def working(self) -> list[int]:
        return [seq for seq, s in self.flying().items() if s.progress.outcome is None]

    def to_land(self) -> list[int]:
        return [
            seq
            for seq, s in self.flying().items()
            if s.progress.outcome is not None and seq not in self.records
        ]

    @precondition(lambda self: len(self.flying()) < SLOTS)
    @rule(number=st.integers(1, 3))
    def dispatch(self, number: int) -> None:
        """Several sessions become durable by one write."""
        assigned = [self.assign() for _ in range(number)]
        self.journal.dispatched()
        self.dispatched |= {session.seq: session.prompt for session in assigned}

    @precondition(lambda self: len(self.flying()) < SLOTS)
    @rule(number=st.integers(1, 3))
    def crash_before_they_are_durable(self, number: int) -> None:
        """Nobody has heard of them: their numbers and turns go to others."""
        for _ in range(number):
            self.assign()
        self.crash()

    def assign(self) -> Assignment:
        choice = CHOOSER.next(self.journal.state, ())
        assert isinstance(choice, Choice)
        seq = self.journal.next_seq()
        session = Assignment(
            seq=seq,
            prompt=choice.prompt,
            rotation=choice.rotation,
            started_at=self.clock(),
            base_commit="b" * 40,
        )
        self.journal.assigned(session)
        return session

    @precondition(lambda self: bool(self.working()))
    @rule(data=st.data())
    def note_the_agent(self, data: st.DataObject) -> None:
        self.journal.started(data.draw(st.sampled_from(self.working())), 2**22, 1)

    @precondition(lambda self: bool(self.working()))
    @rule(data=st.data(), status=STATUSES, cents=st.integers(0, 100))
    def end(self, data: st.DataObject, status: SessionStatus, cents: int) -> None:
        seq = data.draw(st.sampled_from(self.working()))
        outcome = Outcome(status=status, ended_at=self.clock(), cost_usd=cents / 100)
        self.journal.ended(seq, outcome)
        self.ended[seq] = outcome

    @precondition(lambda self: bool(self.to_land()))
    @rule(data=st.data(), checkpoint=st.booleans())
    def record(self, data: st.DataObject, checkpoint: bool) -> None:
        self.settle(data.draw(st.sampled_from(self.to_land())))
        if checkpoint:
            self.journal.checkpoint()

    @precondition(lambda self: bool(self.to_land()))
    @rule(data=st.data(), kept=st.integers(0, 400))
    def crash_in_the_middle_of_a_record(self, data: st.DataObject, kept: int) -> None:
        """The record's line is written up to a byte, and sessions.md and checkpoint know nothing of it."""
        seq = data.draw(st.sampled_from(self.to_land()))
        before = self.rundir.paths.log.read_bytes()
        self.settle(seq)
        line = self.rundir.paths.log.read_bytes()[len(before) :]
        self.rundir.paths.log.write_bytes(before + line[:kept])
        if kept < len(line):
            del self.records[seq]
        self.crash()

    @rule()
    def crash(self) -> None:
        """The process is gone; another one recovers the run from what is on disk, as `core.recovery` plans."""
        self.rundir.close()
        self.rundir = RunDir.open(self.repo, RUN_ID)
        state = read_state(self.rundir.paths)
        scan = scan_log(self.rundir.paths.log, RUN_ID, after_seq=state.last_session_seq)
        assert scan.damage == ()
        if scan.torn_at is not None:
            whole = self.rundir.paths.log.read_bytes()
            self.rundir.paths.log.write_bytes(whole[: scan.torn_at])
        facts = Facts(
            run_id=RUN_ID,
            branch=BRANCH,
            state=state,
            last_seq=scan.last_seq,
            early=frozenset(r.seq for r in scan.tail if r.seq > scan.last_seq),
            torn_at=scan.torn_at,
            branch_tip="t" * 40,
        )
        self.recover(state, scan.tail, plan_recovery(facts))

    def recover(self, state: RunState, tail: tuple[SessionRecord, ...], plan: tuple[object, ...]) -> None:
        assert not any(isinstance(step, RebuildState) for step in plan)
        recorded = {step.seq for step in plan if isinstance(step, DropInFlight)}
        last = max(
            (step.last for step in plan if isinstance(step, ReplayRecords)), default=state.last_session_seq
        )
        assert last == max([state.last_session_seq, *self.records])
        self.journal = Journal(self.rundir, state, CHOOSER, self.clock)
        self.journal.adopt(without(state, recorded))
        for record in tail:
            self.journal.replayed(record)
        for step in plan:
            if isinstance(step, CompleteSession):
                assert step.seq in self.ended
                self.settle(step.seq)
            elif isinstance(step, AbortSession):
                assert step.seq not in self.ended
                cut_short = Outcome(status=SessionStatus.ABORTED, ended_at=self.clock())
                self.journal.ended(step.seq, cut_short)
                self.ended[step.seq] = cut_short
                self.settle(step.seq)
        assert self.journal.state.in_flight == ()
        assert self.journal.state.last_session_seq == len(self.dispatched)

    def settle(self, seq: int) -> None:
        record = settle(RUN_ID, self.journal.session(seq), self.ended[seq], Landing())
        self.journal.recorded(record)
        self.records[seq] = record

    @invariant()
    def every_session_has_one_record_or_is_in_flight(self) -> None:
        if hasattr(self, "repo"):
            log = scan_log(self.rundir.paths.log, RUN_ID)
            assert (log.damage, log.torn_at) == ((), None)
            assert {r.seq: r for r in log.tail} == self.records
            assert set(self.records) | set(self.flying()) == set(self.dispatched)
            assert {
                seq: s.assignment.prompt for seq, s in self.flying().items()
            }.items() <= self.dispatched.items()

    @invariant()
    def the_state_is_the_fold_of_the_gap_free_prefix(self) -> None:
        if hasattr(self, "repo"):
            state = fresh_run()
            while state.last_session_seq + 1 in self.records:
                state = fold(state, self.records[state.last_session_seq + 1])
            now = self.journal.state
            assert now.last_session_seq == state.last_session_seq
            assert now.budget_consumed == state.budget_consumed
            assert now.scheduler_state == state.scheduler_state

    @invariant()
    def the_prompts_are_those_of_a_run_that_never_crashed(self) -> None:
        if hasattr(self, "repo"):
            state, expected = fresh_run().scheduler_state, []
            for _ in self.dispatched:
                pick = next_pick(CONTENDERS, state)
                assert isinstance(pick, Pick)
                state = record_run(pick.state, pick.name)
                expected.append(pick.name)
            assert [self.dispatched[seq] for seq in sorted(self.dispatched)] == expected


def without(state: RunState, recorded: set[int]) -> RunState:
    return msgspec.structs.replace(
        state, in_flight=tuple(s for s in state.in_flight if s.seq not in recorded)
    )


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=40, stateful_step_count=25)
