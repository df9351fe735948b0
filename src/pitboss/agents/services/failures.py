"""Classifies a model service's failure by code, words or HTTP status, for CLIs that pass these on (SPEC 6).

A CLI that can use any service prints what that service said. Codes are the most reliable; words (`services.words`)
say more than a status, because 429 may mean a per-minute limit, a weekly limit, or no credit.
"""

from __future__ import annotations

import re
from time import time
from typing import TYPE_CHECKING

from pitboss.agents.services.words import meaning, meaning_of_code
from pitboss.core.patterns import lazy_pattern
from pitboss.core.session import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

LONG_WAIT_S = 300.0
"""A service that asks for a longer wait than this has a limit; with a shorter one it is busy."""

UNMENDED = (Reason.RATE_LIMITED, Reason.BILLING)
"""Failures that retrying within minutes does not cure, however often a CLI tries."""

BY_STATUS = {
    401: Reason.AUTH,
    402: Reason.BILLING,
    403: Reason.PERMISSION_DENIED,
    404: Reason.NOT_FOUND,
    408: Reason.OVERLOADED,
    409: Reason.OVERLOADED,
    413: Reason.CONTEXT_TOO_LONG,
    425: Reason.OVERLOADED,
    429: Reason.OVERLOADED,
    499: Reason.OVERLOADED,
}

_USED_UP = lazy_pattern(
    r"\b(limit|limited|quota|usage|allowance|cap|your plan|subscription|credits|budget|requests|messages|paused"
    r"|blocked)\b",
    re.IGNORECASE,
)

_STATUS = lazy_pattern(
    r"(?:\A|[\[(]|\bstatus(?: code)?|error(?: code)?|\bHTTP(?:/[\d.]+)?|\bcode)\W{0,3}([45]\d\d)\b",
    re.IGNORECASE | re.ASCII,
)


def service_failure(
    *, codes: Iterable[str | None] = (), words: str = "", status: int = 0, cli: str | None = None
) -> Reason:
    """The reason for a failed request: from the first known code, else the words, else the status.

    An unambiguous status (401, 402, 404, 413) outranks the words, unless these are about money or a limit; AGENT_ERROR
    if nothing is known. `cli` is the folder whose words and codes apply too. A limit said to last long must be waited
    out, whatever it is called.
    """
    status = status or status_in(words)
    named = next((reason for code in codes if (reason := meaning_of_code(code, cli))), None)
    said = meaning(words, cli)
    if named is None and status in (401, 402, 404, 413):
        named = said if said in UNMENDED else BY_STATUS[status]
    reason = named or said or _by_status(status)
    if reason is Reason.OVERLOADED and (said is Reason.RATE_LIMITED or _lasts(words)):
        return Reason.RATE_LIMITED
    return Reason.RATE_LIMITED if reason is Reason.AGENT_ERROR and tells_limit(words) else reason


def tells_limit(words: str) -> bool:
    """Whether `words` that no vocabulary knows speak of something used up, and say that it is so for long."""
    return _USED_UP.search(words) is not None and _lasts(words)


def _lasts(words: str) -> bool:
    return (wait_s(words) or 0.0) > LONG_WAIT_S


def reason_to_ask_again(words: str) -> Reason:
    """Why a request that failed with `words` is retried: its service is busy unless they say more."""
    reason = service_failure(words=words)
    return Reason.OVERLOADED if reason is Reason.AGENT_ERROR else reason


def status_in(words: str) -> int:
    """The HTTP status that `words` name; 0 if they name none."""
    found = _STATUS.search(words)
    return 0 if found is None else int(found[1])


def wait_s(words: str) -> float | None:
    """How many seconds from now `words` say to wait; None if they name no moment in the future."""
    # Imported here: it compiles many patterns, and failures are rare.
    from pitboss.core.reset_time import moment_in

    now = time()
    moment = moment_in(words, now)
    return None if moment is None or moment <= now else moment - now


def _by_status(status: int) -> Reason:
    return Reason.OVERLOADED if status >= 500 else BY_STATUS.get(status, Reason.AGENT_ERROR)
