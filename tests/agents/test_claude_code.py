"""Claude Code as it really printed: every capture judged, numbers included (SPEC 6)."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from pitboss.agents.backend import Ending, Spend, Verdict
from pitboss.agents.claude_stream import ClaudeReader
from pitboss.core.agent import AgentEvent, AgentOutcome, EventKind
from pitboss.core.config import AgentSettings, Price
from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage
from pitboss.process import StopRequest
from tests.support.agents import agent, executable, request, run

if TYPE_CHECKING:
    from collections.abc import Mapping

CAPTURES = Path(__file__).parent.parent / "fixtures" / "agents" / "claude"
MODEL = "claude-sonnet-4-5"
RESETS_AT = 1795370340.0


def usage(total: int, output: int, read: int, write: int, cost: float) -> Usage:
    return Usage(input=total, output=output, cache_read=read, cache_write=write, cost_usd=cost)


NOTHING = Usage()
TWO_REQUESTS = usage(2840, 34, 1300, 340, 0.005775)
ONE_REQUEST_CUT = usage(1800, 1, 500, 300, 0.00429)

OK = SessionStatus.OK
ERROR = SessionStatus.ERROR

EXPECTED: dict[str, tuple[SessionStatus, str | None, Usage]] = {
    "ok": (OK, None, TWO_REQUESTS),
    "oauth_ok": (OK, None, TWO_REQUESTS),
    "partial": (OK, None, TWO_REQUESTS),
    "rate_once": (OK, None, TWO_REQUESTS),
    "overload_once": (OK, None, TWO_REQUESTS),
    # Two streams broke off and were asked again: the CLI counts their tokens and not their cost.
    "stream_error": (OK, None, usage(5680, 36, 2600, 680, 0.005775)),
    "no_bypass": (ERROR, "permission_denied: every tool call was denied: Write", TWO_REQUESTS),
    "auth": (ERROR, "auth: Invalid API key · Fix external API key", NOTHING),
    "no_key": (ERROR, "auth: Not logged in · Please run /login", NOTHING),
    "notfound": (ERROR, "not_found: There's an issue with the selected model (claude-sonnet-4-5).", NOTHING),
    "overloaded": (ERROR, "overloaded: API Error: 529 Overloaded.", NOTHING),
    "usage_limit": (ERROR, "rate_limited: API Error: Request rejected (429)", NOTHING),
    "oauth_usage_limit": (ERROR, "rate_limited: You've hit your 5-hour limit · resets 5:59pm (UTC)", NOTHING),
    "max_turns3": (
        ERROR,
        "agent_error: Reached maximum number of turns (3)",
        usage(3880, 48, 2100, 380, 0.006975),
    ),
    "longtool_INT": (ERROR, "agent_error: [ede_diagnostic]", usage(1800, 20, 500, 300, 0.004575)),
    # Killed before the result line: what its messages said is the bill.
    "longtool_TERM": (ERROR, "exit_code: 143", ONE_REQUEST_CUT),
    "hang": (ERROR, "exit_code: 143", NOTHING),
}


def replay(folder: Path, capture: str, *, then: str = "") -> AgentSettings:
    """A `claude` that reads its prompt, prints the capture and ends as it did."""
    source = CAPTURES / capture
    code = json.loads((source / "meta.json").read_text())["exit_code"]
    out, err = shlex.quote(str(source / "stdout")), shlex.quote(str(source / "stderr"))
    script = f"cat > prompt.txt; cat {out}; cat {err} >&2; {then or f'exit {code}'}"
    return AgentSettings(binary=str(executable(folder / "claude", script)))


def test_every_capture_has_an_expectation() -> None:
    assert {folder.name for folder in CAPTURES.iterdir()} == set(EXPECTED)


@pytest.mark.parametrize("capture", EXPECTED)
def test_a_capture_is_judged_as_it_was_meant(tmp_path: Path, capture: str) -> None:
    outcome = run(agent("claude_code", replay(tmp_path, capture)), request(tmp_path))
    status, reason, used = EXPECTED[capture]
    assert outcome.status is status
    assert (outcome.reason or "").startswith(reason or "")
    assert (outcome.reason is None) == (reason is None)
    assert tokens(outcome.usage) == tokens(used)
    assert outcome.usage.cost_usd == pytest.approx(used.cost_usd)
    assert outcome.usage.cost_known
    assert outcome.model == MODEL
    assert outcome.resets_at == (RESETS_AT if capture == "oauth_usage_limit" else None)


@pytest.mark.parametrize("capture", EXPECTED)
def test_a_capture_is_billed_the_same_after_its_runner_died(tmp_path: Path, capture: str) -> None:
    driver = agent("claude_code", replay(tmp_path, capture))
    used = run(driver, request(tmp_path)).usage
    billed = driver.bill(request(tmp_path))
    assert (billed.status, billed.reason, billed.usage) == (SessionStatus.ABORTED, "interrupted", used)


@pytest.mark.parametrize("capture", EXPECTED)
def test_cutting_the_output_into_single_bytes_changes_nothing(capture: str) -> None:
    output = (CAPTURES / capture / "stdout").read_bytes()
    assert read([bytes([byte]) for byte in output]) == read([output])


@pytest.mark.parametrize("capture", EXPECTED)
def test_an_output_cut_off_anywhere_never_says_more_than_the_whole(capture: str) -> None:
    output = (CAPTURES / capture / "stdout").read_bytes()
    whole = sum(read([output])[0].tokens.values(), Usage())
    for end in range(0, len(output), 97):
        seen = sum(read([output[:end]])[0].tokens.values(), Usage())
        assert seen.input <= whole.input
        assert seen.output <= whole.output


@given(
    st.binary()
    | st.lists(st.sampled_from([b'{"type":"result",', b'"usage":', b"{", b"}", b"\n", b"[", b"1e999"])).map(
        b"".join
    )
)
def test_arbitrary_bytes_are_never_an_exception(output: bytes) -> None:
    spend, verdict = read([output])
    assert spend.tokens in ({}, {None: Usage()})
    assert verdict.status in (OK, ERROR)


_odd: st.SearchStrategy[object] = st.sampled_from(
    [None, True, -1, 7, 2**80, 0.5, 1e300, "", "word", [], [{}], ["x"], {}, {"x": None}]
)
_json = _odd | st.dictionaries(
    st.sampled_from(
        ["id", "model", "type", "content", "usage", "input_tokens", "output_tokens", "costBasis"]
    ),
    _odd,
    max_size=4,
)
_TYPES = st.sampled_from(["system", "assistant", "stream_event", "rate_limit_event", "result", "user"])
_KEYS = ["subtype", "message", "event", "usage", "error", "rate_limit_info", "total_cost_usd", "modelUsage"]
_line = st.fixed_dictionaries({"type": _TYPES}, optional=dict.fromkeys(_KEYS, _json))


@examples(max_examples=40)
@given(st.lists(_line, max_size=5))
def test_events_of_any_shape_are_never_an_exception(lines: list[dict[str, object]]) -> None:
    output = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    spend, _ = read([output])
    assert all(used.input >= 0 and used.output >= 0 for used in spend.tokens.values())


def test_the_prompt_goes_by_standard_input_and_the_command_line_is_the_documented_one(tmp_path: Path) -> None:
    binary = executable(tmp_path / "claude", 'cat > prompt.txt; printf "%s\\n" "$@" > arguments.txt')
    settings = AgentSettings(binary=str(binary), extra_args=("--max-turns", "3"), model="opus")
    run(agent("claude_code", settings), request(tmp_path, body="the body"))
    assert (tmp_path / "prompt.txt").read_text() == "standing instructions\n\nthe body"
    assert (tmp_path / "arguments.txt").read_text().split("\n")[:-1] == [
        *("-p", "--output-format", "stream-json", "--verbose"),
        *("--permission-mode", "bypassPermissions", "--model", "opus", "--max-turns", "3"),
    ]


def test_the_model_of_the_request_wins_over_the_backends(tmp_path: Path) -> None:
    binary = executable(tmp_path / "claude", 'cat > /dev/null; echo "$*" > arguments.txt')
    settings = AgentSettings(binary=str(binary), permission_mode="acceptEdits", model="opus")
    outcome = run(agent("claude_code", settings), request(tmp_path, model="haiku"))
    assert "--permission-mode acceptEdits --model haiku" in (tmp_path / "arguments.txt").read_text()
    assert outcome.model == "haiku"


def test_stderr_is_kept_beside_the_transcript(tmp_path: Path) -> None:
    binary = executable(tmp_path / "claude", "cat > /dev/null; echo to-out; echo to-err >&2")
    run(agent("claude_code", AgentSettings(binary=str(binary))), request(tmp_path))
    assert (tmp_path / "session-0001.log").read_text() == "to-out\n"
    assert (tmp_path / "session-0001.stderr.log").read_text() == "to-err\n"


def test_the_refusal_to_bypass_permissions_as_root_says_what_to_do(tmp_path: Path) -> None:
    words = "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons"
    binary = executable(tmp_path / "claude", f"cat > /dev/null; echo '{words}' >&2; exit 1")
    outcome = run(agent("claude_code", AgentSettings(binary=str(binary))), request(tmp_path))
    assert outcome.reason is not None
    assert outcome.reason.startswith(
        "permission_denied: claude refuses permission_mode bypassPermissions as root"
    )
    assert "IS_SANDBOX=1" in outcome.reason


def test_a_stop_is_asked_for_politely_and_the_result_it_prints_is_billed(tmp_path: Path) -> None:
    result = shlex.quote(str(CAPTURES / "longtool_INT" / "stdout"))
    script = f"cat > /dev/null; trap 'cat {result}; exit 0' INT; : > running; while :; do sleep 0.02; done"
    binary = executable(tmp_path / "claude", script)
    running = tmp_path / "running"
    outcome = run(
        agent("claude_code", AgentSettings(binary=str(binary))),
        request(tmp_path),
        stop=lambda: StopRequest.SKIP if running.exists() else None,
    )
    assert (outcome.status, outcome.reason) == (SessionStatus.SKIPPED, "skipped")
    assert outcome.usage == usage(1800, 20, 500, 300, 0.004575)


def test_the_cost_cap_ends_an_agent_that_is_still_working(tmp_path: Path) -> None:
    settings = replay(tmp_path, "longtool_TERM", then="exec sleep 300")
    outcome = run(agent("claude_code", settings), request(tmp_path, max_cost_usd=0.004))
    assert (outcome.status, outcome.reason) == (ERROR, "cost_cap: $0.0043 >= $0.0040")
    assert outcome.usage == ONE_REQUEST_CUT


def test_the_cost_cap_goes_by_the_configured_price(tmp_path: Path) -> None:
    settings = replay(tmp_path, "longtool_TERM", then="exec sleep 300")
    dear = {MODEL: Price(input_per_million_usd=1000.0, output_per_million_usd=0.0)}
    outcome = run(agent("claude_code", settings, dear), request(tmp_path, max_cost_usd=1.5))
    assert outcome.reason == "cost_cap: $1.8000 >= $1.5000"


def test_an_agent_that_has_finished_is_not_stopped_by_its_cap(tmp_path: Path) -> None:
    settings = replay(tmp_path, "ok", then="sleep 0.5")
    outcome = run(agent("claude_code", settings), request(tmp_path, max_cost_usd=0.001))
    assert (outcome.status, outcome.reason) == (OK, None)
    assert outcome.usage.cost_usd > 0.001


def test_a_guessed_price_does_not_count_as_reported() -> None:
    result = {
        "type": "result",
        "is_error": False,
        "total_cost_usd": 0.5,
        "usage": {"input_tokens": 10, "output_tokens": 2},
        "modelUsage": {"new-model": {"costBasis": "fallback"}},
    }
    spend, _ = read([json.dumps(result).encode()])
    assert spend.reported_usd is None
    assert sum(spend.tokens.values(), Usage()) == Usage(input=10, output=2)


SPENT = {"id": "m1", "model": MODEL, "usage": {"input_tokens": 1000, "output_tokens": 100}}
PRICED = 1000 * 3e-6 + 100 * 15e-6


@pytest.mark.parametrize(
    ("result", "cost"),
    [
        ({}, PRICED),
        ({"total_cost_usd": 0}, PRICED),
        ({"total_cost_usd": 0, "usage": {"input_tokens": 0, "output_tokens": 0}}, PRICED),
        ({"total_cost_usd": 0, "usage": "broken"}, PRICED),
        ({"usage": {"input_tokens": 400, "output_tokens": 20}}, PRICED),
        ({"total_cost_usd": 0.5, "usage": {"input_tokens": 400, "output_tokens": 100}}, 0.5),
        ({"total_cost_usd": 0.5}, 0.5),
    ],
)
def test_a_result_that_tells_less_than_the_messages_takes_nothing_back(
    tmp_path: Path, result: dict[str, object], cost: float
) -> None:
    used = said(tmp_path, {"type": "assistant", "message": SPENT}, {"type": "result", **result}).usage
    assert tokens(used) == (1000, 100, 0, 0)
    assert used.cost_usd == pytest.approx(cost)
    assert used.cost_known


def test_each_count_is_the_larger_one_of_messages_and_result(tmp_path: Path) -> None:
    result = {"type": "result", "usage": {"input_tokens": 900, "output_tokens": 300}}
    used = said(tmp_path, {"type": "assistant", "message": SPENT}, result).usage
    assert tokens(used) == (1000, 300, 0, 0)
    assert used.cost_usd == pytest.approx(1000 * 3e-6 + 300 * 15e-6)


def test_an_empty_result_after_a_model_without_a_price_is_no_known_cost(tmp_path: Path) -> None:
    message = SPENT | {"model": "nobody-sells-this"}
    result = {"type": "result", "total_cost_usd": 0, "usage": {}}
    used = said(tmp_path, {"type": "assistant", "message": message}, result).usage
    assert used == Usage(input=1000, output=100, cost_usd=0.0, cost_known=False)


def test_a_model_without_a_price_is_unknown_and_not_free(tmp_path: Path) -> None:
    message = {"id": "m1", "model": "nobody-sells-this", "usage": {"input_tokens": 5, "output_tokens": 7}}
    line = shlex.quote(json.dumps({"type": "assistant", "message": message}))
    binary = executable(tmp_path / "claude", f"cat > /dev/null; echo {line}")
    outcome = run(agent("claude_code", AgentSettings(binary=str(binary))), request(tmp_path))
    assert outcome.usage == Usage(input=5, output=7, cost_usd=0.0, cost_known=False)


def test_many_messages_are_counted_once_each_in_bounded_memory() -> None:
    reader = ClaudeReader(None)
    for number in range(2000):
        message = {"id": f"m{number}", "model": MODEL, "usage": {"input_tokens": 3, "output_tokens": 1}}
        line = json.dumps({"type": "assistant", "message": message}).encode() + b"\n"
        list(reader.feed(line * 2))
    assert reader.spend().tokens == {MODEL: Usage(input=6000, output=2000)}


def test_what_the_agent_does_is_told_as_it_happens(tmp_path: Path) -> None:
    told: list[AgentEvent] = []
    run(agent("claude_code", replay(tmp_path, "rate_once")), request(tmp_path), on_event=told.append)
    first = Usage(input=1800, output=1, cache_read=500, cache_write=300, cost_known=False)
    both = Usage(input=2840, output=2, cache_read=1300, cache_write=340, cost_known=False)
    assert [(event.kind, event.text or event.usage) for event in told] == [
        (EventKind.STARTED, MODEL),
        (EventKind.RETRY, "rate_limit, attempt 1 of 10"),
        (EventKind.TEXT, "I will write the file."),
        (EventKind.USAGE, first),
        (EventKind.TOOL, "Write: /home/dev/repo/hello.txt"),
        (EventKind.TEXT, "Done: wrote hello.txt."),
        (EventKind.USAGE, both),
        (EventKind.USAGE, usage(2840, 34, 1300, 340, 0.005775000000000001)),
    ]


def test_streamed_output_counts_are_used_when_the_result_is_missing() -> None:
    lines = (CAPTURES / "partial" / "stdout").read_bytes().splitlines(keepends=True)
    spend, _ = read([line for line in lines if b'"type":"result"' not in line])
    assert spend.tokens == {MODEL: Usage(input=2840, output=34, cache_read=1300, cache_write=340)}


def test_claude_that_ends_without_a_result_line_is_an_error_of_unknown_cost(tmp_path: Path) -> None:
    outcome = said(tmp_path, {"type": "system", "subtype": "init", "model": MODEL})
    assert (outcome.status, outcome.exit_code) == (ERROR, 0)
    assert outcome.reason == "agent_error: claude ended without a result line"
    assert outcome.usage == Usage(cost_known=False)


def test_claude_that_prints_nothing_at_all_is_no_success(tmp_path: Path) -> None:
    binary = executable(tmp_path / "claude", "cat > /dev/null")
    outcome = run(agent("claude_code", AgentSettings(binary=str(binary))), request(tmp_path))
    assert outcome.reason == "agent_error: claude ended without a result line"
    assert (outcome.status, outcome.usage) == (ERROR, Usage(cost_known=False))


def test_without_a_result_line_the_messages_seen_are_the_bill(tmp_path: Path) -> None:
    outcome = said(tmp_path, {"type": "assistant", "message": SPENT})
    assert outcome.reason == "agent_error: claude ended without a result line"
    assert tokens(outcome.usage) == (1000, 100, 0, 0)
    assert outcome.usage.cost_usd == pytest.approx(PRICED)
    assert outcome.usage.cost_known


def test_a_polite_stop_without_a_result_line_is_still_the_stop(tmp_path: Path) -> None:
    script = "cat > /dev/null; trap 'exit 0' INT; : > running; while :; do sleep 0.02; done"
    binary = executable(tmp_path / "claude", script)
    running = tmp_path / "running"
    outcome = run(
        agent("claude_code", AgentSettings(binary=str(binary))),
        request(tmp_path),
        stop=lambda: StopRequest.SKIP if running.exists() else None,
    )
    assert (outcome.status, outcome.reason, outcome.exit_code) == (SessionStatus.SKIPPED, "skipped", 0)


def said(folder: Path, *lines: Mapping[str, object], code: int = 0) -> AgentOutcome:
    """The outcome of a `claude` that prints `lines` and exits."""
    printed = shlex.quote("\n".join(json.dumps(line) for line in lines))
    binary = executable(folder / "claude", f"cat > /dev/null; printf '%s\\n' {printed}; exit {code}")
    asked = request(folder, model=MODEL)
    return run(agent("claude_code", AgentSettings(binary=str(binary))), asked)


def read(chunks: list[bytes], code: int = 0) -> tuple[Spend, Verdict]:
    reader = ClaudeReader(None)
    for chunk in chunks:
        list(reader.feed(chunk))
    list(reader.finish())
    return reader.spend(), reader.verdict(Ending(code=code))


def tokens(used: Usage) -> tuple[int, int, int, int]:
    return used.input, used.output, used.cache_read, used.cache_write
