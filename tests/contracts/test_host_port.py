"""What the engine may count on of any host: this machine, a worker, or the one that plays a script (SPEC 6, 7, 14)."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from functools import partial
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Protocol

import msgspec
import pytest

from pitboss import proctree
from pitboss.agents.scripted import Script, ScriptedAgent
from pitboss.core.agent import AgentEvent, AgentOrder, AgentOutcome, EventKind
from pitboss.core.config import AgentSettings, Config, WorktreeSettings
from pitboss.core.run import RunState, build_state
from pitboss.core.sandbox.ground import GitGround
from pitboss.core.session import SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.usage import CostSource, Usage
from pitboss.core.user_commands import HookRequest, HookResult, TestCommand, TestResult
from pitboss.git.repo import Repo
from pitboss.hosts.scripted import ScriptedHosts
from pitboss.hosts.surroundings import Surroundings
from pitboss.hosts.this_machine import OnlyThisMachine
from pitboss.landing.git_trouble import RepositoryMonitor
from pitboss.landing.guard import Guard
from pitboss.landing.places import GitPlaces
from pitboss.landing.refs import run_branch
from pitboss.landing.resilient import ResilientPlaces
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.site import Site
from pitboss.store.paths import RunPaths
from pitboss.workers.remote_host import WorkerHosts
from tests.support.agents import executable, never, nothing
from tests.support.cli import wait_until
from tests.support.one_worker import OneWorker
from tests.support.values import STARTED, assigned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pitboss.core.agent import AgentRequest
    from pitboss.core.session import Assignment
    from pitboss.engine.ports import Host, Hosts
    from pitboss.workers.worker_places import WorkerPlaces

AGENT = "opencode"
USED = Usage(input=100, output=20, cost_usd=0.5, priced_by=CostSource.AGENT)
REPOSITORY = """
git init -q -b main --template= . && git config user.name Somebody && git config user.email some@body
printf '.pitboss/\n/opencode\n' > .gitignore && git add .gitignore && git commit -qm first
"""
TESTS_PASS, TESTS_FAIL, FOR_EVER = "exit 0", "echo 'it broke'; exit 1", "exec sleep 300"


class World(Protocol):
    """A run with one session, whose agent makes a file in `tree`, sums up, and goes on for ever if it `waits`."""

    session: Assignment
    paths: RunPaths
    tree: Path
    waits: bool

    @property
    def inside(self) -> RunPaths:
        """The run's files as its sessions see them."""
        ...

    @property
    def hosts(self) -> Hosts: ...

    def leave_process(self) -> tuple[int, int]:
        """Have a process of a dead run; returns its pid and its start time."""
        ...

    def close(self) -> None: ...


class Folder:
    """What both worlds have on disk."""

    def __init__(self, folder: Path, session: Assignment) -> None:
        self.session = session
        self.waits = False
        self.paths = RunPaths(folder, f"run-{folder}".replace("/", "-"))
        self.paths.transcripts.mkdir(parents=True)
        name = session.worktree
        self.tree = folder if name is None else self.paths.working_copy(name)
        self.tree.mkdir(parents=True, exist_ok=True)
        self.surroundings = Surroundings(self.paths, dict(os.environ), lambda _: str(self.tree))

    @property
    def inside(self) -> RunPaths:
        return self.paths


