"""The files in docs/workers: what they start is a worker, which leaves in order when it is told to (SPEC 14)."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.cli import COMMAND, PATIENCE_S, Project, wait_until
from tests.support.cluster import cluster_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

RECIPES = Path(__file__).parents[2] / "docs" / "workers"
UNIT = (RECIPES / "pitboss-worker@.service").read_text()
ANALYZE = shutil.which("systemd-analyze")


def settings(unit: str) -> dict[str, str]:
    """The settings of a unit; of those that are given twice, the last."""
    return dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))


def kubernetes(kind: str) -> dict[str, Any]:
    """The one container of the one object of that kind, with what the object says of its pod."""
    objects = yaml.safe_load_all((RECIPES / "kubernetes.yaml").read_text())
    (pod,) = (each["spec"]["template"]["spec"] for each in objects if each["kind"] == kind)
    return {**pod, "container": pod["containers"][0]}


def service_command() -> list[str]:
    started = (
        settings(UNIT)["ExecStart"].replace("%i", "scheduler.example.com").replace("${PITBOSS_SLOTS}", "2")
    )
    return shlex.split(started)


def kubernetes_command() -> list[str]:
    return [
        str(word).replace("$(POD_NAME)", "worker-0")
        for word in kubernetes("StatefulSet")["container"]["command"]
    ]


@pytest.mark.parametrize("command", [service_command(), kubernetes_command()], ids=["systemd", "kubernetes"])
def test_the_worker_that_is_started_lacks_nothing_but_the_certificates_of_that_machine(
    project: Project, command: Sequence[str]
) -> None:
    program, *words = command
    assert Path(program).name == "pitboss"
    done = project.pitboss(*words)
    assert (done.code, "ca.pem is not there" in done.err) == (1, True), done


def test_a_service_manager_ends_a_worker_by_its_guardian_and_leaves_it_time_to_keep_the_work() -> None:
    given = settings(UNIT)
    assert (given["KillMode"], given["Restart"]) == ("mixed", "on-failure")
    assert int(given["TimeoutStopSec"]) >= 60
    pod = kubernetes("StatefulSet")
    assert pod["terminationGracePeriodSeconds"] >= 60
    mounted = {each["name"] for each in pod["container"]["volumeMounts"]}
    assert {"work", "own-tls"} <= mounted


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "pitboss-worker@.service"
    unit.write_text(UNIT.replace("/opt/pitboss/bin/pitboss", sys.executable))
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert [line for line in done.stderr.splitlines() if "pitboss" in line] == []


def test_a_slurm_job_is_a_worker_that_leaves_when_its_time_is_nearly_over(
    project: Project, tmp_path: Path
) -> None:
    tls, programs = tmp_path / "tls", tmp_path / "bin"
    assert project.pitboss("workers", "cert", str(tls)).code == 0
    programs.mkdir()
    (programs / "pitboss").write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    (programs / "pitboss").chmod(0o755)
    job = {"SLURM_JOB_ID": "42", "PITBOSS_TLS": str(tls), "PITBOSS_SLOTS": "3"}
    env = project.env | job | {"PATH": f"{programs}:{project.env['PATH']}"}
    with cluster_beside(project, tmp_path / "cluster", tls) as cluster:
        with subprocess.Popen(["bash", str(RECIPES / "slurm.sh"), cluster.address], env=env) as script:
            try:
                wait_until(lambda: cluster.listed("slurm-42-0") or script.poll() is not None)
                listed = cluster.listed("slurm-42-0")
                assert listed is not None
                assert (listed["slots"], listed["unfit"]) == (3, None)
                script.send_signal(signal.SIGTERM)
                assert script.wait(PATIENCE_S) == 0
            finally:
                script.kill()
        assert cluster.listed("slurm-42-0") is None
    assert (Path(project.env["HOME"]) / ".cache/pitboss/workers/slurm-42-0/lock").exists()
