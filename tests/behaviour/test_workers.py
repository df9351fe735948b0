"""Sessions on workers: a night on `local:2`, and what is left when a worker or the runner is killed (SPEC 14)."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from pitboss import proctree
from pitboss.core.environment import SESSION_SEQ
from pitboss.workers.dispatch import OWN_START_S
from tests.support.cli import PATIENCE_S, Project, wait_until
from tests.support.cluster import cluster_beside
from tests.support.runs import Gate, configure, ends, the_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WORKER_TAG = "PITBOSS_TEST_OF"
LANDING_HOOK = """#!/bin/sh
[ "$1" = prepared ] && grep -q refs/heads/pitboss && [ -n "$(git for-each-ref refs/pitboss/result)" ] || exit 0
{gate}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    project.env[WORKER_TAG] = str(tmp_path)
    return project


def writing(name: str, then: str = ":") -> str:
    """A script that writes a file named after its session and its prompt, notes that it began, and goes on."""
    return f"""echo "$PITBOSS_SESSION_SEQ" >> "$BEGAN"
echo text > {name}-$PITBOSS_SESSION_SEQ.txt
{then}
echo "did {name}" > "$PITBOSS_SUMMARY_FILE\""""


def prompts(project: Project, tmp_path: Path, names: Sequence[str], then: str = ":", **meta: object) -> None:
    project.env["BEGAN"] = str(tmp_path / "began")
    for name in names:
        project.prompt(name, writing(name, then), parallel_safe=True, **{"max_runs": 2} | meta)


def first_held(project: Project, tmp_path: Path) -> Gate:
    """A prompt for two sessions, the first of which waits at the gate."""
    gate = Gate(tmp_path / "gate")
    prompts(project, tmp_path, ("alpha",), f'[ "$PITBOSS_SESSION_SEQ" != 1 ] || {{ {gate.script}; }}')
    return gate


def began(tmp_path: Path) -> list[int]:
    """The sessions whose agent began, one number for each start."""
    return sorted(map(int, (tmp_path / "began").read_text().split()))


def at_work(project: Project) -> list[dict[str, Any]]:
    """The workers of the live run."""
    found: list[dict[str, Any]] = project.pitboss("workers", "--json").json()
    return found


def left(tmp_path: Path) -> list[int]:
    """The processes that anything of the test left."""
    return proctree.carrying({WORKER_TAG: str(tmp_path)}, since=0)


def test_a_night_on_two_workers_lands_each_session_once_and_leaves_no_process(
    project: Project, tmp_path: Path
) -> None:
    prompts(project, tmp_path, ("alpha", "beta", "gamma"))
    done = project.pitboss("grind", "--workers", "local:2")
    assert done.code == 0, done
    run = the_run(project)
    assert ends(run) == [("ok", None)] * 6
    assert began(tmp_path) == [1, 2, 3, 4, 5, 6]
    assert {record["host"] for record in run.records} == {"local-1", "local-2"}
    names = {f"{record['prompt']}-{record['seq']}.txt" for record in run.records}
    assert set(run.files(run.branch)) == names
    assert project.git("for-each-ref", "refs/pitboss") == ""
    assert left(tmp_path) == []


def test_a_session_on_a_worker_has_notes_tests_hooks_and_a_transcript_at_home(
    project: Project, tmp_path: Path
) -> None:
    project.write(
        ".pitboss/config.toml",
        '[agent]\nbackend = "shell"\n[tests]\ncommand = "test -e good.txt"\n'
        '[workers]\naddress = "local:1"\n[grind.worktree]\nsetup = "touch ../set-up.txt"\n'
        f'[grind.hooks]\npost_session = "ls > {tmp_path}/seen"\n',
    )
    script = 'echo hello; touch good.txt; echo "use tabs" >> "$PITBOSS_SCRATCHPAD"'
    project.prompt("alpha", script, verify=True, max_runs=1)
    done = project.pitboss("grind")
    assert done.code == 0, done
    run = the_run(project)
    assert ends(run) == [("ok", None)]
    assert (tmp_path / "seen").read_text() == "README.md\ngood.txt\n"
    assert "hello" in (run.folder / "transcripts/session-0001.log").read_text()
    assert "use tabs" in (run.folder / "scratchpad.md").read_text()
    assert run.files(run.branch) == {"good.txt": ""}