class Here(Folder):
    """This machine, with an agent that prints what opencode does."""

    def __init__(self, folder: Path, session: Assignment) -> None:
        super().__init__(folder, session)
        self._folder = folder
        self._left: list[subprocess.Popen[bytes]] = []

    def git_of(self, session: Assignment) -> tuple[GitGround, tuple[str, ...]]:
        git = str(self._folder / ".git")
        return GitGround(own=git, common=git, branch="pitboss/grind/run"), ()

    @property
    def hosts(self) -> Hosts:
        return OnlyThisMachine(self.surroundings, self.config(), self.git_of)

    def config(self) -> Config:
        """The configuration, with the agent in it."""
        spent = {"reason": "stop", "cost": 0.5, "tokens": {"input": 100, "output": 20}}
        lines = ({"type": "text", "part": {"text": "done"}}, {"type": "step_finish", "part": spent})
        said = "\n".join(json.dumps({**line, "sessionID": "ses-1"}) for line in lines)
        script = f"""cat > /dev/null
            echo made > made.txt
            printf 'all of it' > "$PITBOSS_SUMMARY_FILE"
            printf '%s\\n' {shlex.quote(said)}
            {FOR_EVER if self.waits else "exit 0"}"""
        settings = AgentSettings(binary=str(executable(self._folder / AGENT, script)))
        return Config(agents={AGENT: settings})

    def leave_process(self) -> tuple[int, int]:
        left = subprocess.Popen(["sleep", "300"], env={**os.environ, "PITBOSS_RUN_ID": self.paths.run_id})
        self._left.append(left)
        wait_until(lambda: proctree.carries(left.pid, {"PITBOSS_RUN_ID": self.paths.run_id}))
        started = proctree.start_time(left.pid)
        assert started is not None
        return left.pid, started

    def close(self) -> None:
        for left in self._left:
            left.kill()
            left.wait()


class Away(Here):
    """A worker, whose session is always in a slot."""

    def __init__(self, folder: Path, session: Assignment) -> None:
        super().__init__(folder, msgspec.structs.replace(session, worktree=None))
        subprocess.run(["sh", "-ec", REPOSITORY], cwd=folder, check=True, capture_output=True)
        self._worker = OneWorker(folder / ".pitboss" / "worker", os.environ)
        self._places: WorkerPlaces | None = None

    @property
    def hosts(self) -> Hosts:
        if self._places is None:
            self._places = self._opened()
            self._begin(self._places)
        here = OnlyThisMachine(self.surroundings, self.config(), self.git_of)
        return WorkerHosts(here, self._places.line)

    def _opened(self) -> WorkerPlaces:
        repo = Repo.discover(self._folder)
        branch = RunBranch(repo, run_branch(self.paths.run_id), checked_out=False)
        repo.git("branch", branch.name)
        places = GitPlaces(Site(repo=repo, branch=branch, paths=self.paths, worktree=WorktreeSettings()))
        guard = Guard(repo, self.paths.root)
        guard.begin()
        monitor = RepositoryMonitor(places, guard, lambda _: None, lambda: False)
        home = ResilientPlaces(places, monitor, Unheard())
        opened = self._worker.places(home, monitor, repo, branch, self.paths, self.config())
        opened.open()
        return opened

    def _begin(self, places: WorkerPlaces) -> None:
        assert places.has_room()
        where = places.reserve(1, in_slot=True)
        self.session = msgspec.structs.replace(
            self.session,
            base_commit=where.base_commit,
            worktree=where.worktree,
            branch=where.branch,
            host=where.host,
        )
        places.at(self.session).prepare()
        self.tree = self._worker.tree(self.session)

    @property
    def inside(self) -> RunPaths:
        return RunPaths(self.tree.parents[5], self.paths.run_id)

    def close(self) -> None:
        super().close()
        self._worker.close()


class Unheard:
    """Where a run notes whose work could not be rescued: nobody rescues here."""

    state: RunState = build_state(
        run_id="run",
        branch="pitboss/grind/run",
        plan_name="default",
        prompt_names=("alpha",),
        now=STARTED,
        base_commit=None,
    )

    def unrescued(self, seq: int) -> None:
        raise AssertionError(f"the work of session {seq} was not rescued")

    def rescued(self, seq: int) -> None:
        pass


