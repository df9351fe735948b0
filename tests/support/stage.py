"""A run without processes and without git: its engine is whole, what it uses of the outside plays a script."""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, cast

import msgspec

from pitboss.agents.scripted import Script, ScriptedAgent
from pitboss.core.agent import AgentEvent, AgentOutcome, EventKind
from pitboss.core.budget import Caps
from pitboss.core.chooser import Choice
from pitboss.core.choosers.queue import QueueChooser
from pitboss.core.choosers.room import Room
from pitboss.core.choosers.scripted import ScriptedChooser
from pitboss.core.config import Config, HookSettings
from pitboss.core.mission import Mission
from pitboss.core.recovery.facts import Facts
from pitboss.core.recovery.plan import plan_recovery
from pitboss.core.redact import Secrets
from pitboss.core.rotation import Entry, Rotation
from pitboss.core.selection import Selection
from pitboss.core.session import Landing, SessionStatus
from pitboss.core.usage import Usage
from pitboss.core.user_commands import HookRequest, HookResult, TestCommand, TestResult
from pitboss.engine.brakes import Past
from pitboss.engine.control import Control
from pitboss.engine.dead_run import dead_run
from pitboss.engine.journal import Journal
from pitboss.engine.mending import Mender
from pitboss.engine.parts import Outside, Parts
from pitboss.errors import StartError
from pitboss.guardian import StopChannel
from pitboss.hosts.scripted import ScriptedHosts
from pitboss.hosts.surroundings import Surroundings
from pitboss.landing.in_memory import InMemoryPlaces, Memory, tree
from pitboss.store.backup import Backup
from pitboss.store.log import iter_records
from pitboss.store.paths import RunPaths
from pitboss.store.rundir import RunDir
from pitboss.store.taking import is_unmoved
from tests.support.values import RUN_ID, STARTED, fresh_run, prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Self

    from pitboss.core.agent import AgentRequest
    from pitboss.core.chooser import Chooser
    from pitboss.core.prompt import PromptDoc
    from pitboss.core.prompt_edit import Edit
    from pitboss.core.recovery.repairs import Repair
    from pitboss.core.run import RunState
    from pitboss.core.session import Assignment, InFlight, SessionRecord

OK, ERROR = SessionStatus.OK, SessionStatus.ERROR
USED = Usage(input=100, output=10, cost_usd=0.25)
FILES = {"a": "one"}
SAID = (AgentEvent(kind=EventKind.TEXT, text="on it"),)
"""So that somebody looks at the agent while it lives."""


ROOM = Room(max_parallel=4)


class Crash(BaseException):
    """The runner is killed."""


class FragileRunDir(RunDir):
    """A run directory whose process dies at a write: right before write `dies_at`, from 1, or right after it."""

    dies_at = 0
    dies_after = False
    written = 0

    def checkpoint(self, state: RunState, *, durable: bool = True) -> None:
        self._die(after=False)
        super().checkpoint(state, durable=durable)
        self._die(after=True)

    def record(self, record: SessionRecord) -> None:
        self._die(after=False)
        super().record(record)
        self._die(after=True)

    def _die(self, *, after: bool) -> None:
        self.written += not after
        if self.written == self.dies_at and after is self.dies_after:
            raise Crash


class PlayedClock:
    """A clock that goes on when somebody sleeps, and then calls `on_sleep`; `unless` ends the sleep."""

    def __init__(self) -> None:
        self.slept = 0.0
        self.unless = Event()
        self.on_sleep: Callable[[], object] = lambda: None

    def now(self) -> datetime:
        return STARTED + timedelta(hours=1, seconds=self.slept)

    def elapsed_s(self) -> float:
        return self.slept

    def sleep(self, seconds: float, unless: Event) -> None:
        self.unless = unless
        self.slept += seconds
        self.on_sleep()


