"""Names a model service's failure by its code, its words or its HTTP status, for CLIs that pass these on (SPEC 6).

A CLI that talks to any service prints what that service said. Codes are surest; words (`services.words`) tell
more than a status, because 429 is a limit of this minute, of this week, or an empty purse.
"""

from __future__ import annotations

import re
from time import time
from typing import TYPE_CHECKING

from pitboss.agents.services.words import meaning, meaning_of_code
from pitboss.core.session import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

LONG_WAIT_S = 300.0
"""A service that is to be asked again later than this has a limit to wait for; sooner, it is busy."""

UNMENDED = (Reason.RATE_LIMITED, Reason.BILLING)
"""What asking again within minutes does not mend, however often a CLI does it by itself."""

BY_STATUS = {
    401: Reason.AUTH,
    402: Reason.BILLING,
    403: Reason.PERMISSION_DENIED,
    404: Reason.NOT_FOUND,
    413: Reason.CONTEXT_TOO_LONG,
    429: Reason.OVERLOADED,
}

_STATUS = re.compile(
    r"(?:\A|[\[(]|\bstatus(?: code)?|\berror(?: code)?|\bHTTP(?:/[\d.]+)?|\bcode)\W{0,3}([45]\d\d)\b",
    re.IGNORECASE | re.ASCII,
)


def service_failure(
    *, codes: Iterable[str | None] = (), words: str = "", status: int = 0, cli: str | None = None
) -> Reason:
    """The reason for a failed request: by the first code that is known, else the words, else the status.

    A status that leaves no doubt (401, 402, 404) goes before the words, unless these are of money or a limit;
    AGENT_ERROR when nothing is known. `cli` has words and codes of its own. A limit that words tell to last for long
    is one to wait for, whatever it is called.
    """
    status = status or status_in(words)
    named = next((reason for code in codes if (reason := meaning_of_code(code, cli))), None)
    said = meaning(words, cli)
    if named is None and status in (401, 402, 404):
        named = said if said in UNMENDED else BY_STATUS[status]
    reason = named or said or _by_status(status)
    lasts = said is Reason.RATE_LIMITED or (wait_s(words) or 0.0) > LONG_WAIT_S
    return Reason.RATE_LIMITED if reason is Reason.OVERLOADED and lasts else reason


def reason_to_ask_again(words: str) -> Reason:
    """Why a request is made again that failed with `words`: its service is busy unless they say more."""
    reason = service_failure(words=words)
    return Reason.OVERLOADED if reason is Reason.AGENT_ERROR else reason


def status_in(words: str) -> int:
    """The HTTP status that `words` name; 0 when they name none."""
    found = _STATUS.search(words)
    return 0 if found is None else int(found[1])


def wait_s(words: str) -> float | None:
    """How many seconds from now `words` say to wait; None if they tell no moment that is ahead."""
    # Its patterns are many, and failures few.
    from pitboss.core.told_time import told_moment

    now = time()
    moment = told_moment(words, now)
    return None if moment is None or moment <= now else moment - now


def _by_status(status: int) -> Reason:
    return Reason.OVERLOADED if status >= 500 else BY_STATUS.get(status, Reason.AGENT_ERROR)
