"""Classifies opencode's failures by its error events, which pass on what the model's service answered (SPEC 6)."""

from __future__ import annotations

from typing import Any

import msgspec

from pitboss.agents.output.json_values import amount, count, object_in, table, word
from pitboss.agents.services.failures import LONG_WAIT_S, service_failure
from pitboss.core.session import Reason

MILLISECONDS = 1000


class OpencodeFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why opencode gave up, or retries after `pause_s`, in its words; when a usage limit ends, epoch seconds."""

    reason: Reason
    words: str | None
    resets_at: float | None = None
    pause_s: float = 0.0


def failure(line: dict[str, Any]) -> OpencodeFailure:
    """What an `error` event says; a service that asks for a long wait has a limit, whatever its words."""
    error = table(line, "error")
    data = table(error, "data")
    message = word(data, "message") or word(error, "name")
    inner = object_in(message)
    words = word(inner, "message") or word(table(inner, "error"), "message") or message
    answer = table(object_in(word(data, "responseBody")), "error") or table(inner, "error") or inner
    reason = _reason(error, answer, words or "")
    if reason is Reason.OVERLOADED and (_wait_s(data, answer) or 0.0) > LONG_WAIT_S:
        reason = Reason.RATE_LIMITED
    return OpencodeFailure(
        reason=reason,
        words=words,
        resets_at=_reset(line, answer) if reason is Reason.RATE_LIMITED else None,
    )


def wait(line: dict[str, Any]) -> OpencodeFailure | None:
    """Why opencode will retry, if `line` says that it is waiting to; None for any other status.

    A time far ahead is the end of a limit, whatever the words; a near one is its own choice.
    """
    status = (
        table(line, "status") or table(table(line, "properties"), "status") or table(line, "part") or line
    )
    if "retry" not in (line.get("type"), status.get("type")):
        return None
    error = table(status, "error") or {"data": {"message": word(status, "message")}}
    why = failure({**line, "error": error})
    if attempt := count(status, "attempt"):
        why = msgspec.structs.replace(why, words=f"{why.words or 'retry'}, attempt {attempt}")
    following, now = amount(status, "next"), amount(line, "timestamp")
    if following is None or now is None or following <= now:
        return why
    pause_s = (following - now) / MILLISECONDS
    if pause_s < LONG_WAIT_S or why.reason not in (Reason.RATE_LIMITED, Reason.OVERLOADED):
        return msgspec.structs.replace(why, pause_s=pause_s)
    ends_at = why.resets_at or following / MILLISECONDS
    return msgspec.structs.replace(why, reason=Reason.RATE_LIMITED, resets_at=ends_at, pause_s=pause_s)


def _reason(error: dict[str, Any], answer: dict[str, Any], words: str) -> Reason:
    data = table(error, "data")
    if "ref" in data:
        return Reason.AGENT_ERROR  # opencode's own server failed, whatever it says, not a model service
    return service_failure(
        codes=(word(error, "name"), word(answer, "code"), word(answer, "type")),
        words=words,
        status=count(data, "statusCode"),
        cli="opencode",
    )


def _reset(line: dict[str, Any], answer: dict[str, Any]) -> float | None:
    """When the limit ends: the time the service gives, else its seconds, counted from the event."""
    data = table(table(line, "error"), "data")
    at = amount(answer, "resets_at") or _seconds(data, "x-codex-primary-reset-at")
    wait = _wait_s(data, answer)
    now = amount(line, "timestamp")
    return at or (None if wait is None or now is None else now / MILLISECONDS + wait)


def _wait_s(data: dict[str, Any], answer: dict[str, Any]) -> float | None:
    return amount(answer, "resets_in_seconds") or _seconds(data, "retry-after")


def _seconds(data: dict[str, Any], name: str) -> float | None:
    """The number in a header of the answer."""
    text = word(table(data, "responseHeaders"), name) or ""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
