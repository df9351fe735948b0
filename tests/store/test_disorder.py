"""Which run left the user's tree in disorder: one killed in a switch, or with a session of its own in the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.store.disorder import left_by, left_in_tree
from pitboss.store.paths import RunPaths
from pitboss.store.rundir import RunDir
from tests.support.values import flying, fresh_run

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.session import InFlight


def begun(root: Path, run_id: str, *in_flight: InFlight) -> RunPaths:
    RunDir.create(root, fresh_run(run_id=run_id, in_flight=in_flight)).close()
    return RunPaths(root, run_id)


def test_where_no_run_was_nothing_is_left(tmp_path: Path) -> None:
    assert left_in_tree(tmp_path) is None


def test_a_session_in_the_tree_is_named_and_one_in_a_slot_is_not(tmp_path: Path) -> None:
    begun(tmp_path, "a", flying(1, worktree="slot-1"), flying(2))
    begun(tmp_path, "b", flying(1, worktree="slot-1"))
    (begun(tmp_path, "c").state).write_text("{", encoding="utf-8")
    assert [left_by(tmp_path, run_id) for run_id in "bc"] == [None, None]
    assert left_in_tree(tmp_path) == (
        "session 2 of run a left its work there: `pitboss repair a` takes care of it"
    )


def test_a_switch_that_was_cut_short_comes_before_what_sessions_left(tmp_path: Path) -> None:
    begun(tmp_path, "a", flying(1)).switch.write_text("", encoding="utf-8")
    assert left_in_tree(tmp_path) == (
        "a run was killed while it switched branches: `pitboss repair a` puts the tree right"
    )
