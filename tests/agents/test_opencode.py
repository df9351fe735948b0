"""opencode as it really printed and behaved, one trap a test (SPEC 6)."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic, time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.agents.judgement import AgentExit
from pitboss.agents.opencode import Opencode, subagents
from pitboss.agents.opencode.log import FailedRequests
from pitboss.agents.opencode.stream import OpencodeReader
from pitboss.core.agent import AgentEvent, EventKind, Resume
from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage
from tests.contracts.expected_opencode import MODEL, TABLE
from tests.support.agents import agent, executable, request, run
from tests.support.replay import replaying, tokens

if TYPE_CHECKING:
    from pitboss.core.agent import AgentOutcome

OK = SessionStatus.OK
START: dict[str, Any] = {"type": "step_start"}


def finish(reason: str, output: int = 5, cost: float = 0.01) -> dict[str, Any]:
    told = {"input": 100 if output else 0, "output": output, "reasoning": 0, "cache": {"read": 0, "write": 0}}
    return {"type": "step_finish", "part": {"reason": reason, "tokens": told, "cost": cost}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "part": {"text": words}}


def tool(name: str, status: str = "completed", **state: Any) -> dict[str, Any]:
    return {"type": "tool_use", "part": {"tool": name, "state": {"status": status, **state}}}


def error(name: str = "APIError", *, at: int = 0, **data: Any) -> dict[str, Any]:
    return {"type": "error", "timestamp": at, "error": {"name": name, "data": data}}


def told(reader: OpencodeReader, *lines: dict[str, Any]) -> list[AgentEvent]:
    return [event for line in lines for event in reader.feed(json.dumps(line).encode() + b"\n")]


def read(*lines: dict[str, Any], resume: Resume | None = None) -> OpencodeReader:
    reader = OpencodeReader(request(Path("/nowhere"), model=MODEL, resume=resume))
    told(reader, *lines)
    return reader


def outcome_of(*lines: dict[str, Any], code: int = 0) -> str | None:
    return read(*lines).verdict(AgentExit(code=code)).reason


def test_the_prompt_goes_by_standard_input_and_the_command_line_is_the_documented_one(tmp_path: Path) -> None:
    binary = executable(tmp_path / "opencode", 'cat > prompt.txt; printf "%s\\n" "$@" > arguments.txt')
    settings = AgentSettings(
        binary=str(binary), model="acme/fast", effort="high", extra_args=("--agent", "x")
    )
    run(agent("opencode", settings), request(tmp_path, body="the body"))
    assert (tmp_path / "prompt.txt").read_text() == "standing instructions\n\nthe body"
    assert (tmp_path / "arguments.txt").read_text().split("\n")[:-1] == [
        *("run", "--format", "json", "--print-logs", "--log-level", "ERROR"),
        *("--auto", "--title", "pitboss: chore"),
        *("--model", "acme/fast", "--variant", "high", "--agent", "x"),
    ]


def test_updates_and_downloads_are_off_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    binary = executable(tmp_path / "opencode", "cat > /dev/null; env > environment.txt")
    asked = request(tmp_path)
    asked.env["OPENCODE_DISABLE_LSP_DOWNLOAD"] = "0"
    run(agent("opencode", AgentSettings(binary=str(binary))), asked)
    seen = (tmp_path / "environment.txt").read_text().splitlines()
    assert {f"OPENCODE_DISABLE_{what}=1" for what in ("AUTOUPDATE", "MODELS_FETCH", "DEFAULT_PLUGINS")} <= {
        *seen
    }
    assert "OPENCODE_DISABLE_LSP_DOWNLOAD=0" in seen


def test_a_tool_is_shown_with_the_file_it_works_on(tmp_path: Path) -> None:
    reader = OpencodeReader(request(tmp_path))
    part = {"tool": "write", "state": {"input": {"content": "hi", "filePath": "/repo/hello.txt"}}}
    seen = reader.event({"type": "tool_use", "part": part})
    assert [event.text for event in seen] == ["write: /repo/hello.txt"]


def configured(content: str | None, mode: str | None = None) -> str | None:
    asked = request(Path("/nowhere"))
    if content is not None:
        asked.env["OPENCODE_CONFIG_CONTENT"] = content
    launch = Opencode().launch(asked, AgentSettings(permission_mode=mode))
    return launch.env.get("OPENCODE_CONFIG_CONTENT")


def test_the_users_configuration_in_the_environment_wins_over_ours() -> None:
    assert json.loads(configured(None) or "") == {"autoupdate": False, "share": "disabled"}
    theirs = {"model": "a/b", "share": "auto"}
    assert json.loads(configured(json.dumps(theirs)) or "") == {"autoupdate": False} | theirs


@pytest.mark.parametrize("content", ['{"model": "a/b", /* why */ }', "[1]", "{" * 5000])
def test_a_configuration_that_is_no_plain_json_object_is_left_alone(content: str) -> None:
    assert configured(content) is None


def test_another_permission_mode_becomes_opencodes_permission_and_nothing_is_approved() -> None:
    settings = AgentSettings(permission_mode="deny")
    assert "--auto" not in Opencode().launch(request(Path("/nowhere")), settings).argv
    assert json.loads(configured('{"permission": "allow"}', "deny") or "")["permission"] == "deny"


def test_success_is_a_last_step_that_stopped_and_exit_zero() -> None:
    assert outcome_of(START, finish("tool-calls"), START, finish("stop")) is None
    assert outcome_of(START, finish("stop"), code=7) == "exit_code: 7"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "no last step"),
        ([START], "no last step"),
        ([START, finish("stop"), START], "no last step"),
        ([START, finish("tool-calls")], "its last step ended with tool-calls"),
        ([START, finish("unknown", 0)], "its last step ended with unknown"),
        ([START, finish("length")], "its last step ended with length"),
    ],
)
def test_exit_zero_without_a_last_step_that_stopped_is_no_success(
    lines: list[dict[str, Any]], words: str
) -> None:
    assert outcome_of(*lines) == f"agent_error: opencode ended without an answer: {words}"


def test_tokens_and_cost_are_the_sum_of_the_steps_after_a_resume_too() -> None:
    earlier = Resume(session_id="ses_1", usage=Usage(input=900, output=90, cost_usd=3.0))
    spend = read(START, finish("tool-calls", 5), START, finish("stop", 7, 0.02), resume=earlier).spend()
    assert spend.tokens == {MODEL: Usage(input=200, output=12)}
    assert spend.reported_usd == pytest.approx(0.03)


def test_an_earlier_session_is_gone_on_with_under_its_own_name() -> None:
    asked = request(Path("/nowhere"), resume=Resume(session_id="ses_1"))
    assert Opencode().launch(asked, AgentSettings()).argv[-2:] == ("--session", "ses_1")


def test_a_cost_of_nothing_for_tokens_is_no_price(tmp_path: Path) -> None:
    assert read(START, finish("tool-calls"), START, finish("stop", cost=0.0)).spend().reported_usd is None


@pytest.mark.parametrize("told", [None, "many", {}, {"input": None, "output": "x"}, [7]])
def test_a_cost_counts_although_its_tokens_cannot_be_read(tmp_path: Path, told: object) -> None:
    step = {"type": "step_finish", "part": {"reason": "stop", "tokens": told, "cost": 0.37}}
    spend = read(START, text("done"), step, START, step).spend()
    assert (spend.reported_usd, spend.unreadable) == (0.74, False)
    lines = "\n".join(json.dumps(line) for line in (START, text("done"), step))
    binary = executable(tmp_path / "opencode", f"cat > /dev/null; echo '{lines}'; exec sleep 60")
    outcome = run(agent("opencode", AgentSettings(binary=str(binary))), request(tmp_path, idle_seconds=1))
    assert outcome.usage == Usage(cost_usd=0.37)


def test_a_step_that_never_told_what_it_used_is_of_unknown_cost() -> None:
    assert read(START).spend().unreadable
    assert read(START, finish("unknown", 0, cost=0.0)).spend().unreadable
    assert not read(START, finish("tool-calls"), START).spend().unreadable
    assert not read(error(statusCode=401)).spend().unreadable


def test_an_answer_cut_off_and_asked_for_without_end_is_no_progress_but_once() -> None:
    reader = OpencodeReader(request(Path("/nowhere")))
    loop = TABLE.capture("cut_clean").stdout
    for _ in range(50):
        list(reader.feed(loop))
        assert (reader.progress, reader.tool_running) == (1, False)


def test_a_loop_whose_words_and_tokens_differ_each_time_is_no_progress_but_is_billed() -> None:
    reader = read()
    for number in range(50):
        told(reader, START, text(f"I will {number}"), finish("unknown", number + 1))
        assert (reader.progress, reader.tool_running) == (1, False)
    assert reader.spend().tokens == {MODEL: Usage(input=5000, output=1275)}


def test_an_endless_loop_is_ended_as_a_stall_before_it_costs_more(tmp_path: Path) -> None:
    script = f"cat > prompt.txt; while :; do cat {TABLE.capture('cut_clean').folder}/stdout; sleep 0.01; done"
    settings = AgentSettings(binary=str(executable(tmp_path / "opencode", script)))
    outcome = run(agent("opencode", settings), request(tmp_path, idle_seconds=60))
    assert outcome.status is SessionStatus.TIMEOUT
    assert re.fullmatch(r"stalled: \d\d+ answers in a row were cut off", outcome.reason or "")


def test_cut_answers_with_whole_ones_between_are_no_endless_loop() -> None:
    reader = read()
    for number in range(50):
        told(reader, START, text(f"I will {number}"), finish("unknown", 1))
        told(reader, START, text(f"I will {number}"), finish("tool-calls", 1))
    assert reader.hopeless() is None


def test_a_request_that_is_made_again_is_told_as_a_retry_and_is_progress_once() -> None:
    reader = OpencodeReader(request(Path("/nowhere")))
    events = list(reader.feed(TABLE.capture("stream_error").stdout))
    assert [event.kind for event in events] == [EventKind.STARTED, *[EventKind.RETRY] * 5]
    assert (reader.progress, reader.tool_running) == (1, False)


def test_steps_that_come_to_something_are_progress() -> None:
    reader = read()
    seen = [reader.progress]
    for line in (START, text("one"), tool("bash"), finish("tool-calls"), START, text("two"), finish("stop")):
        told(reader, line)
        seen.append(reader.progress)
    assert seen == [0, 0, 0, 1, 3, 3, 3, 5]


def test_in_an_open_step_a_tool_may_be_running_because_it_is_told_of_only_at_its_end() -> None:
    reader = OpencodeReader(request(Path("/nowhere")))
    list(reader.feed(TABLE.capture("longtool_TERM").stdout))
    assert reader.tool_running
    told(reader, tool("bash"), finish("tool-calls"))
    assert not reader.tool_running


def test_a_step_that_works_again_after_a_retry_may_run_tools_again() -> None:
    reader = read(START, START)
    assert not reader.tool_running
    told(reader, finish("tool-calls"), START)
    assert reader.tool_running


def test_an_error_that_it_got_over_is_past() -> None:
    assert outcome_of(START, error(message="hiccup"), START, finish("stop")) is None
    assert outcome_of(START, error(message="hiccup"), finish("stop")) is None


def retry(message: str, *, at: int = 0, after_s: float | None = None, **status: Any) -> dict[str, Any]:
    """A status of an opencode that will ask again."""
    following = {} if after_s is None else {"next": at + after_s * 1000}
    told = {"type": "retry", "attempt": 1, "message": message, **following, **status}
    return {"type": "session.status", "timestamp": at, "properties": {"status": told}}


NOW = 1795359572000


@pytest.mark.parametrize(
    ("line", "reason", "resets_at"),
    [
        (retry("Free usage exceeded, subscribe to Go", at=NOW, after_s=30), "rate_limited", None),
        (retry("Weekly usage limit reached", at=NOW, after_s=3600), "rate_limited", 1795363172.0),
        (retry("Rate Limited", at=NOW, after_s=3600), "rate_limited", 1795363172.0),
        (retry("Insufficient balance. Manage your billing here", at=NOW, after_s=8), "billing", None),
        (
            {"type": "retry", "timestamp": NOW, "message": "Rate Limited", "next": NOW + 3_600_000},
            "rate_limited",
            1795363172.0,
        ),
        (
            {"type": "retry", "part": error(message="x", responseBody="{}")},
            None,
            None,
        ),
        (
            {
                "type": "retry",
                "part": error(
                    responseBody='{"error": {"type": "GoUsageLimitError", "resets_at": 1795370340}}'
                ),
            },
            "rate_limited",
            1795370340.0,
        ),
        (retry("Provider is overloaded", at=NOW, after_s=8), None, None),
        ({"type": "session.status", "status": {"type": "busy"}}, None, None),
    ],
)
def test_it_is_not_let_wait_for_what_comes_after_hours_or_with_money_only(
    line: dict[str, Any], reason: str | None, resets_at: float | None
) -> None:
    verdict = read(START, line).hopeless()
    if reason is None:
        assert verdict is None
    else:
        assert verdict is not None
        assert ((verdict.reason or "").partition(":")[0], verdict.resets_at) == (reason, resets_at)
        assert read(START, line, START).hopeless() is None
        assert read(START, line, text("I will")).hopeless() is None


def test_what_it_asked_again_for_is_why_it_ended_when_no_answer_came() -> None:
    busy = retry("Provider is overloaded", at=NOW, after_s=8)
    assert outcome_of(START, busy, code=1) == "overloaded: Provider is overloaded, attempt 1"
    assert outcome_of(START, busy, finish("stop")) is None
    assert [event.text for event in told(read(START), busy)] == ["Provider is overloaded, attempt 1"]


def test_each_attempt_that_it_tells_is_progress_and_the_pause_before_it_no_stall() -> None:
    reader = read(START)
    for attempt in (1, 2, 3, 3):
        told(reader, retry("Provider is overloaded", at=NOW, after_s=8, attempt=attempt))
    assert (reader.progress, reader.announced_pause_s) == (3, 8.0)


@pytest.mark.parametrize("last", [finish("stop"), error(message="no"), {"type": "session.idle"}])
def test_it_has_said_its_last_word_until_it_begins_another_step(last: dict[str, Any]) -> None:
    reader = read(START, last)
    assert (reader.finished, reader.tool_running) == (True, False)
    told(reader, START)
    assert not reader.finished


REFUSED = tool("write", "error", error="The user rejected permission to use this specific tool call.")
RULED_OUT = tool(
    "bash", "error", error="The user has specified a rule which prevents you from using this tool"
)
FAILED = tool("edit", "error", error="oldString not found in content")


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        ([START, REFUSED, finish("tool-calls")], "write"),
        ([START, tool("read"), REFUSED, finish("tool-calls")], "write"),
        ([START, RULED_OUT, finish("tool-calls"), START, finish("stop")], "bash"),
        ([START, tool("read"), RULED_OUT, finish("tool-calls"), START, finish("stop")], None),
        ([START, FAILED, finish("tool-calls"), START, finish("stop")], None),
    ],
)
def test_tools_that_nobody_allowed_are_the_failure_they_lead_to(
    lines: list[dict[str, Any]], refused: str | None
) -> None:
    said = None if refused is None else f"permission_denied: opencode was not allowed to use {refused}"
    assert outcome_of(*lines) == said


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (error(message="no", statusCode=401), "auth: no"),
        (error("ProviderAuthError", message="no key"), "auth: no key"),
        (error(message="gone", statusCode=404), "not_found: gone"),
        (error("ContextOverflowError", message="too big"), "context_too_long: too big"),
        (error(message="Payment Required", statusCode=402), "billing: Payment Required"),
        (error(message="slow down", statusCode=429), "overloaded: slow down"),
        (error(message="oops", statusCode=529), "overloaded: oops"),
        (error(message="Unable to connect: ECONNREFUSED"), "overloaded: Unable to connect: ECONNREFUSED"),
        (error("MessageAbortedError", message="Aborted"), "agent_error: Aborted"),
        (error("UnknownError", message="Unexpected server error.", ref="err_1"), "agent_error: Unexpected"),
        (error("StrangeError"), "agent_error: StrangeError"),
        ({"type": "error", "error": "text"}, "agent_error"),
    ],
)
def test_a_failure_is_named_by_what_the_service_said(line: dict[str, Any], reason: str) -> None:
    assert (outcome_of(line, code=1) or "").startswith(reason)


def test_a_quota_that_is_no_limit_of_the_hour_is_a_matter_of_money() -> None:
    body = json.dumps({"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}})
    assert (
        outcome_of(error(statusCode=429, message="You exceeded", responseBody=body))
        == "billing: You exceeded"
    )


@pytest.mark.parametrize(
    ("data", "resets_at"),
    [
        ({"responseBody": '{"error": {"resets_at": 1795370340}}'}, 1795370340.0),
        ({"responseHeaders": {"x-codex-primary-reset-at": "1795370340"}}, 1795370340.0),
        ({"responseBody": '{"error": {"resets_in_seconds": 60}}'}, 1795359632.0),
        ({"responseHeaders": {"retry-after": "3600"}}, 1795363172.0),
        ({"responseHeaders": {"retry-after": "soon"}, "responseBody": "<html>"}, None),
    ],
)
def test_a_usage_limit_ends_when_the_service_said(data: dict[str, Any], resets_at: float | None) -> None:
    line = error(at=1795359572000, statusCode=429, message="The usage limit has been reached", **data)
    verdict = read(line).verdict(AgentExit(code=1))
    assert verdict.reason == "rate_limited: The usage limit has been reached"
    assert verdict.resets_at == resets_at


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"responseHeaders": {"retry-after": "7200"}}, "rate_limited"),
        ({"responseBody": '{"error": {"resets_in_seconds": 7200}}'}, "rate_limited"),
        ({"responseHeaders": {"retry-after": "7200"}, "statusCode": 503}, "rate_limited"),
        ({"responseHeaders": {"retry-after": "30"}}, "overloaded"),
        ({"responseHeaders": {"x-codex-primary-reset-at": "1795370340"}}, "overloaded"),
        ({"responseHeaders": {"retry-after": "7200"}, "statusCode": 401}, "auth"),
    ],
)
def test_a_service_that_asks_for_a_wait_of_hours_has_a_limit(data: dict[str, Any], reason: str) -> None:
    line = error(at=1795359572000, **{"statusCode": 429, "message": "Too Many Requests", **data})
    verdict = read(line).verdict(AgentExit(code=1))
    assert (verdict.reason or "").partition(":")[0] == reason
    assert verdict.resets_at == (1795366772.0 if reason == "rate_limited" else None)


def test_an_agent_that_has_finished_is_not_stopped_by_its_cap(tmp_path: Path) -> None:
    settings = replaying(tmp_path / "opencode", TABLE, "ok", then="sleep 0.3")
    outcome = run(agent("opencode", settings), request(tmp_path, model=MODEL, max_cost_usd=0.001))
    assert (outcome.status, outcome.reason) == (OK, None)


def test_the_cost_cap_ends_an_agent_that_is_still_working(tmp_path: Path) -> None:
    first = b"".join(TABLE.capture("ok").stdout.splitlines(keepends=True)[:4])
    settings = replaying(tmp_path / "opencode", TABLE, "ok", stdout=first, then="exec sleep 300")
    outcome = run(agent("opencode", settings), request(tmp_path, model=MODEL, max_cost_usd=0.001))
    assert outcome.reason == "cost_cap: $0.0017 >= $0.0010"
    assert tokens(outcome.usage) == (700, 20, 256, 0)


_odd: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 2**80, 1e300, "", "{", "[]", "stop", [], [{}], {}]
)
_odds = _odd | st.dictionaries(
    st.sampled_from(
        [
            "reason",
            "tokens",
            "cost",
            "cache",
            "input",
            "state",
            "tool",
            "text",
            "data",
            "message",
            "responseBody",
        ]
    ),
    _odd | st.dictionaries(st.sampled_from(["message", "responseBody", "error", "input", "read"]), _odd),
)


def test_a_step_that_is_printed_again_is_billed_once() -> None:
    step, other = finish("tool-calls"), finish("stop")
    for each, identity in ((step, "prt_1"), (other, "prt_2")):
        each["part"]["id"] = identity
    assert read(START, step, step, START, other, other).spend() == read(START, step, START, other).spend()
    assert read(START, step, START, other).spend().reported_usd == pytest.approx(0.02)


_line = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["step_start", "text", "tool_use", "step_finish", "error", "reasoning", "retry", "session.status"]
        )
    },
    optional=dict.fromkeys(["part", "error", "sessionID", "timestamp", "status", "next"], _odds),
)


@given(st.lists(_line, max_size=6))
def test_events_of_any_shape_are_never_an_exception(lines: list[dict[str, Any]]) -> None:
    reader = read(*lines)
    used = sum(reader.spend().tokens.values(), Usage())
    assert used.input >= 0
    assert reader.verdict(AgentExit(code=0)).status in (OK, SessionStatus.ERROR)


ANSWERS = (
    ("child", 20, {"input": 100, "output": 7, "reasoning": 2, "cache": {"read": 50, "write": 3}}, 0.04),
    ("grandchild", 21, {"input": 10, "output": 1, "reasoning": 0, "cache": {"read": 0, "write": 0}}, 0.01),
    ("child", 5, {"input": 999, "output": 9, "reasoning": 0, "cache": {"read": 0, "write": 0}}, 9.0),
    ("stranger", 22, {"input": 999, "output": 9, "reasoning": 0, "cache": {"read": 0, "write": 0}}, 9.0),
    ("main", 23, {"input": 999, "output": 9, "reasoning": 0, "cache": {"read": 0, "write": 0}}, 9.0),
)
"""Session, time, tokens and cost of answers in its database; those before 10 are of an earlier start."""


def keep(folder: Path, answers: tuple[Any, ...] = ANSWERS) -> Path:
    """Write a database as opencode does."""
    path = folder / ".local/share/opencode/opencode.db"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE session (id TEXT PRIMARY KEY, parent_id TEXT)")
        database.execute("CREATE TABLE message (session_id TEXT, time_created INTEGER, data TEXT)")
        tree = [("main", None), ("child", "main"), ("grandchild", "child"), ("stranger", None)]
        database.executemany("INSERT INTO session VALUES (?, ?)", tree)
        for session, at, used, cost in answers:
            told = {"role": "assistant", "providerID": "local", "modelID": "m", "tokens": used, "cost": cost}
            database.execute("INSERT INTO message VALUES (?, ?, ?)", (session, at, json.dumps(told)))
        for odd in ("{", "[]", '{"role": "user"}', None):
            database.execute("INSERT INTO message VALUES ('child', 24, ?)", (odd,))
    return path


def delegating(folder: Path, *lines: dict[str, Any]) -> OpencodeReader:
    """A reader of a session that had a subagent do something."""
    reader = OpencodeReader(request(folder, model=MODEL))
    told(reader, START | {"sessionID": "main", "timestamp": 10}, *lines)
    list(reader.finish())
    return reader


def test_what_subagents_used_is_in_its_database(tmp_path: Path) -> None:
    keep(tmp_path)
    spend = delegating(tmp_path, tool("task"), finish("stop")).spend()
    below = Usage(input=163, output=10, cache_read=50, cache_write=3)
    assert spend.tokens == {MODEL: Usage(input=100, output=5), "local/m": below}
    assert spend.reported_usd == pytest.approx(0.06)
    assert not spend.unreadable


def test_a_subagent_of_a_session_that_was_stopped_is_billed_too(tmp_path: Path) -> None:
    keep(tmp_path)
    spend = delegating(tmp_path).spend()
    assert (sum(used.output for used in spend.tokens.values()), spend.unreadable) == (10, False)


def test_a_subagent_without_a_price_leaves_the_cost_to_its_tokens(tmp_path: Path) -> None:
    keep(tmp_path, (("child", 20, {"input": 1, "output": 1}, 0),))
    assert delegating(tmp_path, tool("task"), finish("stop")).spend().reported_usd is None


@pytest.mark.parametrize("content", [None, b"", b"no database", b"SQLite format 3\0" + b"\xff" * 200])
def test_without_its_database_what_subagents_used_is_unknown(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        path = tmp_path / ".local/share/opencode/opencode.db"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    spend = delegating(tmp_path, tool("task"), finish("stop")).spend()
    assert (spend.tokens, spend.unreadable) == ({MODEL: Usage(input=100, output=5)}, True)


def test_a_database_that_takes_for_ever_to_read_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path)
    monkeypatch.setattr(subagents, "MOST_STEPS", 1)
    assert delegating(tmp_path, tool("task"), finish("stop")).spend().unreadable


def test_a_row_too_large_for_an_answer_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subagents, "MOST_BYTES", 100_000)
    path = keep(tmp_path)
    assert not delegating(tmp_path, tool("task"), finish("stop")).spend().unreadable
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("INSERT INTO message VALUES ('child', 25, ?)", ('"' + "x" * 100_000 + '"',))
    assert delegating(tmp_path, tool("task"), finish("stop")).spend().unreadable


def test_a_subagent_that_was_refused_used_nothing(tmp_path: Path) -> None:
    spend = delegating(
        tmp_path, tool("task", error="The user rejected permission to use it"), finish("stop")
    ).spend()
    assert not spend.unreadable


def logged(words: str, *, at: str = "2026-11-27T22:34:59.393Z", session: str = "ses_1") -> str:
    """What opencode logs about a request that failed."""
    return (
        f'timestamp={at} level=ERROR run=1 message="stream error" providerID=acme modelID=fast session.id={session} '
        f'small=false agent=build mode=primary error.error="AI_APICallError: {words}"\n'
    )


def silent(folder: Path, log: str, *lines: dict[str, Any], idle_seconds: float) -> AgentOutcome:
    """The outcome of an opencode that prints `lines`, logs `log` and then waits."""
    (folder / "log.txt").write_text(log)
    printed = "".join(f"echo '{json.dumps(line)}'; " for line in lines)
    script = f"cat > /dev/null; {printed}cat log.txt >&2; while :; do sleep 0.05; done"
    binary = executable(folder / "opencode", script)
    settings = AgentSettings(binary=str(binary), idle_seconds=idle_seconds)
    return run(agent("opencode", settings), request(folder))


def test_a_limit_that_it_would_sleep_through_without_a_word_is_waited_for(tmp_path: Path) -> None:
    began = time()
    outcome = silent(tmp_path, logged("Monthly usage limit reached. Resets in 3 days."), idle_seconds=60)
    assert outcome.reason == "rate_limited: Monthly usage limit reached. Resets in 3 days."
    assert outcome.resets_at == pytest.approx(began + 3 * 86400, abs=60)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("Free usage exceeded, subscribe to Go", "rate_limited"),
        ("Insufficient balance. Manage your billing here", "billing"),
        ("Provider is overloaded", "overloaded"),
    ],
)
def test_who_stalls_after_a_request_that_failed_met_what_its_log_says(
    tmp_path: Path, words: str, reason: str
) -> None:
    outcome = silent(tmp_path, logged(words), idle_seconds=1)
    assert outcome.reason == f"{reason}: {words}"


def test_a_request_that_failed_and_was_answered_since_is_history(tmp_path: Path) -> None:
    answered = {**text("I will"), "timestamp": 1795818900000, "sessionID": "ses_1"}
    outcome = silent(tmp_path, logged("Weekly usage limit reached"), answered, idle_seconds=1)
    assert outcome.reason == "stalled: no progress for 1 s"


def test_what_a_subagents_request_met_does_not_count_as_its_own(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    requests = FailedRequests(log)
    words = "Weekly usage limit reached. Resets in 3 days."
    log.write_text(logged(words, session="ses_2") + "garbage\n" + logged("Rate Limited", at="never"))
    requests.read("ses_1")
    assert (requests.words, requests.hopeless()) == ("", None)
    with log.open("a") as more:
        more.write(logged(words))
    requests.read("ses_1")
    assert requests.hopeless() == ("rate_limited", words)
    log.unlink()
    requests.read("ses_1")
    assert requests.words == words


def test_a_line_made_to_be_searched_for_ever_is_not(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    requests = FailedRequests(log)
    start = logged("x").partition("session.id=")[0]
    log.write_text(start + "session.id=a " * 300_000 + "\n" + start + "session.id=a " * 1000 + "\n")
    began = monotonic()
    requests.read(None)
    assert (requests.words, monotonic() - began < 5) == ("", True)


def test_a_step_whose_request_failed_runs_no_tool(tmp_path: Path) -> None:
    log = tmp_path / "session-0001.stderr.log"
    log.write_text(logged("an earlier start, which says nothing of this one"))
    reader = OpencodeReader(request(tmp_path))
    told(reader, {**START, "timestamp": 1795818800000, "sessionID": "ses_1"})
    assert (reader.hopeless(), reader.tool_running, reader.retrying) == (None, True, None)
    with log.open("a") as more:
        more.write(logged("Provider is overloaded"))
    assert (reader.hopeless(), reader.tool_running) == (None, False)
    assert reader.retrying == "Provider is overloaded"
