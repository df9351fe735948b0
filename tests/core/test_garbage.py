"""Which runs `gc` tidies, and which refs it may delete without losing a commit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.deadline import parse_age
from pitboss.core.garbage import RunFate, Wish, dispensable, fate, is_young
from pitboss.core.measures import size
from pitboss.core.stops import RunStatus
from tests.support.values import flying, run_state

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "days", "older_than", "named", "expected"),
    [
        (RunStatus.COMPLETED, 0, None, False, RunFate.TIDY),
        (RunStatus.COMPLETED, 3, 7, False, RunFate.YOUNG),
        (RunStatus.COMPLETED, 8, 7, False, RunFate.TIDY),
        (RunStatus.COMPLETED, 3, 7, True, RunFate.TIDY),
        (RunStatus.ABORTED, 29, None, False, RunFate.RESUMABLE),
        (RunStatus.ABORTED, 30, None, False, RunFate.TIDY),
        (RunStatus.ABORTED, 0, None, True, RunFate.TIDY),
        (RunStatus.ABORTED, 3, 2, False, RunFate.TIDY),
        (RunStatus.ABORTED, 31, 60, False, RunFate.RESUMABLE),
        (RunStatus.ABORTED, -1, 0, False, RunFate.TIDY),
        (RunStatus.FAILED, 3, None, False, RunFate.RESUMABLE),
        (RunStatus.ACTIVE, 90, 0, True, RunFate.BROKEN),
    ],
)
def test_what_becomes_of_a_run(
    status: RunStatus, days: int, older_than: int | None, named: bool, expected: RunFate
) -> None:
    state = run_state(run_id="a", status=status, last_updated_at=NOW - timedelta(days=days))
    age = None if older_than is None else timedelta(days=older_than)
    wish = Wish(older_than=age, named=frozenset({"a"} if named else ()))

    assert fate("a", state, wish, live=False, now=NOW) is expected
    assert fate("a", state, wish, live=True, now=NOW) is RunFate.LIVE


@pytest.mark.parametrize(("days", "young"), [(0, True), (29, True), (30, False), (90, False)])
def test_a_run_is_young_for_as_long_as_one_that_stopped_can_be_resumed(days: int, *, young: bool) -> None:
    assert is_young(run_state(last_updated_at=NOW - timedelta(days=days)), NOW) is young


def test_what_is_unreadable_or_unsettled_needs_a_repair() -> None:
    state = run_state(run_id="a", status=RunStatus.COMPLETED, last_updated_at=NOW)
    unsettled = (
        None,
        msgspec.structs.replace(state, in_flight=(flying(1),)),
        msgspec.structs.replace(state, unrescued=(flying(1),)),
    )
    for each in unsettled:
        assert fate("a", each, Wish(named=frozenset("a")), live=False, now=NOW) is RunFate.BROKEN


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.frozensets(st.integers(0, 5), max_size=4), min_size=1),
    st.frozensets(st.integers(0, 5), max_size=4),
)
def test_no_commit_is_lost_with_the_refs_that_go(
    refs: dict[str, frozenset[int]], elsewhere: frozenset[int]
) -> None:
    held = {**refs, "main": elsewhere}

    def held_by(names: list[str]) -> frozenset[int]:
        return frozenset().union(*(held[name] for name in names))

    gone = dispensable(refs, ["main"], lambda ref, others: held[ref] <= held_by(others), named=False)

    staying = [name for name in held if name not in gone]
    assert held_by(staying) == held_by(list(held))
    assert dispensable(refs, ["main"], lambda *_: False, named=True) == list(refs)
    assert dispensable(refs, ["main"], lambda *_: False, named=False) == []


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (950, "950 B"),
        (1500, "1.5 KiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 30, "3.0 GiB"),
        (1 << 60, "1048576.0 TiB"),
    ],
)
def test_bytes_in_words(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 2_592_000), ("0d", 0), ("12h", 43_200), ("1h30m", 5_400), ("soon", None), ("d", None)],
)
def test_ages(text: str, seconds: float | None) -> None:
    assert parse_age(text) == seconds
