"""The loop with sessions that take no time: who starts when, and what makes it stop (SPEC 4, 5)."""

from __future__ import annotations

import contextlib
import os
from contextlib import ExitStack
from datetime import timedelta
from threading import Event, Thread, current_thread
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest

from pitboss.core.budget import CapChanges, Caps, PromptSpend
from pitboss.core.chooser import Choice, Wait
from pitboss.core.choosers.queue import QueueChooser
from pitboss.core.choosers.room import Room
from pitboss.core.choosers.scripted import ScriptedChooser
from pitboss.core.config import Config, GrindSettings
from pitboss.core.events import RunEnded, Warned
from pitboss.core.requests import ChangeCaps, Pause, Stop, Unpause
from pitboss.core.session import Assignment, Landing, Outcome, Progress, SessionRecord, SessionStatus
from pitboss.core.settling import settle
from pitboss.core.stops import Ending, RunStatus, StopReason, StopRequest
from pitboss.engine import loop as loop_module
from pitboss.engine import picking as picking_module
from pitboss.engine import pool as pool_module
from pitboss.engine import state_writer
from pitboss.engine.brakes import Brakes, Past
from pitboss.engine.control import Control
from pitboss.engine.gate import Gate
from pitboss.engine.grinding import finish
from pitboss.engine.journal import Journal
from pitboss.engine.loop import Loop
from pitboss.engine.meter import Meter
from pitboss.engine.picking import Picking
from pitboss.engine.pool import Pool
from pitboss.engine.spending import Spending
from pitboss.engine.steering import Steering
from pitboss.engine.task_queue import TaskQueue
from pitboss.errors import PitbossError
from pitboss.guardian import StopChannel
from pitboss.landing.in_memory import InMemoryPlaces, Memory
from pitboss.store.catalogue import read_state
from pitboss.store.log import iter_records
from pitboss.store.mailbox import send
from pitboss.store.rundir import RunDir
from tests.support.cli import PATIENCE_S, wait_until
from tests.support.clock import NapClock
from tests.support.threads import only_so_many
from tests.support.values import RUN_ID, STARTED, assigned, flying, fresh_run, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pitboss.core.requests import Request
    from pitboss.core.run import RunState

OK, ERROR, ABORTED = SessionStatus.OK, SessionStatus.ERROR, SessionStatus.ABORTED
ROOM = Room(max_parallel=3, parallel_safe=frozenset({"alpha", "bravo"}))


class How(NamedTuple):
    """How a session goes."""

    status: SessionStatus = OK
    reason: str | None = None
    cost_usd: float = 0.0
    cost_known: bool = True


