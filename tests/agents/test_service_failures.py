"""What model services say when they fail, as CLIs pass it on (SPEC 6)."""

from __future__ import annotations

import pytest

from pitboss.agents.services.failures import service_failure, status_in, wait_s
from pitboss.agents.services.words import meaning
from pitboss.core.session import Reason


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("The usage limit has been reached", Reason.RATE_LIMITED),
        ("Rate limit reached for m on tokens per day (TPD): Limit 9", Reason.RATE_LIMITED),
        ("You've hit your 5-hour limit", Reason.RATE_LIMITED),
        ("You exceeded your current quota, please check your plan and billing details.", Reason.BILLING),
        ("Your credit balance is too low to access the API", Reason.BILLING),
        ("This model's maximum context length is 128000 tokens.", Reason.CONTEXT_TOO_LONG),
        ("prompt is too long: 215000 tokens > 200000 maximum", Reason.CONTEXT_TOO_LONG),
        ("Incorrect API key provided: sk-x", Reason.AUTH),
        ("Not logged in · Please run /login", Reason.AUTH),
        ("The model `m` does not exist or you do not have access to it.", Reason.NOT_FOUND),
        ("Unknown model: m", Reason.NOT_FOUND),
        ("Rate limit reached for m on tokens per min (TPM): Limit 9", Reason.OVERLOADED),
        ("Selected model is at capacity", Reason.OVERLOADED),
        ("The server had an error processing your request", Reason.OVERLOADED),
        ("Request timed out.", Reason.OVERLOADED),
        ("connect ECONNREFUSED 127.0.0.1:1", Reason.OVERLOADED),
        ("terminated", Reason.OVERLOADED),
        ("fetch failed", Reason.OVERLOADED),
        ("the tool was terminated", None),
        ("You've reached the maximum number of turns", None),
        ("You have exceeded your turn limit", None),
        ("File size limit exceeded", None),
        ("Tool call limit exceeded", None),
        ("The operation was aborted by a hook", None),
        ("No messages to send", None),
        ("division by zero", None),
    ],
)
def test_words_name_the_failure(words: str, reason: Reason | None) -> None:
    assert meaning(words) is reason
    assert service_failure(words=words) is (reason or Reason.AGENT_ERROR)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.AUTH),
        (402, Reason.BILLING),
        (403, Reason.PERMISSION_DENIED),
        (404, Reason.NOT_FOUND),
        (413, Reason.CONTEXT_TOO_LONG),
        (429, Reason.OVERLOADED),
        (500, Reason.OVERLOADED),
        (529, Reason.OVERLOADED),
        (400, Reason.AGENT_ERROR),
        (0, Reason.AGENT_ERROR),
    ],
)
def test_a_status_names_the_failure_where_words_do_not(status: int, reason: Reason) -> None:
    assert service_failure(status=status, words="no") is reason


def test_a_known_code_is_surer_than_status_and_words() -> None:
    said = "You exceeded your current quota"
    codes = (None, "tokens", "rate_limit_exceeded")
    assert service_failure(codes=codes, words=said, status=401) is Reason.OVERLOADED


