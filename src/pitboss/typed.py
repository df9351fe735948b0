"""Typed reading by msgspec that several threads may begin at the same moment.

When msgspec first meets a type it gathers what it has to know of it, and of the types inside it, without a lock: if
two threads meet a type at once, the process crashes. Here they take turns. So nothing else in pitboss hands a
type of its own to msgspec.
"""

from __future__ import annotations

from _thread import allocate_lock  # `threading` would take every command half a millisecond
from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")

_meeting = allocate_lock()
_met: dict[Any, msgspec.json.Decoder[Any]] = {}


def from_json(data: bytes | str, kind: type[_T]) -> _T:
    """The value of type `kind` that JSON says. Raises what `msgspec.json.decode` raises."""
    return decoder_of(kind).decode(data)


def from_builtins(values: object, kind: type[_T]) -> _T:
    """The value of type `kind` made from dicts, lists and the like. Raises what `msgspec.convert` raises."""
    decoder_of(kind)
    return msgspec.convert(values, kind)


def decoder_of(kind: type[_T]) -> msgspec.json.Decoder[_T]:
    """The one decoder of a type. Raises TypeError for a type that msgspec cannot read."""
    decoder = _met.get(kind)
    if decoder is None:
        with _meeting:
            decoder = _met[kind] = msgspec.json.Decoder(kind)
    return decoder
