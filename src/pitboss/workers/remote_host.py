"""A worker as the host of one session: passes the engine's calls on to the worker (SPEC 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from pitboss.core.host import HostLost, lost_reason
from pitboss.core.session import Reason, SessionStatus, reason_kind
from pitboss.workers import messages as say

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.agent import AgentEvent, AgentOrder, AgentOutcome
    from pitboss.core.session import Assignment
    from pitboss.core.stops import StopRequest
    from pitboss.core.user_commands import HookRequest, HookResult, TestCommand, TestResult
    from pitboss.hosts.this_machine import OnlyThisMachine, ThisMachine
    from pitboss.workers.line import WorkerLine


class RemoteHost:
    """The worker `name` as a host (`engine.ports.Host`). `line` is the session's; it raises HostLost if there is none.

    `here` judges what came home.
    """

    def __init__(self, name: str, line: Callable[[], WorkerLine], here: ThisMachine) -> None:
        self.name = name
        self._line = line
        self._here = here

    def is_resumable(self, agent: str) -> bool:
        """Whether the agent can resume a session of its own. Raises StartError if there is no such agent."""
        return self._here.is_resumable(agent)

    def run_agent(
        self,
        order: AgentOrder,
        *,
        on_start: Callable[[int, int | None], None],
        on_event: Callable[[AgentEvent], None],
        stop: Callable[[], StopRequest | None],
    ) -> AgentOutcome:
        """Run the agent on the worker; if that is lost, bill the agent by what came home."""
        started = False

        def hear(said: say.FromWorker) -> None:
            nonlocal started
            match said:
                case say.AgentStarted(pid=pid, pid_started=at):
                    started = True
                    on_start(pid, at)
                case say.Stepped(event=event):
                    on_event(event)
                case _:
                    pass

        try:
            line = self._line()
            ended, _ = line.ask(say.RunAgent(order=order), say.AgentEnded, news=hear, stop=stop)
        except HostLost:
            # It is not even known whether the agent began.
            outcome = self.bill_agent(order, started=True)
            return replace(outcome, status=SessionStatus.ABORTED, reason=lost_reason(self.name))
        if (why := ended.outcome.reason) and reason_kind(why) is Reason.SPAWN_FAILED:
            line.failed_early(why)
        else:
            line.agent_worked = True
        return ended.outcome

    def bill_agent(self, order: AgentOrder, *, started: bool) -> AgentOutcome:
        """Judge, by what came home, an agent whose runner or worker died; raises StartError."""
        return self._here.bill_agent(order, started=started)

    def run_hook(self, hook: HookRequest, *, stop: Callable[[], StopRequest | None]) -> HookResult:
        """Run a hook on the worker."""
        line = self._line()
        result = line.ask(say.RunHook(hook=hook), say.HookEnded, stop=stop)[0].result
        if not result.passed and result.stop is None:
            line.failed_early(f"a hook failed there: {result.detail}")
        return result

    def find_tests(self, command: str | None) -> TestCommand | None:
        """The tests: the configured `command`, else as detected from the session's tree."""
        if command is not None and command.strip():
            return self._here.find_tests(command)
        return self._line().ask(say.FindTests(), say.TestsFound)[0].tests

    def run_tests(
        self, tests: TestCommand | None, kind: str, *, stop: Callable[[], StopRequest | None]
    ) -> TestResult:
        """Run the tests on the worker."""
        return self._line().ask(say.RunTests(tests=tests, kind=kind), say.Tested, stop=stop)[0].result

    def is_running(self, pid: int, pid_started: int) -> bool:  # noqa: ARG002 - a pid means nothing on this machine
        """Whether that process is alive: a worker ends it as soon as it has lost its runner."""
        return False

    def end_process(self, pid: int, pid_started: int | None) -> None:
        """The worker has ended that process."""


class WorkerHosts:
    """The hosts of a run with workers (`engine.ports.Hosts`); a session without one is on this machine."""

    def __init__(self, here: OnlyThisMachine, line_of: Callable[[Assignment], WorkerLine]) -> None:
        self._here = here
        self._line_of = line_of

    def of(self, session: Assignment) -> ThisMachine | RemoteHost:
        """The host of a session."""
        here = self._here.of(session)
        if session.host is None:
            return here
        return RemoteHost(session.host, lambda: self._line_of(session), here)

    def end_strays(self, run_id: str, *, since: float) -> bool:
        """End what a dead run left on this machine, its own workers included; others see to themselves."""
        return self._here.end_strays(run_id, since=since)