class Played(Folder):
    """The host that plays a script, of which this is one that does the same."""

    @property
    def hosts(self) -> ScriptedHosts:
        return self._hosts

    def __init__(self, folder: Path, session: Assignment) -> None:
        super().__init__(folder, session)
        self._hosts = ScriptedHosts(
            self.surroundings,
            agent=lambda name: ScriptedAgent(name, lambda _: self._script(), resumable=True),
            hook=self._hook,
            tests=self._tests,
        )

    def _script(self) -> Script:
        events = (AgentEvent(kind=EventKind.TEXT, text="done"), AgentEvent(kind=EventKind.USAGE, usage=USED))
        outcome = AgentOutcome(status=SessionStatus.OK, usage=USED)
        return Script(work=self._work, events=events, outcome=outcome, waits=self.waits)

    def _work(self, request: AgentRequest) -> None:
        Path(request.cwd, "made.txt").write_text("made\n")
        Path(request.env["PITBOSS_SUMMARY_FILE"]).write_text("all of it")

    def _hook(self, hook: HookRequest, variables: Mapping[str, str]) -> HookResult | None:
        match hook.command:
            case "env > seen.txt":
                (self.tree / "seen.txt").write_text("".join(f"{n}={v}\n" for n, v in variables.items()))
            case "exit 3":
                return HookResult(passed=False, detail="exit code 3")
            case command if command == FOR_EVER:
                return None
        return HookResult(passed=True)

    def _tests(self, command: TestCommand, _kind: str) -> TestResult | None:
        match str(command):
            case "exit 0":
                return TestResult(passed=True)
            case command_line if command_line == FOR_EVER:
                return None
        return TestResult(passed=False, tail="it broke", failing="it broke")

    def leave_process(self) -> tuple[int, int]:
        self._hosts.survivors.add((4242, 17))
        return 4242, 17

    def close(self) -> None:
        pass


def makers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Assignment], World]]:
    made: list[World] = []

    def make(session: Assignment) -> World:
        world: World = request.param(tmp_path, session)
        made.append(world)
        return world

    yield make
    for world in made:
        world.close()


@pytest.fixture(params=[Here, Played, Away])
def world_of(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Assignment], World]]:
    yield from makers(request, tmp_path)


@pytest.fixture(params=[Here, Played])
def at_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world whose host knows processes by their pids; a worker ends its own."""
    for make in makers(request, tmp_path):
        yield make(assigned(1))


@pytest.fixture(params=[None, "worktrees/slot-1"], ids=["in place", "in a slot"])
def world(request: pytest.FixtureRequest, world_of: Callable[[Assignment], World]) -> World:
    return world_of(assigned(1, worktree=request.param))


@pytest.fixture
def one(world_of: Callable[[Assignment], World]) -> World:
    """A session's world, where it does not matter which tree it has."""
    return world_of(assigned(1))


@pytest.fixture
def host(one: World) -> Host:
    return one.hosts.of(one.session)


def order(kind: str = "") -> AgentOrder:
    return AgentOrder(prompt_name="alpha", text="do it", body="do it", agent=AGENT, kind=kind)


def worked(
    host: Host,
    *,
    stop: Callable[[], StopRequest | None] = never,
    on_event: Callable[[AgentEvent], None] = nothing,
) -> AgentOutcome:
    return host.run_agent(order(), on_start=nothing, on_event=on_event, stop=stop)


def test_a_session_finds_its_host_again(one: World) -> None:
    assert one.hosts.of(one.session).name == one.hosts.of(one.session).name != ""


def test_an_agent_works_in_the_sessions_tree_and_what_it_wrote_is_the_runners(world: World) -> None:
    outcome = worked(world.hosts.of(world.session))
    assert (outcome.status, outcome.usage) == (SessionStatus.OK, USED)
    assert (world.tree / "made.txt").read_text() == "made\n"
    assert world.paths.summary(1).read_text() == "all of it"
    assert world.paths.transcript(1).stat().st_size > 0


def test_a_start_is_told_first_then_what_the_agent_does_while_it_runs_all_in_one_thread(one: World) -> None:
    one.waits = True
    told: list[object] = []
    threads: set[int] = set()

    def tell(what: object) -> None:
        told.append(what)
        threads.add(get_ident())

    def stop() -> StopRequest | None:
        threads.add(get_ident())
        return StopRequest.SKIP if EventKind.USAGE in told else None

    outcome = one.hosts.of(one.session).run_agent(
        order(),
        on_start=lambda pid, _: tell(pid > 0),
        on_event=lambda event: tell(event.kind),
        stop=stop,
    )
    assert told == [True, EventKind.TEXT, EventKind.USAGE]
    assert threads == {get_ident()}
    assert (outcome.status, outcome.usage) == (SessionStatus.SKIPPED, USED)


def test_what_a_listener_raises_is_not_swallowed(one: World) -> None:
    class Gone(Exception):
        pass

    def broken(_event: AgentEvent) -> None:
        raise Gone

    one.waits = True
    with pytest.raises(Gone):
        worked(one.hosts.of(one.session), on_event=broken)


