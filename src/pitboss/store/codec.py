"""Core values to the bytes of state.json and sessions.jsonl and back, for the Rust program too (SPEC 2, 7).

Fields are only ever added: what we add is left out when it says nothing and may be missing on read. Top-level
fields of state.json that this version does not know are kept in `RunState.unknown` and written back; unknown
fields of a record are ignored. Whatever the bytes are, reading them gives a value or raises Malformed.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec

from pitboss.core.run import RunState
from pitboss.core.session import SessionRecord, SessionStatus

MAX_COUNT = 2**64 - 1
RECORD_FIELDS_ADDED = (
    "rotation",
    "cost_known",
    "reason",
    "rescue",
    "attempts",
    "model",
    "agent",
    "cache_read",
    "cache_write",
)
STATE_FIELDS_ADDED = ("stop_reason", "base_commit", "original_branch", "in_flight")
_STATE_FIELDS = frozenset(RunState.__struct_fields__) - {"unknown"}
_S = TypeVar("_S", bound=msgspec.Struct)


class RecordHead(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a record that tells whose it is and how it ended: all that a scan needs of most lines."""

    seq: Annotated[int, msgspec.Meta(ge=1)]
    run_id: str
    status: SessionStatus


_decode_record = msgspec.json.Decoder(SessionRecord).decode
_decode_head = msgspec.json.Decoder(RecordHead).decode


class Malformed(ValueError):
    """Bytes that are not what they should be: the path of the field (`$.tokens.input`) and the reason."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{reason} (at {field})")
        self.field = field
        self.reason = reason


def encode_state(state: RunState) -> bytes:
    """state.json as the seed writes it: two spaces, final newline. Raises Malformed for what could not be read."""
    _sound(state, "$")
    fields = _without_defaults(state, STATE_FIELDS_ADDED)
    del fields["unknown"]
    return msgspec.json.format(_to_json(fields | state.unknown), indent=2) + b"\n"


def decode_state(data: bytes) -> RunState:
    """Read a state.json by this program or the Rust one. Raises Malformed."""
    try:
        raw = msgspec.json.decode(data, type=dict[str, object])
        known = {name: raw.pop(name) for name in _STATE_FIELDS & raw.keys()}
        state = msgspec.convert({**known, "unknown": raw}, RunState)
    except _UNREADABLE as error:
        raise _malformed(error) from None
    return _sound(state, "$")


def encode_record(record: SessionRecord) -> bytes:
    """One line of sessions.jsonl, newline included.

    Nothing may keep a record from being written: a cost that is no number is written as an unknown one,
    and text that is not Unicode with `?` in place of what is not.
    """
    if not math.isfinite(record.cost_usd):
        record = msgspec.structs.replace(record, cost_usd=0.0, cost_known=False)
    return _to_json(_without_defaults(record, RECORD_FIELDS_ADDED)) + b"\n"


def decode_record(line: bytes) -> SessionRecord:
    """Read one line of sessions.jsonl, with or without its newline. Raises Malformed."""
    try:
        record = _decode_record(line)
    except _UNREADABLE as error:
        raise _malformed(error) from None
    if record.seq < 1:
        raise Malformed("$.seq", "Expected `int` >= 1")
    return _sound(record, "$")


def decode_head(line: bytes) -> RecordHead:
    """Read a record's head alone; the rest need only be JSON. Raises Malformed."""
    try:
        return _decode_head(line)
    except _UNREADABLE as error:
        raise _malformed(error) from None


# Beside its own errors msgspec raises these for invalid UTF-8, deep nesting and numbers out of range.
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError)


def _malformed(error: Exception) -> Malformed:
    if isinstance(error, RecursionError):
        return Malformed("$", "nested too deeply")
    reason, _, field = str(error).partition(" - at ")
    return Malformed(field.strip("`") or "$", reason)


def _without_defaults(value: msgspec.Struct, names: tuple[str, ...]) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(value, order="deterministic")
    for field in msgspec.structs.fields(value):
        if field.name in names and getattr(value, field.name) == field.default:
            del fields[field.name]
    return fields


def _to_json(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_without_surrogates(value))


def _without_surrogates(value: object) -> object:
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case dict():
            return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
        case list() | tuple():
            return [_without_surrogates(item) for item in value]
        case _:
            return value


def _sound(value: _S, path: str) -> _S:
    """`value` with its times in UTC. Raises Malformed for numbers no run can have and times without a zone."""
    changed: dict[str, object] = {}
    for name in value.__struct_fields__:
        found = getattr(value, name)
        if found is None or isinstance(found, str) or name == "unknown":
            continue
        sound = _sound_item(found, f"{path}.{name}")
        if sound is not found:
            changed[name] = sound
    return msgspec.structs.replace(value, **changed) if changed else value


def _sound_item(value: object, path: str) -> object:
    match value:
        case int() | float():
            if not 0 <= value <= MAX_COUNT:
                raise Malformed(path, f"Expected a number from 0 to {MAX_COUNT}")
        case datetime():
            return _in_utc(value, path)
        case msgspec.Struct():
            return _sound(value, path)
        case dict():
            for item in value.values():
                _sound_item(item, f"{path}[...]")
        case tuple() if value:
            return tuple(_sound_item(item, f"{path}[{index}]") for index, item in enumerate(value))
    return value


def _in_utc(moment: datetime, path: str) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise Malformed(path, "Expected `datetime` with a timezone component")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Malformed(path, "Expected a `datetime` of the years 1 to 9999") from None
