"""Core values to the bytes of state.json and sessions.jsonl and back, compatible with the Rust program (SPEC 2, 7).

Fields are only ever added: ours are left out when they say nothing, and may be missing on read. Top-level
fields of state.json that this version does not know are kept in `RunState.unknown` and written back; unknown
fields of a record are ignored. Whatever the bytes are, reading them gives a value or raises Malformed.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import cache, reduce
from operator import is_, or_
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast, get_args, get_origin

import msgspec

from pitboss.core.patterns import lazy_pattern
from pitboss.core.run import RunState
from pitboss.core.session import Assignment, InFlight, Progress, SessionRecord, SessionStatus
from pitboss.core.usage import MOST_TOKENS
from pitboss.typed import decoder_of, from_builtins, from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
STATE_FIELDS_ADDED = (
    "stop_reason",
    "base_commit",
    "original_branch",
    "return_to",
    "in_flight",
    "unrescued",
    "conflicts",
    "spend_per_prompt",
    "quota",
    "unknown_costs",
    "barren_per_prompt",
    "max_barren",
    "caps",
    "paused",
    "selection",
)
IN_FLIGHT_FIELDS = (
    "seq",
    "prompt",
    "rotation",
    "started_at",
    "base_commit",
    "worktree",
    "branch",
    "pid",
    "pid_started",
    "attempt",
    "agent",
    "model",
    "fixer",
    "fixer_model",
    "outcome",
)
"""The keys that assignment and progress always have as one flat object, in order; others only if they say something."""

IN_FLIGHT_FIELDS_ADDED = (
    "retry_of",
    "queued",
    "parallel_safe",
    "notes_size",
    "tried",
    "begun",
    "waited_s",
    "waits_since",
    "waits_until",
    "committed",
    "host",
)
Seq = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
_T = TypeVar("_T")


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


class StateHead(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a state.json that says which of many runs is the latest."""

    last_updated_at: Annotated[datetime, msgspec.Meta(tz=True)]


Seen = dict[int, tuple[InFlight, bytes]]
"""Sessions in flight, as they stand in a file that could be read back, by identity."""


