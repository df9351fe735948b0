"""An agent that gets nowhere is stopped, however much it prints; one whose tool runs is not (SPEC 6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pitboss.agents import monitor
from pitboss.core.announced_stop import AnnouncedStop
from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.engine.bell import Bell
from pitboss.process import supervisor
from tests.support.agents import agent, executable, request, run
from tests.support.clock import LeapingClock

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.agent import AgentOutcome

Line = dict[str, object]
IDLE_S = 100.0
STILL_S = IDLE_S + 1
PART_S = 0.6 * IDLE_S
STALLED = (SessionStatus.TIMEOUT, "stalled: no progress for 100 s")
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


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LeapingClock:
    """What agents' patience goes by."""
    return LeapingClock(tmp_path, monkeypatch, monitor)


def claude(folder: Path, clock: LeapingClock, *steps: str | Line) -> AgentOutcome:
    """The outcome of a `claude` that goes through `steps`: lines to print, or shell."""
    script = [step if isinstance(step, str) else f"echo '{json.dumps(step)}'" for step in steps]
    binary = executable(folder / "claude", "\n".join(["cat > /dev/null", *script]))
    settings = AgentSettings(binary=str(binary), idle_seconds=IDLE_S)
    return run(agent("claude_code", settings), request(folder), stop=clock.look)


def over_and_over(clock: LeapingClock, script: str) -> str:
    """A script that does another again and again, for more than an agent's patience."""
    return f"while :; do {script}; sleep 0.02; done & {clock.passes(PART_S)}; {clock.passes(PART_S)}; wait"


def command(folder: Path, clock: LeapingClock, script: str, *, listens_s: float = 0.0) -> AgentOutcome:
    """The outcome of a user's own agent; whoever listens takes so many seconds over each event."""
    settings = AgentSettings(command=("sh", "-c", script), idle_seconds=IDLE_S)
    return run(
        agent("command", settings),
        request(folder),
        stop=clock.look,
        on_event=lambda _: clock.leap(listens_s),
    )


def said(text: str) -> Line:
    return {"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}}


def test_a_tool_that_runs_for_long_is_no_stall(tmp_path: Path, clock: LeapingClock) -> None:
    outcome = claude(tmp_path, clock, CALL, clock.passes(STILL_S), RESULT, DONE)
    assert (outcome.status, outcome.reason, outcome.tool_calls) == (SessionStatus.OK, None, 1)


def test_silence_after_the_tool_has_ended_is_one(tmp_path: Path, clock: LeapingClock) -> None:
    outcome = claude(tmp_path, clock, CALL, RESULT, clock.passes(STILL_S))
    assert (outcome.status, outcome.reason) == STALLED


@pytest.mark.parametrize("line", [said("I will try again."), {"type": "step_start"}])
def test_saying_the_same_over_and_over_is_a_stall(tmp_path: Path, clock: LeapingClock, line: Line) -> None:
    outcome = claude(tmp_path, clock, over_and_over(clock, f"echo '{json.dumps(line)}'"))
    assert (outcome.status, outcome.reason) == STALLED


def test_one_that_asks_again_and_again_to_no_avail_has_a_busy_service(
    tmp_path: Path, clock: LeapingClock
) -> None:
    outcome = claude(tmp_path, clock, over_and_over(clock, f"echo '{json.dumps(RETRY)}'"))
    assert (outcome.status, outcome.reason) == (SessionStatus.ERROR, "overloaded: error, attempt 1 of 10")
    spoken = claude(tmp_path, clock, RETRY, said("I will try again."), clock.passes(STILL_S))
    assert (spoken.status, spoken.reason) == STALLED


def test_complaints_beside_the_stream_are_no_progress(tmp_path: Path, clock: LeapingClock) -> None:
    outcome = claude(tmp_path, clock, over_and_over(clock, "echo retrying >&2"))
    assert (outcome.status, outcome.reason) == STALLED


def test_new_words_now_and_then_are_progress(tmp_path: Path, clock: LeapingClock) -> None:
    steps = [step for word in ("one", "two", "three", "four") for step in (said(word), clock.passes(PART_S))]
    assert claude(tmp_path, clock, *steps, DONE).status is SessionStatus.OK


def test_the_time_that_a_slow_listener_takes_is_not_the_agents_silence(
    tmp_path: Path, clock: LeapingClock
) -> None:
    outcome = command(tmp_path, clock, f"echo one; {clock.passes(PART_S)}; echo two", listens_s=STILL_S)
    assert outcome.status is SessionStatus.OK


def test_plain_text_is_progress_as_long_as_it_comes(tmp_path: Path, clock: LeapingClock) -> None:
    script = "; ".join(f"echo the same; {clock.passes(PART_S)}" for _ in range(4))
    assert command(tmp_path, clock, script).status is SessionStatus.OK


def test_what_a_stalled_agent_used_is_billed(tmp_path: Path, clock: LeapingClock) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 100}
    message = {"id": "m", "model": "claude-sonnet-4-5", "usage": usage}
    outcome = claude(tmp_path, clock, {"type": "assistant", "message": message}, clock.passes(STILL_S))
    assert (outcome.status, outcome.reason) == STALLED
    assert (outcome.usage.input, outcome.usage.output) == (1000, 100)
    assert outcome.usage.cost_usd == pytest.approx(0.0045)


