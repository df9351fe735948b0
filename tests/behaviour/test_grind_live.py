"""A live run seen and steered from outside, its one lock, and its results as JSON lines (SPEC 1, 2, 8)."""

from __future__ import annotations

import json
import os
from signal import SIGKILL
from typing import TYPE_CHECKING, Any

import pytest

from pitboss import proctree
from tests.support.cli import PATIENCE_S, Done, Project, wait_until
from tests.support.runs import Gate, configure, grinding, the_run, verdict

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "repo")


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def holder(project: Project) -> dict[str, Any]:
    """What the lock file says."""
    said: dict[str, Any] = json.loads((project.root / ".pitboss/grind/lock").read_text())
    return said


def test_a_second_run_is_refused_though_both_lock_files_are_deleted(project: Project, gate: Gate) -> None:
    project.prompt("chore", gate.script, max_runs=1)
    with grinding(project) as live:
        gate.wait()
        (project.root / ".pitboss/grind/lock").unlink()
        (project.root / ".git/pitboss/lock").unlink()
        for _ in range(2):
            refused = project.pitboss("grind")
            assert (refused.code, "another grind run is live" in refused.err) == (4, True), refused
        assert [run["condition"] for run in project.pitboss("runs", "--json").json()] == ["live"]
        gate.open()
        assert live.ended().code == 0
    assert the_run(project).sequence() == [(1, "chore", 1)]


def test_a_second_run_is_refused_and_told_who_runs_and_since_when(project: Project, gate: Gate) -> None:
    project.prompt("chore", gate.script, max_runs=1)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        since = holder(project)["started"]
        refusal = Done(
            4,
            "",
            f"error: another grind run is live in this working tree: {run.run_id} "
            f"(pid {live.process.pid}, since {since})\n"
            "hint: `pitboss status` shows it, `pitboss stop` ends it\n",
        )
        assert project.pitboss("grind") == refusal
        assert project.pitboss("grind", "--resume", run.run_id) == refusal
        gate.open()
        assert live.ended().code == 0
    assert the_run(project).sequence() == [(1, "chore", 1)]


def test_of_two_resumes_at_once_exactly_one_wins(project: Project, gate: Gate) -> None:
    project.prompt("chore", f"[ $PITBOSS_SESSION_SEQ = 1 ] || {{ {gate.script}; }}", max_runs=2)
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    again = "--resume", "--max-iterations", "none"
    with grinding(project, *again) as one, grinding(project, *again) as other:
        gate.wait()
        wait_until(lambda: (one.process.poll() is None) != (other.process.poll() is None))
        gate.open()
        assert sorted(live.ended().code for live in (one, other)) == [0, 4]
    assert the_run(project).sequence() == [(1, "chore", 1), (2, "chore", 2)]


def test_killing_both_processes_frees_the_lock_and_a_resume_ends_the_agent_they_left(
    project: Project, gate: Gate
) -> None:
    project.prompt("chore", gate.script, max_runs=2)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        wait_until(lambda: run.state["in_flight"][0].get("pid") is not None)
        agent, runner = run.state["in_flight"][0]["pid"], live.runner()
        for pid in (runner, live.process.pid):
            os.kill(pid, SIGKILL)
        live.ended()
        wait_until(lambda: proctree.alive([runner]) == [])
    # The warden holds the lock until it has ended the agent.
    wait_until(lambda: project.pitboss("status", "--json").json()["condition"] == "crashed")
    gate.open()
    assert project.pitboss("grind", "--resume").code == 0
    assert proctree.alive([agent]) == []
    assert [(r["status"], r.get("reason")) for r in run.records] == [("aborted", "interrupted"), ("ok", None)]


def test_the_lock_is_of_one_working_tree_alone(project: Project, gate: Gate, tmp_path: Path) -> None:
    project.prompt("chore", gate.script, max_runs=1)
    other = Project.create(tmp_path / "other")
    other.prompt("chore", "true", max_runs=1)
    with grinding(project) as live:
        gate.wait()
        assert other.pitboss("grind").code == 0
        gate.open()
        assert live.ended().code == 0


def test_json_is_one_line_a_session_as_the_log_has_it_and_one_for_the_run(project: Project) -> None:
    project.prompt("a-works", "echo text >added.txt", max_runs=1)
    project.prompt("b-fails", "exit 1", max_runs=1)
    done = project.pitboss("grind", "--json")
    run = the_run(project)
    *sessions, last = (json.loads(line) for line in done.out.splitlines())
    assert sessions == run.records
    assert last == {
        "run_id": run.run_id,
        "branch": run.branch,
        "status": "completed",
        "stop_reason": "exhausted",
        "message": "every prompt has had its runs",
        "exit_code": 1,
        "sessions": 2,
        "tokens": {"input": 0, "output": 0},
        "cost_usd": 0.0,
        "cost_known": True,
    }
    assert (done.code, last["exit_code"]) == (1, 1)


