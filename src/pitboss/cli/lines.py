"""One line about a session or a run, the same in `log`, `status` and the progress of `grind` (SPEC 8)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from pitboss.cli.output import Ink, paint, paint_status
from pitboss.core.embed import one_line
from pitboss.core.measures import duration, money, spent, stamp, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.core.budget import Caps
    from pitboss.core.run import RunState
    from pitboss.core.session import InFlight, SessionRecord

SUMMARY_WIDTH = 100
_STATUS_WIDTH = len("skipped")


def session_line(record: SessionRecord, stream: TextIO | None = None) -> str:
    """Who, how it ended, how long, how much, where it landed, and its first words."""
    stream = stream or sys.stdout
    parts = (
        paint(f"session-{record.seq:04}", Ink.FAINT, stream),
        paint_status(str(record.status), _STATUS_WIDTH, stream),
        paint(f"{one_line(record.prompt):<12}", Ink.STRONG, stream),
        f"{duration((record.ended_at - record.started_at).total_seconds()):>6}",
        f"{tokens(record.tokens.input + record.tokens.output):>6} tok",
        f"{spent(record.cost_usd, known=record.cost_known):>8}",
        paint((record.commit or "")[:7].ljust(7, "-") if record.commit else "-" * 7, Ink.FAINT, stream),
        _words(record),
    )
    return " ".join(parts).rstrip()


def log_line(record: SessionRecord) -> str:
    """A session's line with the time it ended, as `log` and `status` print it."""
    return f"{stamp(record.ended_at)} {session_line(record)}"


def named(sessions: Iterable[InFlight]) -> str:
    """Sessions in flight as people name them, on one line."""
    return ", ".join(f"session-{s.seq:04} ({one_line(s.prompt)})" for s in sessions)


def budget_parts(caps: Caps, run: RunState) -> list[str]:
    """What a run consumed, each beside its cap where it has one."""
    used = run.budget_consumed
    iterations = (
        str(used.iterations) if caps.max_iterations is None else f"{used.iterations}/{caps.max_iterations}"
    )
    plural = "" if iterations == "1" else "s"
    parts = [
        f"{iterations} session{plural}",
        tokens(used.tokens)
        + ("" if caps.max_tokens is None else f" of {tokens(caps.max_tokens)}")
        + " tokens",
        spent(used.cost_usd, known=run.cost_known)
        + ("" if caps.max_cost_usd is None else f" of {money(caps.max_cost_usd)}"),
    ]
    return parts if caps.until is None else [*parts, f"until {stamp(caps.until)}"]


def _words(record: SessionRecord) -> str:
    """The summary; a failure's reason before it, unless one of them says what the other does."""
    summary = one_line((record.summary or "").strip().partition("\n")[0], SUMMARY_WIDTH)
    reason = one_line(record.reason or "", SUMMARY_WIDTH)
    kind, colon, detail = reason.partition(":")
    if not reason or summary in (reason, kind.replace("_", " ") + colon + detail):
        return summary
    if reason.endswith(summary):
        return reason
    return f"[{reason}] {summary}".rstrip()
