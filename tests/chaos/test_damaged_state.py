"""A damaged state.json or a run directory with pieces missing: rebuilt from the log, the old kept (SPEC 7)."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.chaos.checks import records_of
from tests.chaos.trial import AGENT_ENDED, FINISHED, LANDED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.trial import Trial, Trials

DAMAGE = {
    "empty, as some file systems leave it after a power cut": b"",
    "truncated": b'{\n  "run_id": "2026',
    "NULs": b"\0" * 512,
    "no JSON": b"\xff\xfe garbage",
    "JSON of another kind": b"[]\n",
}
COUNTED = ("scheduler_state", "budget_consumed", "last_session_seq", "prompt_names", "branch", "base_commit")


@pytest.mark.parametrize("damaged", DAMAGE.values(), ids=DAMAGE)
def test_an_unreadable_state_is_refused_then_rebuilt_and_the_damaged_file_is_kept(
    paused: Trial, damaged: bytes
) -> None:
    before = paused.state()
    paused.state_file.write_bytes(damaged)
    refused = paused.pitboss("grind", "--resume", paused.run.name)
    assert (refused.code, paused.state_file.read_bytes()) == (4, damaged)
    assert f"hint: `pitboss repair {paused.run.name}` rebuilds it" in refused.stderr
    refused = paused.resume()
    mends = f"`pitboss repair {paused.run.name}` makes the last one, which cannot be read, resumable"
    assert (refused.code, mends in refused.stderr) == (4, True)
    repaired = paused.repair()
    assert repaired.code == 0, repaired
    assert paused.aside() == {"state.json.damaged-1": damaged}
    assert {name: paused.state()[name] for name in COUNTED} == {name: before[name] for name in COUNTED}
    assert paused.wrong() == []


def test_a_folder_in_the_place_of_the_state_is_kept_aside_too(paused: Trial) -> None:
    paused.state_file.unlink()
    (paused.state_file / "inner").mkdir(parents=True)
    assert paused.repair().code == 0
    assert (paused.run / "state.json.damaged-1" / "inner").is_dir()
    assert paused.resume().code == FINISHED


def test_a_missing_state_is_rebuilt_from_log_and_branch(paused: Trial) -> None:
    paused.forget_copy()
    before = paused.state()
    paused.state_file.unlink()
    assert paused.pitboss("grind", "--resume", paused.run.name).code == 4
    shown = paused.repair("--dry-run")
    assert shown.stdout.startswith("rebuild state.json from 2 records of sessions.jsonl and the run branch\n")
    assert not paused.state_file.exists()
    assert paused.repair().code == 0
    assert {name: paused.state()[name] for name in COUNTED} == {name: before[name] for name in COUNTED}
    assert paused.wrong() == []


def test_a_session_that_had_landed_is_known_by_its_commit_when_the_state_is_lost(
    trials: Trials, tmp_path: Path
) -> None:
    crashed = trials.crashed(tmp_path / "place", LANDED)
    crashed.state_file.unlink()
    assert crashed.repair().code == 0
    record = records_of(crashed)[2]
    assert (record["status"], record["prompt"], record.get("cost_known")) == ("ok", "g-commit", False)
    assert record["commit"] == crashed.git("rev-parse", crashed.branch)
    assert crashed.resume().code == FINISHED


def test_work_in_the_tree_of_a_session_that_no_state_knows_of_is_left_to_its_owner(
    trials: Trials, tmp_path: Path
) -> None:
    crashed = trials.crashed(tmp_path / "place", AGENT_ENDED)
    crashed.state_file.unlink()
    crashed.forget_copy()
    assert crashed.repair().code == 0
    refused = crashed.resume()
    assert refused.code == 4
    assert "hint: put them away with `git stash -u`, then resume" in refused.stderr
    assert (crashed.repo / "g.txt").exists()


def test_a_lost_state_with_a_session_in_flight_is_brought_back_from_its_copy(
    trials: Trials, tmp_path: Path
) -> None:
    crashed = trials.crashed(tmp_path / "place", AGENT_ENDED)
    before = crashed.state()
    crashed.state_file.write_bytes(b"{")
    assert crashed.repair("--dry-run").stdout.startswith("restore state.json from ")
    repaired = crashed.repair()
    assert "restored from" in repaired.stderr
    assert crashed.aside() == {"state.json.damaged-1": b"{"}
    assert {name: crashed.state()[name] for name in ("caps", "selection")} == {
        name: before[name] for name in ("caps", "selection")
    }
    assert records_of(crashed)[2]["status"] == "aborted"
    assert crashed.wrong(crashes=1) == []


def test_a_state_that_claims_more_than_the_log_is_refused_then_rebuilt_by_force(paused: Trial) -> None:
    paused.change_state(last_session_seq=3)
    before, claimed = paused.picture(), paused.state_file.read_bytes()
    refused = paused.resume()
    assert refused.code == 4
    assert "state says last_session_seq=3, log tail has 2" in refused.stderr
    assert paused.picture() == before
    assert paused.repair("--force").code == 0
    assert claimed in paused.aside().values()
    assert paused.resume().code == 1


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    "names",
    [["sessions.md"], ["scratchpad.md"], ["transcripts", "control", "worktrees"]],
    ids=["sessions.md", "scratchpad", "every folder"],
)
def test_missing_files_of_a_run_are_made_again(paused: Trial, names: list[str]) -> None:
    for name in names:
        remove(paused.run / name)
    assert paused.wrong() == []


def test_a_failed_run_can_be_resumed_once_it_is_repaired(paused: Trial) -> None:
    paused.change_state(status="failed", stop_reason="internal error: disk full")
    refused = paused.resume()
    assert (refused.code, refused.stderr.split(":")[0]) == (4, "error")
    assert paused.pitboss("grind", "--resume", paused.run.name).code == 4
    assert paused.repair().code == 0
    assert paused.state()["status"] == "aborted"
    assert paused.wrong() == []


def test_a_completed_run_stays_completed_when_it_is_repaired(paused: Trial) -> None:
    assert paused.wrong() == []
    assert paused.repair("--dry-run").stdout == "nothing to repair\n"
    assert paused.repair().code == 0
    assert paused.state()["status"] == "completed"
    assert paused.resume().code == 4


def test_a_run_without_a_record_yet_resumes_without_its_log(trials: Trials, fresh: Trial) -> None:
    assert fresh.pitboss("grind", "--max-iterations", "0").code == 3
    fresh.records.unlink()
    (fresh.run / "sessions.md").unlink()
    assert fresh.wrong() == []