class Stage:
    """A run whose sessions do what a test says; journal, control and budgets are the real ones."""

    def __init__(self, stack: ExitStack, repo: Path, state: RunState) -> None:
        self.rundir = stack.enter_context(RunDir.create(repo, state))
        self.now = STARTED + timedelta(hours=1)
        self.events: list[Any] = []
        self.beside: dict[int, tuple[str, tuple[int, ...]]] = {}
        """Of each session that started, its prompt and the sessions that ran then."""
        self.in_flight: dict[int, int] = {}
        """Of each session that started, how many others had no record yet; one that has may still run for a moment."""
        self.started = {seq: Event() for seq in range(1, 20)}
        self.begun: list[tuple[int, ...]] = []
        """Which sessions began together."""
        self.tidied: list[int] = []
        self.vacated: dict[int, Callable[[], None]] = {}
        """Of each session, what says that it has vacated its place."""
        requests_out, requests_in = os.pipe()
        for descriptor in (requests_out, requests_in):
            stack.callback(os.close, descriptor)
        self._channel = StopChannel(requests_out)
        self._repo = repo
        self._state = state

    def prepare(
        self,
        script: str,
        how: Callable[[int], How],
        *,
        room: Room | None = None,
        caps: Caps | None = None,
        config: Config | None = None,
        past: Past | None = None,
    ) -> Stage:
        config, caps = config or Config(), caps or Caps()
        chooser = ScriptedChooser(script.split(), room)
        self._how = how
        self.journal = Journal(self.rundir, self._state, chooser, lambda: self.now)
        self.control = Control(self._channel, self.rundir.paths, self.events.append, listen_every_s=0)
        self.gate, self.meter = Gate(None, {}), Meter()
        spending = Spending(caps, self.meter, self.journal, lambda: self.now, hard=config.hard_budgets)
        self.brakes = Brakes(self.control, spending, self.journal, config, past or Past(), self.events.append)
        self.pool = Pool(self.assign, self.begin, self.work)
        self.places = InMemoryPlaces(Memory(RUN_ID, {}))
        self.picking = Picking(
            QueueChooser(chooser, room or Room()), self.journal, self.places, (self.queue().look,)
        )
        self.loop = Loop(self.picking, self.brakes, self.pool, self.journal, self.control, self.gate)
        self.control.steer_by(Steering(spending, self.journal, self.events.append))
        return self

    def queue(self) -> TaskQueue:
        """The tasks that wait for a run."""
        return TaskQueue(self.journal, self.events.append, lambda _agent: None, only_new=False)

    def run(self) -> Ending:
        return self.loop.run(tidy=lambda: self.tidied.append(len(self.log)))

    def grind(self, script: str, how: Callable[[int], How] = lambda _seq: How(), **given: Any) -> Ending:
        return self.prepare(script, how, **given).run()

    def assign(self, choice: Choice) -> Assignment:
        seq = self.journal.next_seq()
        self.beside[seq] = (choice.prompt, tuple(s.seq for s in (*self.pool.landing, *self.pool.placed)))
        self.in_flight[seq] = len(self.journal.running)
        session = Assignment(
            seq=seq,
            prompt=choice.prompt,
            rotation=choice.rotation,
            started_at=self.now,
            base_commit="b" * 40,
        )
        self.journal.assigned(session)
        return session

    def begin(self, sessions: Sequence[Assignment]) -> Sequence[Assignment]:
        self.journal.dispatched()
        self.begun.append(tuple(session.seq for session in sessions))
        for session in sessions:
            self.started[session.seq].set()
        return sessions

    def work(self, session: Assignment, vacated: Callable[[], None]) -> SessionRecord:
        self.vacated[session.seq] = vacated
        how = self._how(session.seq)
        outcome = Outcome(
            status=how.status,
            reason=how.reason,
            ended_at=self.now,
            cost_usd=how.cost_usd,
            cost_known=how.cost_known,
        )
        self.journal.ended(session.seq, outcome)
        line = settle(RUN_ID, self.journal.session(session.seq), outcome, Landing(commit="c" * 40))
        self.journal.recorded(line)
        return line

    def ask(self, what: Request) -> None:
        send(self.rundir.paths, what, by="test")

    def wait_for(self, seq: int) -> None:
        assert self.started[seq].wait(PATIENCE_S)

    def rundir_state(self) -> RunState:
        """What state.json says."""
        return read_state(self.rundir.paths)

    @property
    def log(self) -> list[int]:
        """The numbers of the sessions that have a record."""
        return sorted(line.seq for line in iter_records(self.rundir.paths.log))

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Warned)]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    with ExitStack() as stack:
        yield lambda **state: Stage(stack, tmp_path, fresh_run(**state))


@pytest.fixture
def stage(build: Callable[..., Stage]) -> Stage:
    return build()


def ends(reason: StopReason, message: str) -> Ending:
    return Ending(reason=reason, message=message)


EXHAUSTED = ends(StopReason.EXHAUSTED, "the script has ended")


def test_sessions_start_in_the_order_that_the_chooser_says(stage: Stage) -> None:
    assert stage.grind("alpha bravo alpha") == EXHAUSTED
    assert stage.beside == {1: ("alpha", ()), 2: ("bravo", ()), 3: ("alpha", ())}
    assert (stage.log, stage.journal.state.in_flight) == ([1, 2, 3], ())


def test_one_that_runs_alone_waits_for_the_others_and_holds_those_behind_it_back(stage: Stage) -> None:
    """The first session ends only once the one beside it has started; nobody may start beside the third."""

    def how(seq: int) -> How:
        if seq < 3:
            stage.wait_for(2)
        return How()

    assert stage.grind("alpha bravo charlie alpha", how, room=ROOM) == EXHAUSTED
    assert stage.beside == {
        1: ("alpha", ()),
        2: ("bravo", (1,)),
        3: ("charlie", ()),
        4: ("alpha", ()),
    }


