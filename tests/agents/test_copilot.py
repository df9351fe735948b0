"""The Copilot CLI as it really behaves: tokens in a file, failures in events, denials in silence."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from pitboss.agents import monitor
from pitboss.agents.copilot.stream import CopilotReader
from pitboss.agents.judgement import AgentExit
from pitboss.core.agent import AgentEvent, EventKind, Resume
from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.usage import Usage
from tests.contracts.expected_copilot import MODEL
from tests.support.agents import Stop, agent, executable, never, request, run
from tests.support.clock import LeapingClock
from tests.support.replay import tokens

if TYPE_CHECKING:
    from pitboss.core.agent import AgentOutcome

OK = SessionStatus.OK
ERROR = SessionStatus.ERROR
Line = dict[str, object]

SESSION = "a5442586-ecfb-4f4e-ad33-15aa456dc94f"
USAGE_FILE = """while [ "$1" != --usage-output-file ]; do shift; done"""


def event(kind: str, **data: object) -> Line:
    return {"type": kind, "data": data}


def said(text: str) -> Line:
    return event("assistant.message", model=MODEL, content=text, toolRequests=[])


def called(identity: str, **fields: object) -> Line:
    return event("tool.execution_start", toolCallId=identity, toolName="bash", **fields)


def result(code: int = 0) -> Line:
    return {"type": "result", "sessionId": SESSION, "exitCode": code, "usage": {"premiumRequests": 0}}


def refused(status: int, message: str, **error: object) -> Line:
    """A request that failed, with what the service said quoted in it."""
    quoted = json.dumps({"message": message, **error})
    return event("model.call_failure", statusCode=status, errorMessage=quoted)


def failed(message: str, **fields: object) -> Line:
    return event("session.error", errorType="query", message=message, **fields)


def used(total: int, output: int, *, cached: int = 0, written: int = 0) -> Line:
    """What the usage file has of one model."""
    counts = {"inputTokens": total, "outputTokens": output, "reasoningTokens": 1}
    return {"usage": {**counts, "cacheReadTokens": cached, "cacheWriteTokens": written}}


def copilot(
    folder: Path, *lines: Line, left: object = None, then: str = "exit 0", stop: Stop = never, **asked: Any
) -> AgentOutcome:
    """The outcome of a `copilot` that prints `lines`, leaves the usage of models and goes on with `then`."""
    binary = printing(folder, *lines, left=left, then=then)
    driver = agent("copilot", AgentSettings(binary=str(binary)))
    return run(driver, request(folder, **{"model": MODEL, **asked}), stop=stop)


def printing(folder: Path, *lines: Line, left: object = None, then: str = "exit 0") -> Path:
    printed = shlex.quote("\n".join(json.dumps(line) for line in lines))
    script = ["cat > /dev/null", f"printf '%s\\n' {printed}", USAGE_FILE]
    if left is not None:
        script.append(f'printf %s {shlex.quote(json.dumps({"modelMetrics": left}))} > "$2"')
    return executable(folder / "copilot", "\n".join([*script, then]))


def told(outcome: AgentOutcome) -> tuple[SessionStatus, str | None]:
    return outcome.status, outcome.reason


def started_with(folder: Path, settings: dict[str, Any], **asked: Any) -> list[str]:
    """The arguments of a start; what it read is in prompt.txt, its environment in environment.txt."""
    script = 'cat > prompt.txt; env > environment.txt; printf "%s\\n" "$@" > arguments.txt'
    binary = executable(folder / "copilot", script)
    run(agent("copilot", AgentSettings(binary=str(binary), **settings)), request(folder, **asked))
    return (folder / "arguments.txt").read_text().splitlines()


QUIET = ["--no-auto-update", "--disable-client-telemetry", "--disable-builtin-mcps", "--no-ask-user"]


def test_the_command_line_is_the_documented_one_with_updates_and_telemetry_off(tmp_path: Path) -> None:
    assert started_with(tmp_path, {}) == [
        *("--output-format", "json", "--allow-all", *QUIET),
        *("--usage-output-file", str(tmp_path / "session-0001.usage.json")),
    ]
    assert "COPILOT_AUTO_UPDATE=false" in (tmp_path / "environment.txt").read_text().splitlines()


def test_the_prompt_goes_by_standard_input_which_then_ends(tmp_path: Path) -> None:
    started_with(tmp_path, {}, body="the body")
    assert (tmp_path / "prompt.txt").read_text() == "standing instructions\n\nthe body"


def test_model_effort_and_permissions_are_passed_and_arguments_of_the_users_own_come_last(
    tmp_path: Path,
) -> None:
    settings = {
        "model": "gpt-5",
        "effort": "high",
        "permission_mode": "allow-all-tools",
        "extra_args": ("--deny-tool", "shell(git push)"),
    }
    arguments = started_with(tmp_path, settings)
    assert "--allow-all-tools" in arguments
    assert "--allow-all" not in arguments
    assert arguments[-6:] == [
        *("--model", "gpt-5", "--reasoning-effort", "high"),
        *("--deny-tool", "shell(git push)"),
    ]


def test_an_earlier_session_is_gone_on_with_under_its_own_name(tmp_path: Path) -> None:
    arguments = started_with(tmp_path, {}, resume=Resume(session_id=SESSION))
    assert arguments[-1] == f"--resume={SESSION}"


def test_tokens_stand_in_the_usage_file_input_with_cached_and_output_with_reasoning(tmp_path: Path) -> None:
    left = {MODEL: used(1200, 34, cached=384, written=16)}
    outcome = copilot(tmp_path, said("Done."), result(), left=left)
    assert (told(outcome), outcome.session_id, outcome.text) == ((OK, None), SESSION, "Done.")
    assert tokens(outcome.usage) == (1200, 34, 384, 16)
    assert outcome.usage.cost_known


def test_each_model_is_priced_as_itself(tmp_path: Path) -> None:
    left = {MODEL: used(1_000_000, 0), "claude-sonnet-4": used(1_000_000, 0)}
    outcome = copilot(tmp_path, said("Done."), result(), left=left)
    assert outcome.usage.cost_usd == pytest.approx(2.0 + 3.0)


def test_after_a_resume_only_what_the_session_used_on_top_is_billed(tmp_path: Path) -> None:
    earlier = Usage(input=1200, output=34, cache_read=384, cost_usd=1.0)
    left = {MODEL: used(1700, 48, cached=512)}
    resume = Resume(session_id=SESSION, usage=earlier)
    outcome = copilot(tmp_path, said("Done."), result(), left=left, resume=resume)
    assert tokens(outcome.usage) == (500, 14, 128, 0)
    assert outcome.usage.cost_usd == pytest.approx((372 * 2.0 + 128 * 0.5 + 14 * 8.0) / 1e6)


def test_after_a_resume_with_another_model_nothing_is_billed_twice(tmp_path: Path) -> None:
    left = {MODEL: used(1200, 34), "claude-sonnet-4": used(700, 20)}
    resume = Resume(session_id=SESSION, usage=Usage(input=1200, output=34))
    outcome = copilot(tmp_path, said("Done."), result(), left=left, resume=resume)
    assert tokens(outcome.usage) == (700, 20, 0, 0)
    assert outcome.usage.cost_usd == pytest.approx((700 * 3.0 + 20 * 15.0) / 1e6)


def test_a_usage_file_of_an_earlier_start_is_not_billed_again(tmp_path: Path) -> None:
    (tmp_path / "session-0001.usage.json").write_text(json.dumps({"modelMetrics": {MODEL: used(9, 9)}}))
    outcome = copilot(tmp_path, said("Done."), result())
    assert outcome.usage == Usage(cost_known=False)


@pytest.mark.parametrize(
    "left", [None, {}, [], "x", {MODEL: 7}, {MODEL: {"usage": None}}, {MODEL: used(0, 0)}]
)
def test_an_agent_that_was_answered_and_left_no_tokens_has_no_known_cost(
    tmp_path: Path, left: object
) -> None:
    outcome = copilot(tmp_path, said("Done."), result(), left=left)
    assert (told(outcome), outcome.usage) == ((OK, None), Usage(cost_known=False))


@pytest.mark.parametrize("torn", ["", "{", '{"modelMetrics": {"gpt', "[1]", "\\377\\376", "nul\\000"])
def test_a_usage_file_that_cannot_be_read_is_no_known_cost(tmp_path: Path, torn: str) -> None:
    outcome = copilot(tmp_path, said("Done."), result(), then=f"printf '{torn}' > \"$2\"")
    assert (told(outcome), outcome.usage) == ((OK, None), Usage(cost_known=False))


def test_a_stop_lets_the_agent_write_its_usage_which_is_billed(tmp_path: Path) -> None:
    left = shlex.quote(json.dumps({"modelMetrics": {MODEL: used(700, 20, cached=256)}}))
    on_term = f'FILE=$2; last() {{ printf %s {left} > "$FILE"; exit 0; }}; trap last TERM'
    running = tmp_path / "running"
    loop = ": > running; while :; do sleep 0.02; done"
    binary = printing(tmp_path, said("I will."), called("t", arguments={}), then=f"{on_term}\n{loop}")
    driver, asked = agent("copilot", AgentSettings(binary=str(binary))), request(tmp_path, model=MODEL)
    outcome = run(driver, asked, stop=lambda: StopRequest.SKIP if running.exists() else None)
    assert (outcome.status, tokens(outcome.usage)) == (SessionStatus.SKIPPED, (700, 20, 256, 0))
    assert outcome.usage.cost_known
    assert tokens(driver.bill(asked, started=True).usage) == (700, 20, 256, 0)


def test_a_usage_limit_ends_when_the_service_said(tmp_path: Path) -> None:
    limit = refused(429, "The usage limit has been reached", type="usage_limit_reached", resets_at=1795370400)
    error = failed("retried 5 times. Last error: 429 The usage limit has been reached", statusCode=429)
    outcome = copilot(tmp_path, limit, error, result(1), then="exit 1")
    assert told(outcome) == (
        ERROR,
        "rate_limited: retried 5 times. Last error: 429 The usage limit has been reached",
    )
    assert outcome.resets_at == 1795370400.0
    assert outcome.usage == Usage(cost_known=True)


@pytest.mark.parametrize(
    ("status", "words", "reason"),
    [
        (401, "Authentication failed with provider at http://x (HTTP 401).", "auth"),
        (402, "402 You have no quota", "billing"),
        (403, "403 Forbidden", "permission_denied"),
        (404, "Model 'x' not found on provider at http://x (HTTP 404).", "not_found"),
        (400, "400 This model's maximum context length is 128000 tokens.", "context_too_long"),
        (
            429,
            "Last error: 429 You exceeded your current quota, please check your plan and billing",
            "billing",
        ),
        (429, "Last error: 429 Rate limit reached for x on tokens per min", "overloaded"),
        (503, "Last error: 503 whatever", "overloaded"),
        (None, "Last error: error reading a body from connection: Connection reset by peer", "overloaded"),
        (None, "Last error: Failed to finalize chat-completions stream: missing finish_reason", "overloaded"),
        (None, "Could not connect to local model provider at http://x.", "overloaded"),
        (400, "400 whatever", "agent_error"),
    ],
)
def test_the_words_of_a_failure_name_its_kind(
    tmp_path: Path, status: int | None, words: str, reason: str
) -> None:
    outcome = copilot(tmp_path, failed(words, statusCode=status), result(1), then="exit 1")
    assert told(outcome) == (ERROR, f"{reason}: {words}")


def test_a_request_that_failed_and_was_made_again_is_no_failure(tmp_path: Path) -> None:
    seen: list[AgentEvent] = []
    retry = event("assistant.turn_retry", reason="rate_limit")
    binary = printing(tmp_path, refused(429, "Rate limit reached"), retry, said("Done."), result())
    outcome = run(
        agent("copilot", AgentSettings(binary=str(binary))), request(tmp_path), on_event=seen.append
    )
    assert told(outcome) == (OK, None)
    assert [each.text for each in seen if each.kind is EventKind.RETRY] == [
        "Rate limit reached",
        "rate_limit",
    ]


def test_one_that_hangs_while_it_asks_again_has_a_busy_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = LeapingClock(tmp_path, monkeypatch, monitor)
    asks = event("model.call_failure", statusCode=503, retryAttempt=2)
    outcome = copilot(tmp_path, asks, then=clock.passes(100), stop=clock.look, idle_seconds=100)
    assert told(outcome) == (ERROR, "overloaded: HTTP status 503 (attempt 2)")
    assert outcome.usage == Usage()


def test_retries_that_are_told_in_the_same_words_are_no_progress(tmp_path: Path) -> None:
    reader = CopilotReader(request(tmp_path))
    lines = [refused(503, "Overloaded"), event("assistant.turn_retry", reason="api_error")]
    for line in lines * 3:
        list(reader.feed(json.dumps(line).encode() + b"\n"))
    assert reader.progress == 2


def test_a_turn_that_failed_before_the_next_one_is_no_failure(tmp_path: Path) -> None:
    outcome = copilot(tmp_path, failed("it broke"), event("assistant.turn_start"), said("Done."), result())
    assert told(outcome) == (OK, None)


def test_an_error_of_the_session_is_one_whatever_the_exit_code(tmp_path: Path) -> None:
    assert told(copilot(tmp_path, failed("it broke"), result())) == (ERROR, "agent_error: it broke")
    outcome = copilot(tmp_path, said("Done."), result(3))
    assert told(outcome) == (ERROR, "agent_error: copilot reported exit code 3")


def test_an_agent_whose_every_tool_call_was_denied_has_done_nothing(tmp_path: Path) -> None:
    denied = {"success": False, "error": {"message": "Permission denied.", "code": "denied"}}
    lines = [called("t"), event("tool.execution_complete", toolCallId="t", **denied)]
    outcome = copilot(tmp_path, *lines, said("Done."), result())
    assert told(outcome) == (ERROR, "permission_denied: every tool call: Permission denied.")
    done = [called("u"), event("tool.execution_complete", toolCallId="u", success=True)]
    assert told(copilot(tmp_path, *lines, *done, said("Done."), result())) == (OK, None)


def test_without_a_login_the_reason_says_what_to_do(tmp_path: Path) -> None:
    outcome = copilot(tmp_path, then="echo 'Error: No authentication information found.' >&2; exit 1")
    assert str(outcome.reason).startswith("auth: copilot has no login: run `copilot login`")


def test_ending_without_a_result_line_is_no_success(tmp_path: Path) -> None:
    outcome = copilot(tmp_path, said("I will begin."))
    assert told(outcome) == (ERROR, "agent_error: copilot ended without a result line")
    assert outcome.usage == Usage(cost_known=False)


def test_what_is_only_said_on_stderr_is_in_the_reason(tmp_path: Path) -> None:
    outcome = copilot(tmp_path, then="echo \"error: unexpected argument '--x' found\" >&2; exit 1")
    assert told(outcome) == (ERROR, "exit_code: 1: error: unexpected argument '--x' found")


def test_a_tool_runs_until_it_is_complete_or_the_agent_has_ended(tmp_path: Path) -> None:
    reader = CopilotReader(request(tmp_path))
    lines = [
        called("t", arguments={"command": "make"}),
        called("u"),
        event("tool.execution_complete", toolCallId="t"),
    ]
    events = [each for line in lines for each in reader.feed(json.dumps(line).encode() + b"\n")]
    assert [each.text for each in events] == ["bash: make", "bash"]
    assert (reader.tool_calls, reader.tool_running) == (2, True)
    list(reader.feed(json.dumps(result()).encode() + b"\n"))
    assert not reader.tool_running


_odd: st.SearchStrategy[object] = st.sampled_from(
    [None, True, -1, 2**80, 1e300, "", "[", "{}", [], {}, {"x": 1}]
)
_KEYS = [
    "model",
    "content",
    "toolCallId",
    "toolName",
    "arguments",
    "error",
    "success",
    "message",
    "errorMessage",
]
_data = _odd | st.fixed_dictionaries({}, optional=dict.fromkeys(_KEYS, _odd))
_TYPES = ["session.tools_updated", "assistant.message", "tool.execution_start", "tool.execution_complete"]
_types = st.sampled_from([*_TYPES, "model.call_failure", "session.error", "assistant.turn_retry", "result"])
_lines = st.lists(
    st.fixed_dictionaries({"type": _types}, optional={"data": _data, "exitCode": _odd, "sessionId": _odd}),
    max_size=5,
)


@examples(max_examples=40)
@given(_lines)
def test_events_of_any_shape_are_never_an_exception(lines: list[Line]) -> None:
    reader = CopilotReader(request(Path("/nowhere")))
    for line in lines:
        list(reader.feed(json.dumps(line).encode() + b"\n"))
    list(reader.finish())
    assert reader.spend().tokens == {}
    assert reader.verdict(AgentExit(code=1)).status is ERROR
