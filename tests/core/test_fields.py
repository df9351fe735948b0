"""The checks of single keys, and how a document gathers what is wrong with it (SPEC 2)."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from pitboss.core import fields
from pitboss.core.fields import MAX_COUNT, Document, Table, Wrong
from pitboss.errors import InputError

if TYPE_CHECKING:
    from pitboss.core.fields import Check

SIX = datetime(2030, 1, 31, 6, tzinfo=UTC)
TIME = "must be an RFC 3339 time such as 2030-01-31T06:00:00Z, not"
SPAN = "must be a time such as 6h, 1h30m or 90s, not"
FRUIT = fields.one_of("apple", "pear")


@pytest.mark.parametrize(
    ("check", "value", "read"),
    [
        (fields.seconds, 5, 5.0),
        (fields.seconds, MAX_COUNT, float(MAX_COUNT)),
        (fields.share, 1, 1.0),
        (fields.share, 0.01, 0.01),
        (fields.duration, "1h30m", 5400.0),
        (fields.duration, 0, 0.0),
        (fields.duration, 2.5, 2.5),
        (FRUIT, "pear", "pear"),
        (fields.arguments, ["-v", ""], ["-v", ""]),
        (fields.arguments, [], []),
        (fields.labels, [" one "], ["one"]),
        (fields.moment, "2030-01-31T07:00:00+01:00", SIX),
        (fields.moment, datetime(2030, 1, 31, 8, tzinfo=timezone(timedelta(hours=2))), SIX),
        (fields.table, {"a": 1}, {"a": 1}),
        (fields.nullable(FRUIT), None, None),
        (fields.nullable(FRUIT), "apple", "apple"),
    ],
)
def test_what_is_right_is_read(check: Check, value: object, read: object) -> None:
    assert check(value) == read


@pytest.mark.parametrize(
    ("check", "value", "reason"),
    [
        (fields.amount, -1, "must be a number >= 0, not -1"),
        (fields.amount, math.nan, "must be a number >= 0, not nan"),
        (fields.amount, True, "must be a number >= 0, not true"),
        (fields.amount, 10**400, "is too large"),
        (fields.seconds, 0, f"must be a number > 0 and at most {MAX_COUNT}, not 0"),
        (fields.seconds, MAX_COUNT + 1, f"must be a number > 0 and at most {MAX_COUNT}, not {MAX_COUNT + 1}"),
        (fields.share, 0, "must be a number > 0 and at most 1, not 0"),
        (fields.share, 1.5, "must be a number > 0 and at most 1, not 1.5"),
        (fields.duration, "soon", f"{SPAN} 'soon'"),
        (fields.duration, MAX_COUNT + 1, f"{SPAN} {MAX_COUNT + 1}"),
        (fields.duration, None, "must be a number >= 0, not null"),
        (FRUIT, "plum", """must be "apple" or "pear", not 'plum'"""),
        (FRUIT, ["apple"], 'must be "apple" or "pear", not a list'),
        (fields.arguments, "-v", "must be a list of strings, not '-v'"),
        (fields.arguments, ["-v", 1], "item 2 must be a string, not 1"),
        (fields.labels, ["a", " "], "item 2 must not be empty"),
        (fields.moment, datetime(2030, 1, 31, 6), "needs a time zone, such as 2030-01-31T06:00:00Z"),  # noqa: DTZ001
        (fields.moment, "2030-01-31T06:00:00", "needs a time zone, such as 2030-01-31T06:00:00Z"),
        (fields.moment, "tomorrow", f"{TIME} 'tomorrow'"),
        (fields.moment, {}, f"{TIME} a table"),
        (fields.moment, "0001-01-01T00:00:00+23:59", f"{TIME} '0001-01-01T00:00:00+23:59'"),
        (fields.table, [1], "must be a table, not a list"),
        (fields.nullable(FRUIT), "plum", """must be "apple" or "pear", not 'plum'"""),
    ],
)
def test_what_is_wrong_is_told(check: Check, value: object, reason: str) -> None:
    with pytest.raises(Wrong) as wrong:
        check(value)
    assert str(wrong.value) == reason


def document(*, lenient: bool = False) -> Document:
    return Document("config.toml", len, lenient=lenient)


def test_a_strict_document_refuses_unknown_keys_and_a_lenient_one_warns_of_them() -> None:
    said = "config.toml:1: colour: unknown key; did you mean 'color'?"
    strict, lenient = document(), document(lenient=True)
    for each in (strict, lenient):
        assert Table(each, {"colour": 1, "color": 2}).read({"color": fields.count(0)}) == {"color": 2}
    assert ([str(problem) for problem in strict.problems], strict.warnings) == ([said], [])
    assert (lenient.problems, lenient.warnings) == ([], [said])
    lenient.finish()
    with pytest.raises(InputError):
        strict.finish()


def test_every_mistake_is_told_at_once() -> None:
    given = document()
    top = Table(given, {"agent": {"idle": 0}, "rows": [{"name": ""}, 3]})
    top.read({"agent": fields.table, "rows": lambda value: value}, required=["version"])
    top.sub("agent").read({"idle": fields.seconds})
    for row in top.rows("rows"):
        row.read({"name": fields.one_line})
    assert top.sub("rows").values == {}
    with pytest.raises(InputError) as refusal:
        given.finish()
    assert str(refusal.value).splitlines() == [
        "config.toml:1: version: is required",
        f"config.toml:2: agent.idle: must be a number > 0 and at most {MAX_COUNT}, not 0",
        "config.toml:2: rows[1]: must be a table, not 3",
        "config.toml:3: rows[0].name: must not be empty",
    ]
