"""Sessions on workers whose commits travel by a remote, and what becomes of them without it (SPEC 14)."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from tests.support.cli import Project, wait_until
from tests.support.runs import Gate, configure, the_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bare(project: Project, tmp_path: Path) -> Path:
    bare = tmp_path / "remote.git"
    project.git("init", "-q", "--bare", str(bare))
    configure(project, more=f'[workers]\naddress = "local:1"\nremote = "file://{bare}"\nlost_after_s = 5')
    return bare


def hook(bare: Path, name: str, script: str) -> None:
    path = bare / "hooks" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def writing(project: Project, then: str = ":", *, runs: int = 2) -> None:
    project.prompt("alpha", f"echo text > alpha-$PITBOSS_SESSION_SEQ.txt; {then}", max_runs=runs)


def refs(project: Project, bare: Path) -> str:
    return project.git("ls-remote", str(bare))


def test_commits_go_to_a_worker_and_come_home_by_the_remote_where_nothing_stays(
    project: Project, bare: Path, tmp_path: Path
) -> None:
    hook(bare, "post-receive", f"cat >> {tmp_path}/pushed")
    writing(project)
    done = project.pitboss("grind")
    assert done.code == 0, done
    assert "remote" not in done.err
    run = the_run(project)
    assert set(run.files(run.branch)) == {"alpha-1.txt", "alpha-2.txt"}
    pushed = [line.split()[2] for line in (tmp_path / "pushed").read_text().splitlines()]
    assert set(pushed) >= {f"refs/pitboss/base/{run.run_id}"} | {
        f"refs/pitboss/result/{run.run_id}/{seq}-1" for seq in (1, 2)
    }
    assert refs(project, bare) == ""
    assert project.git("for-each-ref", "refs/pitboss") == ""


@pytest.mark.parametrize("how", ["refuses", "vanishes", "hangs"])
def test_without_the_remote_commits_travel_through_the_connection(
    project: Project, bare: Path, tmp_path: Path, how: str
) -> None:
    if how == "refuses":
        hook(bare, "pre-receive", "exit 1")
    if how == "hangs":
        hook(bare, "pre-receive", "mkdir hung && sleep 300; exit 0")
    writing(project, f"mv {bare} {tmp_path}/elsewhere || :" if how == "vanishes" else ":")
    done = project.pitboss("grind")
    assert done.code == 0, done
    assert done.err.count("[workers] remote cannot be used from here") == 1
    run = the_run(project)
    assert [record["status"] for record in run.records] == ["ok", "ok"]
    assert set(run.files(run.branch)) == {"alpha-1.txt", "alpha-2.txt"}


def test_what_was_pushed_when_its_worker_was_killed_lands(
    project: Project, bare: Path, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    hook(bare, "post-receive", f"grep -q refs/pitboss/result || exit 0\n{gate.script}")
    writing(project, runs=1)
    with project.started("grind") as process:
        gate.wait()
        (worker,) = project.pitboss("workers", "--json").json()
        os.kill(worker["pid"], signal.SIGKILL)
        wait_until(lambda: process.poll() is not None)
        gate.open()
    run = the_run(project)
    assert [(record["status"], record.get("reason")) for record in run.records] == [("ok", None)]
    assert set(run.files(run.branch)) == {"alpha-1.txt"}
    assert project.git("for-each-ref", "refs/pitboss/lease", "refs/pitboss/result") == ""


def test_what_was_pushed_when_its_runner_was_killed_lands_when_the_run_is_resumed(
    project: Project, bare: Path, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    hook(bare, "post-receive", f"grep -q refs/pitboss/result || exit 0\n{gate.script}")
    writing(project, f"echo $PITBOSS_SESSION_SEQ >> {tmp_path}/began", runs=2)
    with project.started("grind") as process:
        gate.wait()
        (worker,) = project.pitboss("workers", "--json").json()
        os.kill(proctree.children(process.pid)[0], signal.SIGKILL)
        wait_until(lambda: process.poll() is not None)
        gate.open()
    wait_until(
        lambda: not proctree.alive([worker["pid"]])
    )  # it may leave there what a session did at any time
    done = project.pitboss("grind", "--resume")
    assert done.code == 0, done
    run = the_run(project)
    assert [(record["status"], record.get("reason")) for record in run.records] == [("ok", None)] * 2
    assert set(run.files(run.branch)) == {"alpha-1.txt", "alpha-2.txt"}
    assert (tmp_path / "began").read_text().split() == ["1", "2"]
    assert refs(project, bare) == ""
    assert project.git("for-each-ref", "refs/pitboss") == ""
