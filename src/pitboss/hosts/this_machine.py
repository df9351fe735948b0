"""This machine as a host: trees, agents, hooks and tests are where the runner is (SPEC 6, 7)."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from pitboss import proctree
from pitboss.agents.table import build_agent
from pitboss.core.environment import RUN_ID
from pitboss.hosts.fencing import Fencing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pitboss.core.agent import AgentEvent, AgentOrder, AgentOutcome
    from pitboss.core.config import Config
    from pitboss.core.session import Assignment
    from pitboss.core.stops import StopRequest
    from pitboss.core.user_commands import HookRequest, HookResult, TestCommand, TestResult
    from pitboss.hosts.fencing import GitOf
    from pitboss.hosts.surroundings import Surroundings

    Stop = Callable[[], StopRequest | None]

HOOKS = "hooks"
"""The kind of transcript that hooks write."""

STOP_GRACE_S = 2.0


class ThisMachine:
    """This machine as the host of one session (`engine.ports.Host`)."""

    def __init__(
        self, session: Assignment, surroundings: Surroundings, config: Config, fencing: Fencing
    ) -> None:
        self._session = session
        self._surroundings = surroundings
        self._config = config
        self._fencing = fencing

    @property
    def name(self) -> str:
        """The machine's own name."""
        return os.uname().nodename

    def is_resumable(self, agent: str) -> bool:
        """Whether the agent can resume a session of its own. Raises StartError if there is no such agent."""
        return build_agent(agent, self._config).resumable

    def run_agent(
        self,
        order: AgentOrder,
        *,
        on_start: Callable[[int, int | None], None],
        on_event: Callable[[AgentEvent], None],
        stop: Callable[[], StopRequest | None],
    ) -> AgentOutcome:
        """Run the agent in the session's tree to its end; raises StartError, StorageError."""
        agent = build_agent(order.agent, self._config)
        request = self._surroundings.request(self._session, order)
        with self._exchanging(stop) as watched:
            fence = self._fencing.around(self._session, request.env, lambda: agent.folders(request))
            request = msgspec.structs.replace(request, fence=fence)
            return agent.run(request, on_start=on_start, on_event=on_event, stop=watched)

    def bill_agent(self, order: AgentOrder, *, started: bool) -> AgentOutcome:
        """Judge, by what it left on disk, an agent whose runner died; raises StartError."""
        request = self._surroundings.request(self._session, order)
        outcome = build_agent(order.agent, self._config).bill(request, started=started)
        if exchange := self._surroundings.exchange(self._session):
            exchange.take()
        return outcome

    def run_hook(self, hook: HookRequest, *, stop: Callable[[], StopRequest | None]) -> HookResult:
        """Run a hook in the session's tree."""
        from pitboss.hooks import run_hook

        with self._exchanging(stop) as watched:
            return run_hook(
                hook,
                cwd=self._surroundings.tree(self._session),
                session_env=self._surroundings.variables(self._session),
                transcript=self._surroundings.transcript(self._session, HOOKS),
                fence=self._fencing.around(self._session, self._surroundings.environ),
                stop=watched,
            )

    def find_tests(self, command: str | None) -> TestCommand | None:
        """The tests: the configured `command`, else as detected from the session's tree."""
        from pitboss.checks import find_tests

        return find_tests(self._surroundings.tree(self._session), command)

    def run_tests(
        self, tests: TestCommand | None, kind: str, *, stop: Callable[[], StopRequest | None]
    ) -> TestResult:
        """Run the tests in the session's tree, with a transcript of that kind."""
        from pitboss.checks import run_tests

        env = self._surroundings.environment(self._session)
        with self._exchanging(stop) as watched:
            return run_tests(
                tests,
                cwd=self._surroundings.tree(self._session),
                env=env,
                transcript=self._surroundings.transcript(self._session, kind),
                fence=self._fencing.around(self._session, env),
                stop=watched,
            )

    def is_running(self, pid: int, pid_started: int) -> bool:
        """Whether that process is alive, this run's, and not another that has since been given its pid."""
        return proctree.start_time(pid) == pid_started and bool(self._surroundings.own([pid]))

    def end_process(self, pid: int, pid_started: int | None) -> None:
        """End that process and its descendants, if it is alive."""
        if pid_started is not None and self.is_running(pid, pid_started):
            proctree.end_tree([pid], grace_s=STOP_GRACE_S)

    @contextmanager
    def _exchanging(self, stop: Stop) -> Iterator[Stop]:
        """Around a process of the session: files to it, and files from it; `stop` also for skips of its own."""
        exchange = self._surroundings.exchange(self._session)
        if exchange is None:
            yield stop
            return
        exchange.give()
        yield exchange.watched(stop)
        exchange.take()


class OnlyThisMachine:
    """The host of all sessions of a run that has no other (`engine.ports.Hosts`)."""

    def __init__(self, surroundings: Surroundings, config: Config, git_of: GitOf) -> None:
        self._surroundings = surroundings
        self._config = config
        self._fencing = Fencing(config, surroundings, git_of)

    def of(self, session: Assignment) -> ThisMachine:
        """The host of a session."""
        return ThisMachine(session, self._surroundings, self._config, self._fencing)

    def end_strays(self, run_id: str, *, since: float) -> bool:
        """End every process that carries the marker of a dead run; returns whether there was one."""
        strays = self._surroundings.own(proctree.carrying({RUN_ID: run_id}, since=proctree.ticks(since)))
        proctree.end_tree(strays, grace_s=STOP_GRACE_S)
        return bool(strays)
