"""Claude Code as it really printed: every capture judged, numbers included (SPEC 6)."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from pitboss.agents.claude.stream import ClaudeReader
from pitboss.agents.judgement import AgentExit, AgentVerdict, Spend
from pitboss.core.agent import AgentOutcome, EventKind, Resume
from pitboss.core.config import AgentSettings, Price
from pitboss.core.session import SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.usage import CostSource, Usage
from tests.contracts.expected_claude_code import MODEL, TABLE
from tests.support.agents import agent, executable, heard, request, run
from tests.support.replay import CAPTURES as ALL_CAPTURES
from tests.support.replay import replaying, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

CAPTURES = ALL_CAPTURES / "claude"


def usage(total: int, output: int, read: int, write: int, cost: float) -> Usage:
    return Usage(input=total, output=output, cache_read=read, cache_write=write, cost_usd=cost)


PRICED_CUT = msgspec.structs.replace(usage(1800, 1, 500, 300, 0.00429), priced_by=CostSource.PRICE_TABLE)

OK = SessionStatus.OK
ERROR = SessionStatus.ERROR


def replay(folder: Path, capture: str, *, then: str = "") -> AgentSettings:
    """A `claude` that reads its prompt, prints the capture and ends as it did, or in another way."""
    return replaying(folder / "claude", TABLE, capture, then=then)


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


def test_an_earlier_session_is_gone_on_with_under_its_own_name(tmp_path: Path) -> None:
    binary = executable(tmp_path / "claude", 'cat > /dev/null; echo "$*" > arguments.txt')
    settings = AgentSettings(binary=str(binary), effort="high")
    run(agent("claude_code", settings), request(tmp_path, resume=Resume(session_id="abc-1")))
    assert "--effort high --resume abc-1\n" in (tmp_path / "arguments.txt").read_text()


def test_updates_and_telemetry_are_off_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    binary = executable(tmp_path / "claude", "cat > /dev/null; env > environment.txt")
    asked = request(tmp_path)
    asked.env["DISABLE_AUTOUPDATER"] = "0"
    run(agent("claude_code", AgentSettings(binary=str(binary))), asked)
    seen = (tmp_path / "environment.txt").read_text().splitlines()
    assert "DISABLE_TELEMETRY=1" in seen
    assert "DISABLE_AUTOUPDATER=0" in seen


RESUMED = {
    "type": "result",
    "is_error": False,
    "total_cost_usd": 0.75,
    "usage": {"input_tokens": 400, "output_tokens": 100},
}


def test_after_a_resume_only_the_cost_that_came_on_top_is_billed(tmp_path: Path) -> None:
    whole = {"m": {"inputTokens": 1400, "outputTokens": 300, "costBasis": "list"}}
    earlier = Resume(session_id="abc", usage=Usage(input=1000, output=200, cost_usd=0.5))
    used = said(tmp_path, RESUMED | {"modelUsage": whole}, resume=earlier).usage
    assert tokens(used) == (400, 100, 0, 0)
    assert used.cost_usd == pytest.approx(0.25)


def test_a_cost_that_leaves_earlier_attempts_out_is_billed_whole(tmp_path: Path) -> None:
    alone = {"m": {"inputTokens": 400, "outputTokens": 100, "costBasis": "list"}}
    earlier = Resume(session_id="abc", usage=Usage(input=1000, output=200, cost_usd=0.5))
    used = said(tmp_path, RESUMED | {"modelUsage": alone}, resume=earlier).usage
    assert used.cost_usd == pytest.approx(0.75)


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


def test_a_tool_whose_result_was_never_told_runs_no_longer_than_its_turn(tmp_path: Path) -> None:
    def turn(identity: str, *tools: str, parent: str | None = None) -> bytes:
        content = [{"type": "tool_use", "id": tool, "name": "Bash", "input": {}} for tool in tools]
        message = {"id": identity, "model": MODEL, "content": content}
        line = {"type": "assistant", "message": message, "parent_tool_use_id": parent}
        return json.dumps(line).encode() + b"\n"

    reader = ClaudeReader(request(tmp_path))
    list(reader.feed(turn("m1", "t1") + turn("m1", "t2") + turn("s1", "t3", parent="t2")))
    list(reader.feed(turn("s2", parent="t2")))
    assert reader.tool_running
    result = {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "t3"}]}}
    list(reader.feed(json.dumps(result).encode() + b"\n"))
    assert reader.tool_running
    list(reader.feed(turn("m2")))
    assert (reader.tool_running, reader.tool_calls) == (False, 3)


def test_the_cost_cap_ends_an_agent_that_is_still_working(tmp_path: Path) -> None:
    settings = replay(tmp_path, "longtool_TERM", then="exec sleep 300")
    outcome = run(agent("claude_code", settings), request(tmp_path, max_cost_usd=0.004))
    assert (outcome.status, outcome.reason) == (ERROR, "cost_cap: $0.0043 >= $0.0040")
    assert outcome.usage == PRICED_CUT


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
    assert used == Usage(input=1000, output=100, cost_known=False, unpriced="nobody-sells-this")


def test_a_model_without_a_price_is_unknown_and_not_free(tmp_path: Path) -> None:
    message = {"id": "m1", "model": "nobody-sells-this", "usage": {"input_tokens": 5, "output_tokens": 7}}
    line = shlex.quote(json.dumps({"type": "assistant", "message": message}))
    binary = executable(tmp_path / "claude", f"cat > /dev/null; echo {line}")
    outcome = run(agent("claude_code", AgentSettings(binary=str(binary))), request(tmp_path))
    assert outcome.usage == Usage(input=5, output=7, cost_known=False, unpriced="nobody-sells-this")


def test_many_messages_are_counted_once_each_in_bounded_memory() -> None:
    reader = ClaudeReader(request(Path("/nowhere")))
    for number in range(2000):
        message = {"id": f"m{number}", "model": MODEL, "usage": {"input_tokens": 3, "output_tokens": 1}}
        line = json.dumps({"type": "assistant", "message": message}).encode() + b"\n"
        list(reader.feed(line * 2))
    assert reader.spend().tokens == {MODEL: Usage(input=6000, output=2000)}


def test_what_the_agent_does_is_told_as_it_happens(tmp_path: Path) -> None:
    asked = request(tmp_path)
    told = heard(ClaudeReader(asked), asked, TABLE.capture("rate_once").stdout)
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


def test_a_result_line_that_is_printed_again_says_nothing_new(tmp_path: Path) -> None:
    cut_off = SPENT | {"id": "m0", "usage": {"input_tokens": 700, "output_tokens": 1}}
    result = {"type": "result", "total_cost_usd": 0.25, "usage": SPENT["usage"]}
    messages = ({"type": "assistant", "message": cut_off}, {"type": "assistant", "message": SPENT})
    used = said(tmp_path, *messages, result, result).usage
    assert tokens(used) == tokens(said(tmp_path, *messages, result).usage) == (1700, 101, 0, 0)
    assert used.cost_usd == pytest.approx(0.25)


@pytest.mark.parametrize(
    "words",
    [
        "API Error: 529 is now retried with a pause, as the issue asks.",
        "API Error: every 429 was counted twice. Fixed.",
        "Blocked the pre-push hook from running twice.",
        "Session stopped by a hook? That can no longer happen.",
    ],
)
def test_what_the_model_writes_about_errors_is_no_error(tmp_path: Path, words: str) -> None:
    content = [{"type": "text", "text": words}]
    result = {"type": "result", "is_error": False, "num_turns": 1, "result": words}
    by_model = {"type": "assistant", "message": SPENT | {"content": content}}
    assert said(tmp_path, by_model, result).status is OK
    by_cli = {"type": "assistant", "message": {"id": "m2", "model": "<synthetic>", "content": content}}
    assert said(tmp_path, by_model, by_cli, result).status is ERROR
    assert said(tmp_path, result).status is ERROR


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


def said(
    folder: Path, *lines: Mapping[str, object], code: int = 0, resume: Resume | None = None
) -> AgentOutcome:
    """The outcome of a `claude` that prints `lines` and exits."""
    printed = shlex.quote("\n".join(json.dumps(line) for line in lines))
    binary = executable(folder / "claude", f"cat > /dev/null; printf '%s\\n' {printed}; exit {code}")
    asked = request(folder, model=MODEL, resume=resume)
    return run(agent("claude_code", AgentSettings(binary=str(binary))), asked)


def read(chunks: list[bytes], code: int = 0) -> tuple[Spend, AgentVerdict]:
    reader = ClaudeReader(request(Path("/nowhere")))
    for chunk in chunks:
        list(reader.feed(chunk))
    list(reader.finish())
    return reader.spend(), reader.verdict(AgentExit(code=code))


CAPPED = ("--include-partial-messages", "--max-budget-usd")


def arguments(folder: Path, script: str = "", **changes: Any) -> list[str]:
    """What a `claude` was started with, one line a start."""
    binary = executable(folder / "claude", f'cat > /dev/null; echo "$*" >> arguments.txt; {script}')
    run(agent("claude_code", AgentSettings(binary=str(binary))), request(folder, **changes))
    return (folder / "arguments.txt").read_text().splitlines()


def test_a_cap_is_given_to_the_cli_and_messages_are_read_while_they_are_written(tmp_path: Path) -> None:
    (line,) = arguments(tmp_path, max_cost_usd=0.75, live_usage=True)
    assert line.endswith("--include-partial-messages --max-budget-usd 0.750000")


def test_without_a_cap_neither_is_asked_for(tmp_path: Path) -> None:
    (line,) = arguments(tmp_path)
    assert not any(option in line for option in CAPPED)


def test_a_cap_on_tokens_needs_messages_alone(tmp_path: Path) -> None:
    (line,) = arguments(tmp_path, live_usage=True)
    assert line.endswith("--include-partial-messages")


def test_the_budget_of_a_resumed_session_has_its_earlier_cost_in_it(tmp_path: Path) -> None:
    earlier = Resume(session_id="abc", usage=Usage(input=1, cost_usd=0.5))
    (line,) = arguments(tmp_path, max_cost_usd=0.25, resume=earlier)
    assert "--max-budget-usd 0.750000" in line


def test_a_cap_of_nothing_is_as_good_as_nothing(tmp_path: Path) -> None:
    (line,) = arguments(tmp_path, max_cost_usd=0.0)
    assert "--max-budget-usd 0.000001" in line


def test_a_version_that_knows_no_budget_is_started_without_one_from_then_on(tmp_path: Path) -> None:
    refuse = 'case "$*" in *budget*) echo "error: unknown option \'--max-budget-usd\'" >&2; exit 1;; esac'
    binary = executable(
        tmp_path / "claude", f'cat > /dev/null; echo "$*" >> arguments.txt; {refuse}; cat done'
    )
    (tmp_path / "done").write_text(json.dumps(RESUMED))
    driver = agent("claude_code", AgentSettings(binary=str(binary)))
    outcomes = [run(driver, request(tmp_path, max_cost_usd=9.0)) for _ in range(2)]
    assert [outcome.status for outcome in outcomes] == [OK, OK]
    lines = (tmp_path / "arguments.txt").read_text().splitlines()
    assert ["budget" in line for line in lines] == [True, False, False]


def test_the_messages_of_several_loops_stream_beside_each_other(tmp_path: Path) -> None:
    def event(kind: str, parent: str | None, **fields: object) -> dict[str, object]:
        return {"type": "stream_event", "parent_tool_use_id": parent, "event": {"type": kind, **fields}}

    def start(identity: str, parent: str | None) -> dict[str, object]:
        message = {"id": identity, "model": MODEL, "usage": {"input_tokens": 100, "output_tokens": 1}}
        return event("message_start", parent, message=message)

    def delta(tokens: int, parent: str | None) -> dict[str, object]:
        return event("message_delta", parent, usage={"output_tokens": tokens})

    used = said(tmp_path, start("m1", None), start("s1", "t1"), delta(40, None), delta(7, "t1"), code=1).usage
    assert tokens(used) == (200, 47, 0, 0)


def test_agents_that_stand_only_in_the_sum_by_model_count(tmp_path: Path) -> None:
    models = {
        MODEL: {"inputTokens": 1000, "outputTokens": 100},
        "claude-haiku-4-5": {"inputTokens": 90_000, "outputTokens": 5000, "cacheReadInputTokens": 400_000},
    }
    result = {"type": "result", "total_cost_usd": 0.5, "usage": SPENT["usage"], "modelUsage": models}
    used = said(tmp_path, {"type": "assistant", "message": SPENT}, result).usage
    assert tokens(used) == (491_000, 5100, 400_000, 0)
    assert used.cost_usd == pytest.approx(0.5)
    by_price = said(tmp_path, result | {"total_cost_usd": None}).usage
    assert by_price.cost_usd == pytest.approx(PRICED + 90_000 * 1e-6 + 400_000 * 0.1e-6 + 5000 * 5e-6)


@pytest.mark.parametrize(
    ("second", "counted"),
    [
        ({"input_tokens": 500, "output_tokens": 60}, (1500, 160, 0, 0)),
        ({"input_tokens": 1500, "output_tokens": 160}, (1500, 160, 0, 0)),
    ],
)
def test_usage_of_a_second_result_may_be_its_turns_or_the_whole(
    tmp_path: Path, second: dict[str, int], counted: tuple[int, int, int, int]
) -> None:
    later = SPENT | {"id": "m2", "usage": {"input_tokens": 500, "output_tokens": 1}}
    lines: list[dict[str, object]] = [
        {"type": "assistant", "message": SPENT},
        {"type": "result", "total_cost_usd": 0.25, "usage": SPENT["usage"]},
        {"type": "assistant", "message": later},
        {"type": "result", "total_cost_usd": 0.75, "usage": second},
    ]
    used = said(tmp_path, *lines).usage
    assert tokens(used) == counted
    assert used.cost_usd == pytest.approx(0.75)


def test_what_came_after_the_last_result_is_priced_on_top_of_its_cost(tmp_path: Path) -> None:
    later = SPENT | {"id": "m2"}
    result = {"type": "result", "total_cost_usd": 0.25, "usage": SPENT["usage"]}
    used = said(
        tmp_path, {"type": "assistant", "message": SPENT}, result, {"type": "assistant", "message": later}
    ).usage
    assert tokens(used) == (2000, 200, 0, 0)
    assert used.cost_usd == pytest.approx(0.25 + PRICED)


def test_what_a_killed_session_wrote_for_an_hour_is_priced_so(tmp_path: Path) -> None:
    created = {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 200}
    usage = {
        "input_tokens": 0,
        "output_tokens": 0,
        "cache_creation_input_tokens": 1200,
        "cache_creation": created,
    }
    used = said(tmp_path, {"type": "assistant", "message": SPENT | {"usage": usage}}, code=137).usage
    assert tokens(used) == (1200, 0, 0, 1200)
    assert used.cost_usd == pytest.approx(1000 * 6e-6 + 200 * 3.75e-6)


SYNTHETIC = {"id": "m0", "model": "<synthetic>"}


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("last", [[], [{"type": "result", "is_error": False, "num_turns": 1, "result": ""}]])
def test_own_words_of_a_limit_are_one_whatever_the_result_says(
    tmp_path: Path, last: list[dict[str, object]], code: int
) -> None:
    words = "You've hit your session limit · resets in 3 hours"
    message = SYNTHETIC | {"content": [{"type": "text", "text": words}]}
    outcome = said(tmp_path, {"type": "assistant", "message": message}, *last, code=code)
    assert (outcome.reason or "").startswith("rate_limited")
    assert outcome.resets_at == pytest.approx(time.time() + 3 * 3600, abs=60)


def test_words_of_its_own_that_are_no_failure_are_none(tmp_path: Path) -> None:
    message = SYNTHETIC | {"content": [{"type": "text", "text": "No response requested."}]}
    outcome = said(tmp_path, {"type": "assistant", "message": message}, RESUMED)
    assert outcome.status is OK


@pytest.mark.parametrize("where", ["&2", "&1"])
def test_a_limit_told_in_plain_words_alone_is_one(tmp_path: Path, where: str) -> None:
    words = "Claude AI usage limit reached|1795370340"
    binary = executable(tmp_path / "claude", f"cat > /dev/null; echo '{words}' >{where}; exit 1")
    outcome = run(agent("claude_code", AgentSettings(binary=str(binary))), request(tmp_path))
    assert (outcome.reason, outcome.resets_at) == (f"rate_limited: {words}", 1795370340.0)
