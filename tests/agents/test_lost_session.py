"""Agents whose own session is gone when they are to go on with it (SPEC 6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pitboss.agents.table import backend_names, find_backend
from pitboss.core.agent import Resume
from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage
from tests.support.agents import agent, executable, request, run

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.agent import AgentOutcome

GONE = "01a203c2-6598-7c63-9fdc-81d77cf1f2bc"
CLAUDE = json.dumps(
    {
        "type": "result",
        "subtype": "error_during_execution",
        "is_error": True,
        "total_cost_usd": 0,
        "errors": [f"No conversation found with session ID: {GONE}"],
    }
)


def resumed(backend: str, folder: Path, script: str, *, resume: bool = True) -> AgentOutcome:
    settings = AgentSettings(binary=str(executable(folder / backend, f"cat > /dev/null\n{script}")))
    earlier = Resume(session_id=GONE, usage=Usage(input=1000, output=10)) if resume else None
    return run(agent(backend, settings), request(folder, resume=earlier))


LOST = [
    ("claude_code", f"echo '{CLAUDE}'; exit 1"),
    ("claude_code", f"echo 'No conversation found with session ID: {GONE}' >&2; exit 1"),
    (
        "codex",
        f"echo 'Error: thread/resume failed: no rollout found for thread id {GONE} (code -32600)' >&2; exit 1",
    ),
    ("codex", f"echo 'Error: thread/read: thread/read failed: thread not loaded: {GONE}' >&2; exit 1"),
    ("gemini", f"echo 'Error resuming session: Invalid session identifier \"{GONE}\".' >&2; exit 42"),
    (
        "gemini",
        "echo 'Error resuming session: No previous sessions found for this project.' >&2; exit 42",
    ),
    ("qwen", f"echo 'No saved session found with ID {GONE}.' >&2; exit 1"),
    ("qwen", f"echo 'No saved session found with title \"{GONE}\".' >&2; exit 1"),
    (
        "copilot",
        f"echo \"Error: No session, task, or name matched '{GONE}'.\" >&2; echo 'To resume: ...' >&2; exit 1",
    ),
    ("kimi", f"echo 'error: failed to run prompt: Session \"{GONE}\" not found.' >&2; exit 1"),
    ("opencode", r"printf '\033[91m\033[1mError: \033[0mSession not found\n' >&2; exit 1"),
    ("copilot", f"echo \"Error: No session, task, or name matched '{GONE}'.\" >&2; exit 1"),
    ("opencode", f"echo 'NotFoundError: data: message: \"Session not found: {GONE}\"' >&2; exit 0"),
]
"""What each CLI prints when the session that it is to resume is gone."""


def test_every_cli_that_can_lose_a_session_has_its_words_here() -> None:
    can = {name for name in backend_names() if find_backend(name).session_lost}
    assert can - {"acp"} == {backend for backend, _ in LOST}


@pytest.mark.parametrize(("backend", "script"), LOST)
def test_a_cli_that_cannot_find_its_session_says_so_and_has_used_nothing(
    tmp_path: Path, backend: str, script: str
) -> None:
    outcome = resumed(backend, tmp_path, script)
    assert outcome.status is SessionStatus.ERROR
    assert outcome.lost_session
    assert outcome.usage == Usage()


@pytest.mark.parametrize(
    "words",
    [
        f"No conversation found with session ID: {GONE}",
        f"no rollout found for thread id {GONE}",
        f"thread not loaded: {GONE}",
        f"thread {GONE} not found",
        f'Invalid session identifier "{GONE}"',
        "No previous sessions found for this project.",
        f"No saved session found with ID {GONE}.",
        f"No session, task, or name matched '{GONE}'.",
        f"Session not found: {GONE}",
        f"Unknown session {GONE}",
    ],
)
def test_any_cli_may_be_behind_the_agent_client_protocol(words: str) -> None:
    pattern = find_backend("acp").session_lost
    assert pattern is not None
    assert pattern.search(words)
    assert not any(
        pattern.search(other) for other in ("file not found", "no tests found", "the session ended")
    )


def test_who_was_not_to_go_on_with_a_session_cannot_have_lost_it(tmp_path: Path) -> None:
    outcome = resumed("claude_code", tmp_path, f"echo '{CLAUDE}'; exit 1", resume=False)
    assert outcome.status is SessionStatus.ERROR
    assert not outcome.lost_session


def test_an_agent_that_worked_had_its_session_whatever_it_read_of_others(tmp_path: Path) -> None:
    call = json.dumps(
        {
            "type": "assistant",
            "message": {
                "id": "m",
                "model": "claude-sonnet-4-5",
                "usage": {"input_tokens": 5, "output_tokens": 1},
                "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "ls"}}],
            },
        }
    )
    outcome = resumed("claude_code", tmp_path, f"echo '{call}'; echo 'Session not found' >&2; exit 1")
    assert outcome.status is SessionStatus.ERROR
    assert not outcome.lost_session


def test_another_failure_of_a_resumed_session_is_no_lost_session(tmp_path: Path) -> None:
    outcome = resumed("codex", tmp_path, "echo 'Error: 401 Unauthorized' >&2; exit 1")
    assert outcome.status is SessionStatus.ERROR
    assert not outcome.lost_session
