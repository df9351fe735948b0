"""aider as it really printed and behaved, one trap a test (SPEC 6)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.agents.aider import Aider
from pitboss.agents.aider.text import AiderReader
from pitboss.agents.judgement import AgentExit, Spend
from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.core.usage import CostSource, Usage
from pitboss.process import capture
from tests.contracts.expected_aider import MODEL, TABLE
from tests.support.agents import agent, executable, request, run
from tests.support.replay import tokens

BANNER = "Aider v0.86.2\nMain model: openai/gpt-4o with diff edit format\nRepo-map: disabled\n\n"
TOKENS = "Tokens: 1.2k sent, 34 received. Cost: $0.0029 message, $0.0029 session.\n"
FAILED = "litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit\nreached\n"


def read(*texts: str, usage_file: str = "/nowhere/usage") -> AiderReader:
    reader = AiderReader(request(Path("/nowhere"), usage_file=usage_file))
    for each in texts:
        list(reader.feed(each.encode()))
    list(reader.finish())
    return reader


def reason_of(*texts: str, code: int = 0, complaints: bytes = b"") -> str | None:
    return read(*texts).verdict(AgentExit(code=code, complaints=complaints)).reason


def answer(sent: int, received: int, cost: float) -> str:
    told = {"prompt_tokens": sent, "completion_tokens": received, "cost": cost, "total_cost": 9.0}
    return json.dumps({"event": "message_send", "properties": told, "user_id": "u", "time": 1}) + "\n"


def test_the_prompt_goes_by_standard_input_and_the_command_line_is_the_documented_one(tmp_path: Path) -> None:
    script = 'cat /dev/stdin > prompt.txt; printf "%s\\n" "$@" > arguments.txt'
    binary = executable(tmp_path / "aider", script)
    settings = AgentSettings(binary=str(binary), model="gpt-4o", effort="low", extra_args=("--stream",))
    run(agent("aider", settings), request(tmp_path, body="the body"))
    assert (tmp_path / "prompt.txt").read_text() == "standing instructions\n\nthe body"
    assert (tmp_path / "arguments.txt").read_text().split("\n")[:-1] == [
        *(
            "--message-file",
            "/dev/stdin",
            "--yes-always",
            "--no-pretty",
            "--no-fancy-input",
            "--no-notifications",
        ),
        *("--no-auto-commits", "--no-dirty-commits", "--no-gitignore"),
        *("--no-suggest-shell-commands", "--no-detect-urls", "--no-show-model-warnings"),
        *("--no-show-release-notes", "--chat-history-file", "/dev/null", "--input-history-file", "/dev/null"),
        *("--no-stream", "--analytics-log", str(tmp_path / "session-0001.usage.json"), "--map-tokens", "0"),
        *("--model", "gpt-4o", "--reasoning-effort", "low", "--stream"),
    ]


@pytest.mark.parametrize(("ignored", "mapped"), [(".aider*\n", True), ("*.log\n", False)])
def test_the_repository_is_mapped_only_where_the_maps_cache_would_not_be_taken_for_work(
    tmp_path: Path, ignored: str, mapped: bool
) -> None:
    assert capture(("git", "init", "-q"), cwd=tmp_path).code == 0
    (tmp_path / ".gitignore").write_text(ignored)
    argv = Aider().launch(request(tmp_path), AgentSettings()).argv
    assert ("--map-tokens" not in argv) is mapped


def test_reports_home_and_updates_are_off_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    binary = executable(tmp_path / "aider", "cat > /dev/null; env > environment.txt")
    asked = request(tmp_path)
    asked.env["AIDER_ANALYTICS"] = "true"
    run(agent("aider", AgentSettings(binary=str(binary))), asked)
    seen = {*(tmp_path / "environment.txt").read_text().splitlines()}
    assert {"AIDER_ANALYTICS=true", "AIDER_CHECK_UPDATE=false", "LITELLM_LOCAL_MODEL_COST_MAP=True"} <= seen


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("AuthenticationError: AuthenticationError: Bad key", "auth: Bad key"),
        ("NotFoundError: OpenAIException - no such", "not_found: OpenAIException - no such"),
        ("ContextWindowExceededError: too long", "context_too_long: too long"),
        ("BudgetExceededError: over", "billing: over"),
        ("PermissionDeniedError: no", "permission_denied: no"),
        ("RateLimitError: RateLimitError: The usage limit has", "rate_limited: The usage limit has"),
        ("RateLimitError: RateLimitError: slow down", "overloaded: slow down"),
        ("RateLimitError: You exceeded your current quota", "billing: You exceeded your current quota"),
        ("APIError: insufficient credits", "billing: insufficient credits"),
        ("ServiceUnavailableError: gone", "overloaded: gone"),
        ("Timeout: nothing came", "overloaded: nothing came"),
        ("APIConnectionError: refused", "overloaded: refused"),
        ("exceptions.InternalServerError: oops", "overloaded: oops"),
        ("BadRequestError: LLM Provider NOT provided.", "not_found: LLM Provider NOT provided."),
        ("BadRequestError: strange", "agent_error: strange"),
        ("APIError:", "overloaded"),
    ],
)
def test_exit_zero_is_a_failure_when_a_request_failed_and_no_answer_came_after(
    error: str, reason: str
) -> None:
    assert reason_of(BANNER, f"litellm.{error}\n") == reason


def test_a_context_that_is_full_is_a_failure_though_its_tokens_are_told() -> None:
    words = "Model openai/gpt-4o has hit a token limit!"
    said = f"{BANNER}{TOKENS}\n\n{words}\nToken counts below are approximate.\n\nInput tokens: ~9\n"
    assert reason_of(said) == f"context_too_long: {words} Token counts below are approximate."


def test_without_a_model_or_key_it_waits_for_a_login_that_nobody_does() -> None:
    words = "No LLM model was specified and no API keys were provided."
    assert (
        reason_of(f"{words}\nOpenRouter provides access\n", code=1)
        == f"auth: {words} OpenRouter provides access"
    )


def test_a_failure_that_an_answer_came_after_is_past() -> None:
    assert reason_of(BANNER, FAILED, "Retrying in 0.2 seconds...\n\nDone.\n", TOKENS) is None


def test_words_of_the_agent_about_such_errors_are_no_failure() -> None:
    said = "It raises\nlitellm.APIError: when the service\nis down, so catch litellm.APIError: there.\n"
    assert reason_of(BANNER, said, TOKENS) is None


@pytest.mark.parametrize(
    "before",
    [
        "Scanning repo: 100%|####| 12/12 [00:00<00:00]",
        "\x1b[2K\x1b[31m",
        "\x1b]0;aider\x07",
        "Waiting for openai/gpt-4o\r",
    ],
)
def test_marks_of_its_own_count_behind_whatever_is_glued_before_them(before: str) -> None:
    failed = f"{before}litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit reached\n"
    assert reason_of(BANNER, failed) == "overloaded: OpenAIException - Rate limit reached"
    assert reason_of(BANNER, "Done.\n", f"{before}{TOKENS}") is None
    assert read(BANNER, "Done.\n", f"{before}{TOKENS}").spend() == read(BANNER, "Done.\n", TOKENS).spend()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            "RateLimitError: OpenAIException - Limit reached on RPM: 3 / min. Add a payment method.",
            "overloaded",
        ),
        (
            "RateLimitError: GroqException - tokens per minute (TPM): Limit 6000. Try again in 6.7s.",
            "overloaded",
        ),
        (
            "RateLimitError: GroqException - tokens per day (TPD): Limit 9. Try again in 7m12s.",
            "rate_limited",
        ),
        ("RateLimitError: OpenAIException - insufficient_quota: You exceeded your quota", "billing"),
        (
            "RateLimitError: geminiException - You exceeded your current quota. Please retry in 12s",
            "overloaded",
        ),
        ("RateLimitError: geminiException - You exceeded your current quota. PerDay", "rate_limited"),
        ("RateLimitError: AnthropicException - please try again in 3 hours", "rate_limited"),
        ("APIConnectionError: OpenAIException - Connection error.", "overloaded"),
    ],
)
def test_a_limit_of_the_minute_is_told_from_one_of_the_day_and_from_an_empty_purse(
    error: str, reason: str
) -> None:
    assert (reason_of(BANNER, f"litellm.{error}\n") or "").partition(":")[0] == reason


def test_a_failure_after_an_answer_is_one() -> None:
    assert reason_of(BANNER, "Done.\n", TOKENS, FAILED) == "overloaded: OpenAIException - Rate limit reached"


def test_exit_zero_without_an_answer_is_no_success() -> None:
    assert (
        reason_of(BANNER, "Traceback (most recent call last):\n")
        == "agent_error: aider ended without an answer"
    )
    assert reason_of() == "agent_error: aider ended without an answer"


def test_an_exit_code_is_told_with_the_last_words_wherever_they_were_printed() -> None:
    assert (
        reason_of("Unable to read git repository\n", code=1) == "exit_code: 1: Unable to read git repository"
    )
    assert reason_of("one\n", code=1, complaints=b"usage: aider\n") == "exit_code: 1: usage: aider"


def test_retries_are_told_and_are_no_progress() -> None:
    reader = AiderReader(request(Path("/nowhere")))
    events = list(reader.feed(TABLE.capture("overloaded").stdout))
    retries = [event.text for event in events if event.kind is EventKind.RETRY]
    assert retries == [
        f"Retrying in {wait} seconds..." for wait in (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
    ]
    before = reader.progress
    list(reader.feed(b"".join(TABLE.capture("overloaded").stdout.partition(b"litellm.")[1:])))
    assert reader.progress == before


def test_new_words_and_answers_are_progress() -> None:
    reader = read(BANNER)
    before = reader.progress
    list(reader.feed(b"I will write it.\n"))
    assert reader.progress == before + 1
    list(reader.feed(TOKENS.encode()))
    assert reader.progress == before + 2


def test_what_it_does_is_told_once_a_chunk() -> None:
    reader = AiderReader(request(Path("/nowhere")))
    events = list(reader.feed((BANNER + "one\ntwo\n" + TOKENS + "Applied edit to a.txt\n").encode()))
    used = Usage(input=1200, output=34)
    assert events == [
        AgentEvent(kind=EventKind.STARTED, text=MODEL),
        AgentEvent(kind=EventKind.USAGE, usage=used),
        AgentEvent(kind=EventKind.TEXT, text="Applied edit to a.txt"),
    ]
    assert (reader.text, reader.tool_calls, reader.session_id) == ("one\ntwo", 0, None)


@pytest.mark.parametrize(
    ("report", "used", "cost"),
    [
        ("Tokens: 999 sent, 1 received. Cost: $0.01 message, $0.01 session.", (999, 1, 0, 0), 0.01),
        ("Tokens: 1.5k sent, 12k received.\nCost: $1.25 message, $1.25 session.", (1500, 12000, 0, 0), 1.25),
        (
            "Tokens: 5.1k sent, 4.0k cache write, 300 cache hit, 20 received.\nCost: $0.02 message, $0.02\nsession.",
            (5100, 20, 300, 4000),
            0.02,
        ),
        ("Tokens: 10 sent, 3.0k cache hit, 20 received. Cost: $0.02 message, $0 s.", (3000, 20, 3000, 0), 0.02),
        ("Tokens: 1.2k sent, 34 received.\n\nApplied edit", (1200, 34, 0, 0), None),
        ("Tokens: ... sent, 1.2.3k received.", (0, 0, 0, 0), None),
    ],
)  # fmt: skip
def test_tokens_and_cost_are_read_from_its_report(
    report: str, used: tuple[int, int, int, int], cost: float | None
) -> None:
    spend = read(BANNER, report, "\n").spend()
    assert tokens(sum(spend.tokens.values(), Usage())) == used
    assert spend.reported_usd == cost


def test_answers_are_added_up_and_one_without_a_price_leaves_the_cost_open() -> None:
    both = read(BANNER, TOKENS, TOKENS).spend()
    assert both.tokens == {MODEL: Usage(input=2400, output=68)}
    assert both.reported_usd == pytest.approx(0.0058)
    assert read(BANNER, "Tokens: 5 sent, 5 received.\n", TOKENS).spend().reported_usd is None


def test_its_log_is_exact_where_its_text_is_rounded(tmp_path: Path) -> None:
    log = answer(1234, 34, 0.003425).replace("'", "")
    script = f"cat > /dev/null; while [ $1 != --analytics-log ]; do shift; done; printf '%s' '{log}' > $2"
    binary = executable(tmp_path / "aider", f"{script}\nprintf '{BANNER}{TOKENS}'")
    outcome = run(agent("aider", AgentSettings(binary=str(binary))), request(tmp_path))
    assert outcome.status is SessionStatus.OK
    assert outcome.usage == Usage(input=1234, output=34, cost_usd=0.003425)
    assert (outcome.model, outcome.usage.cost_source) == (MODEL, CostSource.AGENT)


def test_a_log_is_read_on_from_where_it_was_read_and_half_a_line_waits(tmp_path: Path) -> None:
    log = tmp_path / "log"
    reader = AiderReader(request(tmp_path, usage_file=str(log)))
    first, second = answer(10, 1, 0.5), answer(20, 2, 0.25)
    log.write_text(first + second[:30])
    assert reader.spend() == Spend(tokens={None: Usage(input=10, output=1)}, reported_usd=0.5)
    log.write_text(first + second)
    assert reader.spend() == Spend(tokens={None: Usage(input=30, output=3)}, reported_usd=0.75)


def test_a_log_that_misses_answers_of_the_text_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(answer(10, 1, 0.5))
    reader = read(BANNER, TOKENS, TOKENS, usage_file=str(tmp_path / "log"))
    assert tokens(sum(reader.spend().tokens.values(), Usage())) == (2400, 68, 0, 0)


@pytest.mark.parametrize(
    "content", ["{}\n[]\n", '{"event": "message_send"}\n', "\xff\n", '{"event": "exit"}\n']
)
def test_a_log_of_any_shape_is_never_an_exception(tmp_path: Path, content: str) -> None:
    (tmp_path / "log").write_text(content)
    assert read(BANNER, TOKENS, usage_file=str(tmp_path / "log")).spend().tokens in (
        {MODEL: Usage(input=1200, output=34)},
        {},
    )


def test_a_price_of_nothing_in_the_log_is_no_price(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(answer(10, 1, 0.0) + answer(10, 1, 0.5))
    assert read(usage_file=str(tmp_path / "log")).spend().reported_usd is None


def test_a_request_that_was_sent_and_never_answered_is_of_unknown_cost() -> None:
    assert read(BANNER).spend() == Spend(unreadable=True)
    assert read(BANNER, FAILED).spend() == Spend()
    assert read("Unable to read git repository\n").spend() == Spend()


@given(
    st.binary()
    | st.lists(
        st.sampled_from(["Tokens: ", "1.2k sent, ", "litellm.", "Error: ", "\n", "Cost: $", "9" * 30])
    ).map(lambda parts: "".join(parts).encode())
)
def test_arbitrary_bytes_are_never_an_exception(output: bytes) -> None:
    reader = AiderReader(request(Path("/nowhere")))
    list(reader.feed(output))
    list(reader.finish())
    assert sum(reader.spend().tokens.values(), Usage()).input >= 0
    assert reader.verdict(AgentExit(code=0)).status in (SessionStatus.OK, SessionStatus.ERROR)
