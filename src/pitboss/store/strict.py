"""Stricter twins of core types, for reading the files of a run (SPEC 2).

The core types stay free of such rules, which are about bytes that anything may have written.
"""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import or_
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import msgspec

from pitboss.core.usage import MOST_TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterable

Seq = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
_TWINS: dict[Any, Any] = {
    int: Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)],
    float: Annotated[float, msgspec.Meta(ge=0)],
    datetime: Annotated[datetime, msgspec.Meta(tz=True)],
}


def strict(kind: Any) -> Any:
    """The twin of a type: only numbers a run can have and times with a zone, also in nested types."""
    if kind in _TWINS:
        return _TWINS[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return strict_struct(kind, msgspec.structs.fields(kind))
    arguments = tuple(map(strict, get_args(kind)))
    if isinstance(kind, UnionType):
        return reduce(or_, arguments)
    return get_origin(kind)[arguments] if arguments else kind


def strict_struct(kind: type[msgspec.Struct], fields: Iterable[msgspec.structs.FieldInfo]) -> Any:
    """Make the twin of `kind`, with these fields instead of its own; `strict` finds it from now on."""
    twin = msgspec.defstruct(kind.__name__, [_strict_field(field) for field in fields], kw_only=True)
    _TWINS[kind] = twin
    return twin


def _strict_field(field: msgspec.structs.FieldInfo) -> tuple[str, Any] | tuple[str, Any, None]:
    kind = Seq if field.name == "seq" else strict(field.type)
    return (field.name, kind) if field.required else (field.name, kind, None)
