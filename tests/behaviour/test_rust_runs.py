"""A run of the Rust program is gone on with: its files have the seed's fields alone (SPEC 2, 7)."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Run, configure, instruct, the_run

if TYPE_CHECKING:
    from pathlib import Path

STATE = (
    "run_id",
    "branch",
    "plan_name",
    "prompt_names",
    "scheduler_state",
    "budget_consumed",
    "last_session_seq",
    "started_at",
    "last_updated_at",
    "status",
)
RECORD = (
    "seq",
    "run_id",
    "prompt",
    "started_at",
    "ended_at",
    "status",
    "summary",
    "commit",
    "tokens",
    "cost_usd",
    "transcript_path",
)


def metered(project: Project, cost: str) -> None:
    """Configure an agent that says that it used tokens, and what they cost."""
    usage = f'{{"input_tokens": 100, "output_tokens": 10{cost}}}'
    script = f"cat >/dev/null; echo '{usage}' >$PITBOSS_USAGE_FILE"
    configure(project, agent="command", more=f"[agent.command]\ncommand = {json.dumps(['sh', '-c', script])}")


def rust_run(
    folder: Path, *, cost: str = ', "cost_usd": 0.25', status: str = "failed", sessions: int = 2
) -> Run:
    """A run that the Rust program ended at its budget."""
    project = Project.create(folder / "repo")
    metered(project, cost)
    instruct(project, "alpha")
    assert project.pitboss("grind", "--max-iterations", str(sessions)).code == 3
    run = the_run(project)
    state = {name: run.state[name] for name in STATE} | {"status": status}
    (run.folder / "state.json").write_text(json.dumps(state, indent=2) + "\n")
    write(run, [{name: record[name] for name in RECORD} for record in run.records])
    return run


def write(run: Run, records: list[dict[str, object]]) -> None:
    lines = "".join(f"{json.dumps(record)}\n" for record in records)
    (run.folder / "sessions.jsonl").write_text(lines)


def known(run: Run) -> tuple[float, bool]:
    """What the run is said to have cost, and whether that is all."""
    (listed,) = run.project.pitboss("runs", "--json").json()
    seen = run.project.pitboss("status", "--json").json()
    assert (seen["cost_usd"], seen["cost_known"]) == (listed["cost_usd"], listed["cost_known"])
    return listed["cost_usd"], listed["cost_known"]


def test_a_run_that_its_budget_stopped_is_repaired_as_the_hint_says_and_then_resumed(tmp_path: Path) -> None:
    run = rust_run(tmp_path)
    repair = f"`pitboss repair {run.run_id}`"
    refused = run.project.pitboss("grind", "--resume", run.run_id)
    assert (refused.code, repair in refused.err) == (4, True), refused
    latest = run.project.pitboss("grind", "--resume")
    assert (latest.code, repair in latest.err) == (4, True), latest
    assert f"run {run.run_id} failed\n  pitboss repair {run.run_id}\n" in run.project.pitboss("status").out
    assert run.project.pitboss("repair", run.run_id).code == 0
    resumed = run.project.pitboss("grind", "--resume", "--max-iterations", "3")
    assert (resumed.code, len(run.records)) == (3, 3), resumed
    assert "state.json does not record the run's budgets" in resumed.err


def test_costs_that_are_known_stay_known_when_the_run_goes_on(tmp_path: Path) -> None:
    run = rust_run(tmp_path, status="aborted")
    assert known(run) == (0.5, True)
    assert run.project.pitboss("grind", "--resume", "--max-iterations", "3").code == 3
    assert known(run) == (0.75, True)
    assert run.state["unknown_costs"] == 0
    assert run.state["spend_per_prompt"]["alpha"] == {"sessions": 3, "cost_usd": 0.75}


def test_tokens_for_nothing_were_tokens_without_a_price(tmp_path: Path) -> None:
    run = rust_run(tmp_path, cost="", status="aborted")
    assert known(run) == (0.0, False)
    assert "unknown" in run.project.pitboss("log").out
    assert "- cost_known: no" in run.project.pitboss("grind", "--dry-run", "--resume").out
    metered(run.project, ', "cost_usd": 0.25')
    assert run.project.pitboss("grind", "--resume", "--max-iterations", "3").code == 3
    assert known(run) == (0.25, False)
    assert run.state["unknown_costs"] == 2


def test_one_unknown_cost_among_known_ones_is_found_in_the_log(tmp_path: Path) -> None:
    run = rust_run(tmp_path, status="aborted")
    first, second = run.records
    write(run, [first | {"cost_usd": 0.0}, second])
    assert run.project.pitboss("grind", "--resume", "--max-iterations", "3").code == 3
    assert known(run)[1] is False
    assert run.state["unknown_costs"] == 1


@pytest.mark.parametrize("kept", [[1, 2], [0, 2], [0, 1]], ids=["first", "middle", "last"])
def test_a_record_that_is_missing_is_named_and_written_anew_by_force(tmp_path: Path, kept: list[int]) -> None:
    run = rust_run(tmp_path, status="aborted", sessions=3)
    records = run.records
    write(run, [records[n] for n in kept])
    shutil.rmtree(run.project.root / ".git/pitboss")  # the Rust program keeps no copy
    refused = run.project.pitboss("grind", "--resume")
    assert (refused.code, "log tail has 0" in refused.err) == (4, False), refused
    if kept != [0, 1]:
        missing = ({0, 1, 2} - set(kept)).pop() + 1
        assert f"sessions.jsonl has no record of session {missing}" in refused.err
    assert "repair" in refused.err
    mended = run.project.pitboss("repair", run.run_id, "--force")
    assert mended.code == 0, mended
    assert sorted(record["seq"] for record in run.records) == [1, 2, 3]
    assert run.project.pitboss("grind", "--resume", "--max-iterations", "4").code == 3
    assert known(run) == (0.75, False)


@pytest.mark.parametrize("word", ["keep_none", "keep-none"])
def test_its_word_for_keeping_no_transcripts(tmp_path: Path, word: str) -> None:
    project = Project.create(tmp_path / "repo")
    configure(project, grind=f'transcript_retention = "{word}"')
    project.prompt("chore", "echo said", max_runs=1)
    assert project.pitboss("grind").code == 0
    assert list((the_run(project).folder / "transcripts").glob("session-*.log")) == []
