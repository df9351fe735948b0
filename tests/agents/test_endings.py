"""An agent is taken at its word about being done, and is done only when nothing of its own runs any more (SPEC 6)."""

from __future__ import annotations

import json
from itertools import groupby
from time import time
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.agents import monitor
from pitboss.agents.claude.stream import ClaudeReader
from pitboss.agents.judgement import AgentExit
from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.process import supervisor
from tests.support.agents import agent, executable, request, run
from tests.support.clock import LeapingClock

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.agent import AgentOutcome

Line = dict[str, Any]
MODEL = "claude-sonnet-4-5"
IDLE_S = 100.0
STILL_S = IDLE_S + 1
LINGERED_S = monitor.LINGER_S + 1
DONE: Line = {
    "type": "result",
    "is_error": False,
    "num_turns": 1,
    "total_cost_usd": 0.5,
    "usage": {"input_tokens": 9},
}
WITHOUT_COST = DONE | {"subtype": "success", "usage": {}, "total_cost_usd": 0}
FAILED = DONE | {"is_error": True, "api_error_status": 529, "result": "API Error: 529 Overloaded"}
INIT: Line = {"type": "system", "subtype": "init", "model": MODEL}
FOREVER = "while :; do sleep 0.05; done"


def system(subtype: str, **fields: Any) -> Line:
    return {"type": "system", "subtype": subtype, **fields}


def said(identity: str, tokens: int = 0, **fields: Any) -> Line:
    message = {"id": identity, "model": MODEL, "usage": {"input_tokens": tokens}}
    return {"type": "assistant", "message": message, **fields}


def claude(
    folder: Path, clock: LeapingClock, *steps: str | Line, idle_s: float = IDLE_S, **changes: Any
) -> AgentOutcome:
    """The outcome of a `claude` that goes through `steps`: lines to print, or shell.

    Lines that follow each other arrive together, because they are printed by one short write.
    """
    script = []
    for printed, group in groupby(steps, lambda step: not isinstance(step, str)):
        lines = [step if isinstance(step, str) else f"'{json.dumps(step)}'" for step in group]
        script += [" ".join(["printf '%s\\n'", *lines])] if printed else lines
    binary = executable(folder / "claude", "\n".join(["cat > /dev/null", *script]))
    settings = AgentSettings(binary=str(binary), idle_seconds=idle_s)
    return run(agent("claude_code", settings), request(folder, **changes), stop=clock.look)


def read(folder: Path, *lines: Line) -> ClaudeReader:
    reader = ClaudeReader(request(folder))
    for line in lines:
        list(reader.feed(json.dumps(line).encode() + b"\n"))
    return reader


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LeapingClock:
    """What agents' patience goes by."""
    return LeapingClock(tmp_path, monkeypatch, monitor)


def test_who_is_done_and_does_not_exit_is_stopped_and_judged_by_its_word(
    tmp_path: Path, clock: LeapingClock
) -> None:
    outcome = claude(tmp_path, clock, INIT, DONE, clock.passes(LINGERED_S), FOREVER)
    assert (outcome.status, outcome.reason, outcome.usage.cost_usd) == (SessionStatus.OK, None, 0.5)


def test_who_is_done_has_no_longer_to_exit_than_an_agent_may_be_silent(
    tmp_path: Path, clock: LeapingClock
) -> None:
    outcome = claude(tmp_path, clock, INIT, DONE, clock.passes(5), FOREVER, idle_s=4)
    assert (outcome.status, outcome.reason, outcome.usage.cost_usd) == (SessionStatus.OK, None, 0.5)


def test_who_says_that_it_failed_and_does_not_exit_has_failed(tmp_path: Path, clock: LeapingClock) -> None:
    outcome = claude(tmp_path, clock, INIT, FAILED, clock.passes(LINGERED_S), FOREVER)
    assert outcome.status is SessionStatus.ERROR
    assert (outcome.reason or "").startswith("overloaded: API Error: 529")


