"""Classifies Claude Code's failures by the words it prints (SPEC 6).

A 429 may be a per-minute limit, which a retry cures, or one over hours, which must be waited out. It is the latter if
the CLI says so, or does not even retry: it retries ten times unless the service told it to stay away for long.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pitboss.agents.output.json_values import count, word
from pitboss.agents.output.lines import last_line, shortened
from pitboss.agents.services.failures import BY_STATUS, UNMENDED, status_in, tells_limit
from pitboss.agents.services.words import meaning, meaning_of_code, vocabulary
from pitboss.core.patterns import lazy_pattern
from pitboss.core.session import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

CLI = "claude"
"""The folder that holds its vocabulary."""

TOO_MANY_REQUESTS = 429
SERVER_FAILED = 500
_MINUTE = lazy_pattern(r"per (minute|second)|concurren|not your usage limit|capacity", re.IGNORECASE)
_EPOCH = lazy_pattern(r"limit reached\|(\d{10})\b", re.ASCII)
_A_MAXIMUM = "error_max_"
"""Subtypes for work that hit a maximum: the agent's last words then do not give the reason."""

_CUT_SHORT = lazy_pattern(
    r"max_|limit|hook|abort|error|too_long|budget|exhausted|breaker|deferred|unavailable|failed"
)
"""In a `terminal_reason`: the work was cut short, whatever else the line says."""

_STOPPED = lazy_pattern(r"max_turns|hook|budget")
"""In a `stop_reason`: something other than the model stopped the work."""

_BY_HOOK = lazy_pattern(
    r"\A(operation|execution|session|turn)?\s*(stopped|blocked|prevented)\b.{0,30}\bhook",
    re.IGNORECASE | re.DOTALL,
)
"""The CLI's own words when a hook has ended the work."""

_ROOT_REFUSED = b"cannot be used with root"
ROOT_ADVICE = (
    "claude refuses permission_mode bypassPermissions as root: set IS_SANDBOX=1 in the environment if this "
    "machine is a sandbox, or another [agent.claude_code] permission_mode"
)


def failure(
    result: dict[str, Any], api_failure: dict[str, Any], *, retried: bool = False, rejected: bool = False
) -> tuple[Reason, str | None]:
    """Reason and words for a failed result line; `api_failure` is the last failed assistant line.

    `retried`: a 429 was retried before; `rejected`: the CLI said that the subscription's windows were used up.
    """
    words = _words(result)
    own = vocabulary(CLI).codes
    ended = (own.get(word(result, key) or "") for key in ("subtype", "terminal_reason"))
    if (reason := next(filter(None, ended), None)) is not None:
        return reason, words
    status = count(result, "api_error_status") or status_in((words or "").removeprefix("API Error: "))
    said = meaning(words or "", CLI)
    reason = next(_named(result, api_failure), None) or _by_status(status) or said or Reason.AGENT_ERROR
    if reason is Reason.PERMISSION_DENIED and said in (Reason.AUTH, *UNMENDED):
        return said, words  # a 403 may mean a login that was revoked, or a plan
    if reason is Reason.AGENT_ERROR and tells_limit(words or ""):
        return Reason.RATE_LIMITED, words
    if reason is Reason.OVERLOADED and status in (0, TOO_MANY_REQUESTS):
        reason = _of_limits(said, status, words or "", retried=retried, rejected=rejected)
    return reason, words


def _by_status(status: int) -> Reason | None:
    return Reason.OVERLOADED if status >= SERVER_FAILED else BY_STATUS.get(status)


def _of_limits(said: Reason | None, status: int, words: str, *, retried: bool, rejected: bool) -> Reason:
    """Whether a limit was hit that lasts hours, a billing limit, or only a per-minute one."""
    if _MINUTE.search(words):
        return Reason.OVERLOADED
    if said in UNMENDED:
        return said
    limited = rejected or (status == TOO_MANY_REQUESTS and not retried)
    return Reason.RATE_LIMITED if limited else Reason.OVERLOADED


def reset_in(words: str | None) -> float | None:
    """When a limit ends, epoch seconds, for versions that say `... limit reached|EPOCH`."""
    found = _EPOCH.search(words or "")
    return None if found is None else float(found[1])


def cut_short(result: dict[str, Any], *, words: str) -> tuple[Reason, str] | None:
    """Reason and words for a result without error whose work was cut short; None for all others.

    `words` are those of the result that are the CLI's own.
    """
    ending = word(result, "terminal_reason") or ""
    if _STOPPED.search(word(result, "stop_reason") or ""):
        ending = str(result["stop_reason"])
    said = word(result, "result") or ""
    if _CUT_SHORT.search(ending):
        reason = vocabulary(CLI).codes.get(ending, Reason.AGENT_ERROR)
        return reason, shortened(f"it was cut short ({ending})" + (f": {said}" if said else ""))
    return (Reason.AGENT_ERROR, shortened(words)) if _BY_HOOK.search(words) else None


def stderr_failure(stderr: bytes) -> tuple[Reason, str] | None:
    """Reason and words for what only stderr says; None for unknown words."""
    if _ROOT_REFUSED in stderr:
        return Reason.PERMISSION_DENIED, ROOT_ADVICE
    words = last_line(stderr)
    reason = meaning(words or "", CLI)
    return None if reason is None or words is None else (reason, words)


def given_up(retry: dict[str, Any]) -> tuple[Reason, str]:
    """Reason and words, from its last `api_retry`, for a CLI that was retrying and ended without a word."""
    status = count(retry, "error_status")
    named = word(retry, "error")
    reason = meaning_of_code(named, CLI) or _by_status(status) or Reason.OVERLOADED
    return reason, f"gave up after {count(retry, 'attempt')} retries: {named or status or 'no answer'}"


def _named(result: dict[str, Any], api_failure: dict[str, Any]) -> Iterator[Reason]:
    """The reasons that the CLI names, the most specific first.

    The assistant line counts only if the run ended with it: a failed request that was retried is history.
    """
    api_ended = result.get("terminal_reason") in (None, "api_error", "completed")
    last = api_failure if api_ended else {}
    for line, key in (
        (result, "api_error"),
        (last, "error"),
        (result, "api_error_type"),
        (last, "api_error_type"),
    ):
        reason = meaning_of_code(word(line, key), CLI)
        if reason is not None:
            yield reason


def _words(result: dict[str, Any]) -> str | None:
    errors = result.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], str) else None
    subtype = word(result, "subtype") or ""
    last = None if subtype.startswith(_A_MAXIMUM) else word(result, "result")
    said = last or first or subtype or None
    return None if said is None else shortened(said)
