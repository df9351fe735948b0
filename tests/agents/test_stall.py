"""An agent that gets nowhere is stopped, however much it prints; one whose tool runs is not (SPEC 6)."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from tests.support.agents import agent, executable, request, run

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.agent import AgentOutcome

Line = dict[str, object]
IDLE_S = 0.4
STALLED = (SessionStatus.TIMEOUT, "stalled: no progress for 0.4 s")
DONE: Line = {"type": "result", "is_error": False, "total_cost_usd": 0.5, "usage": {"input_tokens": 9}}
CALL: Line = {
    "type": "assistant",
    "message": {
        "id": "m",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "tool_use", "id": "t", "name": "Bash"}],
    },
}
RESULT: Line = {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "t"}]}}
RETRY: Line = {"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 10}


def claude(folder: Path, *steps: str | Line) -> AgentOutcome:
    """The outcome of a `claude` that goes through `steps`: lines to print, or shell."""
    script = [step if isinstance(step, str) else f"echo '{json.dumps(step)}'" for step in steps]
    binary = executable(folder / "claude", "\n".join(["cat > /dev/null", *script]))
    return run(agent("claude_code", AgentSettings(binary=str(binary), idle_seconds=IDLE_S)), request(folder))


def said(text: str) -> Line:
    return {"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}}


def test_a_tool_that_runs_for_long_is_no_stall(tmp_path: Path) -> None:
    outcome = claude(tmp_path, CALL, "sleep 1", RESULT, DONE)
    assert (outcome.status, outcome.reason, outcome.tool_calls) == (SessionStatus.OK, None, 1)


def test_silence_after_the_tool_has_ended_is_one(tmp_path: Path) -> None:
    outcome = claude(tmp_path, CALL, RESULT, "exec sleep 60")
    assert (outcome.status, outcome.reason) == STALLED


@pytest.mark.parametrize("line", [said("I will try again."), {"type": "step_start"}])
def test_saying_the_same_over_and_over_is_a_stall(tmp_path: Path, line: Line) -> None:
    outcome = claude(tmp_path, f"while :; do echo '{json.dumps(line)}'; sleep 0.02; done")
    assert (outcome.status, outcome.reason) == STALLED


def test_one_that_asks_again_and_again_to_no_avail_has_a_busy_service(tmp_path: Path) -> None:
    outcome = claude(tmp_path, f"while :; do echo '{json.dumps(RETRY)}'; sleep 0.02; done")
    assert (outcome.status, outcome.reason) == (SessionStatus.ERROR, "overloaded: error, attempt 1 of 10")
    spoken = claude(tmp_path, RETRY, said("I will try again."), "exec sleep 60")
    assert (spoken.status, spoken.reason) == STALLED


def test_complaints_beside_the_stream_are_no_progress(tmp_path: Path) -> None:
    outcome = claude(tmp_path, "while :; do echo retrying >&2; sleep 0.02; done")
    assert (outcome.status, outcome.reason) == STALLED


def test_new_words_now_and_then_are_progress(tmp_path: Path) -> None:
    steps = [step for word in ("one", "two", "three", "four") for step in (said(word), "sleep 0.2")]
    assert claude(tmp_path, *steps, DONE).status is SessionStatus.OK


def test_the_time_that_a_slow_listener_takes_is_not_the_agents_silence(tmp_path: Path) -> None:
    settings = AgentSettings(command=("sh", "-c", "echo one; sleep 0.2; echo two"), idle_seconds=IDLE_S)
    outcome = run(agent("command", settings), request(tmp_path), on_event=lambda _: time.sleep(0.6))
    assert outcome.status is SessionStatus.OK


def test_plain_text_is_progress_as_long_as_it_comes(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4; do echo the same; sleep 0.2; done"
    settings = AgentSettings(command=("sh", "-c", script), idle_seconds=IDLE_S)
    assert run(agent("command", settings), request(tmp_path)).status is SessionStatus.OK


def test_what_a_stalled_agent_used_is_billed(tmp_path: Path) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 100}
    message = {"id": "m", "model": "claude-sonnet-4-5", "usage": usage}
    outcome = claude(tmp_path, {"type": "assistant", "message": message}, "exec sleep 60")
    assert (outcome.status, outcome.reason) == STALLED
    assert (outcome.usage.input, outcome.usage.output) == (1000, 100)
    assert outcome.usage.cost_usd == pytest.approx(0.0045)
