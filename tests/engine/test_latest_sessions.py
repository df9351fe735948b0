"""What agents are shown of the sessions before theirs (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.engine.latest_sessions import SHOWN, LatestSessions
from tests.support.logs import lines
from tests.support.values import record

if TYPE_CHECKING:
    from pathlib import Path


def numbers(latest: LatestSessions) -> list[int]:
    return [int(line.split()[0]) for line in latest.lines()]


def test_they_are_the_last_fifty_in_the_order_of_the_log_and_then_of_their_ends(tmp_path: Path) -> None:
    log = tmp_path / "sessions.jsonl"
    log.write_bytes(lines(*range(1, SHOWN + 3)))
    latest = LatestSessions(log)
    assert numbers(latest) == [*range(3, SHOWN + 3)]
    for seq in (SHOWN + 4, SHOWN + 3):
        latest.add(record(seq))
    assert numbers(latest) == [*range(5, SHOWN + 3), SHOWN + 4, SHOWN + 3]


def test_a_record_that_came_before_anybody_asked_is_shown_once(tmp_path: Path) -> None:
    log = tmp_path / "sessions.jsonl"
    latest = LatestSessions(log)
    log.write_bytes(lines(1))
    latest.add(record(1))
    assert numbers(latest) == [1]


def test_the_log_is_read_once(tmp_path: Path) -> None:
    log = tmp_path / "sessions.jsonl"
    log.write_bytes(lines(1))
    latest = LatestSessions(log)
    assert numbers(latest) == [1]
    log.unlink()
    assert numbers(latest) == [1]