def test_a_reader_that_goes_away_does_not_end_the_run(project: Project) -> None:
    project.prompt("chore", "true", max_runs=3)
    reader, writer = os.pipe()
    os.close(reader)
    with grinding(project, "--json", stdout=writer) as live:
        os.close(writer)
        assert live.ended().code == 0
    assert [r["status"] for r in the_run(project).records] == ["ok"] * 3


def test_status_of_a_live_run_tells_what_is_in_flight_and_who_holds_it(project: Project, gate: Gate) -> None:
    project.prompt("a-first", "echo text >added.txt", max_runs=1)
    project.prompt("b-waits", gate.script, max_runs=1)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        wait_until(lambda: run.state["in_flight"][0].get("pid") is not None)
        told = project.pitboss("status", "--json").json()
        text = project.pitboss("status").out
        log = project.pitboss("log").out
        shown = project.pitboss("show", run.run_id, "2")
        gate.open()
        assert live.ended().code == 0
    assert (told["run_id"], told["condition"], told["status"]) == (run.run_id, "live", "active")
    assert told["holder"]["pid"] == live.process.pid
    (flying,) = told["in_flight"]
    assert {name: flying[name] for name in ("seq", "prompt", "rotation", "attempt", "outcome")} == {
        "seq": 2,
        "prompt": "b-waits",
        "rotation": 2,
        "attempt": 1,
        "outcome": None,
    }
    assert [r["prompt"] for r in told["last"]] == ["a-first"]
    assert f"live, pid {live.process.pid} since " in text
    assert f"session-0002 b-waits since {flying['started_at'][:19]}Z" in text
    assert [line.split()[1:4] for line in log.splitlines()] == [["session-0001", "ok", "a-first"]]
    assert (shown.code, shown.err) == (
        1,
        (
            f"error: run {run.run_id} has no record of session 2\n"
            f"hint: `pitboss log {run.run_id}` lists its sessions; one in flight has no record yet\n"
        ),
    )


def test_log_f_follows_a_live_run_to_its_end(project: Project, gate: Gate) -> None:
    project.prompt("a-first", "true", max_runs=1)
    project.prompt("b-waits", gate.script, max_runs=1)
    with grinding(project) as live:
        gate.wait()
        with project.started("log", "-f", "--json") as following:
            assert following.stdout is not None
            first = json.loads(following.stdout.readline())
            gate.open()
            rest, err = following.communicate(timeout=PATIENCE_S)
        assert live.ended().code == 0
    assert [first, *map(json.loads, rest.splitlines())] == the_run(project).records
    assert (err, following.returncode) == (b"", 0)


def test_skip_ends_the_session_in_flight_and_the_run_goes_on(project: Project, gate: Gate) -> None:
    configure(project)
    project.prompt("a-skipped", f"echo half >half.txt; {gate.script}", max_runs=1)
    project.prompt("b-next", "echo text >added.txt", max_runs=1)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        asked = project.pitboss("skip")
        assert live.ended().code == 0
    assert asked == Done(
        0, f"run {run.run_id} skips session-0001 (a-skipped): recorded as skipped, work rescued\n", ""
    )
    assert [verdict(r) for r in run.records] == [("skipped", "skipped", False, 1), ("ok", None, True, 0)]
    assert run.rescued("a-skipped") == {"half.txt": "half\n"}
    assert list((run.folder / "control").iterdir()) == []


def test_without_a_live_run_there_is_nothing_to_stop_or_skip(project: Project) -> None:
    project.prompt("chore", "true", max_runs=1)
    assert project.pitboss("grind").code == 0
    for command in ("stop", "skip"):
        assert project.pitboss(command) == Done(
            4,
            "",
            "error: no run is live in this working tree\nhint: `pitboss runs` lists all runs\n",
        )


def test_a_live_run_cannot_be_repaired(project: Project, gate: Gate) -> None:
    project.prompt("chore", gate.script, max_runs=1)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        refused = project.pitboss("repair", run.run_id)
        gate.open()
        assert live.ended().code == 0
    assert refused.code == 4
    assert (
        f"another grind run is live in this working tree: {run.run_id} (pid {live.process.pid}" in refused.err
    )