def test_an_agent_whose_runner_died_is_billed_by_what_it_left(host: Host) -> None:
    nobody = host.bill_agent(order(), started=False)
    outcome = worked(host)
    bills = [host.bill_agent(order(), started=True) for _ in range(2)]
    assert {(bill.status, bill.reason) for bill in (nobody, *bills)} == {
        (SessionStatus.ABORTED, "interrupted")
    }
    assert (nobody.usage, [bill.usage for bill in bills]) == (Usage(), [outcome.usage] * 2)


def test_whether_agents_resume_sessions_is_known_before_they_run(host: Host) -> None:
    assert host.is_resumable(AGENT)


def test_a_hook_sees_its_session_and_its_own_variables(world: World) -> None:
    hook = HookRequest(command="env > seen.txt", variables={"PITBOSS_SESSION_STATUS": "ok"})
    assert world.hosts.of(world.session).run_hook(hook, stop=never) == HookResult(passed=True)
    seen = dict(line.split("=", 1) for line in (world.tree / "seen.txt").read_text().splitlines())
    own = world.session.worktree is not None
    expected = {
        "PITBOSS_SESSION_STATUS": "ok",
        "PITBOSS_SESSION_SEQ": "1",
        "PITBOSS_PROMPT_NAME": "alpha",
        "PITBOSS_WORKTREE": str(world.tree),
        "PITBOSS_SCRATCHPAD": str(world.inside.notes(1) if own else world.inside.scratchpad),
        "PITBOSS_SKIP_FILE": str(world.inside.skip(1) if own else world.inside.skip_file),
    }
    assert {name: seen.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("hook", "stop", "result"),
    [
        (HookRequest(command="exit 3"), None, HookResult(passed=False, detail="exit code 3")),
        (
            HookRequest(command=FOR_EVER, timeout_s=0.2),
            None,
            HookResult(passed=False, detail="timed out after 0.2 s"),
        ),
        (
            HookRequest(command=FOR_EVER),
            StopRequest.ABORT,
            HookResult(passed=False, detail="stopped", stop=StopRequest.ABORT),
        ),
    ],
)
def test_a_hook_that_does_not_pass_says_why(
    host: Host, hook: HookRequest, stop: StopRequest | None, result: HookResult
) -> None:
    assert host.run_hook(hook, stop=lambda: stop) == result


@pytest.mark.parametrize(
    ("command", "stop", "result"),
    [
        (TESTS_PASS, None, TestResult(passed=True)),
        (TESTS_FAIL, None, TestResult(passed=False, tail="it broke", failing="it broke")),
        (FOR_EVER, StopRequest.SKIP, TestResult(passed=False, stop=StopRequest.SKIP)),
    ],
)
def test_the_configured_tests_are_found_and_run(
    host: Host, command: str, stop: StopRequest | None, result: TestResult
) -> None:
    tests = host.find_tests(command)
    assert str(tests) == command
    assert host.run_tests(tests, "verify", stop=lambda: stop) == result


def test_where_there_are_no_tests_they_fail(host: Host) -> None:
    assert host.find_tests(None) is None
    result = host.run_tests(None, "verify", stop=never)
    assert (result.passed, result.found) == (False, False)
    assert result.failing


def test_a_process_is_known_by_its_pid_and_its_start_and_ended_once(at_home: World) -> None:
    host, (pid, started) = at_home.hosts.of(at_home.session), at_home.leave_process()
    assert host.is_running(pid, started)
    assert not host.is_running(pid, started + 1)
    host.end_process(pid, started + 1)
    assert host.is_running(pid, started)
    for _ in range(2):
        host.end_process(pid, started)
        assert not host.is_running(pid, started)


def test_what_a_dead_run_left_is_ended_and_then_nothing_is_left(at_home: World) -> None:
    pid, started = at_home.leave_process()
    end = partial(at_home.hosts.end_strays, at_home.paths.run_id, since=STARTED.timestamp())
    assert [end(), end()] == [True, False]
    assert not at_home.hosts.of(at_home.session).is_running(pid, started)
