"""The ids of queued tasks (SPEC 10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pitboss.core.task_ids import is_task_id, made_id

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)


def test_ids_sort_by_age_and_are_short() -> None:
    ids = [made_id(NOW + timedelta(days=day), ()) for day in range(0, 8000, 100)]
    assert sorted(ids) == ids
    assert {len(task_id) for task_id in ids} == {7}
    assert all(map(is_task_id, ids))


def test_an_id_comes_after_all_that_were_made_here_even_if_the_clock_was_set_back() -> None:
    first = made_id(NOW, ())
    second = made_id(NOW, [first, "by-hand", "zzz"])
    third = made_id(NOW - timedelta(days=300), [second, first])
    assert first < second < third
    assert made_id(datetime(2020, 1, 1, tzinfo=UTC), ()) == "0000000"


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("6fr1mzz", True),
        ("Fix_it-2", True),
        ("", False),
        ("-x", False),
        (".x", False),
        ("a.b", False),
        ("x" * 65, False),
    ],
)
def test_an_id_can_be_a_file_name_and_nothing_else(name: str, valid: bool) -> None:
    assert is_task_id(name) is valid
