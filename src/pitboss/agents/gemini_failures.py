"""Names the failures of Gemini CLI by the words and the exit code it ends with (SPEC 6).

A message is `[API Error: WORDS]`, where the words may be the service's whole JSON answer, and may be followed by
advice that says the same for every limit. The exit code of a failed request is its HTTP status, of which the
system keeps eight bits: 429 is 173.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.agents.json_values import count, objects, table, word
from pitboss.agents.lines import last_line, shortened
from pitboss.agents.service_failures import service_failure
from pitboss.core.session import Reason

if TYPE_CHECKING:
    from pitboss.agents.judgement import Ending

API_ERROR = re.compile(r"\[API Error: (.*)\]", re.DOTALL)
LONG_WAIT_S = 300.0
"""A quota that comes back sooner is a limit of the minute, which the CLI itself waits out."""

WAIT = re.compile(r"(?:reset|retry) (?:after|in) ((?:[\d.]+(?:ms|[hms]))+)", re.IGNORECASE)
WAIT_PART = re.compile(r"([\d.]+)(ms|[hms])", re.IGNORECASE)
UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

BY_WORDS = (
    (
        re.compile(r"exhausted your (daily quota|capacity)|quota will reset", re.IGNORECASE),
        Reason.RATE_LIMITED,
    ),
    (re.compile(r"current quota|resource.?(has been )?exhausted", re.IGNORECASE), Reason.OVERLOADED),
    (re.compile(r"exceeds the maximum number of tokens", re.IGNORECASE), Reason.CONTEXT_TOO_LONG),
    (re.compile(r"is not found for API version", re.IGNORECASE), Reason.NOT_FOUND),
    (re.compile(r"^Model stream ended|empty response", re.IGNORECASE), Reason.OVERLOADED),
)
"""What this CLI and the Gemini API alone say, or mean differently: `current quota` is of the minute here."""

LOG_IN_ADVICE = "set GEMINI_API_KEY, and security.auth.selectedType in settings.json if it has a base URL too"


class _Code(IntEnum):
    """Exit codes of the CLI's own; those of failed requests begin at 144."""

    NOT_LOGGED_IN = 41
    NOT_TRUSTED = 55


def failure(message: str, code: int | None) -> tuple[Reason, str]:
    """Reason and words for a result line with an error, when the program exited with `code`."""
    wrapped = API_ERROR.search(message)
    words, codes, status = _unfolded(message if wrapped is None else wrapped[1])
    named = next((reason for pattern, reason in BY_WORDS if pattern.search(words)), None)
    if named is Reason.OVERLOADED and (_wait_s(words) or 0.0) > LONG_WAIT_S:
        named = Reason.RATE_LIMITED
    reason = named or service_failure(codes=codes, words=words, status=status or _http_status(code))
    return reason, shortened(words)


def quota_ends_at(message: str, said_at: str | None) -> float | None:
    """When the quota that `message` speaks of comes back, epoch seconds; None when that is not told."""
    wait_s = _wait_s(message)
    try:
        return None if wait_s is None else datetime.fromisoformat(said_at or "").timestamp() + wait_s
    except (ValueError, OverflowError):
        return None


def refusal(ending: Ending) -> tuple[Reason, str] | None:
    """Reason and words for a program that exited without a result line; None for codes of no such meaning."""
    words = last_line(ending.complaints)
    match ending.code:
        case _Code.NOT_LOGGED_IN:
            return Reason.AUTH, LOG_IN_ADVICE if words is None else shortened(f"{words} ({LOG_IN_ADVICE})")
        case _Code.NOT_TRUSTED:
            return Reason.PERMISSION_DENIED, words or "the folder is not trusted"
    status = _http_status(ending.code)
    return (service_failure(status=status), words or f"HTTP status {status}") if status else None


def _unfolded(words: str) -> tuple[str, list[str | None], int]:
    """The message, the codes and the HTTP status of the service's answer; words that are none stay as they are."""
    try:
        answer = msgspec.json.decode(words, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return words, [], 0
    error = table(answer, "error")
    codes = [word(detail, "reason") for detail in objects(error, "details")]
    return word(error, "message") or words, codes, count(error, "code")


def _http_status(code: int | None) -> int:
    """The status that an exit code may be the lower eight bits of; 0 when it is none of a failed request."""
    return 0 if code is None or not 144 <= code <= 255 else code + 256


def _wait_s(words: str) -> float | None:
    """How long `words` say to wait, in seconds."""
    told = WAIT.search(words)
    if told is None:
        return None
    try:
        parts = WAIT_PART.findall(told[1])
        return sum(float(amount) * UNIT_S[unit.lower()] for amount, unit in parts)
    except ValueError:
        return None