def test_who_has_vacated_its_place_makes_room_for_another(stage: Stage) -> None:
    """All three places are taken until the first session vacates its own; it ends only once the fourth has started."""

    def how(seq: int) -> How:
        if seq == 1:
            stage.wait_for(3)
            stage.vacated[1]()
        stage.wait_for(4)
        return How()

    assert stage.grind("alpha alpha alpha alpha", how, room=ROOM) == EXHAUSTED
    assert stage.beside[4] == ("alpha", (1, 2, 3))


def test_one_that_runs_alone_waits_for_those_that_only_wait_to_land(stage: Stage) -> None:
    def how(seq: int) -> How:
        stage.vacated[seq]()
        return How()

    assert stage.grind("alpha charlie", how, room=ROOM) == EXHAUSTED
    assert stage.beside[2] == ("charlie", ())


def test_no_more_run_side_by_side_than_there_is_room_for(stage: Stage) -> None:
    def how(seq: int) -> How:
        stage.wait_for(max(seq, 3))
        return How()

    assert stage.grind("alpha alpha alpha alpha alpha", how, room=ROOM) == EXHAUSTED
    assert {len(beside) for _, beside in stage.beside.values()} <= {0, 1, 2}
    assert stage.beside[3] == ("alpha", (1, 2))


def test_sessions_in_flight_count_for_the_budget_of_sessions(stage: Stage) -> None:
    def how(seq: int) -> How:
        stage.wait_for(2)
        return How()

    over = ends(StopReason.BUDGET, "max-iterations reached: 2 >= 2")
    assert stage.grind("alpha alpha alpha alpha", how, room=ROOM, caps=Caps(max_iterations=2)) == over
    assert stage.log == [1, 2]


def test_a_time_that_has_come_ends_the_run(stage: Stage) -> None:
    def how(seq: int) -> How:
        stage.now += timedelta(hours=1)
        return How()

    until = stage.now + timedelta(hours=2)
    stopped = stage.grind("alpha alpha alpha alpha", how, caps=Caps(until=until))
    assert stopped == ends(StopReason.BUDGET, "until reached: 2026-04-30T20:00:00Z >= 2026-04-30T20:00:00Z")
    assert stage.log == [1, 2]


def test_whoever_cannot_be_afforded_beside_the_others_waits_for_one_to_end(
    build: Callable[..., Stage],
) -> None:
    stage = build(spend_per_prompt={"alpha": PromptSpend(sessions=1, cost_usd=0.4)})

    def how(seq: int) -> How:
        stage.wait_for(2)
        return How(cost_usd=0.1)

    assert stage.grind("alpha alpha alpha", how, room=ROOM, caps=Caps(max_cost_usd=1.0)) == EXHAUSTED
    assert stage.beside[2] == ("alpha", (1,))
    assert stage.in_flight[3] < 2


def test_each_cap_that_is_nearly_used_up_is_warned_of_once(stage: Stage) -> None:
    stage.grind("alpha " * 10, caps=Caps(max_iterations=10))
    assert stage.warnings == ["max-iterations at 80%: 8 of 10"]


@pytest.mark.parametrize(("hard", "reason"), [(True, StopReason.BUDGET), (False, StopReason.FAILURES)])
def test_a_hard_cap_that_fails_what_is_in_flight_is_no_streak_of_failures(
    stage: Stage, reason: StopReason, *, hard: bool
) -> None:
    config = Config(hard_budgets=hard, grind=GrindSettings(consecutive_failure_limit=1))
    stopped = stage.grind(
        "alpha alpha",
        lambda _seq: How(ERROR, "cost_cap: that of the run", cost_usd=2.0),
        caps=Caps(max_cost_usd=1.0),
        config=config,
    )
    assert stopped.reason is reason


def test_a_drain_lets_those_in_flight_finish_and_starts_nobody(stage: Stage) -> None:
    def how(seq: int) -> How:
        stage.wait_for(2)
        if seq == 2:
            stage.ask(Stop())
        return How()

    stopped = stage.grind("alpha alpha charlie", how, room=ROOM)
    assert stopped == ends(StopReason.DRAINED, "drained on request")
    assert stage.log == [1, 2]


