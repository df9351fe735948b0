"""A usage limit whose end a CLI gives only in words ends then (SPEC 6)."""

from __future__ import annotations

import json
import shlex
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.core.config import AgentSettings
from tests.support.agents import agent, executable, request, run

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.agent import AgentOutcome

HOUR = 3600.0


def refused(folder: Path, backend: str, words: str) -> AgentOutcome:
    """The outcome of a CLI whose service said `words`."""
    events: dict[str, Any] = {
        "codex": {"type": "turn.failed", "error": {"message": words}},
        "copilot": {
            "type": "session.error",
            "data": {"errorType": "rate_limit", "message": words, "statusCode": 429},
        },
        "gemini": {"type": "result", "status": "error", "error": {"message": f"[API Error: {words}]"}},
        "opencode": {
            "type": "error",
            "error": {"name": "APIError", "data": {"message": words, "statusCode": 429}},
        },
        "qwen": {"type": "result", "is_error": True, "error": {"message": f"[API Error: 429 {words}]"}},
    }
    said = json.dumps(events[backend]) if backend in events else f"litellm.RateLimitError: {words}"
    printed = shlex.quote(said)
    binary = executable(folder / backend, f"cat > /dev/null; printf '%s\\n' {printed}; exit 1")
    return run(agent(backend, AgentSettings(binary=str(binary))), request(folder))


@pytest.mark.parametrize("backend", ["aider", "codex", "copilot", "gemini", "opencode", "qwen"])
@pytest.mark.parametrize(
    ("words", "hours"),
    [
        ("The usage limit has been reached. Try again in 3 hours.", 3),
        ("Weekly usage limit reached. It will reset in 5 days 10 hours.", 130),
        ("You have hit your rate limit that restricts requests. Please try again in 58 hours.", 58),
        ("Subscription quota exceeded. Retry in 3hr 30min.", 3.5),
    ],
)
def test_a_span_is_counted_from_now(tmp_path: Path, backend: str, words: str, hours: float) -> None:
    outcome = refused(tmp_path, backend, words)
    assert (outcome.reason or "").startswith("rate_limited: ")
    assert outcome.resets_at == pytest.approx(time.time() + hours * HOUR, abs=60)


@pytest.mark.parametrize("backend", ["codex", "copilot", "opencode"])
def test_a_date_is_of_this_machines_zone(tmp_path: Path, backend: str) -> None:
    moment = (datetime.now().astimezone() + timedelta(days=7)).replace(
        hour=9, minute=14, second=0, microsecond=0
    )
    words = f"You've hit your usage limit. Upgrade to Plus, or try again at {moment:%b %-d}th, {moment:%Y} 9:14 AM."
    assert refused(tmp_path, backend, words).resets_at == moment.timestamp()


@pytest.mark.parametrize(
    "words", ["You've hit your usage limit. Try again later.", "You've hit your usage limit. Upgrade to Pro."]
)
def test_words_without_a_time_tell_none(tmp_path: Path, words: str) -> None:
    outcome = refused(tmp_path, "codex", words)
    assert (outcome.reason, outcome.resets_at) == (f"rate_limited: {words}", None)


def test_a_busy_service_has_no_end_to_wait_for(tmp_path: Path) -> None:
    words = "You've hit a rate limit. Please try again in 45 seconds."
    outcome = refused(tmp_path, "copilot", words)
    assert (outcome.reason, outcome.resets_at) == (f"overloaded: {words}", None)


def test_a_long_sentence_of_copilot_is_read_to_its_end(tmp_path: Path) -> None:
    words = (
        "Failed to get response from the AI model; retried 5 times (total retry wait time: 60.87 seconds) "
        "Last error: 429 Sorry, you've hit a rate limit that restricts the number of Copilot model requests you can "
        "make within a specific time period, as the terms of your organization say. Please try again in 2 hours."
    )
    assert refused(tmp_path, "copilot", words).resets_at == pytest.approx(time.time() + 2 * HOUR, abs=60)
