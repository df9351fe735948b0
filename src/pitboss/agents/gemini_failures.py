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
from pitboss.agents.service_failures import service_failure, wait_s
from pitboss.core.session import Reason

if TYPE_CHECKING:
    from pitboss.agents.judgement import Ending

API_ERROR = re.compile(r"\[API Error: (.*)\]", re.DOTALL)
LOG_IN_ADVICE = "set GEMINI_API_KEY, and security.auth.selectedType in settings.json if it has a base URL too"


class _Code(IntEnum):
    """Exit codes of the CLI's own; those of failed requests begin at 144."""

    NOT_LOGGED_IN = 41
    NOT_TRUSTED = 55


def failure(message: str, code: int | None) -> tuple[Reason, str]:
    """Reason and words for a result line with an error, when the program exited with `code`."""
    wrapped = API_ERROR.search(message)
    words, codes, status = _unfolded(message if wrapped is None else wrapped[1])
    status = status or _http_status(code)
    return service_failure(codes=codes, words=words, status=status, cli="gemini"), shortened(words)


def quota_ends_at(message: str, said_at: str | None) -> float | None:
    """When the quota that `message` speaks of comes back, epoch seconds; None when that is not told."""
    left_s = wait_s(message)
    try:
        return None if left_s is None else datetime.fromisoformat(said_at or "").timestamp() + left_s
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
