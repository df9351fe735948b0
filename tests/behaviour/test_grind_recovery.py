"""What is told, billed and left alone when a killed run is resumed or repaired (SPEC 1, 5, 7)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project, wait_until
from tests.support.runs import Gate, configure, grinding, instruct, the_run

if TYPE_CHECKING:
    from pathlib import Path

REPORT = '{"input_tokens": 100, "output_tokens": 10, "cost_usd": 1.5}'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "repo")


def spender(project: Project, then: str, *, usage: str = REPORT, grind: str = "") -> None:
    """An agent that leaves work, says what it used, and then does something else."""
    script = f"cat >/dev/null; echo work >work.txt; echo '{usage}' >$PITBOSS_USAGE_FILE; {then}"
    more = f"[agent.command]\ncommand = ['sh', '-c', '''{script}''']"
    configure(project, agent="command", grind=grind, more=more)


def killed(project: Project, gate: Gate, *args: str) -> None:
    """Grind until something has come to `gate`, then kill the runner; its guardian ends the rest."""
    with grinding(project, *args) as live:
        gate.wait()
        os.kill(live.runner(), signal.SIGKILL)
        assert live.ended().code == 70
    gate.open()


def test_a_session_is_billed_by_the_agent_it_was_given_not_by_the_one_configured_now(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    spender(project, gate.script)
    instruct(project, "chore", "```sh\ntrue\n```", max_runs=2)
    killed(project, gate)
    project.pitboss("grind", "--resume", "--agent", "shell")
    first = the_run(project).records[0]
    assert (first["status"], first["agent"], first["cost_usd"]) == ("aborted", "command", 1.5)
    assert first["tokens"]["input"] == 100


@pytest.mark.parametrize("seen", [True, False], ids=["seen by the guardian", "power cut"])
def test_a_session_ended_when_its_run_died_and_not_when_that_is_noticed(
    project: Project, tmp_path: Path, *, seen: bool
) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("chore", f"echo hello; {gate.script}", max_runs=1)
    killed(project, gate)
    run = the_run(project)
    if not seen:
        (run.folder / "ended").write_text("live\n")
    told_by = run.folder / ("ended" if seen else "transcripts/session-0001.log")
    died = datetime.fromtimestamp(told_by.stat().st_mtime, UTC)
    assert project.pitboss("repair", run.run_id).code == 0
    ended = datetime.fromisoformat(run.records[0]["ended_at"])
    assert abs(ended - died) < timedelta(milliseconds=1)


def test_a_failure_that_recovery_records_counts_for_the_exit_code(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    configure(project, grind=f"[grind.hooks]\non_failure = '''{gate.script}'''")
    project.prompt("fails", "exit 3", max_runs=1)
    killed(project, gate)
    done = project.pitboss("grind", "--resume")
    assert (done.code, [r["status"] for r in the_run(project).records]) == (1, ["error"])


def test_an_unknown_cost_that_recovery_records_ends_a_run_with_a_cost_cap(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    spender(
        project, gate.script, usage='{"input_tokens": 100, "output_tokens": 1, "model": "nobody-prices-me"}'
    )
    instruct(project, "chore", max_runs=2)
    killed(project, gate)
    done = project.pitboss("grind", "--resume", "--max-cost", "1")
    run = the_run(project)
    assert (done.code, len(run.records), run.records[0]["cost_known"]) == (3, 1, False)
    assert 'set [budgets.pricing."nobody-prices-me"]' in done.err


def test_an_agent_that_ran_and_whose_transcript_is_gone_has_no_known_cost(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    spender(project, gate.script)
    instruct(project, "chore", max_runs=2)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        wait_until(lambda: run.state["in_flight"][0].get("pid") is not None)
        os.kill(live.runner(), signal.SIGKILL)
        assert live.ended().code == 70
    gate.open()
    shutil.rmtree(run.folder / "transcripts")
    done = project.pitboss("grind", "--resume", "--max-cost", "1")
    assert (done.code, [r.get("cost_known") for r in run.records]) == (3, [False])


def test_a_crash_before_the_agent_started_is_known_to_have_cost_nothing(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    hook = f"[grind.hooks]\npre_session = '''echo hook; {gate.script}'''"
    spender(project, "true", usage='{"cost_usd": 0.25}', grind=hook)
    instruct(project, "chore", max_runs=2)
    killed(project, gate)
    done = project.pitboss("grind", "--resume", "--max-cost", "1")
    records = the_run(project).records
    assert (done.code, [(r["status"], r["cost_usd"]) for r in records]) == (
        0,
        [("aborted", 0.0), ("ok", 0.25)],
    )
    assert not any("cost_known" in r for r in records)


def test_a_skip_that_a_fast_agent_asks_for_is_heeded(project: Project) -> None:
    project.prompt("hasty", 'touch "$PITBOSS_SKIP_FILE"; echo text >kept.txt', max_runs=1)
    project.pitboss("grind")
    run = the_run(project)
    assert [r["status"] for r in run.records] == ["skipped"]
    assert run.rescued("hasty") == {"kept.txt": "text\n"}


def test_a_folder_in_the_place_of_the_skip_file_skips_nothing(project: Project) -> None:
    project.prompt("chore", "true", max_runs=1)
    (project.root / ".pitboss/skip/x").mkdir(parents=True)
    assert project.pitboss("grind").code == 0


@pytest.mark.parametrize("command", [("grind", "--resume"), ("repair", "2")])
def test_a_user_who_works_on_another_branch_since_the_crash_is_left_alone(
    project: Project, tmp_path: Path, command: tuple[str, ...]
) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("chore", f"echo work >work.txt; {gate.script}", max_runs=1)
    killed(project, gate)
    ended = next((project.root / ".pitboss/grind/runs").glob("*/ended"))
    os.utime(ended, (ended.stat().st_mtime - 2,) * 2)  # the user is two seconds slower than this test
    project.git("add", "-A")
    project.git("stash")
    project.git("switch", "-q", "main")
    project.write("README.md", "mine\n")
    done = project.pitboss(*command)
    assert done.code == 4
    assert "uncommitted changes" in done.err
    assert (project.root / "README.md").read_text() == "mine\n"
    assert project.git("branch", "--show-current").strip() == "main"
    project.git("checkout", "-q", "README.md")
    project.git("switch", "-q", the_run(project).branch)
    assert project.pitboss(*command).code == 0
    assert the_run(project).records[0]["status"] == "aborted"


def test_repair_needs_no_prompts_while_the_state_can_be_read(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    instruct_folder = tmp_path / "prompts"
    instruct_folder.mkdir()
    text = f"---\nname: chore\ndescription: d\nmax_runs: 1\n---\n```sh\necho work >work.txt; {gate.script}\n```\n"
    (instruct_folder / "chore.md").write_text(text)
    killed(project, gate, "--prompts-dir", str(instruct_folder))
    run = the_run(project)
    (instruct_folder / "chore.md").unlink()
    done = project.pitboss("repair", run.run_id)
    assert done.code == 0, done
    assert [(r["status"], r["agent"]) for r in run.records] == [("aborted", "shell")]
    assert run.rescued("chore") == {"work.txt": "work\n"}
    assert "going on without prompts" in done.err


def test_a_state_lost_with_its_copy_is_not_rebuilt_with_a_rotation_that_the_run_did_not_have(
    project: Project,
) -> None:
    for name in ("one", "two"):
        project.prompt(name, "true", max_runs=2)
    project.write(".pitboss/grind/rotations/fast.toml", 'prompts = [{name = "one"}]\n')
    project.write(".pitboss/grind/rotations/slow.toml", 'prompts = [{name = "two"}]\n')
    project.pitboss("grind", "--rotation", "fast", "--max-iterations", "1")
    run = the_run(project)
    (run.folder / "state.json").unlink()
    shutil.rmtree(project.root / ".git/pitboss/backup")
    refused = project.pitboss("repair", run.run_id, "--rotation", "slow")
    assert (refused.code, "not in rotation slow" in refused.err) == (4, True)
    assert project.pitboss("repair", run.run_id, "--rotation", "fast").code == 0
    assert run.state["plan_name"] == "fast"


def test_a_live_run_has_no_repairs_to_show(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("chore", gate.script, max_runs=1)
    with grinding(project) as live:
        gate.wait()
        done = project.pitboss("repair", the_run(project).run_id, "--dry-run")
        gate.open()
        assert live.ended().code == 0
    assert (done.code, done.out) == (4, "")


def test_the_preview_of_a_resume_counts_the_session_that_was_in_flight(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    for name in ("one", "two"):
        project.prompt(name, gate.script, max_runs=1)
    killed(project, gate)
    report = project.pitboss("grind", "--dry-run", "--resume").out
    preview = report.split("## Scheduler preview (resumed scheduler state)\n")[1]
    assert preview == "1. two (rotation 2)\n(nothing left to run)\n"


def test_a_summary_of_any_bytes_reaches_record_and_hooks(project: Project) -> None:
    hook = 'printf %s "$PITBOSS_SESSION_SUMMARY" | wc -c >hooked.txt'
    configure(project, grind=f"[grind.hooks]\npost_session = '{hook}'")
    loud = "{ printf 'a\\000b'; head -c 200000 /dev/zero | tr '\\0' '\\377'; } >$PITBOSS_SUMMARY_FILE"
    project.prompt("loud", loud, max_runs=1)
    done = project.pitboss("grind")
    assert "failed" not in done.err
    assert 0 < int((project.root / "hooked.txt").read_text()) <= 32 * 1024
    assert len(the_run(project).records[0]["summary"].encode()) <= 64 * 1024


def test_a_pipe_in_the_place_of_the_summary_file_holds_nobody_up(project: Project) -> None:
    project.prompt("odd", 'rm -f "$PITBOSS_SUMMARY_FILE"; mkfifo "$PITBOSS_SUMMARY_FILE"', max_runs=1)
    assert project.pitboss("grind").code == 0
    assert the_run(project).records[0]["summary"] == "(no summary provided)"


@pytest.mark.parametrize(
    ("start", "back"),
    [
        (("switch", "-q", "main"), "main"),
        (("switch", "-q", "-c", "my$work"), "'my$work'"),
        (("switch", "-q", "--detach"), "--detach {head}"),
    ],
    ids=["main", "odd name", "detached"],
)
def test_a_repair_says_how_to_go_back_to_what_was_checked_out(
    project: Project, tmp_path: Path, start: tuple[str, ...], back: str
) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("chore", f"echo work >work.txt; {gate.script}", max_runs=1)
    project.git(*start)
    before = project.git("rev-parse", "HEAD").strip()
    killed(project, gate)
    run = the_run(project)
    done = project.pitboss("repair", run.run_id)
    command = f"git switch {back.format(head=before)}"
    said = f"{run.branch} is checked out; `{command}` goes back to what was before the run"
    assert (done.code, said in done.err) == (0, True), done
    subprocess.run(["sh", "-ec", command], cwd=project.root, check=True, capture_output=True)
    assert said not in project.pitboss("repair", run.run_id).err
