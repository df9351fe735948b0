"""A host without processes: agents, hooks and tests play scripts, so that runs are repeatable (SPEC 6).

Tests of the engine use it. The suite that judges the real host judges it too (`tests/contracts/test_host_port.py`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pitboss.core.user_commands import HookResult, TestCommand, TestResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pitboss.core.agent import Agent, AgentEvent, AgentOrder, AgentOutcome
    from pitboss.core.session import Assignment
    from pitboss.core.stops import StopRequest
    from pitboss.core.user_commands import HookRequest
    from pitboss.hosts.surroundings import Surroundings

    Stop = Callable[[], StopRequest | None]
    PlayedHook = Callable[[HookRequest, Mapping[str, str]], HookResult | None]
    PlayedTests = Callable[[TestCommand, str], TestResult | None]

POLL_S = 0.01
NO_TESTS = TestResult(passed=False, tail="no tests found", failing="no tests found", found=False)


class ScriptedHosts:
    """The hosts of a run (`engine.ports.Hosts`), all of which follow their scripts.

    `agent` makes an agent by name. `hook` gets the variables that it would see, `tests` the command and the kind of
    transcript; each returns how it ended, or None to go on until it is stopped or its time is up. `name` is what a
    session's host is called.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        agent: Callable[[str], Agent],
        hook: PlayedHook = lambda *_: HookResult(passed=True),
        tests: PlayedTests = lambda *_: TestResult(passed=True),
        name: Callable[[Assignment], str] = lambda _: "scripted",
    ) -> None:
        self.surroundings = surroundings
        self.agent = agent
        self.hook = hook
        self.tests = tests
        self.name = name
        self.survivors: set[tuple[int, int | None]] = set()
        """Processes that a dead run left, by pid and start time."""

    def of(self, session: Assignment) -> ScriptedHost:
        """The host of a session."""
        return ScriptedHost(self, session)

    def end_strays(self, run_id: str, *, since: float) -> bool:  # noqa: ARG002 - there is one run
        """End every remaining process; returns whether there was one."""
        found = bool(self.survivors)
        self.survivors.clear()
        return found


class ScriptedHost:
    """The host of one session (`engine.ports.Host`)."""

    def __init__(self, hosts: ScriptedHosts, session: Assignment) -> None:
        self._hosts = hosts
        self._session = session

    @property
    def name(self) -> str:
        """Its name in the script."""
        return self._hosts.name(self._session)

    def is_resumable(self, agent: str) -> bool:
        """Whether the agent can resume a session of its own."""
        return self._hosts.agent(agent).resumable

    def run_agent(
        self,
        order: AgentOrder,
        *,
        on_start: Callable[[int, int | None], None],
        on_event: Callable[[AgentEvent], None],
        stop: Stop,
    ) -> AgentOutcome:
        """Let the agent play its script in the session's tree."""
        request = self._hosts.surroundings.request(self._session, order)
        return self._hosts.agent(order.agent).run(request, on_start=on_start, on_event=on_event, stop=stop)

    def bill_agent(self, order: AgentOrder, *, started: bool) -> AgentOutcome:
        """Judge, by its transcript, an agent whose runner died."""
        request = self._hosts.surroundings.request(self._session, order)
        return self._hosts.agent(order.agent).bill(request, started=started)

    def run_hook(self, hook: HookRequest, *, stop: Stop) -> HookResult:
        """Play a hook."""
        variables = {**self._hosts.surroundings.variables(self._session), **hook.variables}
        if (played := self._hosts.hook(hook, variables)) is not None:
            return played
        why = _await(stop, hook.timeout_s)
        detail = f"timed out after {hook.timeout_s:g} s" if why is None else "stopped"
        return HookResult(passed=False, detail=detail, stop=why)

    def find_tests(self, command: str | None) -> TestCommand | None:
        """The configured tests; there are no others."""
        return (
            None if command is None else TestCommand(argv=("sh", "-c", command), found_by="[tests] command")
        )

    def run_tests(self, tests: TestCommand | None, kind: str, *, stop: Stop) -> TestResult:
        """Play the tests."""
        if tests is None:
            return NO_TESTS
        return self._hosts.tests(tests, kind) or TestResult(passed=False, stop=_await(stop))

    def is_running(self, pid: int, pid_started: int) -> bool:
        """Whether that process is among the survivors."""
        return (pid, pid_started) in self._hosts.survivors

    def end_process(self, pid: int, pid_started: int | None) -> None:
        """End that process, if it is alive."""
        self._hosts.survivors.discard((pid, pid_started))


def _await(stop: Stop, most_s: float = float("inf")) -> StopRequest | None:
    """Wait for a stop; None if there is none for that many seconds."""
    began = time.monotonic()
    while (why := stop()) is None and time.monotonic() - began < most_s:
        time.sleep(POLL_S)
    return why