def test_a_drain_that_is_asked_for_before_the_first_session_starts_none(stage: Stage) -> None:
    stage.prepare("alpha", lambda _seq: How()).ask(Stop())
    assert stage.run().reason is StopReason.DRAINED
    assert stage.beside == {}


def test_an_abort_ends_the_run_once_the_sessions_have_heard_of_it(stage: Stage) -> None:
    def how(seq: int) -> How:
        stage.ask(Stop(now=True))
        stage.control.listen()
        assert stage.control.stop_session(seq) is StopRequest.ABORT
        return How(ABORTED, "aborted")

    assert stage.grind("alpha alpha", how) == ends(StopReason.ABORTED, "aborted on request")
    assert stage.log == [1]


def test_failures_in_a_row_end_the_run_and_others_between_them_do_not_count(stage: Stage) -> None:
    went = {1: ERROR, 2: OK, 3: ERROR, 4: ABORTED, 5: ERROR}
    config = Config(grind=GrindSettings(consecutive_failure_limit=2))
    stopped = stage.grind("alpha " * 9, lambda seq: How(went[seq], "exit_code: 1"), config=config)
    assert stopped == ends(StopReason.FAILURES, "2 sessions failed in a row (limit 2)")
    assert stage.log == [1, 2, 3, 4, 5]


def test_a_streak_that_a_session_in_flight_breaks_is_none_and_sessions_wait_for_limits_again(
    stage: Stage,
) -> None:
    seen: list[bool] = []

    def how(seq: int) -> How:
        stage.wait_for(2)
        if seq == 1:
            return How(ERROR, "exit_code: 1")
        if seq == 2:
            wait_until(lambda: stage.gate.closing)
        seen.append(stage.gate.closing)
        return How()

    config = Config(grind=GrindSettings(consecutive_failure_limit=1))
    room = msgspec.structs.replace(ROOM, max_parallel=2)
    assert stage.grind("alpha alpha alpha", how, room=room, config=config) == EXHAUSTED
    assert seen == [True, False]


def test_a_dead_end_ends_the_run_and_nobody_waits_for_a_limit_any_more(stage: Stage) -> None:
    def how(seq: int) -> How:
        stage.wait_for(2)
        if seq == 1:
            return How(ERROR, "auth: please log in")
        wait_until(lambda: stage.gate.closing)
        return How()

    stopped = stage.grind(
        "alpha alpha alpha charlie", how, room=msgspec.structs.replace(ROOM, max_parallel=2)
    )
    assert stopped.reason is StopReason.DEAD_END
    assert stopped.message.startswith("session 1 met a dead end: auth: please log in; ")
    assert stage.log == [1, 2]


def test_an_unknown_cost_ends_a_run_with_a_cost_cap_alone(stage: Stage) -> None:
    stopped = stage.grind("alpha alpha", lambda _seq: How(cost_known=False), caps=Caps(max_cost_usd=1.0))
    assert stopped.reason is StopReason.BUDGET
    assert stopped.message.startswith(
        "the cost of session 1 is unknown (model unknown) and there is a cost cap; "
    )
    assert stage.log == [1]


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ({"model": "m", "unpriced": "m"}, '(model m) and there is a cost cap; set [budgets.pricing."m"]'),
        ({"status": ABORTED, "agent": "codex"}, "codex was ended before it said what it had used"),
        (
            {"status": ERROR, "agent": "command"},
            "(model unknown) and there is a cost cap; nothing readable says",
        ),
    ],
)
def test_an_unknown_cost_counts_before_the_record_is_written(
    build: Callable[..., Stage], outcome: dict[str, Any], message: str
) -> None:
    """While a session waits to land, others could start."""
    done = Outcome(**{"status": OK, "ended_at": STARTED, "cost_known": False, **outcome})
    landing = msgspec.structs.replace(flying(2), progress=Progress(outcome=done))
    stage = build(in_flight=(flying(1), landing))
    assert stage.prepare("alpha", lambda _seq: How()).brakes.why_stop() is None
    stop = stage.prepare("alpha", lambda _seq: How(), caps=Caps(max_cost_usd=1.0)).brakes.why_stop()
    assert stop is not None
    assert (stop.reason, stop.message[:38]) == (StopReason.BUDGET, "the cost of session 2 is unknown (mode")
    assert message in stop.message


