"""The bytes of sessions.jsonl, one line a record, which the Rust program reads and writes too (SPEC 2, 7).

Unknown fields of a record are ignored. Whatever the bytes are, reading them gives a record or raises Malformed.
"""

from __future__ import annotations

import math
from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.session import SessionRecord, SessionStatus
from pitboss.store.codec import UNREADABLE, Malformed, in_utc, malformed, to_json, typed, without_defaults
from pitboss.store.strict import Seq, strict
from pitboss.typed import decoder_of

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD_FIELDS_ADDED = (
    "rotation",
    "cost_known",
    "cost_source",
    "unpriced",
    "reason",
    "rescue",
    "hidden",
    "attempts",
    "model",
    "agent",
    "cache_read",
    "cache_write",
    "retry_of",
    "retry",
    "waited_s",
    "queued",
    "host",
)


class RecordHead(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a record that says whose it is and how it ended: all that a scan needs from most lines."""

    seq: Seq
    run_id: str
    status: SessionStatus


class RecordGlance(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a record that later sessions are shown."""

    seq: int
    prompt: str
    status: str
    summary: str | None = None


def encode_record(record: SessionRecord) -> bytes:
    """One line of sessions.jsonl, newline included.

    As little as possible may keep a record from being written: a cost that is not a finite amount is written as
    unknown, and characters that are not valid Unicode as `?`. Only numbers too large for any reader raise Malformed:
    such a line would damage the log.
    """
    if not 0 <= record.cost_usd < math.inf:
        record = msgspec.structs.replace(record, cost_usd=0.0, cost_known=False, cost_source="unknown")
    line = to_json(without_defaults(record, RECORD_FIELDS_ADDED)) + b"\n"
    decode_record(line)
    return line


def decode_record(line: bytes) -> SessionRecord:
    """Read one line of sessions.jsonl, with or without its newline. Raises Malformed."""
    try:
        check, read = _record_decoders()
        check(line)
        record = _as_meant(read(line))
        if record.started_at.tzinfo is UTC and record.ended_at.tzinfo is UTC:
            return record
        return in_utc(record)
    except UNREADABLE as error:
        raise malformed(error) from None


def _as_meant(record: SessionRecord) -> SessionRecord:
    """`record`, with its cost unknown if the Rust program wrote it, which writes $0 for tokens without a price.

    Its records have no rotation; ours always do.
    """
    unpriced = record.cost_usd == 0 and (record.tokens.input > 0 or record.tokens.output > 0)
    if record.rotation is not None or not (unpriced and record.cost_known):
        return record
    return msgspec.structs.replace(record, cost_known=False, cost_source="unknown")


def decode_head(line: bytes) -> RecordHead:
    """Read a record's head alone; the rest need only be JSON. Raises Malformed."""
    return typed(line, RecordHead)


def decode_glance(line: bytes) -> RecordGlance:
    """Read what later sessions are shown of a record; the rest need only be JSON. Raises Malformed."""
    return typed(line, RecordGlance)


def decode_heads(lines: bytes) -> list[RecordHead]:
    """Read many whole lines at once, at a third of the cost. Raises Malformed unless each is one record."""
    try:
        heads = decoder_of(RecordHead).decode_lines(lines)
    except UNREADABLE as error:
        raise malformed(error) from None
    apart = lines.startswith(b"{") and lines.endswith(b"}\n") and lines.count(b"}\n{") == len(heads) - 1
    if not apart:
        raise Malformed("$", "Expected one record a line")
    return heads


@cache
def _record_decoders() -> tuple[Callable[[bytes], object], Callable[[bytes], SessionRecord]]:
    """A check that raises for a line that is not a record, and the decoder that reads the line."""
    return decoder_of(strict(SessionRecord)).decode, decoder_of(SessionRecord).decode
