"""Sessions as text: entries in sessions.md (the log for human readers), and one line each for agents (SPEC 6, 7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitboss.core.embed import clean, first_bytes, one_line
from pitboss.core.measures import duration, exactly_spent, stamp
from pitboss.core.patterns import lazy_pattern
from pitboss.core.session import NO_SUMMARY

if TYPE_CHECKING:
    from pitboss.core.session import SessionRecord

HEADER = "# Sessions\n"
_SUMMARY_BYTES = 16 * 1024
_LINE_WIDTH = 200
_HEADING = lazy_pattern(r"^(\s*)#", re.MULTILINE)


def sessions_md_entry(record: SessionRecord) -> str:
    """The entry of one record: a blank line, a heading and a list."""
    tokens = record.tokens
    lines = [
        "",
        f"## session-{record.seq:04} — {one_line(record.prompt)} ({record.status})",
        "",
        f"- started: {stamp(record.started_at)}",
        f"- ended: {stamp(record.ended_at)}",
        f"- duration: {duration((record.ended_at - record.started_at).total_seconds())}",
        f"- commit: {one_line(record.commit)[:7] if record.commit else '(none)'}",
        f"- tokens: {tokens.input + tokens.output} (input={tokens.input}, output={tokens.output})",
        f"- cost: {exactly_spent(record.cost_usd, known=record.cost_known)}",
        f"- transcript: {one_line(record.transcript_path)}",
        f"- rescue: {', '.join(map(one_line, record.rescue)) or '(none)'}",
        *([f"- hidden: {one_line(record.hidden)}"] if record.hidden else []),
        f"- summary: {_item(record.summary)}",
    ]
    return "\n".join(lines) + "\n"


def session_line(*, seq: int, prompt: str, status: str, summary: str | None) -> str:
    """One session in the log that agents see: number, prompt, status, and the first line of the summary (SPEC 6)."""
    first = clean(summary or "").strip().partition("\n")[0]
    return f"{seq} {one_line(prompt)} {status}: {one_line(first, _LINE_WIDTH) or NO_SUMMARY}"


def _item(summary: str | None) -> str:
    """A summary as the content of a list item: nothing in it can run past the end of the item."""
    text = first_bytes(clean(summary or "").strip(), _SUMMARY_BYTES) or NO_SUMMARY
    escaped = _HEADING.sub(r"\1\\#", text)
    return "\n".join(f"  {line}" if line else "" for line in escaped.split("\n")).lstrip()
