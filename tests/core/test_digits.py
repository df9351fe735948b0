"""Whole numbers in text that anybody may have written."""

from __future__ import annotations

import pytest

from pitboss.core.digits import number_in


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("0042", 42),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
        ("9" * 5000, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1_000", None),
        (" 1", None),
        ("1.0", None),
        ("\u0663", None),
        ("\u00b2", None),
    ],
)
def test_only_ascii_digits_that_any_number_here_may_have_are_one(text: str, number: int | None) -> None:
    assert number_in(text) == number
