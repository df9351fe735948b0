"""A cluster of several machines, started by ssh as the guide says: scheduler, workers and runner apart (SPEC 14)."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitboss import proctree
from tests.support.cli import PATIENCE_S, Project, wait_until
from tests.support.machines import PATH, needs_machines, network
from tests.support.runs import Gate, the_run

if TYPE_CHECKING:
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


@needs_machines
def test_sessions_run_on_two_machines_whose_workers_were_started_by_ssh(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.env[TAG] = str(tmp_path)
    gates = [Gate(tmp_path / name) for name in ("gate-1", "gate-2")]
    for name, gate in zip(("alpha", "beta"), gates, strict=True):
        script = f"{gate.script}; uname -n > {name}.txt; echo $HOME >> {name}.txt"
        project.prompt(name, script, parallel_safe=True, max_runs=1)
    variables = {name: project.env[name] for name in project.env if name not in ("HOME", "PATH")}
    with network(tmp_path / "network", {**variables, "PATH": PROGRAMS}) as machines:
        cluster = Cluster(project, machines)
        (settings,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
        project.write(".pitboss/config.toml", f'[agent]\nbackend = "shell"\n{settings}')
        try:
            cluster.begin()
            argv = [*cluster.desk.inside, "env", f"--chdir={project.root}", "pitboss", "grind"]
            grind = machines.start(argv, "grind", cluster.env)
            for gate in gates:
                gate.wait()
            listed = cluster.listed()
            assert {name: (each["host"], each["slots"], each["unfit"]) for name, each in listed.items()} == {
                name: (name, 2, None) for name in ("anna", "ben")
            }
            wait_until(
                lambda: sorted(s for each in cluster.listed().values() for s in each["seqs"]) == [1, 2]
            )
            for gate in gates:
                gate.open()
            assert grind.wait(PATIENCE_S) == 0, machines.said("grind")
        finally:
            cluster.end()
        wait_until(lambda: proctree.carrying({TAG: str(tmp_path)}, since=0) == [])
    run = the_run(project)
    homes = {machine.name: str(machine.home) for machine in (cluster.anna, cluster.ben)}
    landed = {str(record["prompt"]): str(record["host"]) for record in run.records}
    assert set(landed.values()) == set(homes)
    assert run.files(run.branch) == {
        f"{prompt}.txt": f"{host}\n{homes[host]}\n" for prompt, host in landed.items()
    }
