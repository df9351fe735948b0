"""What every backend must do under the driver, whatever program it runs (SPEC 1.5, 6)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.agents.table import backend_names
from pitboss.core.config import AgentSettings
from pitboss.core.environment import marker
from pitboss.core.session import SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.usage import Usage
from tests.support.agents import PYTHON, agent, request, run, run_id
from tests.support.replay import scripted, table_of

if TYPE_CHECKING:
    from pitboss.agents.driver import Driver
    from pitboss.core.agent import AgentEvent, AgentOutcome, AgentRequest

FOREVER = "exec sleep 300"


class Case:
    """One backend with a scripted agent in a folder of its own."""

    def __init__(self, backend: str, folder: Path) -> None:
        self.backend = backend
        self.folder = folder

    def driver(self, script: str) -> Driver:
        return agent(self.backend, scripted(self.backend, self.folder, script))

    def request(self, script: str, **changes: Any) -> AgentRequest:
        return request(self.folder, body=f"```sh\n{script}\n```\n", **changes)

    def run(self, script: str, **changes: Any) -> AgentOutcome:
        return run(self.driver(script), self.request(script, **changes))

    def stopped_when(self, marker: str, script: str, why: StopRequest) -> AgentOutcome:
        """Run until the agent has made the file `marker`, then ask for a stop."""
        made = self.folder / marker
        return run(self.driver(script), self.request(script), stop=lambda: why if made.exists() else None)


@pytest.fixture(params=backend_names())
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return Case(request.param, tmp_path)


def test_exit_zero_without_an_error_reported_is_ok(case: Case) -> None:
    outcome = case.run("echo working; exit 0")
    assert (outcome.status, outcome.reason, outcome.exit_code) == (SessionStatus.OK, None, 0)


def test_another_exit_code_is_an_error_that_ends_with_the_last_complaint(case: Case) -> None:
    outcome = case.run("echo first >&2; echo 'it broke' >&2; exit 3")
    assert outcome.status is SessionStatus.ERROR
    assert outcome.reason == "exit_code: 3: it broke"
    assert outcome.exit_code == 3


def test_a_signal_from_outside_is_an_error(case: Case) -> None:
    outcome = case.run("kill -KILL $$")
    assert (outcome.status, outcome.reason) == (SessionStatus.ERROR, "exit_code: -9")


def test_an_agent_that_takes_too_long_is_a_timeout(case: Case) -> None:
    outcome = case.run(FOREVER, max_seconds=0.3)
    assert outcome.status is SessionStatus.TIMEOUT
    assert outcome.reason == "wall_clock: not done within 0.3 s"


def test_an_agent_that_falls_silent_is_a_timeout(case: Case) -> None:
    outcome = case.run(f"echo hello; {FOREVER}", idle_seconds=0.3)
    assert outcome.status is SessionStatus.TIMEOUT
    assert outcome.reason == "stalled: no progress for 0.3 s"


def test_silence_is_limited_by_the_settings_when_the_request_does_not_say(tmp_path: Path) -> None:
    settings = AgentSettings(command=("sh", "-c", FOREVER), idle_seconds=0.3)
    outcome = run(agent("command", settings), request(tmp_path))
    assert outcome.reason == "stalled: no progress for 0.3 s"


def test_the_limit_of_all_agents_goes_for_one_that_has_none_of_its_own(tmp_path: Path) -> None:
    settings = AgentSettings(command=("sh", "-c", FOREVER))
    outcome = run(agent("command", settings, idle_seconds=0.3), request(tmp_path))
    assert outcome.reason == "stalled: no progress for 0.3 s"


@pytest.mark.parametrize(
    ("why", "status", "reason"),
    [
        (StopRequest.SKIP, SessionStatus.SKIPPED, "skipped"),
        (StopRequest.ABORT, SessionStatus.ABORTED, "aborted"),
    ],
)
def test_a_stop_request_ends_the_agent_and_names_itself(
    case: Case, why: StopRequest, status: SessionStatus, reason: str
) -> None:
    outcome = case.stopped_when("running", f": > running; {FOREVER}", why)
    assert (outcome.status, outcome.reason) == (status, reason)


def test_a_stop_reaches_what_the_agent_moved_to_another_session(case: Case) -> None:
    daemon = f'{PYTHON} -c \'import os, time; os.setsid(); print(os.getpid(), file=open("pid", "w")); time.sleep(300)\''
    script = f"{daemon} & while ! [ -s pid ]; do sleep 0.01; done; : > running; wait"
    case.stopped_when("running", script, StopRequest.SKIP)
    assert not alive(int((case.folder / "pid").read_text()))


def test_a_program_that_is_not_there_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    for backend in backend_names():
        settings = AgentSettings(binary=missing, command=("anything",))
        outcome = run(agent(backend, settings), request(tmp_path, body="```sh\ntrue\n```"))
        assert outcome.status is SessionStatus.ERROR
        assert outcome.reason is not None
        assert outcome.reason.startswith(f"spawn_failed: cannot start {missing}: no such program; ")
        assert f"[agent.{backend}]" in outcome.reason
        assert outcome.usage == Usage()


@pytest.mark.parametrize("case", [name for name in backend_names() if table_of(name).verbatim], indirect=True)
def test_the_transcript_keeps_every_byte(case: Case) -> None:
    case.run(r"printf 'caf\303\251 \377\376\000 {half'; exec printf ' a line'")
    assert (case.folder / "session-0001.log").read_bytes() == b"caf\xc3\xa9 \xff\xfe\x00 {half a line"


def test_a_line_longer_than_memory_should_hold_is_survived(case: Case) -> None:
    outcome = case.run('head -c 9000000 /dev/zero; echo; echo \'{"type": "noise"}\'; echo done')
    assert outcome.status is SessionStatus.OK
    assert (case.folder / "session-0001.log").stat().st_size > 9_000_000


def test_the_agent_works_in_its_folder_with_the_environment_it_was_given(case: Case) -> None:
    case.run("pwd > where; env > environment; printf ok > status")
    environment = (case.folder / "environment").read_text().splitlines()
    assert (case.folder / "where").read_text().strip() == str(case.folder)
    assert f"PITBOSS_RUN_ID={run_id(case.folder)}" in environment
    assert not any(line.startswith("PYTEST_") for line in environment)


def test_two_sessions_in_folders_of_one_name_are_not_each_others_strays(tmp_path: Path) -> None:
    folders = [tmp_path / parent / "same" for parent in ("one", "other")]
    markers = [marker(request(folder).env) for folder in folders]
    assert markers[0] != markers[1]
    assert all(markers)


def test_the_variable_that_names_the_working_directory_tells_the_truth(tmp_path: Path) -> None:
    asked = request(tmp_path)
    asked.env["PWD"] = "/somewhere/else"
    run(agent("command", AgentSettings(command=("printenv", "PWD"))), asked)
    assert (tmp_path / "session-0001.log").read_text() == f"{tmp_path}\n"


def test_standard_input_ends_so_that_nobody_waits_for_more(case: Case) -> None:
    assert case.run("cat > all-of-it; echo end", max_seconds=30.0).status is SessionStatus.OK


def test_a_long_prompt_that_nobody_reads_does_not_matter(case: Case) -> None:
    asked = case.request("exit 0")
    long = {"text": "x" * 2_000_000} if case.backend != "shell" else {}
    outcome = run(case.driver("exit 0"), request(case.folder, body=asked.body, **long))
    assert outcome.status is SessionStatus.OK


def test_the_start_is_told_with_a_process_that_lives(case: Case) -> None:
    started: list[tuple[bool, bool]] = []
    script = "while ! [ -e told ]; do sleep 0.01; done"

    def on_start(pid: int, ticks: int | None) -> None:
        started.append((alive(pid), ticks is not None))
        (case.folder / "told").touch()

    run(case.driver(script), case.request(script), on_start=on_start)
    assert started == [(True, os.path.exists("/proc/self/stat"))]  # noqa: PTH110


def test_an_agent_that_does_not_say_what_it_used_is_not_taken_to_have_used_nothing(case: Case) -> None:
    assert case.run("echo done").usage == Usage(cost_known=case.backend == "shell")


def test_a_dead_runners_agent_is_billed_as_interrupted(case: Case) -> None:
    script = "printf 'half a line \\377'"
    case.run(script)
    outcome = case.driver(script).bill(case.request(script))
    assert (outcome.status, outcome.reason) == (SessionStatus.ABORTED, "interrupted")
    assert outcome.usage == Usage(cost_known=case.backend == "shell")


def test_an_agent_that_never_started_is_billed_nothing(case: Case) -> None:
    outcome = case.driver("true").bill(case.request("true"))
    assert (outcome.status, outcome.reason, outcome.usage) == (SessionStatus.ABORTED, "interrupted", Usage())


def test_of_a_model_that_ran_and_whose_transcript_is_gone_nobody_knows_the_cost(case: Case) -> None:
    outcome = case.driver("true").bill(case.request("true"), started=True)
    assert (outcome.status, outcome.reason) == (SessionStatus.ABORTED, "interrupted")
    assert outcome.usage == Usage(cost_known=case.backend == "shell")


def test_of_a_model_whose_transcript_is_empty_nobody_knows_the_cost(case: Case) -> None:
    asked = case.request("true")
    Path(asked.transcript).touch()
    assert case.driver("true").bill(asked).usage == Usage(cost_known=case.backend == "shell")


def test_an_exception_of_a_listener_ends_the_agent_and_is_not_swallowed(case: Case) -> None:
    class Gone(Exception):
        pass

    def broken(event: AgentEvent) -> None:
        raise Gone

    table = table_of(case.backend)
    loud = (
        f"cat {table.capture('ok').folder}/stdout; sleep 300"
        if "ok" in table.expected
        else "echo working; sleep 300"
    )
    with pytest.raises(Gone):
        run(case.driver(loud), case.request(loud), on_event=broken)


def alive(pid: int) -> bool:
    """Whether the process runs; one that is dead but not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
