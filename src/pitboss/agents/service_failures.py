"""Names a model service's failure by its code, its words or its HTTP status, for CLIs that pass these on (SPEC 6).

A CLI that talks to any service prints what that service said. Codes are surest; words tell more than a status,
because 429 is a limit of this minute, of this week, or an empty purse.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitboss.core.session import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

BY_CODE = {
    "usage_limit_reached": Reason.RATE_LIMITED,
    "usage_limit_exceeded": Reason.RATE_LIMITED,
    "insufficient_quota": Reason.BILLING,
    "billing_error": Reason.BILLING,
    "billing_hard_limit_reached": Reason.BILLING,
    "invalid_api_key": Reason.AUTH,
    "authentication_error": Reason.AUTH,
    "permission_error": Reason.PERMISSION_DENIED,
    "model_not_found": Reason.NOT_FOUND,
    "not_found_error": Reason.NOT_FOUND,
    "context_length_exceeded": Reason.CONTEXT_TOO_LONG,
    "rate_limit_exceeded": Reason.OVERLOADED,
    "overloaded_error": Reason.OVERLOADED,
    "server_is_overloaded": Reason.OVERLOADED,
    "server_error": Reason.OVERLOADED,
    "api_error": Reason.OVERLOADED,
    "timeout_error": Reason.OVERLOADED,
}

BY_WORDS = tuple(
    (re.compile(pattern, re.IGNORECASE), reason)
    for pattern, reason in (
        (r"usage limit|per ?day|(hourly|\d-hour|daily|weekly|monthly) (rate )?limit", Reason.RATE_LIMITED),
        (r"credit balance|insufficient (quota|credit|balance|funds)|current quota|billing", Reason.BILLING),
        (r"context (length|window)|(prompt|input) is too long|maximum context", Reason.CONTEXT_TOO_LONG),
        (r"api key|unauthori[sz]ed|authenticat|(not|please) log(ged)? ?in", Reason.AUTH),
        (
            r"model\b.*\b(not found|not exist|not supported)|unknown model|provider not provided",
            Reason.NOT_FOUND,
        ),
        (r"rate.?limit|too many requests|overloaded|at capacity|unavailable", Reason.OVERLOADED),
        (r"had an error|server error|tim(ed|e) ?out|connection|econn|socket|network", Reason.OVERLOADED),
        (r"^(API Error: )?terminated$|\bfetch failed\b|unable to connect|premature close", Reason.OVERLOADED),
    )
)
"""Tried in this order: `current quota` and `rate limit` stand in the same sentences.

The last are the words of Node.js for a connection that was cut or never made.
"""

BY_STATUS = {
    401: Reason.AUTH,
    402: Reason.BILLING,
    403: Reason.PERMISSION_DENIED,
    404: Reason.NOT_FOUND,
    413: Reason.CONTEXT_TOO_LONG,
    429: Reason.OVERLOADED,
}


def service_failure(*, codes: Iterable[str | None] = (), words: str = "", status: int = 0) -> Reason:
    """The reason for a failed request: by the first code that is known, else the words, else the status.

    A status that leaves no doubt (401, 402, 404) goes before the words; AGENT_ERROR when nothing is known.
    """
    named = next((BY_CODE[code] for code in codes if code in BY_CODE), None)
    if named is None and status in (401, 402, 404):
        named = BY_STATUS[status]
    return named or failure_by_words(words) or _by_status(status)


def failure_by_words(words: str) -> Reason | None:
    """The reason that the words of a service name; None when they name none."""
    return next((reason for pattern, reason in BY_WORDS if pattern.search(words)), None)


def _by_status(status: int) -> Reason:
    return Reason.OVERLOADED if status >= 500 else BY_STATUS.get(status, Reason.AGENT_ERROR)
