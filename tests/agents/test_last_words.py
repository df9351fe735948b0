"""What each CLI's last words are worth: nothing done, an outage, a final word before it exits (SPEC 6)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.agents.judgement import AgentExit
from pitboss.agents.table import find_backend
from pitboss.core.config import Price
from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage
from tests.support.agents import agent, request, run
from tests.support.replay import replaying, table_of

if TYPE_CHECKING:
    from pitboss.agents.reader import Reader

Line = dict[str, Any]
PRICE = Price(input_per_million_usd=1.0, output_per_million_usd=1.0)


def read(backend: str, *lines: Line) -> Reader:
    reader = find_backend(backend).reader(request(Path("/nowhere"), model="m"))
    for line in lines:
        list(reader.feed(json.dumps(line).encode() + b"\n"))
    return reader


def event(kind: str, **data: object) -> Line:
    """A line of copilot."""
    return {"type": kind, "data": data}


NO_STATS = {"total_tokens": 0, "input_tokens": 0, "output_tokens": 0}
NOTHING: dict[str, list[Line]] = {
    "acp": [{"type": "session", "id": "s"}, {"type": "prompt"}, {"type": "end", "stopReason": "end_turn"}],
    "codex": [{"type": "thread.started"}, {"type": "turn.started"}, {"type": "turn.completed", "usage": {}}],
    "copilot": [event("assistant.turn_start"), {"type": "result", "sessionId": "s", "exitCode": 0}],
    "gemini": [{"type": "init"}, {"type": "result", "status": "success", "stats": NO_STATS}],
    "kimi": [{"role": "meta", "type": "session.resume_hint", "session_id": "s"}],
    "opencode": [{"type": "step_start"}, {"type": "step_finish", "part": {"reason": "stop", "tokens": {}}}],
    "qwen": [
        {"type": "system", "subtype": "init"},
        {"type": "result", "subtype": "success", "is_error": False, "num_turns": 0, "result": ""},
    ],
}
WORDS: dict[str, Line] = {
    "acp": {
        "type": "update",
        "update": {"sessionUpdate": "agent_message_chunk", "content": {"text": "I will."}},
    },
    "codex": {"type": "item.completed", "item": {"id": "i", "type": "agent_message", "text": "I will."}},
    "copilot": event("assistant.message", content="I will."),
    "gemini": {"type": "message", "role": "assistant", "content": "I will."},
    "kimi": {"role": "assistant", "content": "I will."},
    "opencode": {"type": "text", "part": {"text": "I will."}},
    "qwen": {"type": "assistant", "message": {"content": [{"type": "text", "text": "I will."}]}},
}


@pytest.mark.parametrize("backend", NOTHING)
def test_a_final_word_without_anything_said_done_or_counted_is_told_as_such(backend: str) -> None:
    empty = read(backend, *NOTHING[backend])
    assert (empty.finished, empty.worked) == (True, False)
    *before, last = NOTHING[backend]
    full = read(backend, *before, WORDS[backend], last)
    assert (full.finished, full.worked) == (True, True)
    assert full.verdict(AgentExit(code=0)).status is SessionStatus.OK


@pytest.mark.parametrize("backend", NOTHING)
@pytest.mark.parametrize("code", [1, 3, 41, 137])
def test_an_exit_code_is_an_error_whatever_was_said_before(backend: str, code: int) -> None:
    *before, last = NOTHING[backend]
    verdict = read(backend, *before, WORDS[backend], last).verdict(AgentExit(code=code))
    assert (verdict.status, verdict.reason) == (SessionStatus.ERROR, f"exit_code: {code}")


@pytest.mark.parametrize("backend", NOTHING)
def test_an_answer_that_is_said_to_have_used_nothing_is_of_unknown_cost(backend: str) -> None:
    *before, last = NOTHING[backend]
    spend = read(backend, *before, WORDS[backend], last).spend()
    assert (spend.unreadable, spend.tokens) == (True, {})


GONE = "connect ECONNREFUSED 127.0.0.1:1"
STREAM_CUT = "stream disconnected before completion: error sending request for url (http://x/v1/responses)"


def refused(words: str) -> dict[str, list[Line]]:
    """What each CLI prints when its service said `words`."""
    return {
        "acp": [
            *NOTHING["acp"][:2],
            {"type": "error", "message": "Internal error", "data": {"details": words}},
        ],
        "codex": [*NOTHING["codex"][:2], {"type": "turn.failed", "error": {"message": words}}],
        "copilot": [
            event("assistant.turn_start"),
            event("session.error", errorType="query", message=f"Last error: {words}"),
            {"type": "result", "exitCode": 1},
        ],
        "gemini": [
            {"type": "init"},
            {"type": "result", "status": "error", "error": {"message": f"[API Error: {words}]"}},
        ],
        "opencode": [{"type": "error", "error": {"name": "UnknownError", "data": {"message": words}}}],
        "qwen": [
            {"type": "system", "subtype": "init"},
            {"type": "result", "is_error": True, "error": {"message": f"[API Error: {words}]"}},
        ],
    }


@pytest.mark.parametrize("backend", [name for name in NOTHING if name != "kimi"])  # it says so on stderr
@pytest.mark.parametrize(
    "words", [GONE, STREAM_CUT, "fetch failed", "Connection error.", "getaddrinfo ENOTFOUND api.example.com"]
)
def test_a_service_out_of_reach_is_overloaded_and_has_cost_nothing(backend: str, words: str) -> None:
    reader = read(backend, *refused(words)[backend])
    verdict, spend = reader.verdict(AgentExit(code=1)), reader.spend()
    assert (verdict.status, (verdict.reason or "").partition(":")[0]) == (SessionStatus.ERROR, "overloaded")
    assert not spend.unreadable
    assert sum(spend.tokens.values(), Usage()) == Usage()
    assert reader.finished


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529])
@pytest.mark.parametrize("backend", ["acp", "codex", "copilot", "opencode", "qwen"])
def test_a_service_that_answers_with_such_a_status_is_overloaded(backend: str, status: int) -> None:
    lines: dict[str, list[Line]] = {
        "acp": [{"type": "error", "message": "it broke", "data": {"status": status}}],
        "codex": [{"type": "turn.failed", "error": {"message": f"unexpected status {status}: it broke"}}],
        "copilot": [event("session.error", message="it broke", statusCode=status)],
        "opencode": [{"type": "error", "error": {"data": {"message": "it broke", "statusCode": status}}}],
        "qwen": [
            {"type": "result", "is_error": True, "error": {"message": f"[API Error: {status} it broke]"}}
        ],
    }
    verdict = read(backend, *lines[backend]).verdict(AgentExit(code=1))
    assert (verdict.reason or "").partition(":")[0] == "overloaded"


@pytest.mark.parametrize("backend", ["acp", "codex", "copilot", "gemini", "opencode", "qwen"])
@pytest.mark.parametrize(
    ("complaint", "reason"),
    [
        ("Error: Incorrect API key provided", "auth"),
        ("error: connect ECONNREFUSED 127.0.0.1:1", "overloaded"),
        ("Error: The model `m` does not exist", "not_found"),
        ("You've hit your usage limit. Try again at 3 PM.", "rate_limited"),
        ("error: unexpected argument '--timeout' found", "exit_code"),
        ("error: unknown option '--api-key'", "exit_code"),
        ("it broke", "exit_code"),
    ],
)
def test_what_is_only_complained_of_on_stderr_names_the_failure(
    backend: str, complaint: str, reason: str
) -> None:
    verdict = read(backend).verdict(AgentExit(code=1, complaints=complaint.encode()))
    assert (verdict.reason or "").partition(":")[0] == reason


@pytest.mark.parametrize("word", ["Terminated", "Killed", "Hangup", "Broken pipe", "Aborted"])
@pytest.mark.parametrize("backend", ["acp", "claude_code", "codex", "copilot", "gemini", "opencode", "qwen"])
def test_what_a_shell_says_of_a_program_that_a_signal_ended_is_no_trouble_of_the_service(
    backend: str, word: str
) -> None:
    verdict = read(backend).verdict(AgentExit(code=137, complaints=f"{word}\n".encode()))
    assert verdict.reason == f"exit_code: 137: {word}"


@pytest.mark.parametrize("event_of_end", ["assistant.idle", "session.error"])
def test_copilot_has_said_its_last_word_until_it_begins_another_turn(event_of_end: str) -> None:
    reader = read("copilot", WORDS["copilot"], event(event_of_end, message="no"))
    assert reader.finished
    list(reader.feed(b'{"type": "assistant.turn_start"}\n'))
    assert not reader.finished


CUT_SHORT: dict[str, list[Line]] = {
    "acp": [WORDS["acp"], {"type": "end", "stopReason": "max_turn_requests"}],
    "copilot": [WORDS["copilot"], event("abort", reason="too many turns"), {"type": "result", "exitCode": 0}],
    "gemini": [
        WORDS["gemini"],
        {"type": "error", "severity": "error", "message": "Maximum session turns exceeded"},
        {"type": "result", "status": "success", "stats": NO_STATS},
    ],
    "gemini, of another status": [
        WORDS["gemini"],
        {"type": "result", "status": "cancelled", "error": {"message": "enough"}, "stats": NO_STATS},
    ],
    "opencode": [
        {"type": "step_start"},
        WORDS["opencode"],
        {"type": "step_finish", "part": {"reason": "length", "tokens": {}}},
    ],
    "qwen": [
        WORDS["qwen"],
        {"type": "result", "subtype": "error_max_turns", "is_error": False, "num_turns": 9, "result": ""},
    ],
}


@pytest.mark.parametrize("ending", CUT_SHORT)
def test_work_that_was_cut_short_is_an_error_though_the_exit_code_is_zero(ending: str) -> None:
    verdict = read(ending.partition(",")[0], *CUT_SHORT[ending]).verdict(AgentExit(code=0))
    assert verdict.status is SessionStatus.ERROR
    assert (verdict.reason or "").startswith("agent_error: ")


@pytest.mark.parametrize(
    ("error", "reason", "resets_at"),
    [
        ({"code": -32000, "message": "Authentication required"}, "auth", None),
        ({"code": -32603, "message": "Internal error"}, "agent_error", None),
        ({"code": -32603, "message": "Internal error", "data": "fetch failed"}, "overloaded", None),
        (
            {"code": -32603, "message": "Internal error", "data": {"details": "Credit balance is too low"}},
            "billing",
            None,
        ),
        (
            {
                "message": "no",
                "data": {"errorKind": "rate_limit", "message": "weekly limit", "resetsAt": 9.0},
            },
            "rate_limited",
            9.0,
        ),
        ({"message": "no", "data": {"type": "usage_limit_reached", "resets_at": 9.0}}, "rate_limited", 9.0),
        ({"message": "no", "data": {"statusCode": 404}}, "not_found", None),
        ({"message": "it broke", "kind": "Unoffered"}, "not_found", None),
    ],
)
def test_an_error_of_the_protocol_is_named_by_its_data(
    error: Line, reason: str, resets_at: float | None
) -> None:
    verdict = read("acp", {"type": "prompt"}, {"type": "error", **error}).verdict(AgentExit(code=1))
    assert ((verdict.reason or "").partition(":")[0], verdict.resets_at) == (reason, resets_at)


@pytest.mark.parametrize("ending", ["exit 0", "exit 1", "kill -9 $$"])
@pytest.mark.parametrize("backend", ["claude_code", "opencode", "qwen"])
def test_a_last_line_that_broke_off_may_have_been_the_bill(tmp_path: Path, backend: str, ending: str) -> None:
    table = table_of(backend)
    whole = table.capture("ok").stdout.rstrip(b"\n")
    torn = whole[: -(len(whole) - whole.rindex(b"\n")) // 2]
    settings = replaying(tmp_path / "agent", table, "ok", stdout=torn, then=ending)
    outcome = run(agent(backend, settings, pricing={"": PRICE}), request(tmp_path, model="m"))
    assert outcome.status is SessionStatus.ERROR
    assert outcome.usage.has_tokens
    assert not outcome.usage.cost_known
