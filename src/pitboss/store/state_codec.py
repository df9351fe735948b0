"""The bytes of state.json, which the Rust program reads and writes too (SPEC 2, 7).

Top-level fields that this version does not know are kept in `RunState.unknown` and written back. Whatever the bytes
are, reading them gives a state or raises Malformed.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache, reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec

from pitboss.core import by_seq
from pitboss.core.patterns import lazy_pattern
from pitboss.core.run import RunState
from pitboss.core.session import Assignment, InFlight, Progress
from pitboss.store.codec import UNREADABLE, in_utc, malformed, to_json, typed, without_defaults
from pitboss.store.strict import strict_struct
from pitboss.typed import from_builtins

if TYPE_CHECKING:
    from collections.abc import Iterable

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
_ELSEWHERE = lazy_pattern(rb"[:.][0-9]+[+-][0-9]|\\u")
"""Found in any JSON that holds a time in a zone other than UTC; without a match there is none."""
_LINE = b"\n    "
_NO_ENTRIES = b'\n  "in_flight": []'
"""Found once, at the top level: in JSON no string holds the end of a line, and what is nested is indented further."""
_LIST = b'\n  "in_flight": [%b\n  ]'
_IN_MEMORY = ("unknown", "queue", "early")
_STATE_FIELDS = frozenset(RunState.__struct_fields__) - set(_IN_MEMORY)


class StateHead(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a state.json that says which of many runs is the latest."""

    last_updated_at: Annotated[datetime, msgspec.Meta(tz=True)]


Seen = dict[int, tuple[InFlight, bytes]]
"""Sessions in flight, as they stand in a file that could be read back, by identity."""


def encode_state(state: RunState, seen: Seen | None = None) -> bytes:
    """state.json as the Rust program writes it: two-space indent, final newline.

    `seen` is kept between calls: of many sessions in flight, all but one are as they were, and are not encoded again.
    Raises Malformed for a state that could not be read back, so that it never replaces a readable one.
    """
    before = {} if seen is None else seen
    # One session keeps the place of them all; what is only in memory may be long, and is left out anyway.
    short = msgspec.structs.replace(state, in_flight=state.in_flight[:1], queue=(), early=())
    fields = without_defaults(short, STATE_FIELDS_ADDED)
    for name in _IN_MEMORY:
        del fields[name]
    if "unrescued" in fields:
        fields["unrescued"] = [_flat(session) for session in state.unrescued]
    sessions = {id(s): before.get(id(s)) or (s, _entry(s)) for s in state.in_flight}
    if sessions:
        fields["in_flight"] = []
    text = msgspec.json.format(to_json(fields | state.unknown), indent=2) + b"\n"
    new = _with_entries(text, (entry for key, (_, entry) in sessions.items() if key not in before))
    typed(new, _strict_state())
    before.clear()
    before.update(sessions)
    return _with_entries(text, (entry for _, entry in sessions.values()))


def decode_state(data: bytes) -> RunState:
    """Read a state.json written by this program or the Rust one. Raises Malformed."""
    state = _read_state(data)
    if _ELSEWHERE.search(data) is None:
        return state
    try:
        return in_utc(state)
    except UNREADABLE as error:
        raise malformed(error) from None


def decode_last_updated(data: bytes) -> datetime:
    """When the run of a state.json last changed; the rest of the file need only be JSON. Raises Malformed."""
    return typed(data, StateHead).last_updated_at


def _entry(session: InFlight) -> bytes:
    """A session in flight as it stands in the list, so that only those that have changed are formatted again."""
    return _LINE + msgspec.json.format(to_json(_flat(session)), indent=2).replace(b"\n", _LINE)


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
        state = from_builtins(known | {"unknown": raw}, RunState)
    except UNREADABLE as error:
        raise malformed(error) from None
    # A file edited by hand may have them in any order.
    return msgspec.structs.replace(state, in_flight=by_seq.in_order(state.in_flight))


def _flat(session: InFlight) -> dict[str, object]:
    """A session in flight as state.json has it: `agent` and `model` are those of its progress."""
    parts = (session.assignment, session.progress)
    said = reduce(or_, (without_defaults(part, IN_FLIGHT_FIELDS_ADDED) for part in parts))
    return {name: said[name] for name in (*IN_FLIGHT_FIELDS, *IN_FLIGHT_FIELDS_ADDED) if name in said}


def _nested(flat: dict[str, object]) -> dict[str, object]:
    """The reverse: the agent that a session was given is the one that made its first attempt."""
    first = next(iter(cast("list[object]", flat.get("tried", []))), flat.get("agent"))
    return {"assignment": flat | {"agent": first}, "progress": flat}


@cache
def _strict_state() -> Any:
    """Built on first use: analysing a type takes msgspec a millisecond, and few commands need them all."""
    session = {field.name: field for part in (Assignment, Progress) for field in msgspec.structs.fields(part)}
    strict_struct(InFlight, session.values())
    kept = (field for field in msgspec.structs.fields(RunState) if field.name in _STATE_FIELDS)
    return strict_struct(RunState, kept)
