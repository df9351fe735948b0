"""A cluster of several machines, started by ssh as the guide says: scheduler, workers and runner apart (SPEC 14)."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pitboss import proctree
from tests.support.agents import executable
from tests.support.cli import PATIENCE_S, Project, wait_until
from tests.support.machines import PATH, needs_machines, network
from tests.support.runs import Gate, the_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Machine, Network

TAG = "PITBOSS_TEST_OF"
PROGRAMS = f"{Path(sys.executable).parent}:{PATH}"
GUIDE = (Path(__file__).parents[2] / "docs" / "workers.md").read_text()


def guided(begins: str) -> str:
    """The line of the guide that begins so."""
    (line,) = (line for line in GUIDE.splitlines() if line.startswith(begins))
    return line.partition("  #")[0]


class Cluster:
    """Four machines: `control` has the scheduler, `anna` and `ben` work, and runs are started on `desk`."""

    def __init__(self, project: Project, machines: Network) -> None:
        self._project = project
        self.control, self.anna, self.ben, self.desk = map(
            machines.machine, ("control", "anna", "ben", "desk")
        )
        self.env = project.env | {"PATH": PROGRAMS, "HOME": str(self.desk.home)}

    def begin(self) -> None:
        """As the guide says: make and copy certificates, start the scheduler and the workers."""
        for line in ("pitboss workers cert ~", "for host in", "ssh control 'nohup", "ssh anna 'nohup"):
            self.sh(guided(line))
        self.sh(guided("ssh anna 'nohup").replace("anna", "ben"))
        wait_until(lambda: all("ready" in self.log(machine) for machine in (self.anna, self.ben)))

    def end(self) -> None:
        """End what was started, as far as it was."""
        ends = guided("ssh anna 'kill $(cat")
        for machine, started in ((self.anna, "worker"), (self.ben, "worker"), (self.control, "scheduler")):
            if (machine.home / f"{started}.pid").exists():
                self.sh(ends.replace("anna", machine.name).replace("worker", started))

    def sh(self, command: str) -> str:
        """What a command line prints that is given on `desk`, in the project; it must succeed."""
        return self.desk.run("sh", "-ec", f"cd {self._project.root}; {command}", env=self.env).out

    def listed(self) -> dict[str, dict[str, Any]]:
        """The workers of the live run, by name."""
        return {worker["name"]: worker for worker in json.loads(self.sh("pitboss workers --json"))}

    @staticmethod
    def log(machine: Machine) -> str:
        """What a worker printed."""
        return (machine.home / "worker.log").read_text()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    project.env[TAG] = str(tmp_path)
    return project


@contextlib.contextmanager
def at_work(project: Project, tmp_path: Path, settings: str = "") -> Iterator[tuple[Cluster, Network]]:
    """The cluster of the guide, with more `settings` of its workers; nothing is left of it."""
    variables = {name: project.env[name] for name in project.env if name not in ("HOME", "PATH")}
    with network(tmp_path / "network", {**variables, "PATH": PROGRAMS}) as machines:
        cluster = Cluster(project, machines)
        (guided_settings,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
        project.write(".pitboss/config.toml", f'[agent]\nbackend = "shell"\n{guided_settings}{settings}\n')
        try:
            cluster.begin()
            yield cluster, machines
        finally:
            cluster.end()
        wait_until(lambda: proctree.carrying({TAG: str(tmp_path)}, since=0) == [])


@needs_machines
def test_sessions_run_on_two_machines_whose_workers_were_started_by_ssh(
    project: Project, tmp_path: Path
) -> None:
    gates = [Gate(tmp_path / name) for name in ("gate-1", "gate-2")]
    for name, gate in zip(("alpha", "beta"), gates, strict=True):
        script = f"{gate.script}; uname -n > {name}.txt; echo $HOME >> {name}.txt"
        project.prompt(name, script, parallel_safe=True, max_runs=1)
    with at_work(project, tmp_path) as (cluster, machines):
        argv = [*cluster.desk.inside, "env", f"--chdir={project.root}", "pitboss", "grind"]
        grind = machines.start(argv, "grind", cluster.env)
        for gate in gates:
            gate.wait()
        listed = cluster.listed()
        assert {name: (each["host"], each["slots"], each["unfit"]) for name, each in listed.items()} == {
            name: (name, 2, None) for name in ("anna", "ben")
        }
        wait_until(lambda: sorted(s for each in cluster.listed().values() for s in each["seqs"]) == [1, 2])
        for gate in gates:
            gate.open()
        assert grind.wait(PATIENCE_S) == 0, machines.said("grind")
    run = the_run(project)
    homes = {machine.name: str(machine.home) for machine in (cluster.anna, cluster.ben)}
    landed = {str(record["prompt"]): str(record["host"]) for record in run.records}
    assert set(landed.values()) == set(homes)
    assert run.files(run.branch) == {
        f"{prompt}.txt": f"{host}\n{homes[host]}\n" for prompt, host in landed.items()
    }


@needs_machines
def test_commits_travel_by_a_repository_that_all_machines_reach_by_ssh(
    project: Project, tmp_path: Path
) -> None:
    bare, pushed = tmp_path / "remote.git", tmp_path / "pushed"
    project.git("init", "-q", "--bare", str(bare))
    executable(bare / "hooks" / "post-receive", f"cat >> {pushed}")
    for name in ("alpha", "beta"):
        project.prompt(name, f"uname -n > {name}-$PITBOSS_SESSION_SEQ.txt", parallel_safe=True, max_runs=2)
    with at_work(project, tmp_path, f'remote = "ssh://control{bare}"') as (cluster, _):
        said = cluster.desk.run("sh", "-ec", f"cd {project.root}; pitboss grind", env=cluster.env).err
    run = the_run(project)
    assert "remote" not in said
    assert [record["status"] for record in run.records] == ["ok"] * 4
    assert len(run.files(run.branch)) == 4
    refs = {line.split()[2] for line in pushed.read_text().splitlines()}
    assert refs >= {f"refs/pitboss/base/{run.run_id}"} | {
        f"refs/pitboss/result/{run.run_id}/{seq}-1" for seq in range(1, 5)
    }
    assert project.git("ls-remote", str(bare)) == ""