def test_an_unknown_cost_without_a_cost_cap_ends_nothing(stage: Stage) -> None:
    assert stage.grind("alpha alpha", lambda _seq: How(cost_known=False)) == EXHAUSTED


def test_records_that_no_loop_has_seen_are_judged_before_anything_starts(stage: Stage) -> None:
    past = Past(unjudged=(record(1, status=ERROR, cost_known=False),))
    stopped = stage.grind("alpha", caps=Caps(max_cost_usd=1.0), past=past)
    assert (stopped.reason, stage.beside, stage.brakes.any_failed) == (StopReason.BUDGET, {}, True)


@pytest.mark.parametrize(("was_stopped", "sessions"), [(True, 1), (False, 0)])
def test_failures_before_a_pause_do_not_stop_the_run_before_it_has_tried(
    build: Callable[..., Stage], *, was_stopped: bool, sessions: int
) -> None:
    used = msgspec.structs.replace(fresh_run().budget_consumed, consecutive_failures=3)
    stage = build(budget_consumed=used)
    stopped = stage.grind(
        "alpha alpha", lambda _seq: How(ERROR, "exit_code: 1"), past=Past(was_stopped=was_stopped)
    )
    assert (stopped.reason, len(stage.beside)) == (StopReason.FAILURES, sessions)


def test_an_error_in_one_session_stops_the_others_before_it_is_raised(stage: Stage) -> None:
    def how(seq: int) -> How:
        stage.wait_for(2)
        if seq == 1:
            raise RuntimeError("a bug")
        wait_until(lambda: stage.control.stop_session(seq) is StopRequest.ABORT)
        return How(ABORTED, "aborted")

    with pytest.raises(RuntimeError, match="a bug"):
        stage.grind("alpha alpha charlie", how, room=ROOM)
    assert (stage.pool.is_busy, sorted(stage.beside)) == (False, [1, 2])


def test_a_session_that_cannot_be_dispatched_stops_the_others_too(stage: Stage) -> None:
    def how(seq: int) -> How:
        wait_until(lambda: stage.control.stop_session(seq) is StopRequest.ABORT)
        return How(ABORTED, "aborted")

    stage.prepare("alpha alpha", how, room=ROOM)
    assign = stage.assign

    def refuse_the_second(choice: Choice) -> Assignment:
        if stage.beside:
            raise OSError("no space left on device")
        return assign(choice)

    stage.pool = Pool(refuse_the_second, stage.begin, stage.work)
    stage.loop = Loop(
        stage.picking,
        stage.brakes,
        stage.pool,
        stage.journal,
        stage.control,
        stage.gate,
    )
    with pytest.raises(OSError, match="no space left"):
        stage.run()
    assert (stage.pool.is_busy, stage.log) == (False, [1])