def test_a_killed_worker_loses_its_session_alone_and_nothing_that_it_had_finished_runs_again(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    then = f'[ "$PITBOSS_SESSION_SEQ" != 4 ] || {{ {gate.script}; }}'
    prompts(project, tmp_path, ("alpha",), then, max_runs=5)
    with project.started("grind", "--workers", "local:1") as process:
        gate.wait()
        wait_until(lambda: at_work(project)[0]["seqs"] == [4])
        (worker,) = at_work(project)
        assert (worker["name"], worker["seqs"], worker["finished"]) == ("local-1", [4], 3)
        os.kill(worker["pid"], signal.SIGKILL)
        wait_until(lambda: process.poll() is not None)
    run = the_run(project)
    lost = ("aborted", "interrupted: worker local-1 lost")
    assert ends(run) == [("ok", None)] * 3 + [lost] + [("ok", None)] * 2
    assert began(tmp_path) == [1, 2, 3, 4, 5, 6]
    assert run.records[4]["retry_of"] == 4
    (ref,) = run.records[3]["rescue"]
    assert set(run.files(ref)) >= {"alpha-4.txt"}
    assert left(tmp_path) == []


def test_a_killed_runner_takes_its_workers_along_and_a_resume_fetches_what_they_had(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    then = f'[ "$PITBOSS_SESSION_SEQ" != 2 ] || {{ {gate.script}; }}'
    prompts(project, tmp_path, ("alpha",), then, max_runs=3)
    with project.started("grind", "--workers", "local:1") as process:
        gate.wait()
        os.kill(proctree.children(process.pid)[0], signal.SIGKILL)
        wait_until(lambda: process.poll() is not None)
    assert left(tmp_path) == []
    done = project.pitboss("grind", "--resume")
    assert done.code == 0, done
    run = the_run(project)
    assert ends(run) == [("ok", None), ("aborted", "interrupted"), ("ok", None)]
    assert began(tmp_path) == [1, 2, 3]
    (ref,) = run.records[1]["rescue"]
    assert "alpha-2.txt" in run.files(ref)
    assert left(tmp_path) == []


def test_a_session_that_was_tested_when_its_runner_died_is_lost_and_its_turn_is_taken_again(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    configure(
        project, more=f"[tests]\ncommand = '''[ \"$PITBOSS_SESSION_SEQ\" != 1 ] || {{ {gate.script}; }}'''"
    )
    prompts(project, tmp_path, ("alpha",), max_runs=1, verify=True)
    with project.started("grind", "--workers", "local:1") as process:
        gate.wait()
        os.kill(proctree.children(process.pid)[0], signal.SIGKILL)
        wait_until(lambda: process.poll() is not None)
    done = project.pitboss("grind", "--resume")
    assert done.code == 0, done
    run = the_run(project)
    assert ends(run) == [("aborted", "interrupted: worker local-1 lost"), ("ok", None)]
    assert run.records[1]["retry_of"] == 1
    assert began(tmp_path) == [1, 2]


@pytest.mark.parametrize("leased", [True, False], ids=["leased", "lease-gone"])
def test_a_result_that_came_home_before_its_runner_died_lands_on_resume_if_it_is_still_leased(
    project: Project, tmp_path: Path, leased: bool
) -> None:
    gate = Gate(tmp_path / "gate")
    hook = project.write(".git/hooks/reference-transaction", LANDING_HOOK.format(gate=gate.script))
    hook.chmod(0o755)
    prompts(project, tmp_path, ["alpha"], max_runs=1)
    with project.started("grind", "--workers", "local:1") as process:
        gate.wait()
        os.kill(proctree.children(process.pid)[0], signal.SIGKILL)
        wait_until(lambda: process.poll() is not None)
    hook.unlink()
    run = the_run(project)
    if not leased:
        project.git("update-ref", "-d", f"refs/pitboss/lease/{run.folder.name}/1")
    project.pitboss("grind", "--resume")
    assert set(run.files(run.branch)) == {"alpha-1.txt" if leased else "alpha-2.txt"}
    assert began(tmp_path) == ([1] if leased else [1, 2])
    assert project.git("for-each-ref", "refs/pitboss/lease", "refs/pitboss/result") == ""
    if not leased:
        (ref, *_) = run.records[0]["rescue"]
        assert "alpha-1.txt" in run.files(ref)


def test_sessions_that_conflict_on_two_workers_are_rescued_and_retried(
    project: Project, tmp_path: Path
) -> None:
    project.env["BEGAN"] = str(tmp_path / "began")
    there = tmp_path / "there"
    both = (
        f"echo x >> {there}; for _ in $(seq 3000); do [ $(wc -l < {there}) -lt 2 ] || break; sleep 0.02; done"
    )
    for name in ("alpha", "beta"):
        project.prompt(name, f"{both}; echo {name} > same.txt", parallel_safe=True, max_runs=1)
    done = project.pitboss("grind", "--workers", "local:2")
    assert done.code in (0, 1), done
    run = the_run(project)
    assert sorted(record["status"] for record in run.records) == ["error", "ok", "ok"]
    retried = run.records[2]
    assert retried["retry_of"] == next(r["seq"] for r in run.records if r["status"] == "error")


def test_work_that_is_verified_is_tested_again_with_what_landed_meanwhile_on_its_worker(
    project: Project, tmp_path: Path
) -> None:
    there, seen = tmp_path / "there", tmp_path / "seen"
    both = (
        f"echo x >> {there}; for _ in $(seq 3000); do [ $(wc -l < {there}) -lt 2 ] || break; sleep 0.02; done"
    )
    configure(project, more=f"[tests]\ncommand = 'echo $(ls *.txt) >> {seen}'")
    for name in ("alpha", "beta"):
        project.prompt(name, f"{both}; echo {name} > {name}.txt", parallel_safe=True, verify=True, max_runs=1)
    done = project.pitboss("grind", "--workers", "local:2")
    assert done.code == 0, done
    run = the_run(project)
    assert ends(run) == [("ok", None)] * 2
    assert sorted(seen.read_text().splitlines()) == ["alpha.txt", "alpha.txt beta.txt", "beta.txt"]
    assert run.files(run.branch) == {"alpha.txt": "alpha\n", "beta.txt": "beta\n"}
    assert project.git("for-each-ref", "refs/pitboss") == ""


def test_a_worker_that_stands_still_is_begun_again_without_its_agents_and_hands_over_what_they_did(
    project: Project, tmp_path: Path
) -> None:
    gates = [Gate(tmp_path / f"gate-{seq}") for seq in (1, 2)]
    waits = "; ".join(
        f'[ "$PITBOSS_SESSION_SEQ" != {seq} ] || {{ {gate.script}; }}' for seq, gate in enumerate(gates, 1)
    )
    configure(project, more="[workers]\nlost_after_s = 3")
    prompts(project, tmp_path, ("alpha",), waits, max_runs=1)
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        for name in ("one", "two"):
            cluster.worker(name)
        with project.started("grind", "--workers", cluster.address) as process:
            gates[0].wait()
            wait_until(lambda: any(worker["seqs"] for worker in at_work(project)))
            (stopped,) = (worker for worker in at_work(project) if worker["seqs"])
            os.kill(stopped["pid"], signal.SIGSTOP)
            gates[1].wait()
            run = the_run(project)
            assert ends(run) == [("aborted", f"interrupted: worker {stopped['name']} lost")]
            wait_until(lambda: not proctree.carrying({WORKER_TAG: str(tmp_path), SESSION_SEQ: "1"}, since=0))
            wait_until(lambda: project.git("for-each-ref", "refs/pitboss/rescue"))
            gates[1].open()
            assert process.wait(PATIENCE_S) == 0
        assert ends(run)[1:] == [("ok", None)]
        assert run.records[1]["host"] != stopped["name"]
        assert set(run.files(f"refs/pitboss/rescue/{run.run_id}/session-0001")) == {"alpha-1.txt"}
        assert began(tmp_path) == [1, 2]
        wait_until(lambda: (cluster.listed(stopped["name"]) or {}).get("seqs") == [])
    assert left(tmp_path) == []


def test_a_session_outlives_the_scheduler_and_the_next_one_begins_when_it_is_back(
    project: Project, tmp_path: Path
) -> None:
    gate = first_held(project, tmp_path)
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        cluster.worker("one")
        with project.started("grind", "--workers", cluster.address) as process:
            gate.wait()
            cluster.scheduler.kill()
            cluster.scheduler.wait()
            wait_until(lambda: project.pitboss("workers", "--json").code != 0)
            gate.open()
            run = the_run(project)
            wait_until(lambda: ends(run) == [("ok", None)])
            cluster.begin_scheduler()
            assert process.wait(PATIENCE_S) == 0
        assert ends(run) == [("ok", None)] * 2
        assert began(tmp_path) == [1, 2]
    assert left(tmp_path) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["asked-to-leave", "guardian-killed"])
def test_a_session_whose_worker_leaves_in_order_is_lost_and_its_turn_is_taken_on_another(
    project: Project, tmp_path: Path, how: signal.Signals
) -> None:
    gates = [Gate(tmp_path / f"gate-{seq}") for seq in (1, 2)]
    waits = "; ".join(
        f'[ "$PITBOSS_SESSION_SEQ" != {seq} ] || {{ {gate.script}; }}' for seq, gate in enumerate(gates, 1)
    )
    prompts(project, tmp_path, ("alpha",), waits, max_runs=1)
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        workers = {name: cluster.worker(name) for name in ("one", "two")}
        with project.started("grind", "--workers", cluster.address) as process:
            gates[0].wait()
            wait_until(lambda: any(worker["seqs"] for worker in at_work(project)))
            left_by = next(worker["name"] for worker in at_work(project) if worker["seqs"])
            workers[left_by].send_signal(how)
            wait_until(lambda: cluster.is_free(left_by))
            gates[1].wait()
            gates[1].open()
            assert process.wait(PATIENCE_S) == 0
        run = the_run(project)
        assert ends(run) == [("aborted", f"interrupted: worker {left_by} lost"), ("ok", None)]
        assert run.records[1]["retry_of"] == 1
        assert run.records[1]["host"] != left_by
        assert set(run.files(f"refs/pitboss/rescue/{run.run_id}/session-0001")) == {"alpha-1.txt"}
        assert began(tmp_path) == [1, 2]
    assert left(tmp_path) == []


def test_what_a_worker_kept_of_a_run_that_is_over_comes_home_with_the_next_run(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    configure(project, more="[workers]\nlost_after_s = 2")
    prompts(
        project, tmp_path, ("alpha",), f'[ "$PITBOSS_SESSION_SEQ" != 1 ] || {{ {gate.script}; }}', max_runs=1
    )
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        one = cluster.worker("one")
        with project.started("grind", "--workers", cluster.address) as process:
            gate.wait()
            pid = next(worker["pid"] for worker in at_work(project))
            for each in (one.pid, pid):
                os.kill(each, signal.SIGKILL)
            cluster.worker("two")
            assert process.wait(PATIENCE_S) == 0
        run = the_run(project)
        assert ends(run) == [("aborted", "interrupted: worker one lost"), ("ok", None)]
        assert project.git("for-each-ref", "refs/pitboss") == ""
        wait_until(lambda: cluster.is_free("one"))
        cluster.worker("one")
        gate.open()
        done = project.pitboss("grind", "--workers", cluster.address)
        ref = f"refs/pitboss/rescue/{run.run_id}/session-0001"
        assert f"worker one is back: what session 1 of {run.run_id} did is kept under {ref}" in done.err
        assert set(run.files(ref)) == {"alpha-1.txt"}
    assert left(tmp_path) == []


def test_a_worker_needs_a_scheduler_by_tls_or_on_this_machine(project: Project) -> None:
    far = project.pitboss("worker", "tcp://example.com:8786")
    assert (far.code, "must begin with tls://" in far.err) == (4, True)
    bare = project.pitboss("worker", "tls://example.com:8786")
    assert (bare.code, "needs certificates" in bare.err) == (1, True)


def test_a_dry_run_starts_no_worker_and_asks_no_remote(project: Project) -> None:
    configure(project, more='[workers]\naddress = "local:2"\nremote = "ssh://git@example.com/project.git"')
    project.prompt("alpha", ":")
    done = project.pitboss("grind", "--dry-run")
    assert done.code == 0
    assert done.err == ""


def test_a_run_without_workers_has_none_to_list(project: Project) -> None:
    done = project.pitboss("workers")
    assert (done.code, done.out) == (4, "")
    assert "no run is live" in done.err


def test_a_run_that_is_resumed_without_its_workers_says_at_once_where_work_may_be_until_they_are_back(
    project: Project, tmp_path: Path
) -> None:
    configure(project, more="[workers]\nlost_after_s = 2")
    gate = first_held(project, tmp_path)  # nobody opens it
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        cluster.worker("one")
        with project.started("grind", "--workers", cluster.address) as process:
            gate.wait()
            run = the_run(project)
            os.kill(proctree.children(process.pid)[0], signal.SIGKILL)
            wait_until(lambda: process.poll() is not None)
        began_at = time.monotonic()
        done = project.pitboss("grind", "--resume", "--workers", "local:1")
        assert time.monotonic() - began_at < OWN_START_S
        assert done.code == 0, done
        assert ends(run) == [("aborted", "interrupted: worker one lost"), ("ok", None)]
        assert "may still be on worker one" in (run.folder / "report.md").read_text()
        assert began(tmp_path) == [1, 2]
        gate.open()
        project.pitboss("grind", "--workers", cluster.address, "--max-iterations", "1")
        ref = f"refs/pitboss/rescue/{run.run_id}/session-0001"
        assert set(run.files(ref)) == {"alpha-1.txt"}
    assert left(tmp_path) == []
