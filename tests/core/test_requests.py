"""Requests as they travel: whatever is sent is what is read, and changed caps are what was said (SPEC 10)."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.budget import CapChanges, Caps
from pitboss.core.fields import MAX_COUNT, MAX_TOKENS
from pitboss.core.requests import ChangeCaps, Letter, Pause, Unpause

VALUES = {
    "max_iterations": st.integers(0, MAX_COUNT),
    "until": st.datetimes(timezones=st.just(UTC)),
    "max_tokens": st.integers(0, MAX_TOKENS),
    "max_cost_usd": st.floats(0, allow_infinity=False, allow_nan=False),
}
changes = st.builds(
    CapChanges, **{name: st.just(msgspec.UNSET) | st.none() | value for name, value in VALUES.items()}
)
caps = st.builds(Caps, **{name: st.none() | value for name, value in VALUES.items()})


@given(st.sampled_from([Pause(), Unpause()]) | st.builds(ChangeCaps, caps=changes))
def test_what_is_read_is_what_was_sent(letter: Letter) -> None:
    assert msgspec.json.decode(msgspec.json.encode(letter), type=Letter) == letter


@given(caps, changes)
def test_a_cap_is_what_was_said_of_it_or_else_what_it_was(before: Caps, change: CapChanges) -> None:
    after = change.over(before)
    for name in Caps.__struct_fields__:
        said = getattr(change, name)
        assert getattr(after, name) == (getattr(before, name) if said is msgspec.UNSET else said)
    assert change.over(after) == after


def test_every_cap_can_be_changed() -> None:
    assert CapChanges.__struct_fields__ == Caps.__struct_fields__


@pytest.mark.parametrize(
    "caps",
    [
        '{"max_iterations": -1}',
        '{"max_iterations": 1.5}',
        '{"max_tokens": 9223372036854775808}',
        '{"max_cost_usd": "1"}',
        '{"max_cost_usd": 1e999}',
        '{"until": "2026-05-01"}',
        '{"until": 5}',
        '{"sessions": 1}',
        "null",
    ],
)
def test_what_is_no_cap_is_not_read(caps: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(f'{{"kind": "budget", "caps": {caps}}}', type=Letter)


def test_a_moment_is_read_in_any_zone() -> None:
    letter = msgspec.json.decode(
        '{"kind": "budget", "caps": {"until": "2026-05-01T02:00:00+02:00"}}', type=Letter
    )
    assert letter == ChangeCaps(caps=CapChanges(until=datetime(2026, 5, 1, tzinfo=UTC)))