class MemoryRemains:
    """What sessions of a dead run left in a `Memory` (`engine.recovery.Remains`)."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def expect(self, plan: Sequence[Repair]) -> None:
        pass

    def landing(self, seq: int) -> Landing:
        return Landing(commit=self._memory.landing_of(seq))

    def lost_record(self, seq: int) -> SessionRecord:
        raise AssertionError(f"no test loses the record of session {seq}")

    def retry_rescue(self, seq: int, *, elsewhere: bool) -> None:
        raise AssertionError(f"in memory each rescue succeeds: {seq}, {elsewhere}")

    def remove_worktree(self, path: str) -> None:
        self._memory.trees.pop(path, None)

    def remove_branch(self, name: str) -> None:
        self._memory.branches.pop(name, None)

    def remove_lease(self, seq: int) -> None:
        raise AssertionError(f"in memory no session has a lease: {seq}")


class Stage:
    """A run whose agents, tests and hooks do what a test says; what outlives its process are folder and memory.

    `plays` are the starts of each agent, in order; once they are used up it writes a file and ends well. `tests` and
    `hooks` are results in order; once they are used up the rest passes.
    """

    def __init__(self, repo: Path, **given: Any) -> None:
        self.repo = repo
        self.memory = Memory(RUN_ID, FILES)
        self.script = ["alpha"] * 20
        self.plays: dict[str, list[Script]] = {}
        self.tests: list[TestResult] = []
        self.hooks: dict[str, HookResult] = {}
        self.asked: list[tuple[str, AgentRequest]] = []
        """Each start of an agent: whose, and by which request."""
        self.hooked: list[tuple[str, Mapping[str, str]]] = []
        self.tested: list[str] = []
        self.edits: dict[str, Edit] = {}
        self.events: list[Any] = []
        self.hosts = ScriptedHosts(
            Surroundings(RunPaths(repo, RUN_ID), {"PATH": "/bin"}, tree),
            agent=lambda name: ScriptedAgent(name, lambda request: self._play(name, request), resumable=True),
            hook=self._run_hook,
            tests=self._run_tests,
            name=lambda session: f"host-{session.seq}",
        )
        self.clock = PlayedClock()
        self._given = given
        self._stack = ExitStack()
        self.rundir = self._opened(FragileRunDir.create(repo, fresh_run()))
        self._join(Journal(self.rundir, fresh_run(), self._chooser(), self.clock.now))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # What a test does

    def run(self, prompt: str = "alpha", **choice: Any) -> SessionRecord:
        """Run one session to its record."""
        return self.parts.sessions.run(self.dispatch(prompt, **choice))

    def grind(self, **given: Any) -> list[SessionRecord]:
        """Let the loop run, with other settings perhaps; returns the log."""
        self._given |= given
        self._join(self.parts.journal)
        self.parts.grind(Past())
        return self.log

    def dispatch(self, prompt: str = "alpha", **choice: Any) -> Assignment:
        session = self.try_dispatch(prompt, **choice)
        assert session is not None
        return session

    def try_dispatch(self, prompt: str = "alpha", **choice: Any) -> Assignment | None:
        """As `dispatch`, of a task perhaps that has gone meanwhile."""
        rotation = self.parts.journal.next_seq()
        dispatcher = self.parts.dispatcher
        session = dispatcher.assign(Choice(prompt=prompt, rotation=rotation, **choice))
        return next(iter(dispatcher.begin([session])), None)

    def die_at(self, write: int, *, after: bool = False) -> None:
        """Kill the runner at the write with this number."""
        self.rundir.dies_at, self.rundir.dies_after = self.rundir.written + write, after

    def resume(self, **facts: Any) -> list[SessionRecord]:
        """Recover the run in a new process, and return the records that this made."""
        self.rundir.close()
        self.rundir = self._opened(FragileRunDir.open(self.repo, RUN_ID))
        dead = dead_run(self.rundir)
        in_flight = dead.state.in_flight if dead.state else ()
        landed = {s.seq for s in in_flight if self.memory.landing_of(s.seq)}
        found = Facts(
            run_id=RUN_ID,
            branch=dead.branch,
            state=dead.state,
            last_seq=dead.scan.last_seq,
            landed=frozenset(landed),
            branch_tip=self.memory.tip,
            unmoved=frozenset(s.seq for s in in_flight if self._is_unmoved(s.assignment)),
        )
        plan = plan_recovery(msgspec.structs.replace(found, **facts))
        nothing = cast("Any", None)  # of git there is nothing to mend
        mender = Mender(self.rundir, dead, nothing, nothing, self._chooser(), self.hosts)
        self._join(mender.mend(plan, fresh_run(), self.clock.now))
        return self.parts.settling.settle(plan)

    def signal(self) -> None:
        """What the guardian does for each Ctrl-C."""
        os.write(self._requests_in, b"x")

    # What there is afterwards

    @property
    def log(self) -> list[SessionRecord]:
        """The records on disk."""
        return list(iter_records(self.rundir.paths.log))

    @property
    def in_flight(self) -> tuple[InFlight, ...]:
        return self.parts.journal.state.in_flight

    @property
    def asked_agents(self) -> list[str]:
        return [name for name, _ in self.asked]

    def _is_unmoved(self, session: Assignment) -> bool:
        task_id = session.queued
        return task_id is not None and is_unmoved(self.repo, RUN_ID, task_id, session.seq)

    # The fakes

    def look(self, name: str) -> Edit | None:
        """The prompt files are as a test has edited them."""
        return self.edits.pop(name, None)

    def _opened(self, rundir: RunDir) -> FragileRunDir:
        assert isinstance(rundir, FragileRunDir)
        self._stack.callback(rundir.close)
        return rundir

    def _chooser(self) -> Chooser:
        return QueueChooser(ScriptedChooser(self.script, ROOM), ROOM)

    def _check_agent(self, name: str) -> None:
        if name == "nobody":
            raise StartError("unknown agent `nobody`")

    def _join(self, journal: Journal) -> None:
        requests_out, self._requests_in = os.pipe()
        for descriptor in (requests_out, self._requests_in):
            self._stack.callback(os.close, descriptor)
        paths = RunPaths(self.repo, RUN_ID)
        control = Control(StopChannel(requests_out), paths, self.events.append, listen_every_s=0)
        self.places = InMemoryPlaces(self.memory)
        outside = Outside(
            hosts=self.hosts,
            places=self.places,
            remains=lambda: MemoryRemains(self.memory),
            clock=self.clock,
            secrets=Secrets.of({}),
            backup=Backup(self.repo),
            prompt_files=self,
            tidy=lambda: None,
            check_agent=self._check_agent,
            runner="here",
        )
        self.parts = Parts(self._mission(), self._chooser(), journal, control, outside, self.events.append)

    def _mission(self) -> Mission:
        given: dict[str, Any] = {
            "config": Config(),
            "caps": Caps(),
            "hooks": HookSettings(),
            "prompts": [prompt("alpha")],
            "selection": Selection(),
        } | self._given
        prompts: list[PromptDoc] = given["prompts"]
        return Mission(
            config=msgspec.structs.replace(given["config"], test_command="check"),
            rotation=Rotation(name="default", entries=tuple(Entry(name=doc.meta.name) for doc in prompts)),
            prompts={doc.meta.name: doc for doc in prompts},
            hooks=given["hooks"],
            caps=given["caps"],
            selection=given["selection"],
            max_parallel=4,
        )

    def _play(self, name: str, request: AgentRequest) -> Script:
        self.asked.append((name, request))
        plays = self.plays.get(name)
        return plays.pop(0) if plays else self.well()

    def _run_hook(self, hook: HookRequest, variables: Mapping[str, str]) -> HookResult:
        self.hooked.append((hook.command, variables))
        return self.hooks.get(hook.command, HookResult(passed=True))

    def _run_tests(self, _command: TestCommand, kind: str) -> TestResult:
        self.tested.append(f"{kind}.log")
        return self.tests.pop(0) if self.tests else TestResult(passed=True)

    def well(
        self, text: str = "two", *, then: Callable[[AgentRequest], object] | None = None, **outcome: Any
    ) -> Script:
        """An agent that writes `text` to a file, does something else, and ends well or with another `outcome`."""

        def work(request: AgentRequest) -> None:
            begin(request)
            self.memory.trees[request.cwd]["a"] = text
            if then is not None:
                then(request)

        return Script(work=work, events=SAID, outcome=ended(**{"status": OK, "usage": USED} | outcome))


def badly(reason: str, **outcome: Any) -> Script:
    """An agent that does nothing and ends badly."""
    return Script(work=begin, events=SAID, outcome=ended(reason=reason, **outcome))


def begin(request: AgentRequest) -> None:
    """A transcript is there as soon as a process is, as it is of a real one."""
    Path(request.transcript).touch()


def ended(**changes: Any) -> AgentOutcome:
    """How an agent ended that did nothing."""
    return msgspec.structs.replace(AgentOutcome(status=ERROR, usage=Usage()), **changes)
