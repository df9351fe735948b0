"""How `pitboss worker` begins, waits and leaves, and what it says when it cannot begin (SPEC 14)."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.agents import executable
from tests.support.cli import COMMAND, PATIENCE_S, Project, finish, wait_until
from tests.support.cluster import cluster_beside
from tests.support.leftovers import Beside
from tests.support.runs import Gate, the_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cluster import BesideCluster

USED = {"reason": "stop", "cost": 0.5, "tokens": {"input": 100, "output": 20}}


def listed(project: Project) -> dict[str, dict[str, Any]]:
    """The workers of the live run, by name."""
    return {worker["name"]: worker for worker in project.pitboss("workers", "--json").json()}


@pytest.mark.parametrize("command", ["worker", "workers"])
def test_workers_that_a_run_starts_itself_are_no_address_of_a_scheduler(
    project: Project, command: str
) -> None:
    refused = project.pitboss(command, "local:2")
    assert refused.code == 4
    assert "must be tls://HOST:PORT: a run with 'local:2' starts its own workers" in refused.err
    assert "must be tls://HOST:PORT, not 'rack'" in project.pitboss(command, "rack").err


def test_a_folder_that_cannot_be_used_and_a_name_that_is_none_are_refused(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    refused = project.pitboss("worker", "tcp://127.0.0.1:1", "--dir", str(tmp_path / "file" / "below"))
    assert (refused.code, refused.out) == (1, "")
    assert f"cannot use {tmp_path}/file/below: Not a directory" in refused.err
    assert "--dir names a folder that this user may write" in refused.err
    assert "--name" in project.pitboss("worker", "tcp://127.0.0.1:1", "--name", "a b").err


def test_a_worker_waits_for_its_scheduler_and_says_so_once(project: Project, tmp_path: Path) -> None:
    host = "127.{}.{}.{}".format(*(byte % 250 + 1 for byte in os.urandom(3)))
    address = f"tcp://{host}:8786"
    with contextlib.ExitStack() as stack:
        beside = Beside(tmp_path, stack)
        argv = [*COMMAND, "worker", address, "--name", "anna", "--dir", str(tmp_path / "anna")]
        worker = beside.start(argv, "worker", project.env)
        wait_until(lambda: beside.said("worker"))
        argv = [sys.executable, "-m", "dask", "scheduler", "--host", host, "--port", "8786"]
        beside.start([*argv, "--no-dashboard"], "scheduler", project.env)
        wait_until(lambda: "ready" in beside.said("worker"))
        assert beside.said("worker").splitlines() == [
            f"worker anna: waits for the scheduler at {address}: nothing listens there",
            f"worker anna: ready for sessions of {address}",
        ]
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_S) == 0


def test_of_two_workers_with_one_name_or_one_folder_the_second_says_so(
    project: Project, tmp_path: Path
) -> None:
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        first = cluster.worker("anna")
        folder = tmp_path / "cluster" / "anna"
        refused = project.pitboss("worker", cluster.address, "--name", "ben", "--dir", str(folder))
        assert refused.code == 1
        assert f"another worker uses {folder}" in refused.err
        cluster.worker("second", "--name", "anna", awaited=False)
        wait_until(lambda: "has a worker called anna already" in cluster.said("second"))
        first.send_signal(signal.SIGTERM)
        assert first.wait(PATIENCE_S) == 0
        wait_until(lambda: "ready" in cluster.said("second"))


def test_a_worker_that_leaves_finishes_its_session_and_one_that_is_added_takes_the_next(
    project: Project, tmp_path: Path
) -> None:
    gates = [Gate(tmp_path / f"gate-{seq}") for seq in (1, 2)]
    waits = "; ".join(
        f'[ "$PITBOSS_SESSION_SEQ" != {seq} ] || {{ {gate.script}; }}' for seq, gate in enumerate(gates, 1)
    )
    project.prompt("alpha", f"{waits}; echo x > $PITBOSS_SESSION_SEQ.txt", parallel_safe=True, max_runs=2)
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        anna = cluster.worker("anna")
        with project.started("grind", "--workers", cluster.address) as process:
            gates[0].wait()
            wait_until(lambda: " on anna" in project.pitboss("status").out)
            run_id = the_run(project).run_id
            wait_until(lambda: f" 1 of {run_id[-4:]} " in project.pitboss("workers", cluster.address).out)
            assert re.search(r" 1 +0 +\d+ s ago", project.pitboss("workers").out)
            assert listed(project)["anna"]["runs"] == {run_id: [1]}
            anna.send_signal(signal.SIGINT)
            wait_until(lambda: listed(project)["anna"]["unfit"] == "it is leaving")
            gates[0].open()
            assert anna.wait(PATIENCE_S) == 0
            cluster.worker("ben")
            gates[1].wait()
            gates[1].open()
            assert process.wait(PATIENCE_S) == 0
    run = the_run(project)
    assert [(record["status"], record["host"]) for record in run.records] == [("ok", "anna"), ("ok", "ben")]
    assert set(run.files(run.branch)) == {"1.txt", "2.txt"}


def test_asked_once_more_a_worker_that_leaves_ends_its_session(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", f"echo x > x.txt; {gate.script}", parallel_safe=True, max_runs=1)
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        anna = cluster.worker("anna")
        with project.started("grind", "--workers", cluster.address):
            gate.wait()
            anna.send_signal(signal.SIGINT)
            wait_until(lambda: "takes no more sessions" in cluster.said("anna"))
            anna.send_signal(signal.SIGINT)
            assert anna.wait(PATIENCE_S) == 0
            run = the_run(project)
            wait_until(lambda: run.records)
            assert run.records[0]["reason"] == "interrupted: worker anna lost"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ('[ "$1" = version ] && exec echo git version 2.30.2', "it has git version 2.30.2, older than 2.38"),
        ("exit 1", "it has no git"),
        (None, "it has no git"),
    ],
)
def test_a_worker_whose_git_is_missing_broken_or_too_old_says_so_and_gets_no_session(
    project: Project, tmp_path: Path, script: str | None, why: str
) -> None:
    project.prompt("alpha", "echo x > x.txt", parallel_safe=True, max_runs=1)
    (tmp_path / "bin").mkdir()
    path = str(tmp_path / "bin")
    if script is not None:
        executable(tmp_path / "bin/git", script)
        path += f":{project.env['PATH']}"
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        begun(cluster, "ancient", path)
        with project.started("grind", "--workers", cluster.address) as process:
            wait_until(lambda: list((project.root / ".pitboss/grind/runs").glob("*/workers.json")))
            wait_until(lambda: listed(project).get("ancient", {}).get("unfit") == why)
            cluster.worker("new")
            assert finish(process).code == 0
    assert [(record["status"], record["host"]) for record in the_run(project).records] == [("ok", "new")]


def agent(folder: Path) -> Path:
    """A folder with an opencode in it that does a little and says what it used."""
    lines = ({"type": "text", "part": {"text": "done"}}, {"type": "step_finish", "part": USED})
    said = "\n".join(json.dumps({**line, "sessionID": "ses-1"}) for line in lines)
    script = f"""case "$*" in *--version*) echo 1.2.3; exit; esac
        cat > /dev/null; echo made > made.txt; printf '%s\\n' {shlex.quote(said)}"""
    executable(folder / "opencode", script)
    return folder


def configured_doctor(project: Project, address: str) -> str:
    """What `doctor --probe` says when the configuration, which asks for probes, names the scheduler."""
    text = f'[agent]\nbackend = "opencode"\nprobe = true\n[workers]\naddress = "{address}"\n'
    project.write(".pitboss/config.toml", text)
    return project.pitboss("doctor", "--probe").out


def begun(cluster: BesideCluster, name: str, path: str) -> None:
    cluster.worker(name, env={"PATH": path})


def test_a_worker_without_the_agent_gets_no_session_and_the_runners_machine_needs_none(
    project: Project, tmp_path: Path
) -> None:
    project.prompt("alpha", ":", parallel_safe=True, max_runs=2)
    (tmp_path / "bin").mkdir()
    path = project.env["PATH"]
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        begun(cluster, "without", path)
        doctor = configured_doctor(project, cluster.address)
        with project.started("grind", "--workers", cluster.address) as process:
            wait_until(lambda: list((project.root / ".pitboss/grind/runs").glob("*/workers.json")))
            wait_until(lambda: listed(project).get("without", {}).get("unfit") == "it has no opencode")
            unfit = "waiting for a worker: the one that is connected is unfit"
            wait_until(lambda: unfit in project.pitboss("status").out)
            begun(cluster, "with", f"{agent(tmp_path / 'bin')}:{path}")
            ended = finish(process)
        wait_until(lambda: "opencode 1.2.3" in project.pitboss("workers", cluster.address).out)
    run = the_run(project)
    assert ended.code == 0, ended
    events = map(json.loads, (run.folder / "events.jsonl").read_text().splitlines())
    awaited = [event["why"] for event in events if event["kind"] == "workers_awaited"]
    assert (len(awaited) >= 2, awaited[-1]) == (True, "")
    assert f"agents not tried: they are those of the workers at {cluster.address}" in ended.err
    assert [(record["status"], record["host"]) for record in run.records] == [("ok", "with")] * 2
    assert "warning  probe       opencode: not tried: cannot find opencode here" in doctor
    assert "problem  workers     none is fit: without: it has no opencode" in doctor
    assert "warning  agent       opencode: cannot find opencode here" in doctor