def test_a_status_that_leaves_no_doubt_is_surer_than_words() -> None:
    assert service_failure(words="connection refused by policy", status=401) is Reason.AUTH
    assert service_failure(words="usage limit reached", status=429) is Reason.RATE_LIMITED
    assert service_failure(words="Insufficient balance", status=401) is Reason.BILLING
    gave_up = "Failed to get response from the AI model; retried 5 times. Last error: CAPIError: "
    for answer, reason in {
        "413 Request Entity Too Large": Reason.CONTEXT_TOO_LONG,
        "400 400 Bad Request": Reason.AGENT_ERROR,
        "429 429 too many requests": Reason.OVERLOADED,
    }.items():
        assert service_failure(words=gave_up + answer, cli="copilot") is reason
    assert service_failure(words="weekly usage limit reached", status=402) is Reason.RATE_LIMITED


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Please try again in 2 hours. Please review our Terms.", 7200.0),
        ("Please try again in 45 seconds.", 45.0),
        ("Please try again in 1 minute", 60.0),
        ("Sorry, please wait 587 hours 33 minutes before trying again.", 587 * 3600.0 + 33 * 60),
        ("try again in 3 days 6 hours 57 minutes.", 3 * 86400.0 + 6 * 3600 + 57 * 60),
        ("Your quota will reset after 12h34m16s.", 45256.0),
        ("Please retry in 12.3s", 12.3),
        ("Please retry in 34.074824224s.", 34.074824224),
        ("Suggested retry after 900ms.", 0.9),
        ("Retry in 3hr 20min.", 12_000.0),
        ("It will reset in 10 days 19 hours.", 10 * 86400.0 + 19 * 3600),
        ("reset in 2 hours, 15 minutes and 3 seconds", 8103.0),
        ("Resets in 1 week", 604_800.0),
        ("waits in 3 places", None),
        ("in 5 daysss", None),
        ("within a specific time period", None),
        ("try again later", None),
    ],
)
def test_a_span_to_wait_is_read_from_words(words: str, seconds: float | None) -> None:
    assert wait_s(words) == (None if seconds is None else pytest.approx(seconds, abs=1))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("You've hit a rate limit. Please try again in 2 hours.", Reason.RATE_LIMITED),
        ("You've hit a rate limit. Please try again in 45 seconds.", Reason.OVERLOADED),
        ("Rate limit reached on tokens per min (TPM). Please try again in 6.78s.", Reason.OVERLOADED),
        ("Rate limit reached on requests per day (RPD). Please try again in 20s.", Reason.RATE_LIMITED),
        ("The service is unavailable, retry after 30 minutes", Reason.RATE_LIMITED),
        ("Unauthorized; try again in 2 hours", Reason.AUTH),
    ],
)
def test_a_service_that_is_busy_for_long_has_a_limit_to_wait_for(words: str, reason: Reason) -> None:
    assert service_failure(words=words, status=429) is reason


def test_words_tell_a_limit_of_the_day_from_one_of_the_minute_under_the_same_code() -> None:
    words = "Rate limit reached on tokens per day (TPD): Limit 9"
    assert service_failure(codes=("rate_limit_exceeded",), words=words) is Reason.RATE_LIMITED


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("402 You have no quota", 402),
        ("unexpected status 401 Unauthorized: no", 401),
        ("exceeded retry limit, last status: 503 Service Unavailable", 503),
        ("Model 'x' not found on provider at http://x (HTTP 404).", 404),
        ("API Error: [529] Overloaded", 529),
        ("request failed with status code 418", 418),
        ("Last error: CAPIError: 413 Request Entity Too Large", 413),
        ("Error code: 429 - {'error': {}}", 429),
        ("line 404 of the file", 0),
        ("took 500 s", 0),
    ],
)
def test_a_status_in_words_is_one_where_it_stands_as_such(words: str, status: int) -> None:
    assert status_in(words) == status


@pytest.mark.parametrize(
    "words",
    [
        "Your usage is paused; it resumes in 3 hours",
        "No messages until your limit renews in 2 days",
        "Come back in 5 hours for more requests",
    ],
)
def test_words_that_nobody_knows_mean_a_limit_if_they_tell_a_long_wait(words: str) -> None:
    assert meaning(words) is None
    assert service_failure(words=words) is Reason.RATE_LIMITED


@pytest.mark.parametrize(
    "words",
    ["Usage: agent [options]", "the limit is over in 3 hours", "try again in 2 hours", "paused for 5 s"],
)
def test_a_long_wait_or_a_limit_alone_is_none(words: str) -> None:
    assert service_failure(words=words) is Reason.AGENT_ERROR


@pytest.mark.parametrize("status", [408, 409, 425, 499, 503])
def test_a_status_of_a_request_that_was_not_served_is_no_failure_of_the_agent(status: int) -> None:
    assert service_failure(words=f"{status} status code (no body)", status=status) is Reason.OVERLOADED


@pytest.mark.parametrize("cli", ["claude", "codex", "copilot", "gemini", "opencode", "qwen", None])
def test_a_server_of_tools_that_does_not_start_is_no_outage_of_the_service(cli: str | None) -> None:
    for words in ("MCP client for `docs` timed out after 10 seconds", "MCP server docs: connection refused"):
        assert service_failure(words=words, cli=cli) is Reason.AGENT_ERROR
