"""The seed's own tests of listing, reading and resolving runs, by their names, and what we add to them (SPEC 7, 8)."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pitboss.core.recovery.refusals import NoResumableRun, RunNotFound, StateUnreadable
from pitboss.core.stops import RunStatus
from pitboss.errors import ResumeError
from pitboss.store.catalogue import (
    AmbiguousRun,
    find_run,
    list_runs,
    most_recent_resumable,
    read_state,
    resolve_target,
)
from pitboss.store.paths import RunPaths, runs_dir
from pitboss.store.record_codec import encode_record
from pitboss.store.rundir import RunDir
from pitboss.store.state_codec import encode_state
from tests.support.values import record, run_state

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.run import RunState


def stored(repo: Path, state: RunState) -> RunPaths:
    """A run directory with nothing but a state.json, as the seed's tests make it."""
    paths = RunPaths(repo, state.run_id)
    paths.root.mkdir(parents=True)
    paths.state.write_bytes(encode_state(state))
    return paths


def at(run_id: str, hour: int, status: RunStatus = RunStatus.ACTIVE) -> RunState:
    return run_state(run_id=run_id, last_updated_at=datetime(2026, 4, 30, hour, tzinfo=UTC), status=status)


def listed(repo: Path) -> list[str]:
    return [run.run_id for run in list_runs(repo)]


# --- the seed's tests ---------------------------------------------------------------------------------------


def test_round_trips_through_disk(tmp_path: Path) -> None:
    state = run_state(run_id="20260430T180000Z-rt00")
    stored(tmp_path, state)
    with RunDir.open(tmp_path, state.run_id) as run:
        assert read_state(run.paths) == state


def test_malformed_state_is_rejected_with_path_in_error(tmp_path: Path) -> None:
    stored(tmp_path, run_state()).state.write_text("{not json")
    with RunDir.open(tmp_path, "rid") as run, pytest.raises(StateUnreadable, match=r"state\.json"):
        read_state(run.paths)


def test_list_runs_returns_runs_sorted_by_last_updated_desc(tmp_path: Path) -> None:
    for run_id, hour in (("rid-old", 10), ("rid-new", 18), ("rid-mid", 15)):
        stored(tmp_path, at(run_id, hour))
    assert listed(tmp_path) == ["rid-new", "rid-mid", "rid-old"]


def test_most_recent_resumable_skips_terminal_runs(tmp_path: Path) -> None:
    stored(tmp_path, at("rid-completed", 18, RunStatus.COMPLETED))
    stored(tmp_path, at("rid-aborted", 17, RunStatus.ABORTED))
    stored(tmp_path, at("rid-active", 16, RunStatus.ACTIVE))
    pick = most_recent_resumable(tmp_path)
    assert pick is not None
    assert pick.run_id == "rid-aborted"


def test_most_recent_resumable_returns_none_when_grind_dir_is_missing(tmp_path: Path) -> None:
    assert most_recent_resumable(tmp_path) is None


def test_resolve_target_explicit_run_not_found(tmp_path: Path) -> None:
    with pytest.raises(RunNotFound) as refusal:
        resolve_target(tmp_path, "ghost")
    assert refusal.value.message == f'grind run "ghost" not found at {runs_dir(tmp_path)}/ghost'


def test_resolve_target_default_no_resumable(tmp_path: Path) -> None:
    with pytest.raises(NoResumableRun) as refusal:
        resolve_target(tmp_path, None)
    assert refusal.value.message == f"no resumable grind run found under {runs_dir(tmp_path)}"


def test_missing_state_json_is_skipped_in_listings(tmp_path: Path) -> None:
    (runs_dir(tmp_path) / "no-state").mkdir(parents=True)
    assert list_runs(tmp_path) == []


# --- resolving ----------------------------------------------------------------------------------------------


def test_resolve_target_gives_the_run_that_was_asked_for(tmp_path: Path) -> None:
    paths = stored(tmp_path, at("rid", 10, RunStatus.COMPLETED))
    run = resolve_target(tmp_path, "rid")
    assert (run.run_id, run.state_path, run.problem) == ("rid", str(paths.state), None)
    assert run.state == at("rid", 10, RunStatus.COMPLETED)


def test_resolve_target_without_a_name_gives_the_most_recent_resumable_run(tmp_path: Path) -> None:
    stored(tmp_path, at("rid-old", 10))
    stored(tmp_path, at("rid-new", 11))
    assert resolve_target(tmp_path, None).run_id == "rid-new"


