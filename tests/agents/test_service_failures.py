"""What model services say when they fail, as CLIs pass it on (SPEC 6)."""

from __future__ import annotations

import pytest

from pitboss.agents.service_failures import failure_by_words, service_failure
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
        ("division by zero", None),
    ],
)
def test_words_name_the_failure(words: str, reason: Reason | None) -> None:
    assert failure_by_words(words) is reason
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
