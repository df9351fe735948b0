"""Which run left the user's tree in disorder, as its files tell, and what puts it right (SPEC 5, 7)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.core.recovery.refusals import StateUnreadable
from pitboss.store.catalogue import read_state
from pitboss.store.opening import names_in, status
from pitboss.store.paths import RunPaths, runs_dir

if TYPE_CHECKING:
    from pathlib import Path


def left_in_tree(root: Path) -> str | None:
    """What to do about a tree that an earlier run left in disorder; None if none did."""
    hints = (left_by(root, run_id) for run_id in sorted(names_in(runs_dir(root)), reverse=True))
    return next(filter(None, hints), None)


def left_by(root: Path, run_id: str) -> str | None:
    """What to do about a tree that this run left in disorder; None if it did not."""
    paths = RunPaths(root, run_id)
    if status(paths.switch) is not None:
        return f"a run was killed while it switched branches: `pitboss repair {run_id}` puts the tree right"
    with suppress(StateUnreadable):
        state = read_state(paths)
        left = (s.seq for s in (*state.unrescued, *state.in_flight) if s.assignment.worktree is None)
        if (seq := next(left, None)) is not None:
            return f"session {seq} of run {run_id} left its work there: `pitboss repair {run_id}` takes care of it"
    return None
