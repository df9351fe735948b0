"""Keeps the list of a scheduler's workers: which are fit, and which one takes the next session (SPEC 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from pitboss import __version__
from pitboss.core.worker import SHELL
from pitboss.typed import from_builtins
from pitboss.workers.extra import engine_version
from pitboss.workers.messages import VERSION

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pitboss.core.config import Config

SESSIONS = "pitboss"
"""The key under which a worker reports on itself."""

SILENT_S = 5.0
"""Seconds without a heartbeat after which a worker gets no more sessions."""

BEATS_S = 0.015
"""Further seconds for each worker: dask has them beat more slowly the more there are."""

LEAST_FREE = 16 * 1024 * 1024
"""Bytes that a disk must have free for a session to commit."""


class AgentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an agent on a worker, without giving it work.

    `version` is None until it has answered. `login` is the file or variable that holds its login; `logged_in` is None
    if nobody knows where the agent keeps that.
    """

    version: str | None = None
    login: str | None = None
    logged_in: bool | None = None


def agents_shown(agents: Mapping[str, AgentFacts]) -> str:
    """Agents in a line: version, and whether they are logged in where that is known."""
    words = {True: "logged in", False: "not logged in", None: ""}
    return ", ".join(
        " ".join(filter(None, (name, found.version, said and f"({said})")))
        for name, found in sorted(agents.items())
        for said in (words[found.logged_in],)
    )


class WorkerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's report on itself; by run, `seqs` are its sessions in flight, `remains` what it holds of others.

    `port` is where it takes sessions, `engine` its version of dask. One that `leaves` ends once its sessions have.
    `free` is how many bytes of its disk are free; `unkept` says that it could not keep what a session left;
    `git_unfit` says why its git cannot be used.
    """

    version: str
    messages: int
    engine: str = ""
    slots: int
    pid: int
    host: str
    port: int = 0
    free: int | None = None
    seqs: dict[str, tuple[int, ...]] = {}
    finished: int = 0
    unkept: bool = False
    remains: dict[str, tuple[tuple[int, int], ...]] = {}
    agents: dict[str, AgentFacts] = {}
    git_unfit: str | None = None
    leaves: bool = False

    def in_other_runs(self, run_id: str) -> int:
        """How many sessions it has that are not of this run."""
        return sum(len(seqs) for other, seqs in self.seqs.items() if other != run_id)


class WorkerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One worker of the scheduler; `unfit` says why it gets no session.

    One that is unfit may still be `answering`, so that what it holds can be fetched.
    """

    name: str
    address: str
    last_seen: float
    facts: WorkerFacts | None = None
    unfit: str | None = None
    answering: bool = False

    @property
    def reception(self) -> str:
        """Where it takes sessions."""
        return f"{self.address.rpartition(':')[0]}:{self.facts.port if self.facts else 0}"

    @property
    def slots(self) -> int:
        """How many sessions it can have at once."""
        return self.facts.slots if self.facts is not None and self.unfit is None else 0


def needed_agents(agents: Iterable[str], config: Config) -> tuple[str, ...]:
    """Those of `agents` that every worker must have: the configuration does not name their program."""
    named = {name for name, each in config.agents.items() if each.binary or each.command}
    return tuple(name for name in agents if name not in {*named, SHELL})


class Roster:
    """The workers that a scheduler has had; their reports are parsed again only when they have changed.

    `needed` are agents that each must have.
    """

    def __init__(self, needed: Collection[str] = ()) -> None:
        self._needed = needed
        self._read: dict[str, tuple[Any, WorkerInfo]] = {}

    def members(self, identity: Mapping[str, Any]) -> tuple[WorkerInfo, ...]:
        """The workers in a dask scheduler's report, by name."""
        before = self._read
        self._read = {
            address: (
                known.get("metrics", {}).get(SESSIONS),
                self._member(before.get(address), address, known),
            )
            for address, known in identity["workers"].items()
        }
        return tuple(sorted((worker for _, worker in self._read.values()), key=lambda worker: worker.name))

    def _member(
        self, before: tuple[Any, WorkerInfo] | None, address: str, known: Mapping[str, Any]
    ) -> WorkerInfo:
        said = known.get("metrics", {}).get(SESSIONS)
        if before is None or before[0] != said or before[1].name != _name(address, known):
            return _worker(address, known, self._needed)
        last_seen = float(known.get("last_seen") or 0.0)
        return before[1] if before[1].last_seen == last_seen else replace(before[1], last_seen=last_seen)


def workers_of(identity: Mapping[str, Any], needed: Collection[str] = ()) -> tuple[WorkerInfo, ...]:
    """The workers in a single report of a dask scheduler; `needed` are agents that each must have."""
    return Roster(needed).members(identity)


def why_nobody(workers: Sequence[WorkerInfo], address: str) -> str:
    """Why no worker can take a session, of those that the scheduler at `address` has: none of them is fit."""
    if not workers:
        return f"the scheduler at {address} does not answer, or has none"
    return "; ".join(f"{worker.name}: {worker.unfit or 'it has no slots'}" for worker in workers)


def _worker(address: str, known: Mapping[str, Any], needed: Collection[str]) -> WorkerInfo:
    said = known.get("metrics", {}).get(SESSIONS)
    try:
        facts = None if said is None else from_builtins(dict(said), WorkerFacts)
    except msgspec.ValidationError:
        facts = None
    differs = _differs(facts)
    return WorkerInfo(
        name=_name(address, known),
        address=address,
        last_seen=float(known.get("last_seen") or 0.0),
        facts=facts,
        unfit=differs if facts is None or differs else _lacks(facts, needed),
        answering=differs is None,
    )


