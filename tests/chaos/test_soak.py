"""A short soak for every test run: `make chaos` does it for two hundred kills and hundreds of sessions."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.chaos.soak import Sample, growth, kill_and_resume, prepare, watch_growth

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_that_is_killed_at_random_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    sessions, wrong = kill_and_resume(tmp_path, 8, random.Random(7))
    assert wrong == []
    assert sessions >= 7


def test_a_run_does_not_grow(tmp_path: Path) -> None:
    samples = watch_growth(prepare(tmp_path), 40)
    assert {name: growth(seen) for name, seen in samples.items()} == {"guardian": [], "runner": []}
    assert all(len(seen) >= 8 for seen in samples.values())


@pytest.mark.parametrize(
    ("last", "wrong"),
    [
        (Sample(40, 20_100, 10), []),
        (Sample(40, 29_000, 10), ["memory grew from"]),
        (Sample(40, 20_000, 11), ["descriptors grew from"]),
    ],
)
def test_growth_is_seen_for_what_it_is(last: Sample, wrong: list[str]) -> None:
    found = growth([Sample(20, 20_000, 10)] * 6 + [last] * 2)
    assert [sentence.split(" Sample")[0] for sentence in found] == wrong
