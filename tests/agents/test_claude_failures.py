"""Failures of Claude Code, by the shapes of its last lines (SPEC 6)."""

from __future__ import annotations

from typing import Any

import pytest

from pitboss.agents.claude.failures import failure
from pitboss.core.session import Reason

API = {"is_error": True, "terminal_reason": "api_error", "result": "said so"}


@pytest.mark.parametrize(
    ("result", "api_failure", "reason"),
    [
        (API | {"api_error_status": 400}, {"error": "billing_error"}, Reason.BILLING),
        (API | {"api_error_status": 400}, {"error": "invalid_request"}, Reason.AGENT_ERROR),
        ({"terminal_reason": "prompt_too_long", "result": "said so"}, {}, Reason.CONTEXT_TOO_LONG),
        (API | {"api_error_status": 500, "api_error_type": "api_error"}, {}, Reason.OVERLOADED),
        (API | {"api_error_status": 503}, {}, Reason.OVERLOADED),
        (API | {"api_error": "connection_failed"}, {}, Reason.OVERLOADED),
        (API | {"api_error_status": 401}, {}, Reason.AUTH),
        (API | {"api_error_status": 402}, {}, Reason.BILLING),
        (API | {"api_error_status": 403, "api_error_type": "permission_error"}, {}, Reason.PERMISSION_DENIED),
        (API | {"api_error_status": 404}, {}, Reason.NOT_FOUND),
        (API | {"api_error_status": 429}, {}, Reason.RATE_LIMITED),
        (API | {"api_error": "usage_limit_reached"}, {"error": "server_error"}, Reason.RATE_LIMITED),
        (API | {"api_error_status": "429"}, {}, Reason.RATE_LIMITED),
        (API, {}, Reason.AGENT_ERROR),
    ],
)
def test_a_failure_is_named(result: dict[str, Any], api_failure: dict[str, Any], reason: Reason) -> None:
    assert failure(result, api_failure) == (reason, "said so")


@pytest.mark.parametrize(
    ("words", "signs", "reason"),
    [
        (
            "API Error: Request rejected (429) · this may be a temporary capacity issue",
            {},
            Reason.OVERLOADED,
        ),
        ("rate limit of 30,000 input tokens per minute", {"retried": True}, Reason.OVERLOADED),
        ("rate limit of 30,000 input tokens per minute", {}, Reason.OVERLOADED),
        ("would exceed your account's rate limit", {"retried": True}, Reason.OVERLOADED),
        ("would exceed your account's rate limit", {}, Reason.RATE_LIMITED),
        ("would exceed your account's rate limit", {"retried": True, "rejected": True}, Reason.RATE_LIMITED),
        ("You've hit your 5-hour limit · resets 5:59pm (UTC)", {"retried": True}, Reason.RATE_LIMITED),
    ],
)
def test_a_429_that_is_asked_again_is_of_this_minute_unless_a_window_is_used_up(
    words: str, signs: dict[str, bool], reason: Reason
) -> None:
    result = API | {"api_error_status": 429, "api_error_type": "rate_limit_error", "result": words}
    assert failure(result, {"error": "rate_limit"}, **signs) == (reason, words)


def test_a_request_that_failed_and_was_retried_does_not_name_a_later_failure() -> None:
    result = {"terminal_reason": "max_turns", "subtype": "error_max_turns", "errors": ["too many turns"]}
    assert failure(result, {"error": "rate_limit"}) == (Reason.AGENT_ERROR, "too many turns")


def test_a_failure_without_words_is_named_by_its_subtype() -> None:
    assert failure({"subtype": "error_max_turns"}, {}) == (Reason.AGENT_ERROR, "error_max_turns")
    ended = {"subtype": "error_max_turns", "result": "I have begun.", "errors": ["too many turns"]}
    assert failure(ended, {}) == (Reason.AGENT_ERROR, "too many turns")
    assert failure({}, {}) == (Reason.AGENT_ERROR, None)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ('API Error: 403 {"message":"OAuth token has been revoked"} · Please run /login', Reason.AUTH),
        ("API Error: 403 Extra usage is not enabled", Reason.BILLING),
        ("API Error: 403 Request not allowed", Reason.PERMISSION_DENIED),
    ],
)
def test_a_403_may_be_about_the_login_or_the_plan(words: str, reason: Reason) -> None:
    result = {
        "is_error": True,
        "result": words,
        "api_error_status": 403,
        "api_error_type": "permission_error",
    }
    assert failure(result, {}) == (reason, words)


def test_words_that_nobody_knows_mean_a_limit_if_they_tell_a_long_wait() -> None:
    words = "Your session is paused; it resumes in 3 hours"
    assert failure({"is_error": True, "result": words}, {}) == (Reason.RATE_LIMITED, words)