def _name(address: str, known: Mapping[str, Any]) -> str:
    return str(known.get("name") or address)


def _differs(facts: WorkerFacts | None) -> str | None:
    """Why pitboss cannot talk to it, if it cannot."""
    if facts is None:
        return "it is not a pitboss worker: `pitboss worker ADDRESS` starts one"
    if facts.version != __version__ or facts.messages != VERSION:
        return f"it is pitboss {facts.version}, and this is {__version__}"
    if facts.engine != (engine := engine_version()):
        return f"it has dask {facts.engine}, and this is {engine}"
    return None


def _lacks(facts: WorkerFacts, needed: Collection[str]) -> str | None:
    if facts.git_unfit is not None:
        return facts.git_unfit
    if facts.free is not None and facts.free < LEAST_FREE:
        return "its disk is full"
    if facts.unkept:
        return "it cannot keep what a session left there"
    if missing := sorted(set(needed) - set(facts.agents)):
        return f"it has no {' and no '.join(missing)}"
    return "it is leaving" if facts.leaves else None


class Silences:
    """Finds workers that have been silent, by when each was last heard here: clocks differ between machines."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[float, float]] = {}

    def judged(self, workers: Sequence[WorkerInfo], now: float) -> tuple[WorkerInfo, ...]:
        """The workers, those that have been silent unfit. `now` is in seconds of a clock that never jumps."""
        before = self._heard
        self._heard = {
            worker.address: last
            if (last := before.get(worker.address)) is not None and last[0] == worker.last_seen
            else (worker.last_seen, now)
            for worker in workers
        }
        silent_s = SILENT_S + BEATS_S * len(workers)
        return tuple(
            replace(worker, unfit="it has not been heard of for a while", answering=False)
            if worker.answering and now - self._heard[worker.address][1] > silent_s
            else worker
            for worker in workers
        )


class Seats:
    """The slots of all workers of a run: each has a number of its own, so that no two working copies share a name.

    A worker gets its numbers when it is first seen, and keeps them when it comes back. Slots in which other runs work,
    as far as it has said so, are not free; but a run may always have one session.
    """

    def __init__(self, run_id: str = "") -> None:
        self._run_id = run_id
        self._numbers: dict[str, list[int]] = {}
        self._next = 1
        self._taken: set[int] = set()
        self._shunned: set[str] = set()
        self._owners: dict[int, str] = {}
        self._workers: Iterable[WorkerInfo] = ()
        self._ranks: dict[tuple[bool, int], dict[str, WorkerInfo]] = {}
        self._rank_of: dict[str, tuple[bool, int]] = {}

    def pick(
        self,
        workers: Iterable[WorkerInfo],
        *,
        resting: Collection[str] = (),
        doubted: Collection[str] = (),
    ) -> tuple[WorkerInfo, int] | None:
        """The worker with most free slots, and the first of these; those that were lost once come last.

        Those that are `resting` get nothing; nor do those that are `doubted`, while another is fit, though it be busy.
        """
        if workers is not self._workers:
            self._line_up(workers)
        least = 0 if self._taken else float("inf")
        ranks = sorted(rank for rank, members in self._ranks.items() if members and rank[1] < least)
        ready = (worker for rank in ranks for worker in self._ranks[rank].values())
        barred = {*resting, *doubted}
        if doubted and not any(worker.slots and worker.name not in barred for worker in workers):
            barred = {*resting}
        fit = (worker for worker in ready if worker.slots and worker.name not in barred)
        worker = next(fit, None)
        return None if worker is None else (worker, self._free(worker)[0])

    def take(self, number: int) -> None:
        """Give that slot to a session."""
        self._taken.add(number)
        self._move(self._owners.get(number))

    def leave(self, number: int) -> None:
        """Free the slot."""
        self._taken.discard(number)
        self._move(self._owners.get(number))

    def shun(self, name: str) -> None:
        """The worker was lost during a session: from now on others come first."""
        self._shunned.add(name)
        self._move(name)

    def _line_up(self, workers: Iterable[WorkerInfo]) -> None:
        """Rank all workers; after that, only workers whose slots are taken or freed change their rank."""
        self._workers, self._ranks, self._rank_of = workers, {}, {}
        for worker in workers:
            self._rank(worker)

    def _move(self, name: str | None) -> None:
        rank = self._rank_of.pop(name, None) if name is not None else None
        if rank is not None and name is not None:
            self._rank(self._ranks[rank].pop(name))

    def _rank(self, worker: WorkerInfo) -> None:
        others = 0 if worker.facts is None else worker.facts.in_other_runs(self._run_id)
        rank = (worker.name in self._shunned, others - len(self._free(worker)))
        self._rank_of[worker.name] = rank
        self._ranks.setdefault(rank, {})[worker.name] = worker

    def _free(self, worker: WorkerInfo) -> list[int]:
        numbers = self._numbers.setdefault(worker.name, [])
        while len(numbers) < worker.slots:
            numbers.append(self._next)
            self._owners[self._next] = worker.name
            self._next += 1
        return [number for number in numbers[: worker.slots] if number not in self._taken]
