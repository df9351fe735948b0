"""Codex as it really behaves: what its output hides, what its files tell, and what it must not be taken for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from pitboss.agents import monitor
from pitboss.agents.codex.stream import CodexReader
from pitboss.core.agent import AgentEvent, EventKind, Resume
from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.core.usage import CostSource, Usage
from tests.support.agents import agent, executable, heard, request, run
from tests.support.clock import LeapingClock
from tests.support.codex import (
    FAILED_BY_LIMIT,
    STARTED,
    THREAD,
    Line,
    codex,
    completed,
    item,
    said,
    told,
    used,
)
from tests.support.replay import tokens

OK = SessionStatus.OK
ERROR = SessionStatus.ERROR

# The command line.


def started_with(folder: Path, settings: AgentSettings | None = None, **asked: Any) -> list[str]:
    """The arguments of a start; what it read is in prompt.txt."""
    binary = executable(folder / "codex", 'cat > prompt.txt; printf "%s\\n" "$@" > arguments.txt')
    chosen = settings or AgentSettings()
    fields = {name: getattr(chosen, name) for name in chosen.__struct_fields__} | {"binary": str(binary)}
    run(agent("codex", AgentSettings(**fields)), request(folder, **asked))
    return (folder / "arguments.txt").read_text().splitlines()


QUIET = ["-c", "analytics.enabled=false", "-c", "check_for_update_on_startup=false", "--disable", "plugins"]
EXEC = ["exec", "--json", "--skip-git-repo-check"]


def test_the_command_line_is_the_documented_one_with_analytics_updates_and_plugins_off(
    tmp_path: Path,
) -> None:
    assert started_with(tmp_path) == [*EXEC, "--dangerously-bypass-approvals-and-sandbox", *QUIET, "-"]


def test_the_prompt_goes_by_standard_input_which_then_ends(tmp_path: Path) -> None:
    started_with(tmp_path, body="the body")
    assert (tmp_path / "prompt.txt").read_text() == "standing instructions\n\nthe body"


def test_model_effort_and_sandbox_are_passed_and_arguments_of_the_users_own_come_last(tmp_path: Path) -> None:
    settings = AgentSettings(
        model="gpt-5", effort="high", permission_mode="workspace-write", extra_args=("-c", "x=1")
    )
    assert started_with(tmp_path, settings) == [
        *(*EXEC, "--sandbox", "workspace-write", *QUIET),
        *("-m", "gpt-5", "-c", 'model_reasoning_effort="high"', "-c", "x=1", "-"),
    ]


def test_an_earlier_thread_is_gone_on_with_and_told_the_prompt_by_standard_input(tmp_path: Path) -> None:
    resume = Resume(session_id=THREAD)
    assert started_with(tmp_path, model="gpt-5", resume=resume)[-5:] == ["-m", "gpt-5", "resume", THREAD, "-"]
    assert (tmp_path / "prompt.txt").read_text().endswith("do it")


# What is printed.


def test_errors_that_are_no_failure_do_not_fail_a_turn(tmp_path: Path) -> None:
    outcome = codex(
        tmp_path,
        STARTED,
        item("error", message="Model metadata not found. Defaulting to fallback metadata"),
        {"type": "error", "message": "Reconnecting... 1/5 (unexpected status 401 Unauthorized)"},
        {"type": "error", "message": "something else that passed"},
        said("Done."),
        completed(used(100)),
    )
    assert (told(outcome), outcome.text, outcome.tool_calls) == ((OK, None), "Done.", 0)


def test_reconnecting_is_told_as_a_retry_and_is_progress_once(tmp_path: Path) -> None:
    reader = CodexReader(request(tmp_path))
    line = {"type": "error", "message": "Reconnecting... 2/5 (stream disconnected)"}
    events = list(reader.feed(json.dumps(line).encode() + b"\n"))
    assert events == [AgentEvent(kind=EventKind.RETRY, text="Reconnecting... 2/5 (stream disconnected)")]
    list(reader.feed(json.dumps(line).encode() + b"\n"))
    assert reader.progress == 1


@pytest.mark.parametrize("words", ["Reconnecting... 2/5", "waiting for network", "Reconnecting... 1/5 (503)"])
def test_one_that_gets_no_answer_for_too_long_has_a_service_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    clock = LeapingClock(tmp_path, monkeypatch, monitor)
    asks: Line = {"type": "error", "message": words}
    outcome = codex(tmp_path, STARTED, asks, then=clock.passes(100), stop=clock.look, idle_seconds=100)
    assert told(outcome) == (ERROR, f"overloaded: {words}")
    assert (outcome.usage, outcome.idle) == (Usage(), True)


def test_a_failed_turn_is_an_error_whatever_the_exit_code(tmp_path: Path) -> None:
    outcome = codex(tmp_path, STARTED, {"type": "turn.failed", "error": {"message": "it broke"}})
    assert (told(outcome), outcome.exit_code) == ((ERROR, "agent_error: it broke"), 0)


def test_a_turn_that_is_completed_after_one_that_failed_is_no_failure(tmp_path: Path) -> None:
    outcome = codex(tmp_path, FAILED_BY_LIMIT, completed(used(100)))
    assert told(outcome) == (OK, None)


def test_the_last_complaint_explains_an_exit_without_a_failed_turn(tmp_path: Path) -> None:
    fatal: Line = {"type": "error", "message": "unexpected status 503 Service Unavailable"}
    outcome = codex(tmp_path, STARTED, fatal, then="exit 1")
    assert told(outcome) == (ERROR, "overloaded: unexpected status 503 Service Unavailable")


def test_a_complaint_that_the_agent_got_over_does_not_explain_its_exit(tmp_path: Path) -> None:
    passed: Line = {"type": "error", "message": "unexpected status 503 Service Unavailable"}
    outcome = codex(tmp_path, STARTED, passed, said("Going on."), then="exit 1")
    assert told(outcome) == (ERROR, "exit_code: 1")


def test_what_is_only_said_on_stderr_is_in_the_reason(tmp_path: Path) -> None:
    words = f"Error: thread/resume failed: no rollout found for thread id {THREAD}"
    outcome = codex(tmp_path, then=f"echo '{words}' >&2; exit 1")
    assert told(outcome) == (ERROR, f"exit_code: 1: {words}")


def test_another_thread_than_the_one_asked_for_is_billed_from_nothing(tmp_path: Path) -> None:
    earlier = Resume(session_id="another-thread", usage=Usage(input=1000, output=50))
    reader = CodexReader(request(tmp_path, resume=earlier))
    for line in (STARTED, completed(used(1200, 60))):
        list(reader.event(line))
    assert reader.spend().tokens == {None: Usage(input=1200, output=60)}


def test_ending_without_completing_the_turn_is_no_success(tmp_path: Path) -> None:
    outcome = codex(tmp_path, STARTED, said("I will begin."))
    assert told(outcome) == (ERROR, "agent_error: codex ended without completing its turn")
    assert outcome.usage == Usage(cost_known=False)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("You\u2019ve hit your usage limit. Purchase more credits or try again at 5:56 PM.", "rate_limited"),
        ("Quota exceeded. Check your plan and billing details.", "billing"),
        ("Codex ran out of room in the model's context window. Start a new thread", "context_too_long"),
        ("The model `x` does not exist or you do not have access to it.", "not_found"),
        ("The 'x' model is not supported when using Codex with a ChatGPT account.", "not_found"),
        ("unexpected status 404 Not Found: no such path", "not_found"),
        ("unexpected status 401 Unauthorized: Missing bearer authentication", "auth"),
        ("Missing environment variable: `OPENAI_API_KEY`.", "auth"),
        ("unexpected status 403 Forbidden: region", "permission_denied"),
        ("Selected model is at capacity. Please try a different model.", "overloaded"),
        ("We\u2019re currently experiencing high demand, which may cause temporary errors.", "overloaded"),
        ("exceeded retry limit, last status: 429 Too Many Requests, request id: r", "overloaded"),
        ("exceeded retry limit, last status: 500 Internal Server Error", "overloaded"),
        ("stream disconnected before completion: Transport error: network error", "overloaded"),
        ("unexpected status 400 Bad Request: whatever", "agent_error"),
        ("nobody knows what", "agent_error"),
    ],
)
def test_the_words_of_a_failure_name_its_kind(tmp_path: Path, words: str, reason: str) -> None:
    outcome = codex(tmp_path, STARTED, {"type": "turn.failed", "error": {"message": words}}, then="exit 1")
    assert told(outcome) == (ERROR, f"{reason}: {words}")


def test_each_tool_counts_once_also_one_that_is_named_only_when_it_has_ended(tmp_path: Path) -> None:
    shell = {"id": "item_2", "type": "command_execution", "command": "make test"}
    lines = (
        {"type": "item.started", "item": shell},
        {"type": "item.updated", "item": shell},
        {"type": "item.completed", "item": shell},
        item("file_change", changes=[{"path": "a.py", "kind": "add"}, {"path": "b.py", "kind": "update"}]),
        item("reasoning", text="Hm."),
        item("todo_list", items=[{"text": "one", "completed": False}]),
        completed(used(100)),
    )
    asked = request(tmp_path)
    reader = CodexReader(asked)
    told = heard(reader, asked, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    tools = [event.text for event in told if event.kind is EventKind.TOOL]
    assert tools == ["shell: make test", "edit: a.py, b.py"]
    assert reader.tool_calls == 2


def test_a_command_that_runs_is_a_tool_that_runs_until_the_turn_ends(tmp_path: Path) -> None:
    reader = CodexReader(request(tmp_path))
    begun = item("command_execution", event="item.started", command="sleep 300")
    list(reader.feed(json.dumps(begun).encode() + b"\n"))
    assert reader.tool_running
    list(reader.feed(json.dumps(FAILED_BY_LIMIT).encode() + b"\n"))
    assert not reader.tool_running


# What it used.


def test_cached_and_reasoning_tokens_are_parts_of_what_is_printed(tmp_path: Path) -> None:
    outcome = codex(tmp_path, completed(used(1200, 34, cached=384, written=16, reasoning=7)))
    assert tokens(outcome.usage) == (1200, 34, 384, 16)
    assert outcome.usage.cost_source is CostSource.PRICE_TABLE


def test_after_a_resume_only_what_the_thread_used_on_top_is_billed(tmp_path: Path) -> None:
    earlier = Usage(input=1200, output=34, cache_read=384, cost_usd=1.0)
    outcome = codex(
        tmp_path,
        completed(used(1700, 48, cached=512)),
        resume=Resume(session_id=THREAD, usage=earlier),
    )
    assert tokens(outcome.usage) == (500, 14, 128, 0)
    assert outcome.usage.cost_usd == pytest.approx((372 * 1.25 + 128 * 0.125 + 14 * 10.0) / 1e6)


def test_a_turn_that_was_answered_and_failed_has_no_known_cost(tmp_path: Path) -> None:
    outcome = codex(tmp_path, STARTED, said("I will begin."), FAILED_BY_LIMIT, then="exit 1")
    assert outcome.usage == Usage(cost_known=False)


def test_a_turn_that_was_never_answered_cost_nothing(tmp_path: Path) -> None:
    outcome = codex(tmp_path, STARTED, item("error", message="no metadata"), FAILED_BY_LIMIT, then="exit 1")
    assert outcome.usage == Usage(cost_known=True)


def test_a_completed_turn_that_says_no_usage_has_no_known_cost(tmp_path: Path) -> None:
    outcome = codex(tmp_path, said("Done."), {"type": "turn.completed"})
    assert (told(outcome), outcome.usage) == ((OK, None), Usage(cost_known=False))


_odd: st.SearchStrategy[object] = st.sampled_from(
    [None, True, -1, 2**80, 1e300, "", "word", [], {}, {"x": 1}]
)
_inner = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["id", "type", "text", "message", "command", "changes", "items"], _odd),
        **dict.fromkeys(["info", "rate_limits", "thread_token_usage", "model", "input_tokens"], _odd),
    },
)
_TYPES = ["thread.started", "item.started", "item.completed", "error", "turn.failed", "turn.completed"]
_KEYS = ["item", "error", "message", "usage", "thread_id", "payload"]
_lines = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(_TYPES)}, optional=dict.fromkeys(_KEYS, _odd | _inner)),
    max_size=5,
)


@examples(max_examples=40)
@given(_lines)
def test_events_of_any_shape_are_never_an_exception(lines: list[Line]) -> None:
    reader = CodexReader(request(Path("/nowhere")))
    for line in lines:
        list(reader.feed(json.dumps(line).encode() + b"\n"))
    list(reader.finish())
    assert all(each.input >= 0 for each in reader.spend().tokens.values())
