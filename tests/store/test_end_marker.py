"""When a run's last process was gone: known where somebody saw it, and not moved by what is refused later."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.store.end_marker import ended_ns, last_seen_ns, note_end, note_live
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path


def test_the_end_is_known_once_it_was_seen_and_stays(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path, "run")
    paths.root.mkdir(parents=True)
    note_end(paths)
    assert ended_ns(paths) is None
    note_live(paths)
    assert ended_ns(paths) is None
    note_end(paths)
    os.utime(paths.ended, ns=(7, 7))
    note_end(paths)
    assert ended_ns(paths) == 7


def test_what_a_session_printed_last_tells_of_it_where_nobody_saw_the_end(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path, "run")
    paths.transcripts.mkdir(parents=True)
    note_live(paths)
    assert last_seen_ns(paths, 1) is None
    paths.transcript(1).touch()
    os.utime(paths.transcript(1), ns=(5, 5))
    assert last_seen_ns(paths, 1) == 5
    note_end(paths)
    os.utime(paths.ended, ns=(7, 7))
    assert last_seen_ns(paths, 1) == 7


def test_an_end_that_cannot_be_noted_is_not_known(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path, "run")
    paths.root.mkdir(parents=True)
    note_live(paths)
    paths.ended.with_name(f"{paths.ended.name}.tmp").mkdir()
    note_end(paths)
    assert ended_ns(paths) in (None, paths.ended.stat().st_mtime_ns)