@pytest.mark.parametrize("threads", [1, 2])
def test_sessions_wait_for_the_threads_that_the_system_starts(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    only_so_many(threads, monkeypatch)
    ending = stage.grind("alpha alpha charlie", room=ROOM)
    assert (ending.reason, stage.log) == (StopReason.EXHAUSTED, [1, 2, 3])


def test_where_no_thread_starts_the_run_ends_and_says_so(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_so_many(0, monkeypatch)
    with pytest.raises(PitbossError, match="starts no more threads") as raised:
        stage.grind("alpha", room=ROOM)
    assert "ulimit -u" in (raised.value.hint or "")
    assert (stage.pool.is_busy, stage.log) == (False, [])


def test_a_session_takes_the_thread_of_one_that_has_ended_and_none_outlives_the_run(stage: Stage) -> None:
    threads: set[Thread] = set()

    def how(seq: int) -> How:
        threads.add(current_thread())
        return How()

    stage.grind("alpha bravo alpha", how)
    (thread,) = threads
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> NapClock:
    """The pool's clock."""
    made = NapClock()
    monkeypatch.setattr(pool_module, "time", made)
    return made


def test_sessions_that_would_begin_together_begin_a_moment_apart(
    stage: Stage, clock: NapClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "APART_S", 60.0)

    def how(seq: int) -> How:
        if seq <= ROOM.max_parallel:
            stage.wait_for(ROOM.max_parallel)
        return How()

    stage.grind("alpha " * 9, how, room=ROOM)
    assert clock.naps == pytest.approx(
        [60.0] * (ROOM.max_parallel - 1), abs=30
    )  # those that follow wait for nobody


def test_a_stop_while_the_next_session_is_held_back_comes_first(stage: Stage, clock: NapClock) -> None:
    clock.when_asked = lambda: stage.ask(Stop())

    def how(_seq: int) -> How:
        wait_until(lambda: clock.naps)
        return How()

    assert stage.grind("alpha alpha", how, room=ROOM).reason is StopReason.DRAINED
    assert stage.log == [1]


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than two sessions in flight are a crowd."""
    monkeypatch.setattr(state_writer, "CROWD", 2)


WIDE = Room(max_parallel=20, parallel_safe=frozenset({"alpha"}))


@pytest.mark.usefixtures("crowded")
def test_sessions_of_a_crowd_begin_together_once_all_of_them_are_durable(stage: Stage) -> None:
    def how(seq: int) -> How:
        assert seq in {session.seq for session in stage.rundir_state().in_flight}
        stage.wait_for(9)
        return How()

    assert stage.grind("alpha " * 9, how, room=WIDE).reason is StopReason.EXHAUSTED
    assert stage.begun == [(1,), (2,), tuple(range(3, 10))]
    assert stage.log == list(range(1, 10))


@pytest.mark.usefixtures("crowded")
def test_sessions_of_a_crowd_are_spread_over_the_time_until_the_next_write(
    stage: Stage, clock: NapClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_writer, "LONGEST_REST_S", 0.7)
    monkeypatch.setattr(state_writer, "SHARED_S", 0.6)
    monkeypatch.setattr(pool_module, "APART_S", 0.2)

    def how(_seq: int) -> How:
        stage.wait_for(9)
        return How()

    stage.grind("alpha " * 9, how, room=WIDE)
    assert stage.begun == [(1,), (2,), tuple(range(3, 10))]
    spread = clock.naps[2:8]  # after those between the first three
    assert max(spread) == min(spread)
    assert 0.3 < sum(spread) < 0.7 * pool_module.SPREAD


@pytest.mark.usefixtures("crowded")
def test_no_more_than_so_many_are_kept_waiting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "MOST_AT_ONCE", 3)

    def how(_seq: int) -> How:
        stage.wait_for(9)
        return How()

    stage.grind("alpha " * 9, how, room=WIDE)
    assert stage.begun == [(1,), (2,), (3, 4, 5), (6, 7, 8), (9,)]


@pytest.mark.usefixtures("crowded")
def test_an_error_while_some_are_assigned_leaves_them_unbegun(stage: Stage) -> None:
    def how(seq: int) -> How:
        wait_until(lambda: stage.control.stop_session(seq) is StopRequest.ABORT)
        return How(ABORTED, "aborted")

    stage.prepare("alpha " * 9, how, room=WIDE)
    assign = stage.assign

    def refuse_the_fifth(choice: Choice) -> Assignment:
        if len(stage.beside) == 4:
            raise OSError("no space left on device")
        return assign(choice)

    stage.pool = Pool(refuse_the_fifth, stage.begin, stage.work)
    stage.loop = Loop(stage.picking, stage.brakes, stage.pool, stage.journal, stage.control, stage.gate)
    with pytest.raises(OSError, match="no space left"):
        stage.run()
    assert (stage.pool.is_busy, stage.begun, stage.log) == (False, [(1,), (2,)], [1, 2])
    assert [session.seq for session in stage.journal.state.in_flight] == [3, 4]


def test_an_error_with_nothing_in_flight_asks_nobody_to_stop(stage: Stage) -> None:
    def how(seq: int) -> How:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        stage.grind("alpha", how)
    assert stage.control.abort_session() is None


def test_the_repository_is_tidied_now_and_then(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "SESSIONS_BETWEEN_TIDYING", 2)
    stage.grind("alpha " * 5)
    assert stage.tidied == [2, 4]


@pytest.mark.parametrize(
    ("reason", "any_failed", "code", "status"),
    [
        (StopReason.EXHAUSTED, False, 0, RunStatus.COMPLETED),
        (StopReason.DRAINED, True, 1, RunStatus.ABORTED),
        (StopReason.BUDGET, False, 3, RunStatus.ABORTED),
    ],
)
def test_the_end_is_written_and_told(
    stage: Stage, reason: StopReason, code: int, status: RunStatus, *, any_failed: bool
) -> None:
    stage.grind("alpha")
    ending = ends(reason, "because")
    assert (
        finish(
            ending, stage.journal, stage.events.append, used_up=False, any_failed=any_failed, checkout="main"
        )
        == code
    )
    told = stage.events[-1]
    assert isinstance(told, RunEnded)
    assert (told.status, told.exit_code, told.checkout) == (status, code, "main")
    assert told.resume == (None if status is RunStatus.COMPLETED else f"pitboss grind --resume {RUN_ID}")
    state = stage.journal.state
    assert (state.status, state.stop_reason) == (status, "because")


# --- while people steer ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def running(stage: Stage) -> Iterator[list[Ending]]:
    """The run beside the test; its ending is in the list once the block is left."""
    endings: list[Ending] = []
    thread = Thread(target=lambda: endings.append(stage.run()))
    thread.start()
    yield endings
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def paused_after_one(stage: Stage, script: str, **given: Any) -> None:
    """Prepare a run whose first session pauses it; from the second on they just end."""

    def how(seq: int) -> How:
        if seq == 1:
            stage.ask(Pause())
            stage.control.listen()
        return How()

    stage.prepare(script, how, **given)


def is_idle(stage: Stage) -> bool:
    return stage.log == [1] and stage.rundir_state().last_session_seq == 1


def test_a_paused_run_starts_nobody_and_stays_until_it_is_unpaused(stage: Stage) -> None:
    paused_after_one(stage, "alpha bravo")
    with running(stage) as endings:
        wait_until(lambda: is_idle(stage))
        assert (endings, sorted(stage.beside), stage.rundir_state().paused) == ([], [1], True)
        stage.ask(Unpause())
    assert (endings, stage.log) == ([EXHAUSTED], [1, 2])


def test_a_request_wakes_the_loop(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "LOOK_S", 300.0)
    paused_after_one(stage, "alpha bravo")
    with running(stage) as endings:
        wait_until(lambda: is_idle(stage))
        stage.ask(Unpause())
        stage.control.listen()
    assert (endings, stage.log) == ([EXHAUSTED], [1, 2])


def test_a_run_that_has_had_all_its_sessions_is_over_only_once_it_is_unpaused(stage: Stage) -> None:
    paused_after_one(stage, "alpha")
    with running(stage) as endings:
        wait_until(lambda: is_idle(stage))
        assert endings == []
        stage.ask(Unpause())
    assert endings == [EXHAUSTED]


@pytest.mark.parametrize(
    ("what", "ending"),
    [
        (Stop(), ends(StopReason.DRAINED, "drained on request")),
        (Stop(now=True), ends(StopReason.ABORTED, "aborted on request")),
        (
            ChangeCaps(caps=CapChanges(max_iterations=1)),
            ends(StopReason.BUDGET, "max-iterations reached: 1 >= 1"),
        ),
        (
            ChangeCaps(caps=CapChanges(until=STARTED)),
            ends(StopReason.BUDGET, "until reached: 2026-04-30T18:00:00Z >= 2026-04-30T17:00:00Z"),
        ),
    ],
)
def test_stops_and_budgets_end_a_paused_run(stage: Stage, what: Request, ending: Ending) -> None:
    paused_after_one(stage, "alpha bravo")
    with running(stage) as endings:
        wait_until(lambda: is_idle(stage))
        stage.ask(what)
    assert (endings, stage.log) == ([ending], [1])


def test_the_end_time_of_a_paused_run_comes_while_nothing_happens(stage: Stage) -> None:
    paused_after_one(stage, "alpha bravo", caps=Caps(until=stage.now + timedelta(hours=1)))
    with running(stage) as endings:
        wait_until(lambda: is_idle(stage))
        stage.now += timedelta(hours=1)
    assert (endings[0].reason, stage.log) == (StopReason.BUDGET, [1])


def test_a_pause_lets_those_in_flight_finish(stage: Stage) -> None:
    going = Event()

    def how(seq: int) -> How:
        stage.wait_for(2)
        assert going.wait(PATIENCE_S)
        return How()

    stage.prepare("alpha alpha alpha", how, room=msgspec.structs.replace(ROOM, max_parallel=2))
    with running(stage) as endings:
        stage.wait_for(2)
        stage.ask(Pause())
        wait_until(lambda: stage.control.paused)
        going.set()
        wait_until(lambda: stage.rundir_state().last_session_seq == 2)
        assert (endings, stage.log) == ([], [1, 2])
        stage.ask(Stop())
    assert stage.log == [1, 2]


def test_a_larger_cap_starts_the_next_session_though_none_has_ended(stage: Stage) -> None:
    """The first session ends only once the second has started, which its cap forbids until it is raised."""

    def how(seq: int) -> How:
        if seq == 1:
            stage.ask(ChangeCaps(caps=CapChanges(max_iterations=2)))
        stage.wait_for(2)
        return How()

    stopped = stage.grind("alpha alpha alpha", how, room=ROOM, caps=Caps(max_iterations=1))
    assert stopped == ends(StopReason.BUDGET, "max-iterations reached: 2 >= 2")
    assert stage.log == [1, 2]


def test_a_cost_cap_that_is_lifted_lets_sessions_of_unknown_cost_go_on(stage: Stage) -> None:
    def how(seq: int) -> How:
        stage.ask(ChangeCaps(caps=CapChanges(max_cost_usd=None)))
        stage.control.listen()
        return How(cost_known=False)

    assert stage.grind("alpha alpha", how, caps=Caps(max_cost_usd=1.0)) == EXHAUSTED


def test_a_chooser_that_waits_for_nobody_is_a_bug(stage: Stage) -> None:
    class Stuck(ScriptedChooser):
        def next(self, *_: object) -> Wait:
            return Wait()

    stage.prepare("alpha", lambda _seq: How())
    picking = Picking(Stuck(()), stage.journal, stage.places, (stage.queue().look,))
    stage.loop = Loop(picking, stage.brakes, stage.pool, stage.journal, stage.control, stage.gate)
    with pytest.raises(AssertionError, match="nothing runs"):
        stage.run()


def test_what_changed_outside_is_taken_in_before_each_start_and_otherwise_only_now_and_then(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[None] = []
    stage.prepare("alpha", lambda _seq: How())
    picking = Picking(ScriptedChooser(["alpha"]), stage.journal, stage.places, (lambda: looks.append(None),))
    for number in (1, 2):
        assert isinstance(picking.next((), ()), Choice)
        assert len(looks) == number
    for _ in range(3):
        assert picking.next((assigned(1),), ()) == Wait()
    assert len(looks) == 2
    monkeypatch.setattr(picking_module, "LOOK_AGAIN_S", 0.0)
    assert isinstance(picking.next((), ()), Choice)
    assert picking.next((assigned(1),), ()) == Wait()
    assert len(looks) == 4


def test_nothing_starts_while_there_is_no_place_for_it_and_the_run_goes_on_once_there_is(
    stage: Stage,
) -> None:
    looks: list[bool] = []

    def has_room() -> bool:
        looks.append(len(looks) > 0)
        return looks[-1]

    stage.prepare("alpha", lambda _seq: How())
    stage.places.has_room = has_room  # type: ignore[method-assign]
    assert stage.run() == EXHAUSTED
    assert looks == [False, True]
    assert stage.log == [1]


def test_what_has_ended_is_on_disk_while_there_is_no_place_for_the_next_session(stage: Stage) -> None:
    written: list[int] = []

    def has_room() -> bool:
        written.append(stage.rundir_state().last_session_seq)
        return len(written) in (1, 4)

    stage.prepare("alpha bravo", lambda _seq: How())
    stage.places.has_room = has_room  # type: ignore[method-assign]
    assert stage.run() == EXHAUSTED
    assert written[2:] == [1, 1]
    assert stage.log == [1, 2]
