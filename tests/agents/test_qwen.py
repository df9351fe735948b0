"""Qwen Code as it really behaves: OpenAI's usage in Claude Code's events, retries, stops (SPEC 6)."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from pitboss.agents import monitor
from pitboss.agents.judgement import AgentExit
from pitboss.agents.qwen.stream import QwenReader
from pitboss.core.agent import AgentOutcome, EventKind, Resume
from pitboss.core.config import AgentSettings, Price
from pitboss.core.session import SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.usage import CostSource, Usage
from tests.contracts.expected_qwen import MODEL, ONE_REQUEST, TABLE, TWO_REQUESTS
from tests.support.agents import PYTHON, agent, executable, heard, request, run
from tests.support.clock import LeapingClock
from tests.support.processes import alive
from tests.support.replay import replaying, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

ERROR = SessionStatus.ERROR
OK = SessionStatus.OK
INIT = {"type": "system", "subtype": "init", "session_id": "s-1", "model": MODEL}
DONE = {"type": "result", "subtype": "success", "is_error": False, "usage": {}}
RETRY = {"type": "system", "subtype": "retry", "data": {"reason": "retry", "preserveText": True}}
PRICES = {
    MODEL: Price(input_per_million_usd=10.0, output_per_million_usd=50.0, cache_read_per_million_usd=1.0)
}


def said(
    folder: Path, *lines: Mapping[str, object], code: int = 0, resume: Resume | None = None
) -> AgentOutcome:
    """The outcome of a `qwen` that prints `lines` and exits."""
    printed = shlex.quote("\n".join(json.dumps(line) for line in lines))
    binary = executable(folder / "qwen", f"cat > /dev/null; printf '%s\\n' {printed}; exit {code}")
    return run(agent("qwen", AgentSettings(binary=str(binary))), request(folder, resume=resume))


def read(*lines: Mapping[str, object]) -> QwenReader:
    reader = QwenReader(request(Path("/nowhere")))
    for line in lines:
        list(reader.feed(json.dumps(line).encode() + b"\n"))
    list(reader.finish())
    return reader


def message(identity: str, told: int, answer: int, *content: Mapping[str, object]) -> dict[str, object]:
    """An `assistant` line with what its turn used so far."""
    used = {"input_tokens": told, "output_tokens": answer}
    return {
        "type": "assistant",
        "message": {"id": identity, "model": MODEL, "content": content, "usage": used},
    }


def text(words: str) -> dict[str, object]:
    """A block of words."""
    return {"type": "text", "text": words}


def result(told: int, answer: int, cached: int = 0) -> dict[str, object]:
    """A `result` line that sums up to so much."""
    used = {"input_tokens": told, "output_tokens": answer, "cache_read_input_tokens": cached}
    return DONE | {"usage": used}


def test_the_prompt_goes_by_standard_input_and_the_command_line_is_the_documented_one(tmp_path: Path) -> None:
    binary = executable(tmp_path / "qwen", 'cat > prompt.txt; printf "%s\\n" "$@" > arguments.txt')
    settings = AgentSettings(binary=str(binary), extra_args=("--auth-type", "openai"), model="qwen3-max")
    run(agent("qwen", settings), request(tmp_path, body="the body"))
    assert (tmp_path / "prompt.txt").read_text() == "standing instructions\n\nthe body"
    assert (tmp_path / "arguments.txt").read_text().split() == [
        *("--output-format", "stream-json", "--approval-mode", "yolo"),
        *("--model", "qwen3-max", "--auth-type", "openai"),
    ]


def test_mode_model_and_an_earlier_session_are_passed_on(tmp_path: Path) -> None:
    binary = executable(tmp_path / "qwen", 'cat > /dev/null; echo "$*" > arguments.txt')
    settings = AgentSettings(binary=str(binary), permission_mode="auto-edit", model="qwen3-max")
    asked = request(tmp_path, model=MODEL, resume=Resume(session_id="8b28-1"))
    assert run(agent("qwen", settings), asked).model == MODEL
    assert (tmp_path / "arguments.txt").read_text() == (
        f"--output-format stream-json --approval-mode auto-edit --model {MODEL} --resume 8b28-1\n"
    )


def test_telemetry_is_off_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    binary = executable(tmp_path / "qwen", "cat > /dev/null; env > environment.txt")
    asked = request(tmp_path)
    asked.env["QWEN_CODE_SUPPRESS_YOLO_WARNING"] = "0"
    run(agent("qwen", AgentSettings(binary=str(binary))), asked)
    seen = (tmp_path / "environment.txt").read_text().splitlines()
    assert {"QWEN_TELEMETRY_ENABLED=false", "QWEN_CODE_SUPPRESS_YOLO_WARNING=0"} <= {*seen}


def test_input_has_the_cached_tokens_in_it_already(tmp_path: Path) -> None:
    settings = replaying(tmp_path / "qwen", TABLE, "ok")
    outcome = run(agent("qwen", settings, PRICES), request(tmp_path))
    assert tokens(outcome.usage) == TWO_REQUESTS
    assert outcome.usage.cost_usd == pytest.approx((1200 - 384) * 10e-6 + 384 * 1e-6 + 34 * 50e-6)
    assert outcome.usage.cost_source is CostSource.CONFIGURED


def test_a_model_without_a_price_is_unknown_and_not_free(tmp_path: Path) -> None:
    outcome = run(agent("qwen", replaying(tmp_path / "qwen", TABLE, "ok")), request(tmp_path))
    assert not outcome.usage.cost_known
    assert outcome.usage.cost_source is CostSource.UNKNOWN


RESUMED = Resume(session_id="s-1", usage=Usage(input=1200, output=34, cache_read=384))


def test_after_a_resume_only_what_came_on_top_is_billed(tmp_path: Path) -> None:
    """The sum of 2200 has the 1200 of before, the 500 of the message, and 500 that no line tells of."""
    lines = (INIT, message("m2", 500, 14, text("more")), result(2200, 62, 640))
    assert tokens(said(tmp_path, *lines, resume=RESUMED).usage) == (1000, 28, 256, 0)


def test_a_resumed_session_that_ends_without_a_sum_is_billed_by_its_messages(tmp_path: Path) -> None:
    lines = (INIT, message("m2", 500, 14, text("more")))
    outcome = said(tmp_path, *lines, resume=RESUMED)
    assert tokens(outcome.usage) == (500, 14, 0, 0)
    assert outcome.reason == "agent_error: qwen ended without a result line"


def test_a_sum_that_leaves_earlier_attempts_out_takes_nothing_back(tmp_path: Path) -> None:
    lines = (INIT, message("m2", 500, 14, text("more")), result(500, 14))
    assert tokens(said(tmp_path, *lines, resume=RESUMED).usage) == (500, 14, 0, 0)


FAILED = result(0, 0) | {"subtype": "error_during_execution", "is_error": True}


def test_an_error_without_usage_is_billed_by_its_messages(tmp_path: Path) -> None:
    failure = FAILED | {"error": {"message": "[API Error: 503 overloaded]"}}
    outcome = said(tmp_path, INIT, message("m1", 700, 20, text("step one")), failure, code=1)
    assert tokens(outcome.usage) == (700, 20, 0, 0)
    assert outcome.reason == "overloaded: overloaded"


def test_of_words_that_were_never_counted_nobody_knows_the_cost() -> None:
    cut = message("m2", 0, 0, text("step tw[API Error: terminated]"))
    failure = FAILED | {"error": {"message": "[API Error: terminated]"}}
    counted = message("m1", 700, 20, text("step one"))
    assert not read(INIT, counted).spend().unreadable
    assert read(INIT, counted, cut, failure).spend().unreadable
    assert read(INIT, counted, cut).spend().unreadable
    assert not read(INIT, counted, cut, result(1200, 30)).spend().unreadable


def test_an_error_alone_is_no_word_of_the_agent_and_cost_nothing(tmp_path: Path) -> None:
    outcome = run(agent("qwen", replaying(tmp_path / "qwen", TABLE, "auth")), request(tmp_path))
    assert (outcome.text, outcome.usage) == (None, Usage())


def test_lines_of_one_message_are_counted_once_each_in_bounded_memory() -> None:
    lines = [message(f"m{number // 2}", 3, 1) for number in range(4000)]
    assert read(INIT, *lines).spend().tokens == {MODEL: Usage(input=6000, output=2000)}


def test_messages_without_a_name_are_counted_each() -> None:
    nameless = message("", 3, 1)
    assert read(INIT, nameless, nameless).spend().tokens == {MODEL: Usage(input=6, output=2)}


def test_words_said_again_after_a_cut_are_told_once() -> None:
    twice = text("I will writI will write the file.")
    assert read(INIT, RETRY, message("m1", 0, 0, twice)).text == "I will write the file."
    assert read(INIT, RETRY, RETRY, message("m1", 0, 0, text("I will wI will wI will write"))).text == (
        "I will write"
    )


@pytest.mark.parametrize("words", ["I will writI will write the file.", "one two three", "short"])
def test_words_that_repeat_without_a_cut_or_not_from_their_start_are_kept(words: str) -> None:
    assert read(INIT, message("m1", 0, 0, text(words))).text == words
    other = f"never said before: {words}"
    assert read(INIT, RETRY, message("m1", 0, 0, text(other))).text == other


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("[API Error: 401 Incorrect API key provided]", "auth: Incorrect API key provided"),
        ("[API Error: 404 The model `x` does not exist]", "not_found: The model `x` does not exist"),
        (
            "[API Error: 400 This model's maximum context length is 128000 tokens.]",
            "context_too_long: This model's maximum context length is 128000 tokens.",
        ),
        ("[API Error: 429 current quota, insufficient_quota]", "billing: current quota, insufficient_quota"),
        ("[API Error: 429 Rate limit reached]", "overloaded: Rate limit reached"),
        ("[API Error: 500 oops]", "overloaded: oops"),
        ("[API Error: Connection error.]", "overloaded: Connection error."),
        ("Qwen OAuth quota exceeded: come back", "rate_limited: Qwen OAuth quota exceeded: come back"),
        ("No auth type is selected.", "auth: No auth type is selected."),
        ("a tool was missing", "agent_error: a tool was missing"),
    ],
)
def test_failures_are_named_by_their_words_and_status(tmp_path: Path, words: str, reason: str) -> None:
    outcome = said(tmp_path, INIT, FAILED | {"error": {"message": words}}, code=1)
    assert (outcome.status, outcome.reason) == (ERROR, reason)


@pytest.mark.parametrize(
    "words",
    [
        "The client now prints [API Error: 429 You have exceeded your daily quota]",
        "A refused key looks like this:\n[API Error: 401 Incorrect API key]\n",
        "[API Error: 503 Service Unavailable]",
    ],
)
def test_what_the_model_writes_about_errors_is_none(tmp_path: Path, words: str) -> None:
    """Older versions report a failed request by such words alone; they are never counted."""
    counted, uncounted = message("m1", 700, 20, text(words)), message("m1", 0, 0, text(words))
    over = result(700, 20) | {"result": words}
    assert said(tmp_path, INIT, counted, over).status is OK
    assert said(tmp_path, INIT, uncounted, DONE | {"result": words}).status is ERROR
    earlier = message("m0", 700, 20, text("I will."))
    assert said(tmp_path, INIT, earlier, uncounted, over).status is ERROR
    in_parts = (message("m1", 0, 0, text(words)), message("m1", 700, 20, {"type": "thinking"}))
    assert said(tmp_path, INIT, *in_parts, over).status is OK


def test_an_error_without_words_is_named_by_its_kind(tmp_path: Path) -> None:
    assert said(tmp_path, INIT, FAILED).reason == "agent_error: error_during_execution"


def test_an_exit_without_a_result_is_named_by_its_code(tmp_path: Path) -> None:
    """So ends a run that took longer than its own --max-wall-time."""
    assert said(tmp_path, INIT, code=55).reason == "exit_code: 55"


def test_qwen_that_ends_without_a_result_line_is_an_error_of_unknown_cost(tmp_path: Path) -> None:
    outcome = said(tmp_path, INIT)
    assert (outcome.status, outcome.reason) == (ERROR, "agent_error: qwen ended without a result line")
    assert outcome.usage == Usage(cost_known=False)


def test_an_agent_whose_every_tool_call_was_denied_has_done_nothing(tmp_path: Path) -> None:
    call = {"type": "tool_use", "id": "t1", "name": "edit", "input": {}}
    denied = {"permission_denials": [{"tool_name": "edit"}]}
    outcome = said(tmp_path, INIT, message("m1", 7, 2, call), DONE | denied)
    assert outcome.reason == "permission_denied: every tool call was denied: edit"
    more = message("m2", 7, 2, {"type": "tool_use", "id": "t2", "name": "read_file", "input": {}})
    assert said(tmp_path, INIT, message("m1", 7, 2, call), more, DONE | denied).status is OK


def test_retries_without_end_are_a_busy_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = LeapingClock(tmp_path, monkeypatch, monitor)
    line = shlex.quote(json.dumps(RETRY))
    loop = f"while :; do echo {line}; sleep 0.02; done"
    script = f"cat > /dev/null; echo {line}; {loop} & {clock.passes(60)}; {clock.passes(60)}; wait"
    settings = AgentSettings(binary=str(executable(tmp_path / "qwen", script)))
    outcome = run(agent("qwen", settings), request(tmp_path, idle_seconds=100), stop=clock.look)
    assert (outcome.status, outcome.reason) == (SessionStatus.ERROR, "overloaded: retry")


def test_streamed_words_are_progress_when_the_user_asks_for_them() -> None:
    delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "I will"}}
    reader = read(INIT, {"type": "stream_event", "event": delta})
    assert reader.progress == 1
    assert read(INIT, {"type": "stream_event", "event": {"type": "goal_state"}}).progress == 0


def test_a_stop_ends_the_child_and_the_tool_that_its_wrapper_leaves_behind(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    source = (
        "import os, sys, time; os.setsid(); open('pids/' + sys.argv[1], 'w').write(str(os.getpid())); "
        "time.sleep(300)"
    )
    left = " ".join(f"{PYTHON} -c {shlex.quote(source)} {name} &" for name in ("child", "tool"))
    wait = "while ! [ -s pids/child ] || ! [ -s pids/tool ]; do sleep 0.01; done"
    settings = replaying(
        tmp_path / "qwen", TABLE, "longtool_TERM", then=f"{left} {wait}; : > running; exec sleep 300"
    )
    running = tmp_path / "running"
    outcome = run(
        agent("qwen", settings, PRICES),
        request(tmp_path),
        stop=lambda: StopRequest.SKIP if running.exists() else None,
    )
    assert (outcome.status, outcome.reason) == (SessionStatus.SKIPPED, "skipped")
    assert tokens(outcome.usage) == ONE_REQUEST
    assert outcome.usage.cost_known
    assert alive(pids) == []


def test_the_cost_cap_ends_an_agent_that_is_still_working(tmp_path: Path) -> None:
    settings = replaying(tmp_path / "qwen", TABLE, "longtool_TERM", then="exec sleep 300")
    outcome = run(agent("qwen", settings, PRICES), request(tmp_path, max_cost_usd=0.005))
    cost = (700 - 256) * 10e-6 + 256 * 1e-6 + 20 * 50e-6
    assert outcome.reason == f"cost_cap: ${cost:.4f} >= $0.0050"
    assert outcome.usage.cost_usd == pytest.approx(cost)


def test_what_the_agent_does_is_told_as_it_happens(tmp_path: Path) -> None:
    asked = request(tmp_path)
    lines = (TABLE.capture("ok").stdout.splitlines()[0], json.dumps(RETRY).encode())
    rest = TABLE.capture("ok").stdout.splitlines()[1:]
    told = heard(QwenReader(asked), asked, b"\n".join([*lines, *rest]))
    one = Usage(input=700, output=20, cache_read=256, cost_known=False)
    both = Usage(input=1200, output=34, cache_read=384, cost_known=False)
    assert [(event.kind, event.text or event.usage) for event in told] == [
        (EventKind.STARTED, MODEL),
        (EventKind.RETRY, "retry"),
        (EventKind.TEXT, "I will write the file."),
        (EventKind.TOOL, "write_file: /home/dev/repo/hello.txt"),
        (EventKind.USAGE, one),
        (EventKind.TEXT, "Done: wrote hello.txt."),
        (EventKind.USAGE, both),
        (EventKind.USAGE, both),
    ]


_odd: st.SearchStrategy[object] = st.sampled_from(
    [None, True, -1, 7, 2**80, 0.5, "", "word", "[API Error: 999 ]", [], [{}], {}, {"x": None}]
)
_fields = ["id", "model", "content", "usage", "input_tokens", "output_tokens", "message", "tool_name"]
_json = _odd | st.dictionaries(st.sampled_from(_fields), _odd | st.lists(st.just(text("words"))), max_size=4)
_TYPES = st.sampled_from(["system", "assistant", "user", "stream_event", "result"])
_KEYS = ["subtype", "message", "event", "usage", "error", "is_error", "permission_denials", "data"]
_line = st.fixed_dictionaries({"type": _TYPES}, optional=dict.fromkeys(_KEYS, _json | st.just("retry")))


@examples(max_examples=60)
@given(st.lists(_line, max_size=5), st.sampled_from([0, 1, 55, -15, None]))
def test_events_of_any_shape_are_never_an_exception(lines: list[dict[str, object]], code: int | None) -> None:
    reader = read(*lines)
    assert reader.verdict(AgentExit(code=code)).status in (OK, ERROR)
    assert all(used.input >= 0 and used.output >= 0 for used in reader.spend().tokens.values())
