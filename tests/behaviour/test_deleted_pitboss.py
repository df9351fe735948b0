"""`.pitboss` deleted by an agent, whole or in part, while its run is live or as it dies: brought back (SPEC 7)."""

from __future__ import annotations

import json
import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project, wait_until
from tests.support.runs import Gate, Run, grinding, the_run

if TYPE_CHECKING:
    from pathlib import Path

WIPES = {
    "git clean": "git clean -fdxq -e work.txt",
    "the folder": "rm -rf .pitboss",
    "grind": "rm -rf .pitboss/grind",
    "what is in it": "rm -rf .pitboss/grind/*",
}
ALL_RUNS = {**WIPES, "runs": "rm -rf .pitboss/grind/runs", "each run": "rm -rf .pitboss/grind/runs/*"}

PID_NOTED = """until grep -q '"pid": [0-9]' .pitboss/grind/runs/*/state.json; do sleep 0.01; done"""
"""The run writes nothing more before the agent ends: it makes again what it finds gone when it writes."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    project.write(".pitboss/grind/rotations/night.toml", 'prompts = [{name = "wipes"}]\n')
    return project


def settings(project: Project) -> dict[str, str]:
    folder = project.root / ".pitboss"
    found = (p for p in folder.rglob("*") if p.suffix in (".md", ".toml") and "runs" not in p.parts)
    return {str(path.relative_to(folder)): path.read_text() for path in found}


def runs(project: Project) -> list[str]:
    listed: list[str] = [run["run_id"] for run in project.pitboss("runs", "--json").json()]
    return listed


def earlier(project: Project) -> Run:
    project.prompt("early", "echo early >early.txt", max_runs=1)
    assert project.pitboss("grind").code == 0
    run = the_run(project)
    (project.root / ".pitboss/grind/prompts/early.md").unlink()
    return run


@pytest.mark.parametrize("wipe", ALL_RUNS.values(), ids=ALL_RUNS)
def test_a_live_run_goes_on_and_what_was_there_comes_back(project: Project, wipe: str) -> None:
    before = earlier(project)
    records = (before.folder / "sessions.jsonl").read_bytes()
    # The run may write into a folder just as it is being removed: then again.
    script = f"echo work >work.txt; cd {project.root}; until {wipe}; do :; done"
    project.prompt("wipes", script, max_runs=1, weight=2)
    project.prompt("works", "echo more >more.txt", max_runs=1)
    written = settings(project)
    done = project.pitboss("grind")
    assert done.code == 0, done
    assert settings(project) == written
    assert (before.folder / "sessions.jsonl").read_bytes() == records
    run = Run(project, next(name for name in runs(project) if name != before.run_id))
    assert [(r["seq"], r["prompt"], r["status"]) for r in run.records] == [
        (1, "wipes", "ok"),
        (2, "works", "ok"),
    ]
    assert (run.folder / "sessions.md").read_text().count("## session-") == 2
    assert run.ending()[0] == "completed"
    assert f"run {before.run_id} (without its transcripts) was gone and has been restored from" in done.err
    assert "was removed; it has been recreated" in done.err


def test_settings_alone_that_an_agent_deletes_come_back_at_the_end(project: Project) -> None:
    project.prompt("wipes", "rm -rf .pitboss/config.toml .pitboss/grind/prompts", max_runs=1)
    written = settings(project)
    done = project.pitboss("grind")
    assert (done.code, settings(project)) == (0, written)
    assert "every prompt was gone and has been restored from" in done.err


@pytest.fixture
def killed(project: Project, tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    """A run whose agent deletes what it is told to; then the run is killed before it can do anything about it."""
    gate = Gate(tmp_path / "gate")
    project.prompt("first", "echo first >first.txt", max_runs=1, weight=3)
    again = f"[ ! -e {tmp_path}/once ] || exit 0; : >{tmp_path}/once; echo work >work.txt"
    project.prompt(
        "wipes",
        f"{again}; cd {project.root}; {PID_NOTED}; until {request.param}; do :; done; {gate.script}",
        max_runs=1,
        weight=2,
    )
    project.prompt("works", "echo more >more.txt", max_runs=1)
    with grinding(project) as live:
        gate.wait()
        (held,) = (project.root / ".git/pitboss/backup/runs").iterdir()
        runner = live.runner()
        os.kill(runner, signal.SIGKILL)
        live.process.wait(60)
        gate.open()
    run = Run(project, held.name)
    wait_until(lambda: "error" in live.err)
    return run


@pytest.mark.parametrize("killed", ALL_RUNS.values(), ids=ALL_RUNS, indirect=True)
class TestARunThatWasKilledAsItsFilesWent:
    def test_is_seen_and_named_with_the_way_to_bring_it_back(self, killed: Run, project: Project) -> None:
        assert runs(project) == [killed.run_id]
        for command in (["runs"], ["status"], ["status", killed.run_id]):
            shown = project.pitboss(*command)
            assert (shown.code, f"pitboss repair {killed.run_id}" in shown.out) == (0, True), shown
        log = project.pitboss("log", killed.run_id, "--json")
        assert [json.loads(line)["prompt"] for line in log.out.splitlines()] == ["first"]
        assert not killed.folder.exists()

    @pytest.mark.parametrize(
        "how", [["grind", "--resume"], ["repair"], ["grind"]], ids=["resume", "repair", "grind"]
    )
    def test_is_restored_with_its_settings_and_goes_on_with_one_record_a_session(
        self, killed: Run, project: Project, how: list[str]
    ) -> None:
        if how == ["grind"]:
            done = project.pitboss("grind")
            assert "the working tree" in done.err or done.code in (0, 4), done
        elif how == ["repair"]:
            dry = project.pitboss("repair", killed.run_id, "--dry-run")
            assert (dry.code, f"restore run {killed.run_id} from" in dry.out) == (0, True)
            done = project.pitboss("repair", killed.run_id)
            assert done.code == 0, done
        else:
            done = project.pitboss(*how)
            assert done.code == 0, done
        assert (
            f"run {killed.run_id} (without its transcripts) was gone and has been restored from" in done.err
        )
        if how != ["grind", "--resume"]:
            assert project.pitboss("grind", "--resume", killed.run_id).code == 0
        found = [(r["seq"], r["prompt"], r["status"]) for r in killed.records]
        assert found == [(1, "first", "ok"), (2, "wipes", "aborted"), (3, "works", "ok")]
        assert killed.rescued("wipes")["work.txt"] == "work\n"


def test_a_session_of_a_removed_run_is_shown_by_its_record(project: Project) -> None:
    run = earlier(project)
    records, shown = run.records, project.pitboss("show").out
    shutil.rmtree(run.folder)
    gone = shown.replace("transcripts/session-0001.log", "(not kept)")
    assert project.pitboss("show", run.run_id).out == gone != shown
    assert project.pitboss("show", run.run_id, "1", "--json").json() == records[0]
    assert "+early\n" in project.pitboss("show", run.run_id, "1", "--diff").out
    for output in ("--transcript", "--verify", "--hooks"):
        done = project.pitboss("show", run.run_id, output)
        assert (done.code, "it was removed with the run's directory" in done.err) == (1, True), done


def test_a_run_that_the_user_deletes_stays_deleted_until_it_is_asked_for(project: Project) -> None:
    run = earlier(project)
    project.prompt("works", "true", max_runs=1)
    assert project.pitboss("grind").code == 0
    (other,) = (name for name in runs(project) if name != run.run_id)
    project.pitboss("grind", "--resume")
    for path in sorted(run.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    run.folder.rmdir()
    assert runs(project) == [other]
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    assert run.run_id not in runs(project)
    assert project.pitboss("repair", run.run_id).code == 0
    assert run.run_id in runs(project)


def test_outside_the_reach_of_links_the_copy_is_not_written_either(project: Project, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (project.root / ".git/pitboss").symlink_to(tmp_path / "elsewhere")
    project.prompt("works", "true", max_runs=1)
    done = project.pitboss("grind")
    assert (done.code, list((tmp_path / "elsewhere").iterdir())) == (0, [])
