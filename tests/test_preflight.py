"""Agents are given a small task before they are given work (SPEC 5, 8)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pitboss.agents.table import backend_names
from pitboss.core.config import AgentSettings, Config, SandboxMode, SandboxSettings
from pitboss.core.session import SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.worker import Worker
from pitboss.errors import StartError
from pitboss.git.scratch import scratch
from pitboss.preflight import RAN, WRITTEN, Terms, Trial, require_working, try_agent
from tests.support.agents import executable, never
from tests.support.replay import scripted
from tests.support.sandboxes import needs_bwrap

READ = (
    "prompt=${PROMPT-${ACP_PROMPT-$(cat)}}; word=$(echo \"$prompt\" | sed -n 's/.*content is this word: //p')"
)
WRITE = f'echo "$word" >{WRITTEN}'
RUN = f"printenv PITBOSS_PROBE >{RAN}"


OPEN = SandboxSettings()


def tried(name: str, settings: AgentSettings, folder: Path, sandbox: SandboxSettings = OPEN) -> Trial:
    scratch_folder = folder / "scratch"
    scratch_folder.mkdir()
    return try_agent(Worker(name), terms(name, settings, folder, sandbox), scratch_folder)


def terms(name: str, settings: AgentSettings, folder: Path, sandbox: SandboxSettings = OPEN) -> Terms:
    config = Config(agents={name: settings}, sandbox=sandbox)
    return Terms(config=config, root=folder, run_id=f"probe-{folder}", stop=never)


def claude(folder: Path, *steps: str) -> AgentSettings:
    return scripted("claude_code", folder, "\n".join((READ, *steps)))


def failing(folder: Path, said: str) -> AgentSettings:
    """A claude whose request failed; `said` are the fields of its last line."""
    return claude(folder, f"echo '{RESULT % said}'; exec sh -c 'exit 1'")


@pytest.mark.parametrize("name", backend_names())
def test_an_agent_that_writes_runs_and_ends_works(name: str, tmp_path: Path) -> None:
    trial = tried(name, scripted(name, tmp_path, f"{READ}\n{WRITE}\n{RUN}\nexit 0"), tmp_path)
    assert (trial.wrote, trial.ran, trial.outcome.status) == (True, True, SessionStatus.OK)
    assert trial.works
    assert trial.finding.startswith(f"{name}: writes files, runs commands and ends cleanly (")
    assert trial.hint is None


@needs_bwrap
@pytest.mark.parametrize("name", backend_names())
def test_every_agent_works_in_the_sandbox_that_sessions_have_and_writes_nothing_in_home(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    settings = scripted(name, tmp_path, f"{READ}\n{WRITE}\n{RUN}\ntouch {home}/planted\nexit 0")
    shown = (str(Path(__file__).parent),)  # what plays the agents, also if these tests are in /tmp
    trial = tried(name, settings, tmp_path, SandboxSettings(mode=SandboxMode.BWRAP, writable=shown))
    assert trial.works, trial.finding
    assert not (home / "planted").exists()


def test_each_model_of_an_agent_is_tried_apart_from_the_others(tmp_path: Path) -> None:
    told: list[str] = []
    settings = claude(tmp_path, f'echo "$*" >>{tmp_path}/asked', WRITE, RUN, "exit 0")
    workers = (Worker("claude_code", "one"), Worker("claude_code", "two"))
    require_working(workers, terms("claude_code", settings, tmp_path), tell=told.append)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.split("--model ")[1].split()[0] for line in asked] == ["one", "two"]


def test_who_only_says_that_it_did_it_does_not_work(tmp_path: Path) -> None:
    trial = tried("claude_code", claude(tmp_path, "exit 0"), tmp_path)
    assert not trial.works
    assert not trial.excused
    assert trial.finding.startswith(
        "claude_code: it did not write its file, it did not run its command, although it ended normally, saying: "
    )
    assert trial.hint is not None
    assert "permission_mode" in trial.hint


def test_a_command_that_was_made_up_is_not_taken_for_run(tmp_path: Path) -> None:
    trial = tried("claude_code", claude(tmp_path, WRITE, f"echo 0123456789abcdef >{RAN}", "exit 0"), tmp_path)
    assert (trial.wrote, trial.ran, trial.works) == (True, False, False)
    assert trial.finding.startswith("claude_code: it wrote a file, it did not run its command, although")


def test_aider_runs_no_commands_and_works_nonetheless(tmp_path: Path) -> None:
    trial = tried("aider", scripted("aider", tmp_path, f"{READ}\n{WRITE}\nexit 0"), tmp_path)
    assert trial.works
    assert "runs no commands by itself" in trial.finding


RESULT = '{"type": "result", "is_error": true, "terminal_reason": "api_error", %s}'


@pytest.mark.parametrize(
    ("said", "reason", "hint"),
    [
        ('"api_error_status": 401, "result": "Invalid API key"', "auth: Invalid API key", "log in"),
        ('"api_error_status": 404, "result": "no model m"', "not_found: no model m", "model"),
        ('"api_error_status": 402, "result": "pay first"', "billing: pay first", "payment"),
    ],
)
def test_a_failure_is_told_with_its_reason_and_what_to_do(
    said: str, reason: str, hint: str, tmp_path: Path
) -> None:
    trial = tried("claude_code", failing(tmp_path, said), tmp_path)
    assert f"it did not run its command, it failed: {reason}" in trial.finding
    assert trial.hint is not None
    assert hint in trial.hint


def test_a_usage_limit_leaves_open_whether_it_works(tmp_path: Path) -> None:
    said = '"api_error_status": 429, "api_error": "usage_limit_reached", "result": "limit"'
    trial = tried("claude_code", failing(tmp_path, said), tmp_path)
    assert (trial.works, trial.excused, trial.hint) == (False, True, None)


def test_a_program_that_is_not_there_is_told_with_how_to_install_it(tmp_path: Path) -> None:
    trial = tried("codex", AgentSettings(binary=str(tmp_path / "missing")), tmp_path)
    assert "it failed: spawn_failed: cannot start" in trial.finding
    assert "npm install" in trial.finding


def test_git_in_the_trial_is_that_of_the_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "mine"))
    told = tmp_path / "told"
    look = f"git rev-parse --show-toplevel HEAD >{told}; exit 0"
    tried("claude_code", claude(tmp_path, look), tmp_path)
    top, head = told.read_text().split()
    (repository,) = (tmp_path / "scratch").glob("claude_code-*/repository")
    assert top == str(repository.resolve())
    assert len(head) == 40


def test_a_scratch_folder_is_gone_whatever_was_left_in_it() -> None:
    with scratch() as folder:
        (folder / "deep/er").mkdir(parents=True)
        (folder / "deep/er/file").write_text("left")
        (folder / "deep").chmod(0o500)
    assert not folder.exists()


def required(name: str, settings: AgentSettings, stop: StopRequest | None = None) -> list[str]:
    told: list[str] = []
    config = Config(agents={name: settings})
    root = Path.cwd()
    asked = Terms(config=config, root=root, run_id=f"probe-{os.getpid()}", stop=lambda: stop)
    require_working((Worker(name),), asked, tell=told.append)
    return told


def test_what_works_is_told_and_what_does_not_is_refused(tmp_path: Path) -> None:
    (_, told) = required("claude_code", claude(tmp_path, WRITE, RUN, "exit 0"))
    assert told.startswith("probe of claude_code: writes files")
    with pytest.raises(StartError, match="probe of claude_code: it wrote a file, it did not run") as refused:
        required("claude_code", claude(tmp_path, WRITE, "exit 0"))
    assert refused.value.hint is not None


def test_a_limit_is_no_reason_to_refuse(tmp_path: Path) -> None:
    said = '"api_error_status": 529, "result": "Overloaded"'
    (_, told) = required("claude_code", failing(tmp_path, said))
    assert "it failed: overloaded: Overloaded" in told


def test_a_stop_ends_the_trial_and_starts_nothing(tmp_path: Path) -> None:
    binary = executable(tmp_path / "claude", "exec sleep 300")
    with pytest.raises(StartError, match="stopped while trying the agents"):
        required("claude_code", AgentSettings(binary=str(binary)), StopRequest.ABORT)