@pytest.mark.parametrize(
    ("line", "ended"),
    [
        (said("I think."), (SessionStatus.TIMEOUT, "stalled: no progress for 0.3 s")),
        (DONE, (SessionStatus.OK, None)),
    ],
    ids=["stalled", "lingers"],
)
def test_silence_ends_an_agent_when_its_time_is_up_though_nobody_keeps_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: Line, ended: tuple[SessionStatus, str | None]
) -> None:
    monkeypatch.setattr(supervisor, "BURY_S", 300.0)
    script = f"cat > /dev/null; echo '{json.dumps(line)}'; exec sleep 300"
    binary = executable(tmp_path / "claude", script)
    settings = AgentSettings(binary=str(binary), idle_seconds=0.3)
    never = AnnouncedStop(lambda: None, Bell().calling)
    outcome = run(agent("claude_code", settings), request(tmp_path), stop=never)
    assert (outcome.status, outcome.reason) == ended


LIMIT = "You've hit your usage limit. Try again in 3 days."


@pytest.mark.parametrize(
    ("backend", "lines"),
    [
        ("codex", [{"type": "thread.started", "thread_id": "t"}, {"type": "error", "message": LIMIT}]),
        ("gemini", [{"type": "init", "session_id": "s"}, {"type": "error", "message": LIMIT}]),
        (
            "claude_code",
            [
                {
                    "type": "assistant",
                    "error": "rate_limit",
                    "message": {"model": "<synthetic>", "content": [{"type": "text", "text": LIMIT}]},
                }
            ],
        ),
    ],
)
def test_an_agent_that_reports_a_limit_and_never_exits_is_limited(
    tmp_path: Path, clock: LeapingClock, backend: str, lines: list[Line]
) -> None:
    script = "\n".join(["cat > /dev/null", *(f"cat <<'END'\n{json.dumps(line)}\nEND" for line in lines)])
    binary = executable(tmp_path / backend, f"{script}\n{clock.passes(STILL_S)}")
    settings = AgentSettings(binary=str(binary), idle_seconds=IDLE_S)
    outcome = run(agent(backend, settings), request(tmp_path), stop=clock.look)
    assert (outcome.status, outcome.reason) == (SessionStatus.ERROR, f"rate_limited: {LIMIT}")


def test_an_agent_that_went_on_after_a_limit_has_stalled(tmp_path: Path, clock: LeapingClock) -> None:
    limited = {"type": "error", "message": LIMIT}
    answer = {"type": "item.completed", "item": {"id": "i", "type": "agent_message", "text": "on"}}
    script = "\n".join(f"cat <<'END'\n{json.dumps(line)}\nEND" for line in (limited, answer))
    binary = executable(tmp_path / "codex", f"cat > /dev/null\n{script}\n{clock.passes(STILL_S)}")
    settings = AgentSettings(binary=str(binary), idle_seconds=IDLE_S)
    outcome = run(agent("codex", settings), request(tmp_path), stop=clock.look)
    assert (outcome.status, outcome.reason) == STALLED
