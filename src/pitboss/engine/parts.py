"""Wires up the parts of a live run: which collaborators each of them gets."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pitboss.engine.agent_files import AgentFiles
from pitboss.engine.agent_orders import AgentOrders
from pitboss.engine.announcing import Announcer, Outlook
from pitboss.engine.billing import Billing
from pitboss.engine.brakes import Brakes, Past
from pitboss.engine.delivery import Delivery
from pitboss.engine.dispatching import Dispatcher, Workers
from pitboss.engine.documents import Documents
from pitboss.engine.gate import Gate
from pitboss.engine.grinding import Grinding
from pitboss.engine.implementing import Implementing
from pitboss.engine.loop import Loop
from pitboss.engine.meter import Meter
from pitboss.engine.picking import Picking
from pitboss.engine.pool import Pool
from pitboss.engine.preparation import Preparation
from pitboss.engine.recording import Recorder
from pitboss.engine.retrying import Retrying
from pitboss.engine.session import SessionRunner
from pitboss.engine.session_agents import SessionAgents
from pitboss.engine.session_hooks import SessionHooks
from pitboss.engine.session_prompts import SessionPrompts
from pitboss.engine.spending import Spending
from pitboss.engine.start import started
from pitboss.engine.steering import Steering
from pitboss.engine.task_queue import TaskQueue
from pitboss.engine.verify import Fixing, ProjectTests, Verifier
from pitboss.engine.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.chooser import Chooser
    from pitboss.core.events import Observer, RunStarted
    from pitboss.core.mission import Mission
    from pitboss.core.redact import Secrets
    from pitboss.engine.clock import Clock
    from pitboss.engine.control import Control
    from pitboss.engine.journal import Journal
    from pitboss.engine.ports import Hosts, Places
    from pitboss.engine.recovery import Remains, Settling
    from pitboss.engine.session_prompts import PromptFiles
    from pitboss.store.backup import Backup


class Outside(NamedTuple):
    """Everything outside the run that its parts use.

    `check_agent` raises StartError for an agent that cannot be used. `runner` is what people call the runner's machine.
    """

    hosts: Hosts
    places: Places
    remains: Callable[[], Remains]
    clock: Clock
    secrets: Secrets
    backup: Backup
    prompt_files: PromptFiles
    tidy: Callable[[], None]
    check_agent: Callable[[str], object]
    runner: str


class Parts:
    """The parts of one live run; each is made on first use."""

    def __init__(
        self,
        mission: Mission,
        chooser: Chooser,
        journal: Journal,
        control: Control,
        outside: Outside,
        emit: Observer,
    ) -> None:
        self.journal = journal
        self.control = control
        self._mission = mission
        self._config = mission.config
        self._chooser = chooser
        self._outside = outside
        self._emit = emit
        self._now = outside.clock.now
        self._paths = journal.rundir.paths
        self._places = outside.places

    # What begins and ends the run

    def started(self, *, resumed: bool = False) -> RunStarted:
        """What viewers learn about the run as it starts, its queue included."""
        self.queue.look()
        return started(
            self._mission,
            self.journal,
            host=self._outside.runner,
            next_pick=self._outlook.next_pick(),
            resumed=resumed,
        )

    def grind(self, past: Past) -> int:
        """Run sessions until something says stop; returns the exit code."""
        stays = self._config.grind.stay or not self._mission.in_place
        grinding = Grinding(
            self._places,
            self.journal,
            self.control,
            self._outside.backup,
            self._announcer,
            stays=stays,
        )
        brakes = Brakes(self.control, self._spending, self.journal, self._config, past, self._emit)
        pool = Pool(self.dispatcher.assign, self.dispatcher.begin, self.sessions.run)
        self.control.steer_by(Steering(self._spending, self.journal, self._emit))
        picking = Picking(
            self._chooser, self.journal, self._places, (self.queue.look, self._prompts.look_at_limits)
        )
        loop = Loop(picking, brakes, pool, self.journal, self.control, self.gate)
        return grinding.grind(loop, brakes, tidy=self._outside.tidy)

    @cached_property
    def settling(self) -> Settling:
        """Settles sessions that were cut short: a new run has none."""
        from pitboss.engine.recovery import Autopsy, Settling

        autopsy = Autopsy(self._billing, self.journal, self._files, self._now)
        remains = self._outside.remains()
        return Settling(self.sessions, autopsy, remains, self.journal, self.control, self._emit)

    # One session

    @cached_property
    def dispatcher(self) -> Dispatcher:
        """Puts sessions in flight."""
        workers = Workers(self._config, self._documents)
        return Dispatcher(self.journal, self.control, self._places, workers, self.queue, self._announcer)

    @cached_property
    def sessions(self) -> SessionRunner:
        """Runs sessions and brings them to their records."""
        return SessionRunner(
            Preparation(self._places, self._hooks, self._emit, self._now),
            Implementing(self._retrying, self._orders, self.control, self._files, self._emit, self._now),
            Delivery(self.journal, self._places, self._verifier, self._files, self._config, self._emit),
            self._recorder,
            self._hooks,
            self.journal,
        )

    @cached_property
    def _hooks(self) -> SessionHooks:
        settings = msgspec.structs.replace(self._config.grind, hooks=self._mission.hooks)
        return SessionHooks(settings, self._outside.hosts, self.control, self.journal, self._emit)

    @cached_property
    def _retrying(self) -> Retrying:
        agents = SessionAgents(
            self._outside.hosts, self.journal, self.control, self._spending, self.gate, self._emit
        )
        clock = self._outside.clock
        waiting = Waiting(self.gate, self.journal, self.control, self._spending, self._emit, clock)
        return Retrying(agents, self._orders, waiting, self.journal, clock, limits=self._config.limits)

    @cached_property
    def _verifier(self) -> Verifier:
        command, hosts = self._config.test_command, self._outside.hosts
        tests = ProjectTests(command, hosts, self.control, self._emit)
        most = self._config.fixer_max_attempts
        fixing = Fixing(self._retrying, self._orders, self._emit, most=most)
        return Verifier(tests, fixing, self._billing, self._documents, self._now)

    @cached_property
    def _billing(self) -> Billing:
        return Billing(self._outside.hosts, self._orders, self.journal, self._paths)

    @cached_property
    def _recorder(self) -> Recorder:
        return Recorder(
            self.journal,
            self._spending,
            self.control,
            self._files,
            self._announcer,
            keep_transcripts=self._config.grind.transcript_retention == "keep_all",
        )

    # What they share

    @cached_property
    def _prompts(self) -> SessionPrompts:
        return SessionPrompts(self._mission, self._outside.prompt_files, self.journal, self._emit)

    @cached_property
    def _orders(self) -> AgentOrders:
        return AgentOrders(self._config, self._documents, self.journal, self._spending)

    @cached_property
    def _documents(self) -> Documents:
        return Documents(self._prompts, self.queue)

    @cached_property
    def queue(self) -> TaskQueue:
        """The tasks that wait for a run."""
        outside, only_new = self._outside, self._mission.selection.is_narrow
        return TaskQueue(self.journal, self._announcer.warn, outside.check_agent, only_new=only_new)

    @cached_property
    def _announcer(self) -> Announcer:
        return Announcer(self._emit, self._outlook.next_pick, self._outside.hosts)

    @cached_property
    def _outlook(self) -> Outlook:
        return Outlook(self._chooser, self.journal, self.control, self._spending)

    @cached_property
    def _spending(self) -> Spending:
        hard = self._config.hard_budgets
        return Spending(self._mission.caps, self._meter, self.journal, self._now, hard=hard)

    @cached_property
    def _meter(self) -> Meter:
        return Meter()

    @cached_property
    def gate(self) -> Gate:
        """What sessions share about agents that may not start yet."""
        return Gate(self._config.limits.pause_at, self.journal.state.quota)

    @cached_property
    def _files(self) -> AgentFiles:
        return AgentFiles(self._paths, self._outside.secrets, self._emit)
