"""Gemini CLI as it really behaves: usage, exit codes, quotas and stops (SPEC 6)."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from pitboss.agents import monitor
from pitboss.agents.gemini.stream import GeminiReader
from pitboss.agents.judgement import AgentExit
from pitboss.core.agent import AgentOutcome, EventKind, Resume
from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.usage import CostSource, Usage
from tests.contracts.expected_gemini import MODEL, TABLE, WITH_THOUGHTS, WITH_THOUGHTS_USD
from tests.support.agents import PYTHON, agent, executable, heard, request, run
from tests.support.clock import LeapingClock
from tests.support.processes import alive
from tests.support.replay import replaying, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

ERROR = SessionStatus.ERROR
OK = SessionStatus.OK
INIT = {"type": "init", "session_id": "s-1", "model": MODEL}
DONE = {"type": "result", "status": "success", "stats": {}}


def said(
    folder: Path, *lines: Mapping[str, object], code: int = 0, resume: Resume | None = None
) -> AgentOutcome:
    """The outcome of a `gemini` that prints `lines` and exits."""
    printed = shlex.quote("\n".join(json.dumps(line) for line in lines))
    binary = executable(folder / "gemini", f"cat > /dev/null; printf '%s\\n' {printed}; exit {code}")
    return run(agent("gemini", AgentSettings(binary=str(binary))), request(folder, resume=resume))


def failing(folder: Path, message: str, code: int, **other: object) -> AgentOutcome:
    """The outcome of a `gemini` whose result is an error with `message`."""
    return said(
        folder, INIT, {"type": "result", "status": "error", "error": {"message": message}, **other}, code=code
    )


def words(piece: str) -> dict[str, object]:
    """One piece of what the agent says."""
    return {"type": "message", "role": "assistant", "content": piece, "delta": True}


def stats(total: int, told: int, answer: int, cached: int = 0) -> dict[str, object]:
    """Stats of a result line, or of one model in it."""
    return {"total_tokens": total, "input_tokens": told, "output_tokens": answer, "cached": cached}


def complaint(severity: str, message: str | None) -> dict[str, object]:
    return {"type": "error", "severity": severity, "message": message}


def read(*lines: Mapping[str, object], model: str | None = None) -> GeminiReader:
    reader = GeminiReader(request(Path("/nowhere"), model=model))
    for line in lines:
        list(reader.feed(json.dumps(line).encode() + b"\n"))
    list(reader.finish())
    return reader


def test_the_prompt_goes_by_standard_input_and_the_command_line_is_the_documented_one(tmp_path: Path) -> None:
    binary = executable(tmp_path / "gemini", 'cat > prompt.txt; printf "%s\\n" "$@" > arguments.txt')
    settings = AgentSettings(binary=str(binary), extra_args=("--sandbox",), model="gemini-2.5-flash")
    run(agent("gemini", settings), request(tmp_path, body="the body"))
    assert (tmp_path / "prompt.txt").read_text() == "standing instructions\n\nthe body"
    assert (tmp_path / "arguments.txt").read_text().split() == [
        *("--output-format", "stream-json", "--approval-mode", "yolo"),
        *("--model", "gemini-2.5-flash", "--sandbox"),
    ]


def test_mode_model_and_an_earlier_session_are_passed_on(tmp_path: Path) -> None:
    binary = executable(tmp_path / "gemini", 'cat > /dev/null; echo "$*" > arguments.txt')
    settings = AgentSettings(binary=str(binary), permission_mode="auto_edit", model="gemini-2.5-flash")
    earlier = Resume(session_id="b7e4-1", usage=Usage(input=1200, output=41))
    asked = request(tmp_path, model=MODEL, resume=earlier)
    assert run(agent("gemini", settings), asked).model == MODEL
    assert (tmp_path / "arguments.txt").read_text() == (
        f"--output-format stream-json --approval-mode auto_edit --model {MODEL} --resume b7e4-1\n"
    )


def test_a_session_in_which_the_model_never_answered_is_begun_anew(tmp_path: Path) -> None:
    binary = executable(tmp_path / "gemini", 'cat > /dev/null; echo "$*" > arguments.txt')
    asked = request(tmp_path, resume=Resume(session_id="b7e4-1"))
    run(agent("gemini", AgentSettings(binary=str(binary))), asked)
    assert "--resume" not in (tmp_path / "arguments.txt").read_text()


def test_the_folder_is_trusted_and_nothing_relaunched_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    binary = executable(tmp_path / "gemini", "cat > /dev/null; env > environment.txt")
    asked = request(tmp_path)
    asked.env["GEMINI_TELEMETRY_ENABLED"] = "true"
    run(agent("gemini", AgentSettings(binary=str(binary))), asked)
    seen = (tmp_path / "environment.txt").read_text().splitlines()
    assert {"GEMINI_CLI_TRUST_WORKSPACE=true", "GEMINI_CLI_NO_RELAUNCH=true"} <= {*seen}
    assert "GEMINI_TELEMETRY_ENABLED=true" in seen


def test_thoughts_are_output(tmp_path: Path) -> None:
    outcome = run(agent("gemini", replaying(tmp_path / "gemini", TABLE, "ok")), request(tmp_path))
    assert tokens(outcome.usage) == WITH_THOUGHTS
    assert outcome.usage.output == 34 + (1241 - 1200 - 34)
    assert outcome.usage.cost_usd == pytest.approx(WITH_THOUGHTS_USD)
    assert outcome.usage.cost_source is CostSource.PRICE_TABLE


def test_each_model_is_counted_and_priced_for_itself() -> None:
    both = stats(1500, 1000, 300, 100) | {
        "models": {MODEL: stats(1100, 800, 200, 100), "gemini-2.5-flash": stats(300, 150, 100)}
    }
    spend = read(INIT, {"type": "result", "status": "success", "stats": both}).spend()
    assert spend.reported_usd is None
    assert spend.tokens == {
        MODEL: Usage(input=850, output=350, cache_read=100),
        "gemini-2.5-flash": Usage(input=150, output=150),
    }


def test_after_a_resume_the_stats_are_of_this_start_alone(tmp_path: Path) -> None:
    earlier = Resume(session_id="s-1", usage=Usage(input=1200, output=41, cache_read=384))
    outcome = said(tmp_path, INIT, DONE | {"stats": stats(517, 500, 14, 128)}, resume=earlier)
    assert tokens(outcome.usage) == (500, 17, 128, 0)


def test_exit_zero_with_an_error_in_the_result_is_an_error(tmp_path: Path) -> None:
    outcome = run(agent("gemini", replaying(tmp_path / "gemini", TABLE, "stream_error")), request(tmp_path))
    assert (outcome.status, outcome.exit_code) == (ERROR, 0)
    assert outcome.reason == "overloaded: Model stream ended without a finish reason."


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "auth"),
        (403, "permission_denied"),
        (429, "overloaded"),
        (500, "overloaded"),
        (503, "overloaded"),
        (400, "agent_error"),
    ],
)
def test_the_exit_code_is_the_lower_half_of_the_http_status(tmp_path: Path, status: int, reason: str) -> None:
    outcome = failing(tmp_path, "[API Error: of no telling words]", status & 255)
    assert outcome.exit_code == status & 255
    assert outcome.reason == f"{reason}: of no telling words"


def api_error(code: int, message: str, **details: object) -> str:
    """What the CLI prints of an answer of the service that it does not understand."""
    return f"[API Error: {json.dumps({'error': {'code': code, 'message': message, 'details': [details]}})}]"


MINUTE_QUOTA = (
    "[API Error: You exceeded your current quota, please check your plan.\nPlease retry in 2.5s.]\n"
    "Please wait and try again later. To increase your limits, request a quota increase through AI Studio"
)


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        (api_error(400, "API key not valid.", reason="API_KEY_INVALID"), 144, "auth: API key not valid."),
        (
            api_error(403, "This API method requires billing to be enabled."),
            147,
            "billing: This API method requires billing to be enabled.",
        ),
        (
            api_error(400, "The input token count (1200000) exceeds the maximum number of tokens allowed."),
            144,
            "context_too_long: The input token count (1200000) exceeds the maximum number of tokens allowed.",
        ),
        (
            "[API Error: models/no-such is not found for API version v1beta]",
            1,
            "not_found: models/no-such is not found for API version v1beta",
        ),
        (
            MINUTE_QUOTA,
            173,
            "overloaded: You exceeded your current quota, please check your plan. Please retry in 2.5s.",
        ),
        (
            "[API Error: You exceeded your current quota.\nSuggested retry after 34074.8s.]",
            173,
            "rate_limited: You exceeded your current quota. Suggested retry after 34074.8s.",
        ),
        ("[API Error: fetch failed: socket hang up]", 1, "overloaded: fetch failed: socket hang up"),
        ("Tool write_file failed", 54, "agent_error: Tool write_file failed"),
        ("[API Error: [[[]", 144, "agent_error: [[["),
    ],
)
def test_failures_are_named_by_their_words(tmp_path: Path, message: str, code: int, reason: str) -> None:
    outcome = failing(tmp_path, message, code)
    assert (outcome.status, outcome.reason) == (ERROR, reason)


@pytest.mark.parametrize(
    ("words", "timestamp", "resets_at"),
    [
        ("quota will reset after 8h44m33s.", "1970-01-01T01:00:00.000Z", 3600 + 8 * 3600 + 44 * 60 + 33),
        ("quota will reset after 900ms.", "1970-01-01T00:00:01Z", 1.9),
        ("quota will reset after 1.2.3s.", "1970-01-01T01:00:00Z", None),
        ("quota will reset some day.", "1970-01-01T01:00:00Z", None),
    ],
)
def test_a_quota_that_says_when_it_comes_back_is_believed(
    tmp_path: Path, words: str, timestamp: str | None, resets_at: float | None
) -> None:
    message = f"[API Error: You have exhausted your capacity on this model. Your {words}]"
    outcome = failing(tmp_path, message, 173, timestamp=timestamp)
    assert outcome.reason is not None
    assert outcome.reason.startswith("rate_limited: You have exhausted your capacity")
    assert outcome.resets_at == (None if resets_at is None else pytest.approx(resets_at))


@pytest.mark.parametrize("timestamp", ["yesterday", None])
def test_a_quota_spoken_of_at_no_known_time_is_counted_from_now(
    tmp_path: Path, timestamp: str | None
) -> None:
    message = "[API Error: You have exhausted your capacity. Your quota will reset after 5m.]"
    outcome = failing(tmp_path, message, 173, timestamp=timestamp)
    assert outcome.resets_at == pytest.approx(time.time() + 300, abs=60)


def test_a_limit_of_the_minute_has_no_time_to_wait_for(tmp_path: Path) -> None:
    outcome = failing(
        tmp_path, "[API Error: current quota. Please retry in 2.5s]", 173, timestamp="1970-01-01T01:00Z"
    )
    assert (outcome.reason, outcome.resets_at) == ("overloaded: current quota. Please retry in 2.5s", None)


@pytest.mark.parametrize(
    ("code", "complaint", "reason"),
    [
        (41, "Invalid auth method selected.", "auth: Invalid auth method selected. (set GEMINI_API_KEY, "),
        (41, "", "auth: set GEMINI_API_KEY, "),
        (55, "\x1b[31mnot a trusted directory\x1b[0m", "permission_denied: not a trusted directory"),
        (55, "", "permission_denied: the folder is not trusted"),
        (42, "Invalid session identifier", "exit_code: 42: Invalid session identifier"),
        (173, "", "overloaded: HTTP status 429"),
    ],
)
def test_a_refusal_to_start_is_named_by_its_exit_code(code: int, complaint: str, reason: str) -> None:
    verdict = read().verdict(AgentExit(code=code, complaints=complaint.encode()))
    assert verdict.status is ERROR
    assert verdict.reason is not None
    assert verdict.reason.startswith(reason)


TRACE = (
    "\n    at classifyGoogleError (file:///x/chunk.js:1:1)\n    at TLSSocket.socketOnEnd (node:_http_client)"
)
TALKED = "Error when talking to Gemini API Full report available at: /tmp/x.json "
PER_DAY = json.dumps(
    {
        "error": {
            "code": 429,
            "message": "You exceeded your current quota",
            "details": [
                {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},
                {"retryDelay": "39600s"},
            ],
        }
    }
)
PER_MINUTE = PER_DAY.replace("PerDay", "PerMinute").replace("39600s", "12.5s")


@pytest.mark.parametrize(
    ("stderr", "reason", "wait_s"),
    [
        ("TerminalQuotaError: You have exhausted your capacity on this model.", "rate_limited", None),
        (
            f"{TALKED}TerminalQuotaError: x{TRACE} {{\n  retryDelayMs: 7200000,\n  status: 429\n}}",
            "rate_limited",
            7200,
        ),
        (
            f"TerminalQuotaError: x{TRACE} {{\n  message: 'y' + \n 'Please retry in 10800s.'\n}}",
            "rate_limited",
            10800,
        ),
        (f"TerminalQuotaError: x{TRACE} {{\n  reason: 'INSUFFICIENT_G1_CREDITS_BALANCE' }}", "billing", None),
        (f"RetryableQuotaError: x\nSuggested retry after 60s.{TRACE}", "overloaded", None),
        (f"RetryableQuotaError: No capacity available{TRACE} {{ retryDelayMs: 1999.5 }}", "overloaded", None),
        (f"RetryableQuotaError: x{TRACE} {{ retryDelayMs: 3600000 }}", "rate_limited", 3600),
        (f"_ApiError: {PER_DAY}{TRACE}", "rate_limited", 39600),
        (f"_ApiError: [{PER_DAY}]{TRACE}", "rate_limited", 39600),
        (
            f"_ApiError: {json.dumps({'error': {'message': PER_DAY, 'code': 429}})}{TRACE}",
            "rate_limited",
            39600,
        ),
        (f"_ApiError: {PER_MINUTE}{TRACE}", "overloaded", None),
        (
            f"Attempt 1 failed. RetryableQuotaError: x\n{TALKED}TerminalQuotaError: y{TRACE}",
            "rate_limited",
            None,
        ),
        ("Error: connect ECONNREFUSED 127.0.0.1:1", "overloaded", None),
        ("TypeError: fetch failed", "overloaded", None),
        ("FatalAuthenticationError: no", "auth", None),
        (f"TypeError: x is not a function{TRACE}", "exit_code", None),
    ],
)
def test_what_it_only_says_on_stderr_names_why_it_ended(
    stderr: str, reason: str, wait_s: float | None
) -> None:
    begun = {**INIT, "timestamp": "1970-01-01T01:00:00Z"}
    verdict = read(begun).verdict(AgentExit(code=1, complaints=stderr.encode()))
    assert (verdict.reason or "").partition(":")[0] == reason
    assert verdict.resets_at == (None if wait_s is None else pytest.approx(3600 + wait_s))


@pytest.mark.parametrize(
    ("stderr", "reason", "wait_s"),
    [
        (f"TerminalQuotaError: x{TRACE} {{\n  retryDelayMs: 7200000 }}", "rate_limited", 7200),
        (f"RetryableQuotaError: x{TRACE}", "overloaded", None),
        (f"_ApiError: {PER_DAY}{TRACE}", "overloaded", None),
        ("", "overloaded", None),
    ],
)
def test_stderr_tells_what_kind_of_quota_a_result_speaks_of(
    stderr: str, reason: str, wait_s: float | None
) -> None:
    error = {"message": "[API Error: You exceeded your current quota]"}
    ended = {"type": "result", "status": "error", "error": error, "timestamp": "1970-01-01T01:00:00Z"}
    verdict = read(INIT, ended).verdict(AgentExit(code=173, complaints=stderr.encode()))
    assert verdict.reason == f"{reason}: You exceeded your current quota"
    assert verdict.resets_at == (None if wait_s is None else pytest.approx(3600 + wait_s))


def test_an_exit_code_after_a_good_result_is_no_refusal() -> None:
    verdict = read(INIT, DONE).verdict(AgentExit(code=41))
    assert verdict.reason == "exit_code: 41"


def test_a_success_right_after_an_error_that_ended_the_work_is_none(tmp_path: Path) -> None:
    stopped = said(tmp_path, INIT, words("a"), complaint("error", "Maximum session turns exceeded"), DONE)
    assert (stopped.status, stopped.reason) == (ERROR, "agent_error: Maximum session turns exceeded")
    looped = said(tmp_path, INIT, words("a"), complaint("warning", "Loop detected, stopping execution"), DONE)
    assert looped.reason == "agent_error: Loop detected, stopping execution"
    wordless = said(tmp_path, INIT, complaint("error", None), DONE)
    assert wordless.reason == "agent_error: an error without a message"


def test_an_error_that_the_agent_goes_on_after_has_ended_nothing(tmp_path: Path) -> None:
    warned = complaint("warning", "a hook objected")
    assert said(tmp_path, INIT, warned, words("never mind"), DONE).status is OK


def test_a_result_without_words_for_its_error_is_still_an_error(tmp_path: Path) -> None:
    outcome = said(tmp_path, INIT, DONE | {"status": "error"})
    assert (outcome.status, outcome.reason) == (ERROR, "agent_error: an error without a message")


def test_gemini_that_ends_without_a_result_line_is_an_error_of_unknown_cost(tmp_path: Path) -> None:
    outcome = said(tmp_path, INIT)
    assert (outcome.status, outcome.exit_code) == (ERROR, 0)
    assert outcome.reason == "agent_error: gemini ended without a result line"
    assert outcome.usage == Usage(cost_known=False)


def test_of_an_agent_that_answered_and_was_stopped_nobody_knows_the_cost(tmp_path: Path) -> None:
    settings = replaying(tmp_path / "gemini", TABLE, "longtool_TERM", then=": > running; exec sleep 300")
    running = tmp_path / "running"
    outcome = run(
        agent("gemini", settings),
        request(tmp_path),
        stop=lambda: StopRequest.SKIP if running.exists() else None,
    )
    assert (outcome.status, outcome.reason) == (SessionStatus.SKIPPED, "skipped")
    assert outcome.usage == Usage(cost_known=False)
    assert outcome.usage.cost_source is CostSource.UNKNOWN


def test_of_an_agent_that_was_stopped_before_it_was_answered_nobody_knows_the_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = LeapingClock(tmp_path, monkeypatch, monitor)
    settings = replaying(tmp_path / "gemini", TABLE, "hang", then=clock.passes(100))
    outcome = run(agent("gemini", settings), request(tmp_path, idle_seconds=100), stop=clock.look)
    assert outcome.status is SessionStatus.TIMEOUT
    assert outcome.usage == Usage(cost_known=False)


def test_a_stop_that_it_takes_for_success_still_ends_its_tool_in_another_session(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    source = "import os, time; os.setsid(); open('pids/tool', 'w').write(str(os.getpid())); time.sleep(300)"
    wait = "while ! [ -s pids/tool ]; do sleep 0.01; done; : > running; wait"
    script = f"cat > /dev/null; trap 'exit 0' TERM; {PYTHON} -c {shlex.quote(source)} & {wait}"
    binary = executable(tmp_path / "gemini", script)
    running = tmp_path / "running"
    outcome = run(
        agent("gemini", AgentSettings(binary=str(binary))),
        request(tmp_path),
        stop=lambda: StopRequest.SKIP if running.exists() else None,
    )
    assert (outcome.status, outcome.exit_code) == (SessionStatus.SKIPPED, 0)
    assert alive(pids) == []


def test_words_said_again_after_a_cut_are_told_once_and_are_no_progress() -> None:
    reader = read(INIT, words("I will writ"), words("I will writ"))
    once = read(INIT, words("I will writ"))
    assert (reader.text, reader.progress) == ("I will writ", once.progress)
    assert read(words("I will writ"), words("I will writ"), words("e it.")).text == "I will write it."


def test_short_pieces_that_repeat_are_kept() -> None:
    assert read(words("ha "), words("ha "), words("ha")).text == "ha ha ha"


def test_the_last_words_of_a_message_without_end_are_kept_in_bounded_memory() -> None:
    reader = read(*(words(f"{number} and again ") for number in range(2000)), words("the end"))
    assert reader.text is not None
    assert len(reader.text) == 16 * 1024
    assert reader.text.endswith("the end")


def test_a_tool_runs_until_its_result() -> None:
    used = {
        "type": "tool_use",
        "tool_name": "run_shell_command",
        "tool_id": "t1",
        "parameters": {"command": "make"},
    }
    assert read(INIT, used).tool_running
    assert not read(INIT, used, {"type": "tool_result", "tool_id": "t1", "status": "success"}).tool_running


def test_what_the_agent_does_is_told_as_it_happens(tmp_path: Path) -> None:
    asked = request(tmp_path)
    told = heard(GeminiReader(asked), asked, TABLE.capture("ok").stdout)
    used = Usage(input=1200, output=41, cache_read=384, cost_known=False)
    assert [(event.kind, event.text or event.usage) for event in told] == [
        (EventKind.STARTED, MODEL),
        # Its words before that end with it, so the tool replaces them at once.
        (EventKind.TOOL, "write_file: /home/dev/repo/hello.txt"),
        (EventKind.TEXT, "Done: wrote hello.txt."),
        (EventKind.USAGE, used),
    ]


_odd: st.SearchStrategy[object] = st.sampled_from(
    [
        None,
        True,
        -1,
        7,
        2**80,
        0.5,
        "",
        "word",
        "[API Error: {}]",
        [],
        [{}],
        {},
        {"x": None},
        {"message": "m"},
    ]
)
_json = _odd | st.dictionaries(st.sampled_from(["models", "total_tokens", "input_tokens", "cached"]), _odd)
_TYPES = st.sampled_from(["init", "message", "tool_use", "tool_result", "error", "result"])
_KEYS = [
    "role",
    "content",
    "model",
    "tool_id",
    "parameters",
    "status",
    "error",
    "stats",
    "timestamp",
    "message",
]
_line = st.fixed_dictionaries({"type": _TYPES}, optional=dict.fromkeys(_KEYS, _json | st.just("error")))


@examples(max_examples=60)
@given(st.lists(_line, max_size=5), st.sampled_from([0, 1, 41, 55, 144, 173, -9, None]))
def test_events_of_any_shape_are_never_an_exception(lines: list[dict[str, object]], code: int | None) -> None:
    reader = read(*lines)
    assert reader.verdict(AgentExit(code=code)).status in (OK, ERROR)
    assert all(used.input >= 0 and used.output >= 0 for used in reader.spend().tokens.values())