def test_what_it_prints_while_it_is_stopped_is_not_its_word(tmp_path: Path, clock: LeapingClock) -> None:
    cancelled = DONE | {"is_error": True, "subtype": "error_during_execution", "total_cost_usd": 0.75}
    trap = f"trap 'echo {json.dumps(json.dumps(cancelled))}; exit 0' TERM"
    outcome = claude(tmp_path, clock, trap, INIT, DONE, clock.passes(LINGERED_S), FOREVER)
    assert (outcome.status, outcome.reason, outcome.usage.cost_usd) == (SessionStatus.OK, None, 0.75)


def test_at_the_wall_clock_too_its_word_stands(
    tmp_path: Path, clock: LeapingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.rules(supervisor)
    monkeypatch.setattr(monitor, "LINGER_S", 9000.0)
    outcome = claude(tmp_path, clock, INIT, DONE, clock.passes(4000), FOREVER, idle_s=9000, max_seconds=3600)
    assert (outcome.status, outcome.reason) == (SessionStatus.OK, None)


def test_whoever_asks_for_a_stop_is_heard_also_after_the_last_word(tmp_path: Path) -> None:
    script = f"cat > /dev/null; echo '{json.dumps(DONE)}'; : > done; {FOREVER}"
    binary = executable(tmp_path / "claude", script)
    outcome = run(
        agent("claude_code", AgentSettings(binary=str(binary))),
        request(tmp_path),
        stop=lambda: StopRequest.SKIP if (tmp_path / "done").exists() else None,
    )
    assert outcome.status is SessionStatus.SKIPPED


def test_silence_while_a_task_runs_in_the_background_is_no_stall(tmp_path: Path, clock: LeapingClock) -> None:
    started = system("task_started", task_id="b1", tool_use_id="t1")
    over = system("task_notification", task_id="b1", status="completed")
    outcome = claude(tmp_path, clock, INIT, started, clock.passes(STILL_S), over, said("m1"), DONE)
    assert (outcome.status, outcome.reason) == (SessionStatus.OK, None)


def test_a_result_is_not_the_last_word_while_a_task_runs(tmp_path: Path, clock: LeapingClock) -> None:
    started = system("task_started", task_id="b1", tool_use_id="t1")
    over = system("task_notification", task_id="b1", status="completed")
    still = clock.passes(LINGERED_S + STILL_S)
    outcome = claude(tmp_path, clock, INIT, started, DONE, still, over, said("m2"), ": > more", DONE)
    assert (outcome.status, (tmp_path / "more").exists()) == (SessionStatus.OK, True)


def test_who_has_done_nothing_is_not_done_and_stalls(tmp_path: Path, clock: LeapingClock) -> None:
    nothing = DONE | {"num_turns": 0, "usage": {}, "total_cost_usd": 0}
    outcome = claude(tmp_path, clock, INIT, nothing, clock.passes(STILL_S), FOREVER)
    assert (outcome.status, outcome.reason) == (SessionStatus.TIMEOUT, "stalled: no progress for 100 s")


def test_a_pause_that_was_announced_is_no_stall_and_nothing_more(tmp_path: Path, clock: LeapingClock) -> None:
    retry = system("api_retry", attempt=1, max_retries=10, retry_delay_ms=300_000, error="overloaded")
    waited = claude(tmp_path, clock, INIT, retry, clock.passes(300 + IDLE_S / 2), said("m1"), DONE)
    assert waited.status is SessionStatus.OK
    still = claude(tmp_path, clock, INIT, retry, clock.passes(300 + STILL_S), FOREVER)
    assert still.reason == "overloaded: overloaded, attempt 1 of 10"


def test_who_would_sleep_for_hours_is_stopped_and_the_wait_is_known(
    tmp_path: Path, clock: LeapingClock
) -> None:
    retry = system("api_retry", attempt=1, max_retries=9, retry_delay_ms=7_200_000, error="rate_limit")
    began = time()
    outcome = claude(tmp_path, clock, INIT, said("m1", 5), retry, FOREVER)
    assert outcome.reason == "rate_limited: rate_limit, attempt 1 of 9"
    assert outcome.resets_at == pytest.approx(began + 7200, abs=60)
    assert outcome.usage.input == 5


def test_a_task_beside_it_is_not_cut_off_by_a_long_pause(tmp_path: Path, clock: LeapingClock) -> None:
    started = system("task_started", task_id="b1", tool_use_id="t1")
    over = system("task_notification", task_id="b1", status="completed")
    retry = system("api_retry", attempt=1, max_retries=9, retry_delay_ms=7_200_000, error="rate_limit")
    outcome = claude(tmp_path, clock, INIT, started, retry, clock.passes(STILL_S), over, said("m1"), DONE)
    assert (outcome.status, outcome.reason) == (SessionStatus.OK, None)


@pytest.mark.parametrize("parent", [None, "t1"])
def test_a_failure_that_it_went_on_after_does_not_name_the_end(tmp_path: Path, parent: str | None) -> None:
    api = {"model": "<synthetic>", "content": [{"type": "text", "text": "API Error: Rate limit reached"}]}
    earlier = {"type": "assistant", "parent_tool_use_id": parent, "error": "rate_limit", "message": api}
    words = "API Error: 400 messages: text content blocks must be non-empty"
    reader = read(tmp_path, INIT, earlier, said("m2"), DONE | {"is_error": True, "result": words})
    assert reader.verdict(AgentExit(code=1)).reason == f"agent_error: {words}"
    last = read(tmp_path, INIT, said("m2"), earlier, DONE | {"is_error": True, "result": "API Error"})
    of_a_subagent = parent is not None
    assert (
        last.verdict(AgentExit(code=1)).reason
        == f"{'agent_error' if of_a_subagent else 'overloaded'}: API Error"
    )


def test_who_gives_up_without_a_word_gave_up_what_it_asked_for_last(
    tmp_path: Path, clock: LeapingClock
) -> None:
    retry = system("api_retry", attempt=10, max_retries=10, error_status=529, error="overloaded")
    outcome = claude(tmp_path, clock, INIT, retry, "exit 1")
    assert outcome.reason == "overloaded: gave up after 10 retries: overloaded"


def test_what_is_spent_after_a_result_is_capped(tmp_path: Path, clock: LeapingClock) -> None:
    more = [said(f"m{nth}", 100_000) for nth in range(2, 5)]
    outcome = claude(tmp_path, clock, INIT, said("m1", 9), DONE, *more, FOREVER, max_cost_usd=1.0)
    assert outcome.reason == "cost_cap: $1.4000 >= $1.0000"
    assert outcome.usage.cost_usd == pytest.approx(1.4)
    assert outcome.usage.input == 300_009


def test_what_agents_beside_it_spend_after_a_result_is_capped_too(
    tmp_path: Path, clock: LeapingClock
) -> None:
    more = [said(f"m{nth}", 200_000, parent_tool_use_id="t1") for nth in range(2, 4)]
    steps: list[str | Line] = [INIT, said("m1", 9), DONE, clock.passes(1), *more, FOREVER]
    outcome = claude(tmp_path, clock, *steps, max_cost_usd=1.0)
    assert (outcome.reason or "").startswith("cost_cap: $1.7000")


def test_tasks_are_known_by_each_way_of_telling_of_them(tmp_path: Path) -> None:
    def running(*lines: Line) -> set[str]:
        return set(read(tmp_path, *lines)._background)

    one, two = system("task_started", task_id="1"), system("task_started", task_id="2")
    front = system("task_started", task_id="f", is_backgrounded=False)
    assert running(one, two) == {"1", "2"}
    assert running(front) == set()
    assert running(front, system("task_updated", task_id="f", patch={"is_backgrounded": True})) == {"f"}
    assert running(one, two, system("task_updated", task_id="1", patch={"status": "killed"})) == {"2"}
    assert running(one, two, system("task_notification", task_id="2", status="failed")) == {"1"}
    tasks = [{"task_id": "2"}, {"task_id": "3"}, {"task_id": "4", "ambient": True}]
    assert running(one, two, system("background_tasks_changed", tasks=tasks)) == {"2", "3"}
    assert running(one, system("task_progress", task_id="1", description="step 2")) == {"1"}
    assert running(system("task_started"), system("task_notification")) == set()


@pytest.mark.parametrize(
    "line", [INIT, said("m9"), {"type": "stream_event", "event": {"type": "message_start"}}]
)
def test_a_new_turn_after_a_result_is_not_done(tmp_path: Path, line: Line) -> None:
    assert read(tmp_path, INIT, DONE).done
    assert not read(tmp_path, INIT, DONE, line).done
    assert read(tmp_path, INIT, DONE, line, DONE).done


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"terminal_reason": "max_turns"}, "agent_error: it was cut short (max_turns)"),
        (
            {"terminal_reason": "hook_stopped", "result": "no"},
            "agent_error: it was cut short (hook_stopped): no",
        ),
        ({"terminal_reason": "stop_hook_prevented"}, "agent_error: it was cut short (stop_hook_prevented)"),
        ({"terminal_reason": "budget_exhausted"}, "cost_cap: it was cut short (budget_exhausted)"),
        ({"terminal_reason": "aborted_tools"}, "agent_error: it was cut short (aborted_tools)"),
        ({"stop_reason": "max_turns"}, "agent_error: it was cut short (max_turns)"),
        ({"stop_reason": "end_turn", "terminal_reason": "completed"}, None),
        (
            {"result": "API Error: Response stalled mid-stream."},
            "overloaded: API Error: Response stalled mid-stream.",
        ),
        ({"subtype": "error_max_turns"}, "agent_error: error_max_turns"),
        ({"subtype": "error_max_budget_usd"}, "cost_cap: error_max_budget_usd"),
        (
            {"result": "Execution stopped by PreToolUse hook: not today"},
            "agent_error: Execution stopped by PreToolUse hook: not today",
        ),
        ({"result": "Operation blocked by hook: x"}, "agent_error: Operation blocked by hook: x"),
        ({"terminal_reason": "completed", "result": "I stopped the server by a hook"}, None),
        ({"terminal_reason": "api_error", "api_error_status": 500, "result": "oops"}, "overloaded: oops"),
    ],
)
def test_a_result_without_error_of_work_that_was_cut_short_is_no_success(
    tmp_path: Path, fields: Line, reason: str | None
) -> None:
    assert read(tmp_path, INIT, said("m1", 9), DONE | fields).verdict(AgentExit(code=0)).reason == reason


