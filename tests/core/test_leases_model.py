"""Every order in which two sessions on two workers can go wrong, tried on the decisions of `core.leases` (SPEC 14).

A state is what is durable and what is on its way; a step is one thing that may happen next. All states are visited,
breadth first. The second session is a prompt of its own, or the retry of the first. Each rule is then broken in
turn, to show that the search finds what it protects from.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pytest

from pitboss.core.leases import Answer, Closing, Lease, Stage, answer, closing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WORKERS = ("anna", "bert")
MOST_SESSIONS = 2
ABORTED, LANDED = "aborted", "landed"


def next_stage(stage: Stage, *, committed: bool) -> Stage:
    """What `workers.worker_desk` keeps of an attempt whose agents are gone."""
    if stage is not Stage.BEGUN:
        return stage
    return Stage.RESULT if committed else Stage.PARTIAL


def may_land(pushed: Lease, held: Lease | None, *, recorded: bool) -> bool:
    """What `workers.remote_place` lands; `workers.late_work` rescues the rest."""
    return pushed == held and not recorded


def other_worker(lost: str) -> str:
    """Whom `workers.roster` asks first for the turn of a session that `lost` had."""
    return next(worker for worker in WORKERS if worker != lost)


class Session(NamedTuple):
    """One session: at home, on its way, and on the worker that it was dispatched to."""

    worker: str
    retry_of: int | None = None
    held: Lease | None = None
    record: str | None = None
    asks: int = 0
    """Calls on their way to the worker; a network may deliver them late, and more than one."""
    asked: int = 0
    replied_lost: bool = False
    stage: Stage | None = None
    runs: bool = False
    begun: int = 0
    committed: bool = False
    pushed: bool = False
    pushed_partial: bool = False
    landings: int = 0
    landed_unleased: bool = False
    rescued: bool = False
    rescued_partial: bool = False
    aborted_in_spite: bool = False
    """It was recorded as lost although its result was there."""

    @property
    def attempt(self) -> Lease:
        """The one attempt that there is of a session."""
        return Lease(1, self.worker)

    @property
    def work_is_safe(self) -> bool:
        """Whether everything that was pushed, or waits to be, is somewhere."""
        on_worker = not self.committed or self.stage in (Stage.BEGUN, Stage.RESULT)
        return on_worker or self.pushed or self.landings > 0 or self.rescued


class World(NamedTuple):
    """All of it: the runner, the workers that are up, the sessions, and how often each may still die."""

    runner: bool = True
    up: tuple[str, ...] = WORKERS
    runner_deaths: int = 1
    worker_deaths: int = 2
    sessions: tuple[Session, ...] = ()

    def having(self, seq: int, session: Session) -> World:
        """The same with one session changed."""
        return self._replace(sessions=(*self.sessions[:seq], session, *self.sessions[seq + 1 :]))


Step: TypeAlias = tuple[str, World]


@dataclass(frozen=True)
class Rules:
    """The decisions of `core.leases`, which are the first two, and those of the code around them."""

    answer: Callable[[Stage | None], Answer] = answer
    closing: Callable[[Lease | None, Sequence[Lease]], Closing] = closing
    next_stage: Callable[..., Stage] = next_stage
    may_land: Callable[..., bool] = may_land
    notes_first: bool = True
    """The worker notes an attempt before it begins it."""
    keeps_until_delivered: bool = True
    """The worker keeps what it has until the runner has it."""
    keeps_threshold: bool = True
    """A worker that deletes the notes of what is over keeps the session from which on attempts may begin."""
    rescues: bool = True
    """The runner rescues what does not land, before it drops the result."""


@dataclass
class Model:
    """The steps that are possible in a state, by the rules."""

    rules: Rules = field(default_factory=Rules)

    def steps(self, world: World) -> Iterator[Step]:
        """Whatever may happen next, with the state after it."""
        yield from self._faults(world)
        if world.runner and len(world.sessions) < MOST_SESSIONS:
            first = world.sessions[0].worker if world.sessions else None
            for worker in WORKERS[:1] if first is None else WORKERS:
                yield "dispatch", world._replace(sessions=(*world.sessions, Session(worker)))
        for seq, session in enumerate(world.sessions):
            for name, after in self._on_worker(world, session):
                yield name, world.having(seq, after)
            if world.runner:
                yield from self._at_home(world, seq, session)

    def _faults(self, world: World) -> Iterator[Step]:
        if world.runner and world.runner_deaths:
            yield "runner dies", world._replace(runner=False, runner_deaths=world.runner_deaths - 1)
        if not world.runner:
            yield "resume", self._resumed(world)
        for worker in WORKERS:
            if worker not in world.up:
                yield "worker returns", world._replace(up=tuple(sorted((*world.up, worker))))
            elif world.worker_deaths:
                left = tuple(self._cut_short(s) if s.worker == worker else s for s in world.sessions)
                up = tuple(name for name in world.up if name != worker)
                yield (
                    "worker dies",
                    world._replace(up=up, sessions=left, worker_deaths=world.worker_deaths - 1),
                )

    def _cut_short(self, session: Session) -> Session:
        """Its agents are gone, and the guardian keeps what they did."""
        if session.stage is not Stage.BEGUN:
            return session._replace(runs=False)
        stage = self.rules.next_stage(session.stage, committed=session.committed)
        return session._replace(runs=False, stage=stage)

    # On the worker

    def _on_worker(self, world: World, session: Session) -> Iterator[tuple[str, Session]]:
        if session.worker not in world.up:
            return
        if session.asks:
            yield "call arrives", self._answered(session._replace(asks=session.asks - 1))
        if session.runs:
            noted = session.stage or Stage.BEGUN
            yield "agent ends", session._replace(runs=False, committed=True, stage=noted)
            # It was asked to, or has not heard from the runner for too long.
            yield "agent is ended", self._cut_short(session._replace(stage=noted))
        if session.stage is Stage.BEGUN and session.committed:
            stage = self.rules.next_stage(session.stage, committed=True)
            yield "result is noted", session._replace(stage=stage)
        if session.stage is Stage.RESULT:
            if not self.rules.keeps_until_delivered:
                yield "forgets", session._replace(stage=Stage.OVER)
            yield "pushes", session._replace(pushed=True, stage=Stage.OVER)
        if session.stage is Stage.PARTIAL:
            yield "pushes what is left", session._replace(pushed_partial=True, stage=Stage.OVER)

    def _answered(self, session: Session) -> Session:
        noted = session.stage
        if noted is Stage.OVER:  # its note may have been deleted
            noted = Stage.BEGUN if self.rules.keeps_threshold else None
        match self.rules.answer(noted):
            case Answer.BEGIN:
                stage = Stage.BEGUN if self.rules.notes_first else session.stage
                return session._replace(stage=stage, runs=True, begun=session.begun + 1)
            case Answer.RETURN:
                return session._replace(pushed=True, stage=Stage.OVER)
            case Answer.LOST:
                return session._replace(replied_lost=True)

    # At home

    def _at_home(self, world: World, seq: int, session: Session) -> Iterator[Step]:
        if session.record is None and session.held is None:
            yield "leases", world.having(seq, session._replace(held=session.attempt))
        if session.record is None and session.held is not None:
            if session.asked < 2:
                asked = session._replace(asks=session.asks + 1, asked=session.asked + 1)
                yield "asks", world.having(seq, asked)
            # The worker says so, or is silent for too long: which may be a mistake.
            yield "counts as lost", self._closed(world, seq)
        if session.pushed and not session.landings and not session.rescued:
            yield "takes the result", world.having(seq, self._taken(session))
        if session.pushed_partial and not session.rescued_partial and self.rules.rescues:
            yield "rescues what was left", world.having(seq, session._replace(rescued_partial=True))

    def _taken(self, session: Session) -> Session:
        if self.rules.may_land(session.attempt, session.held, recorded=session.record is not None):
            return self._landed(session)
        return session._replace(rescued=True) if self.rules.rescues else session._replace(pushed=False)

    def _landed(self, session: Session) -> Session:
        return session._replace(
            landings=session.landings + 1,
            landed_unleased=session.held != session.attempt,
            record=LANDED,
            held=None,
        )

    def _closed(self, world: World, seq: int) -> World:
        """A session whose worker is lost, or whose runner died, gets its record."""
        session = world.sessions[seq]
        results = [session.attempt] if session.pushed else []
        if self.rules.closing(session.held, results) is Closing.LAND:
            return world.having(seq, self._landed(session))
        fenced = session._replace(record=ABORTED, held=None, aborted_in_spite=session.pushed)
        after = world.having(seq, fenced)
        if session.retry_of is not None or len(world.sessions) >= MOST_SESSIONS:
            return after
        retry = Session(other_worker(session.worker), retry_of=seq)
        return after._replace(sessions=(*after.sessions, retry))

    def _resumed(self, world: World) -> World:
        for seq, session in enumerate(world.sessions):
            if session.record is None:
                world = self._closed(world, seq)
        return world._replace(runner=True)


def broken(world: World) -> str | None:
    """The promise that does not hold in a state; None if all do."""
    for session in world.sessions:
        first = None if session.retry_of is None else world.sessions[session.retry_of]
        found = {
            "begun twice": session.begun > 1,
            "landed twice": session.landings > 1,
            "landed without a lease": session.landed_unleased,
            "aborted although its result was there": session.aborted_in_spite,
            "a turn landed twice": first is not None and bool(session.landings and first.landings),
            "lost": not session.work_is_safe,
        }
        if any(found.values()):
            return next(promise for promise, is_broken in found.items() if is_broken)
    return None


def unfinished(world: World) -> str | None:
    """What is missing where nothing is left to happen but new sessions and faults."""
    for session in world.sessions:
        if session.record is None:
            return "no record"
        if session.runs:
            return "an agent runs on"
        if session.pushed and not session.landings and not session.rescued:
            return "a result is nowhere"
        if session.stage in (Stage.BEGUN, Stage.RESULT, Stage.PARTIAL):
            return "a worker keeps work for ever"
        if session.pushed_partial and not session.rescued_partial:
            return "what was left is nowhere"
    return None


FAULTS = ("dispatch", "runner dies", "worker dies")


def search(rules: Rules | None = None) -> tuple[str | None, list[str], int]:
    """The first broken promise, the steps that lead to it, and how many states were visited."""
    model, start = Model(rules or Rules()), World()
    came: dict[World, tuple[World, str] | None] = {start: None}
    waiting = deque([start])
    while waiting:
        world = waiting.popleft()
        steps = list(model.steps(world))
        at_rest = all(name in FAULTS or after == world for name, after in steps)
        why = broken(world) or (unfinished(world) if at_rest else None)
        if why is not None:
            return why, way_to(world, came), len(came)
        for name, after in steps:
            if after not in came:
                came[after] = (world, name)
                waiting.append(after)
    return None, [], len(came)


def way_to(world: World, came: dict[World, tuple[World, str] | None]) -> list[str]:
    names: list[str] = []
    step = came[world]
    while step is not None:
        names.append(step[1])
        step = came[step[0]]
    return names[::-1]


def test_in_every_order_each_session_begins_once_lands_once_and_nothing_pushed_is_lost() -> None:
    why, way, states = search()
    assert (why, way) == (None, [])
    assert states > 100_000


def always_begin(_stage: Stage | None) -> Answer:
    return Answer.BEGIN


def land_everything(*_: object, **__: object) -> bool:
    return True


def abort_always(_held: Lease | None, _results: Sequence[Lease]) -> Closing:
    return Closing.ABORT


def drop_what_is_left(stage: Stage, *, committed: bool) -> Stage:
    found = next_stage(stage, committed=committed)
    return Stage.OVER if found is Stage.RESULT else found


def never_ends(_stage: Stage, *, committed: bool) -> Stage:
    return Stage.BEGUN


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        (Rules(answer=always_begin), "begun twice"),
        (Rules(notes_first=False), "begun twice"),
        (Rules(may_land=land_everything), "landed without a lease"),
        (Rules(closing=abort_always), "aborted although its result was there"),
        (Rules(next_stage=drop_what_is_left), "lost"),
        (Rules(keeps_until_delivered=False), "lost"),
        (Rules(keeps_threshold=False), "begun twice"),
        (Rules(rescues=False), "what was left is nowhere"),
        (Rules(next_stage=never_ends), "a worker keeps work for ever"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_each_rule_is_needed(rules: Rules, found: str) -> None:
    assert search(rules)[0] == found