class Malformed(ValueError):
    """Bytes that do not decode: the path of the field (`$.tokens.input`) and the reason."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{reason} (at {field})")
        self.field = field
        self.reason = reason


def encode_state(state: RunState, seen: Seen | None = None) -> bytes:
    """state.json as the Rust program writes it: two-space indent, final newline.

    `seen` is kept between calls: of many sessions in flight, all but one are as they were, and are not encoded again.
    Raises Malformed for a state that could not be read back, so that it never replaces a readable one.
    """
    before = {} if seen is None else seen
    # One session keeps the place of them all; what is only in memory may be long, and is left out anyway.
    short = msgspec.structs.replace(state, in_flight=state.in_flight[:1], queue=(), early=())
    fields = _without_defaults(short, STATE_FIELDS_ADDED)
    for name in _IN_MEMORY:
        del fields[name]
    if "unrescued" in fields:
        fields["unrescued"] = [_flat(session) for session in state.unrescued]
    sessions = {id(s): before.get(id(s)) or (s, _entry(s)) for s in state.in_flight}
    if sessions:
        fields["in_flight"] = []
    text = msgspec.json.format(_to_json(fields | state.unknown), indent=2) + b"\n"
    new = _with_entries(text, (entry for key, (_, entry) in sessions.items() if key not in before))
    _typed(new, _strict_state())
    before.clear()
    before.update(sessions)
    return _with_entries(text, (entry for _, entry in sessions.values()))


def decode_state(data: bytes) -> RunState:
    """Read a state.json written by this program or the Rust one. Raises Malformed."""
    state = _read_state(data)
    if _ELSEWHERE.search(data) is None:
        return state
    try:
        return _in_utc(state)
    except _UNREADABLE as error:
        raise _malformed(error) from None


def _entry(session: InFlight) -> bytes:
    """A session in flight as it stands in the list, so that only those that have changed are formatted again."""
    return _LINE + msgspec.json.format(_to_json(_flat(session)), indent=2).replace(b"\n", _LINE)


def _with_entries(text: bytes, entries: Iterable[bytes]) -> bytes:
    """state.json, of which `text` has an empty list of sessions or none, with these in the list."""
    listed = b",".join(entries)
    return text.replace(_NO_ENTRIES, _LIST % listed, 1) if listed else text


def _read_state(data: bytes) -> RunState:
    """As `decode_state`, with times in the zones they were written in."""
    try:
        raw = msgspec.json.decode(data, type=dict[str, object])
        known = {name: raw.pop(name) for name in _STATE_FIELDS & raw.keys()}
        from_builtins(known, _strict_state())
        for name in known.keys() & {"in_flight", "unrescued"}:
            known[name] = [_nested(session) for session in cast("list[dict[str, object]]", known[name])]
        return from_builtins(known | {"unknown": raw}, RunState)
    except _UNREADABLE as error:
        raise _malformed(error) from None


def _flat(session: InFlight) -> dict[str, object]:
    """A session in flight as state.json has it: `agent` and `model` are those of its progress."""
    parts = (session.assignment, session.progress)
    said = reduce(or_, (_without_defaults(part, IN_FLIGHT_FIELDS_ADDED) for part in parts))
    return {name: said[name] for name in (*IN_FLIGHT_FIELDS, *IN_FLIGHT_FIELDS_ADDED) if name in said}


def _nested(flat: dict[str, object]) -> dict[str, object]:
    """The reverse: the agent that a session was given is the one that made its first attempt."""
    first = next(iter(cast("list[object]", flat.get("tried", []))), flat.get("agent"))
    return {"assignment": flat | {"agent": first}, "progress": flat}


def decode_last_updated(data: bytes) -> datetime:
    """When the run of a state.json last changed; the rest of the file need only be JSON. Raises Malformed."""
    return _typed(data, StateHead).last_updated_at


def encode_record(record: SessionRecord) -> bytes:
    """One line of sessions.jsonl, newline included.

    As little as possible may keep a record from being written: a cost that is not a finite amount is written as
    unknown, and characters that are not valid Unicode as `?`. Only numbers too large for any reader raise Malformed:
    such a line would damage the log.
    """
    if not 0 <= record.cost_usd < math.inf:
        record = msgspec.structs.replace(record, cost_usd=0.0, cost_known=False, cost_source="unknown")
    line = _to_json(_without_defaults(record, RECORD_FIELDS_ADDED)) + b"\n"
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
        return _in_utc(record)
    except _UNREADABLE as error:
        raise _malformed(error) from None


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
    return _typed(line, RecordHead)


def decode_glance(line: bytes) -> RecordGlance:
    """Read what later sessions are shown of a record; the rest need only be JSON. Raises Malformed."""
    return _typed(line, RecordGlance)


def decode_heads(lines: bytes) -> list[RecordHead]:
    """Read many whole lines at once, at a third of the cost. Raises Malformed unless each is one record."""
    try:
        heads = decoder_of(RecordHead).decode_lines(lines)
    except _UNREADABLE as error:
        raise _malformed(error) from None
    apart = lines.startswith(b"{") and lines.endswith(b"}\n") and lines.count(b"}\n{") == len(heads) - 1
    if not apart:
        raise Malformed("$", "Expected one record a line")
    return heads


def _typed(data: bytes, kind: type[_T]) -> _T:
    """What JSON says, in a type in which what this version does not know is passed over. Raises Malformed."""
    try:
        return from_json(data, kind)
    except _UNREADABLE as error:
        raise _malformed(error) from None


def _malformed(error: Exception) -> Malformed:
    if isinstance(error, RecursionError):
        return Malformed("$", "nested too deeply")
    reason, _, field = str(error).partition(" - at ")
    return Malformed(field.strip("`") or "$", reason)


def _without_defaults(value: msgspec.Struct, names: tuple[str, ...]) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(value, order="deterministic")
    for name, default in _defaults(type(value), names):
        if getattr(value, name) == default:
            del fields[name]
    return fields


@cache
def _defaults(kind: type[msgspec.Struct], names: tuple[str, ...]) -> tuple[tuple[str, object], ...]:
    """Cached: msgspec would evaluate every annotation again, which takes a millisecond."""
    return tuple(
        (field.name, _default(field)) for field in msgspec.structs.fields(kind) if field.name in names
    )


def _default(field: msgspec.structs.FieldInfo) -> object:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


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


def _in_utc(value: _T) -> _T:
    """`value` with every time in it in UTC. Raises OverflowError at the limits of datetime."""
    match value:
        case datetime():
            return value if value.tzinfo is UTC else value.astimezone(UTC)
        case tuple():
            items = tuple(map(_in_utc, value))
            return value if all(map(is_, items, value)) else cast("_T", items)
        case msgspec.Struct():
            fields = ((name, getattr(value, name)) for name in value.__struct_fields__)
            changed = {name: new for name, old in fields if (new := _in_utc(old)) is not old}
            return msgspec.structs.replace(value, **changed) if changed else value
        case _:
            return value


def _strict(kind: Any) -> Any:
    """A twin of a core type that accepts only numbers a run can have and times with a zone, also in nested types.

    The core types stay free of such rules, which are about bytes that anything may have written.
    """
    if kind in _STRICT:
        return _STRICT[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        made = _STRICT[kind] = _strict_struct(kind)
        return made
    arguments = tuple(map(_strict, get_args(kind)))
    if isinstance(kind, UnionType):
        return reduce(or_, arguments)
    return get_origin(kind)[arguments] if arguments else kind


def _strict_struct(kind: type[msgspec.Struct]) -> Any:
    parts = (Assignment, Progress) if kind is InFlight else (kind,)
    fields = {field.name: field for part in parts for field in msgspec.structs.fields(part)}
    kept = _STATE_FIELDS if kind is RunState else fields.keys()
    return msgspec.defstruct(
        kind.__name__, [_strict_field(field) for name, field in fields.items() if name in kept], kw_only=True
    )


def _strict_field(field: msgspec.structs.FieldInfo) -> tuple[str, Any] | tuple[str, Any, None]:
    kind = Seq if field.name == "seq" else _strict(field.type)
    return (field.name, kind) if field.required else (field.name, kind, None)


# Besides its own errors, msgspec raises these for invalid UTF-8, deep nesting and dates out of range.
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError)
_STRICT: dict[Any, Any] = {
    int: Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)],
    float: Annotated[float, msgspec.Meta(ge=0)],
    datetime: Annotated[datetime, msgspec.Meta(tz=True)],
}
_ELSEWHERE = lazy_pattern(rb"[:.][0-9]+[+-][0-9]|\\u")
"""Found in any JSON that holds a time in a zone other than UTC; without a match there is none."""
_LINE = b"\n    "
_NO_ENTRIES = b'\n  "in_flight": []'
"""Found once, at the top level: in JSON no string holds the end of a line, and what is nested is indented further."""
_LIST = b'\n  "in_flight": [%b\n  ]'
_IN_MEMORY = ("unknown", "queue", "early")
_STATE_FIELDS = frozenset(RunState.__struct_fields__) - set(_IN_MEMORY)


# Built on first use: analysing a type takes msgspec a millisecond, and few commands need them all.
@cache
def _strict_state() -> Any:
    return _strict(RunState)


@cache
def _record_decoders() -> tuple[Callable[[bytes], object], Callable[[bytes], SessionRecord]]:
    """A check that raises for a line that is not a record, and the decoder that reads the line."""
    return decoder_of(_strict(SessionRecord)).decode, decoder_of(SessionRecord).decode