@pytest.mark.parametrize(
    ("fields", "worked"),
    [
        ({"num_turns": 0, "usage": {}}, False),
        ({"num_turns": 0, "usage": {"output_tokens": 3}}, True),
        ({"num_turns": 1, "usage": {}}, True),
        ({"num_turns": None, "usage": {}, "result": "Done."}, True),
        ({"num_turns": None, "usage": {}, "result": ""}, False),
    ],
)
def test_a_turn_or_tokens_are_something_done(tmp_path: Path, fields: Line, worked: bool) -> None:
    assert read(tmp_path, INIT, DONE | fields).worked is worked


def test_words_of_the_clis_own_are_nothing_done_and_cost_nothing(tmp_path: Path) -> None:
    message = {"model": "<synthetic>", "content": [{"type": "text", "text": "No response requested."}]}
    own = {"type": "assistant", "message": message}
    reader = read(tmp_path, INIT, own, WITHOUT_COST)
    assert (reader.worked, reader.spend().nothing) == (False, True)
    interrupted = WITHOUT_COST | {"subtype": "error_during_execution"}
    assert not read(tmp_path, INIT, interrupted).spend().nothing


@pytest.mark.parametrize(
    ("denied", "reason"),
    [
        (
            ("AskUserQuestion",),
            "agent_error: it did nothing but ask, and nobody is there to answer: AskUserQuestion",
        ),
        (
            ("AskUserQuestion", "Write"),
            "permission_denied: every tool call was denied: AskUserQuestion, Write",
        ),
    ],
)
def test_who_only_asked_lacks_no_permission(tmp_path: Path, denied: tuple[str, ...], reason: str) -> None:
    denials = {"permission_denials": [{"tool_name": name} for name in denied]}
    assert read(tmp_path, INIT, said("m1", 9), DONE | denials).verdict(AgentExit(code=0)).reason == reason


def test_zeros_for_what_a_model_answered_are_no_statement(tmp_path: Path) -> None:
    reader = read(tmp_path, INIT, said("m1"), WITHOUT_COST)
    assert (reader.worked, reader.spend().nothing) == (True, False)
