"""Names the failures of Claude Code by the words it prints for them (SPEC 6).

A 429 may be of this minute, which asking again mends, or of a window of hours, which has to be waited for. The
latter is one when the CLI says so, or when it does not even ask again: it does ten times, unless the service
told it to stay away for long.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pitboss.agents.json_values import count, word
from pitboss.agents.lines import shortened
from pitboss.agents.service_failures import service_failure
from pitboss.core.session import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

BY_WORD = {
    "usage_limit_reached": Reason.RATE_LIMITED,
    "rate_limit": Reason.OVERLOADED,
    "rate_limit_error": Reason.OVERLOADED,
    "authentication_failed": Reason.AUTH,
    "authentication_error": Reason.AUTH,
    "oauth_org_not_allowed": Reason.AUTH,
    "permission_error": Reason.PERMISSION_DENIED,
    "billing_error": Reason.BILLING,
    "model_not_found": Reason.NOT_FOUND,
    "not_found_error": Reason.NOT_FOUND,
    "overloaded": Reason.OVERLOADED,
    "overloaded_error": Reason.OVERLOADED,
    "server_error": Reason.OVERLOADED,
    "api_error": Reason.OVERLOADED,
    "timeout_error": Reason.OVERLOADED,
    "connection_failed": Reason.OVERLOADED,
}
BY_STATUS = {
    401: Reason.AUTH,
    402: Reason.BILLING,
    403: Reason.PERMISSION_DENIED,
    404: Reason.NOT_FOUND,
    429: Reason.OVERLOADED,
}
TOO_MANY_REQUESTS = 429
WINDOW = re.compile(
    r"(?<!not your )usage limit|hit your\b.*\blimit|(session|hour|hourly|daily|weekly|opus) limit reached|extra usage",
    re.IGNORECASE,
)
_API_ERROR = re.compile(r"API Error: (\d{3})\b", re.ASCII)
MINUTE = re.compile(r"per (minute|second)|concurren|not your usage limit", re.IGNORECASE)
_TOLD_RESET = re.compile(r"limit reached\|(\d{10})\b", re.ASCII)
ROOT_REFUSED = b"cannot be used with root"
ROOT_ADVICE = (
    "claude refuses permission_mode bypassPermissions as root: set IS_SANDBOX=1 in the environment if this "
    "machine is a sandbox, or another [agent.claude_code] permission_mode"
)


def failure(
    result: dict[str, Any], api_failure: dict[str, Any], *, retried: bool = False, rejected: bool = False
) -> tuple[Reason, str | None]:
    """Reason and words for a result line with `is_error`; `api_failure` is the last failed assistant line.

    `retried`: a 429 was asked again before; `rejected`: the subscription's windows were said to be used up.
    """
    words = _words(result)
    if result.get("terminal_reason") == "prompt_too_long":
        return Reason.CONTEXT_TOO_LONG, words
    named = (BY_WORD[name] for name in _names(result, api_failure) if name in BY_WORD)
    status = count(result, "api_error_status")
    by_status = Reason.OVERLOADED if status >= 500 else BY_STATUS.get(status, Reason.AGENT_ERROR)
    reason = next(named, by_status)
    if reason is Reason.AGENT_ERROR and status == 0:
        reason = _by_words(words or "")
    if _is_limit(reason, status, words or "", retried=retried, rejected=rejected):
        return Reason.RATE_LIMITED, words
    return reason, words


def _by_words(words: str) -> Reason:
    """For versions that name neither a failure nor its status."""
    told = _API_ERROR.search(words)
    return service_failure(words=words, status=0 if told is None else int(told[1]))


def _is_limit(reason: Reason, status: int, words: str, *, retried: bool, rejected: bool) -> bool:
    """Whether a request that was one too many has hit a window of hours rather than a minute."""
    if told_reset(words) is not None:
        return True
    if reason is not Reason.OVERLOADED or status not in (0, TOO_MANY_REQUESTS) or MINUTE.search(words):
        return False
    told = rejected or WINDOW.search(words) is not None
    return told or (status == TOO_MANY_REQUESTS and not retried)


def told_reset(words: str | None) -> float | None:
    """When a limit ends by the words of versions that said `... limit reached|EPOCH`, epoch seconds."""
    found = _TOLD_RESET.search(words or "")
    return None if found is None else float(found[1])


def stderr_failure(stderr: bytes) -> tuple[Reason, str] | None:
    """Reason and advice for what is only said on stderr, before the stream starts."""
    return (Reason.PERMISSION_DENIED, ROOT_ADVICE) if ROOT_REFUSED in stderr else None


def _names(result: dict[str, Any], api_failure: dict[str, Any]) -> Iterator[str]:
    """The CLI's names for the failure, from the most telling to the least.

    The assistant line counts only when the run ended in it: a request that failed and was retried is past.
    """
    api_ended = result.get("terminal_reason") in (None, "api_error", "completed")
    last = api_failure if api_ended else {}
    for line, key in (
        (result, "api_error"),
        (last, "error"),
        (result, "api_error_type"),
        (last, "api_error_type"),
    ):
        name = word(line, key)
        if name is not None:
            yield name


def _words(result: dict[str, Any]) -> str | None:
    errors = result.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], str) else None
    said = word(result, "result") or first or word(result, "subtype")
    return None if said is None else shortened(said)
