"""What was applied is remembered with its commit, and belongs to the run (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.store.applied import applied, note_applied
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path


def test_each_ref_is_noted_with_the_commit_that_was_applied_last(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path, "run")
    paths.root.mkdir(parents=True)
    assert applied(paths) == {}
    note_applied(paths, "session-0001", "a" * 40)
    note_applied(paths, "session-0001", "b" * 40)
    note_applied(paths, "session-0002-2", "c" * 64)
    assert applied(paths) == {"session-0001": "b" * 40, "session-0002-2": "c" * 64}


def test_what_cannot_be_read_counts_as_not_applied(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path, "run")
    (paths.applied / "session-0001").mkdir(parents=True)
    (paths.applied / "session-0002").write_bytes(b"")
    assert applied(paths) == {}
