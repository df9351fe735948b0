"""What OpenAI's two APIs say instead of an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.live.exchange import Refusal, Trouble

WEEK_S = 4 * 86400


def refusal(trouble: Trouble, resets_at: int) -> Refusal:
    """An error object; the end of a plan's limit is in it and in headers."""
    match trouble:
        case Trouble.RATE:
            words = "Rate limit reached for the model on tokens per min (TPM). Please try again in 1s."
            return _refused(429, words, "tokens", "rate_limit_exceeded", {"retry-after": "1"})
        case Trouble.USAGE:
            return _used_up(resets_at)
        case Trouble.OVERLOADED:
            words = "The server is currently overloaded with other requests. Sorry about that!"
            return _refused(503, words, "server_error", "server_is_overloaded", {})
        case Trouble.AUTH:
            words = "Incorrect API key provided. You can find your API key in your account."
            return _refused(401, words, "invalid_request_error", "invalid_api_key", {})


def windows(resets_at: int, used_percent: str) -> dict[str, str]:
    """How much of the two windows of a ChatGPT plan is used."""
    return {
        "x-codex-primary-used-percent": used_percent,
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": str(resets_at),
        "x-codex-secondary-used-percent": "42.0",
        "x-codex-secondary-window-minutes": "10080",
        "x-codex-secondary-reset-at": str(resets_at + WEEK_S),
    }


def _used_up(resets_at: int) -> Refusal:
    error = {
        "type": "usage_limit_reached",
        "message": "The usage limit has been reached",
        "plan_type": "plus",
        "resets_at": resets_at,
        "resets_in_seconds": max(0, resets_at - int(datetime.now(UTC).timestamp())),
    }
    return Refusal(status=429, body={"error": error}, headers=windows(resets_at, "100.0"))


def _refused(status: int, words: str, kind: str, code: str, headers: dict[str, str]) -> Refusal:
    error: dict[str, Any] = {"message": words, "type": kind, "param": None, "code": code}
    return Refusal(status=status, body={"error": error}, headers=headers)
