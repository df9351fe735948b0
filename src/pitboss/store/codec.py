"""The rules of JSON that state.json and sessions.jsonl share (SPEC 2).

Fields are only ever added: ours are left out when they say nothing, and may be missing on read.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from operator import is_
from typing import TypeVar, cast

import msgspec

from pitboss.typed import from_json

_T = TypeVar("_T")
# Besides its own errors, msgspec raises these for invalid UTF-8, deep nesting and dates out of range.
UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError)


class Malformed(ValueError):
    """Bytes that do not decode: the path of the field (`$.tokens.input`) and the reason."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{reason} (at {field})")
        self.field = field
        self.reason = reason


def typed(data: bytes, kind: type[_T]) -> _T:
    """Read JSON as a value of type `kind`, ignoring fields that it does not have. Raises Malformed."""
    try:
        return from_json(data, kind)
    except UNREADABLE as error:
        raise malformed(error) from None


def malformed(error: Exception) -> Malformed:
    """What msgspec raised, one of UNREADABLE, as the error that callers handle."""
    if isinstance(error, RecursionError):
        return Malformed("$", "nested too deeply")
    reason, _, field = str(error).partition(" - at ")
    return Malformed(field.strip("`") or "$", reason)


def without_defaults(value: msgspec.Struct, names: tuple[str, ...]) -> dict[str, object]:
    """The fields of a value as JSON has them, without those of `names` that are at their default."""
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


def to_json(value: object) -> bytes:
    """A value as JSON; characters that are not valid Unicode become `?`."""
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
        case msgspec.Struct():
            return _without_surrogates(msgspec.to_builtins(value))
        case _:
            return value


def in_utc(value: _T) -> _T:
    """`value` with every time in it in UTC. Raises OverflowError at the limits of datetime."""
    match value:
        case datetime():
            return value if value.tzinfo is UTC else value.astimezone(UTC)
        case tuple():
            items = tuple(map(in_utc, value))
            return value if all(map(is_, items, value)) else cast("_T", items)
        case msgspec.Struct():
            fields = ((name, getattr(value, name)) for name in value.__struct_fields__)
            changed = {name: new for name, old in fields if (new := in_utc(old)) is not old}
            return msgspec.structs.replace(value, **changed) if changed else value
        case _:
            return value
