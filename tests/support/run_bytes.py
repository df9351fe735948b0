"""Values for the files of a run, of all kinds, and bytes that are almost right."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import msgspec
from hypothesis import strategies as st

from pitboss.core.session import TokenUsage
from pitboss.core.usage import RoleTokens

words = st.text(max_size=20)
counts = st.integers(0, 2**63 - 1)
seqs = st.integers(1, 2**32 - 1)
money = st.floats(0, allow_nan=False, allow_infinity=False)
moments = st.datetimes(timezones=st.just(UTC))
tokens = st.builds(
    TokenUsage,
    input=counts,
    output=counts,
    by_role=st.dictionaries(words, st.builds(RoleTokens, input=counts, output=counts), max_size=3),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


def changed(text: str, **fields: Any) -> bytes:
    """JSON like `text` with other values at dotted paths."""
    whole = json.loads(text)
    for path, value in fields.items():
        *way, last = path.split("__")
        inner = whole
        for step in way:
            inner = inner[step]
        inner[last] = value
    return json.dumps(whole).encode()


def damage(text: str) -> st.SearchStrategy[bytes]:
    """`text` with a stretch of it replaced by arbitrary bytes."""
    whole = text.encode()
    spot = st.integers(0, len(whole))
    return st.builds(
        lambda start, length, junk: whole[:start] + junk + whole[start + length :],
        spot,
        st.integers(0, 20),
        st.binary(max_size=8),
    )


anything = st.binary(max_size=200) | json_values.map(msgspec.json.encode)