@pytest.mark.parametrize(("content", "what"), [(b"{not json", "cannot be read"), (None, "failed")])
def test_resolve_target_without_a_name_names_the_repair_of_the_last_run(
    tmp_path: Path, content: bytes | None, what: str
) -> None:
    paths = stored(tmp_path, at("rid", 10, RunStatus.FAILED))
    if content is not None:
        paths.state.write_bytes(content)
    with pytest.raises(NoResumableRun) as refusal:
        resolve_target(tmp_path, None)
    assert f"`pitboss repair rid` makes the last one, which {what}, resumable" in str(refusal.value.hint)


@pytest.mark.parametrize("content", [None, b"{not json"])
def test_resolve_target_refuses_an_unreadable_state(tmp_path: Path, content: bytes | None) -> None:
    paths = stored(tmp_path, run_state())
    paths.state.unlink()
    if content is not None:
        paths.state.write_bytes(content)
    with pytest.raises(StateUnreadable, match=r'grind run "rid": failed to read state: .*state\.json'):
        resolve_target(tmp_path, "rid")


def test_a_unique_prefix_names_a_run_and_an_exact_name_wins_over_longer_ones(tmp_path: Path) -> None:
    for run_id in ("20260430T180000Z-aaaa", "20260501T180000Z-bbbb", "20260501T180000Z-bbbb2"):
        stored(tmp_path, run_state(run_id=run_id))
    assert resolve_target(tmp_path, "20260430").run_id == "20260430T180000Z-aaaa"
    assert resolve_target(tmp_path, "20260501T180000Z-bbbb").run_id == "20260501T180000Z-bbbb"


def test_an_ambiguous_prefix_is_refused_with_its_candidates(tmp_path: Path) -> None:
    for run_id in ("rid-b", "rid-a", "other"):
        stored(tmp_path, run_state(run_id=run_id))
    with pytest.raises(AmbiguousRun) as refusal:
        resolve_target(tmp_path, "rid")
    assert refusal.value.message == 'grind run "rid" is ambiguous: rid-a, rid-b'
    assert isinstance(refusal.value, ResumeError)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../runs/rid", "/etc", "rid/", "rid/../rid", "a\0b", "é\udcff"]
)
def test_a_name_that_is_no_entry_of_the_runs_is_not_found(tmp_path: Path, name: str) -> None:
    stored(tmp_path, run_state())
    with pytest.raises(RunNotFound):
        resolve_target(tmp_path, name)


# --- unreadable runs ----------------------------------------------------------------------------------------


def test_unreadable_runs_are_listed_with_their_problem_by_when_their_directory_changed(
    tmp_path: Path,
) -> None:
    stored(tmp_path, at("rid-new", 18))
    stored(tmp_path, at("rid-old", 10))
    broken = stored(tmp_path, at("rid-broken", 9))
    broken.state.write_text('{"run_id": 7}')
    lost = stored(tmp_path, at("rid-lost", 8))
    lost.log.write_bytes(encode_record(record(1)))
    lost.state.unlink()
    for paths, hour in ((broken, 15), (lost, 12)):
        moment = datetime(2026, 4, 30, hour, tzinfo=UTC).timestamp()
        os.utime(paths.root, (moment, moment))
    assert [(run.run_id, run.state is None, run.problem) for run in list_runs(tmp_path)] == [
        ("rid-new", False, None),
        ("rid-broken", True, f"parsing {broken.state}: Expected `str`, got `int` (at $.run_id)"),
        ("rid-lost", True, f"reading {lost.state}: No such file or directory"),
        ("rid-old", False, None),
    ]
    pick = most_recent_resumable(tmp_path)
    assert pick is not None
    assert pick.run_id == "rid-new"


def test_an_unreadable_run_can_still_be_found_by_name(tmp_path: Path) -> None:
    stored(tmp_path, run_state()).state.write_text("{not json")
    run = find_run(tmp_path, "ri")
    assert (run.run_id, run.state) == ("rid", None)
    assert run.problem is not None


def test_files_among_the_runs_are_no_runs(tmp_path: Path) -> None:
    stored(tmp_path, run_state())
    (runs_dir(tmp_path) / ".gitignore").write_text("*\n")
    assert listed(tmp_path) == ["rid"]
