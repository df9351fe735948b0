"""What an agent in a sandbox can reach of the worker that runs it (SPEC 13, 14)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.cli import Project, wait_until
from tests.support.cluster import cluster_beside
from tests.support.runs import Gate, the_run
from tests.support.sandboxes import needs_bwrap

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = '[agent]\nbackend = "shell"\n[sandbox]\nmode = "bwrap"\n[workers]\ntls = "{tls}"\n'
WORK = """
tried() {{ "$@" >/dev/null 2>&1 && echo "$*" >> reached.txt; true; }}
tried cat {tls}/key.pem
tried cat {worker}/lock
tried touch {worker}/begun/forged
tried touch {worker}/repositories/other/.git/config
tried touch ~/.cache/download
touch done.txt
git add -A && git -c user.name=a -c user.email=a@b commit -qm "by the agent"
"""

LOCAL = """
tried() {{ "$@" >/dev/null 2>&1 && echo "$*" >> reached.txt; true; }}
tried cat {own}/config.toml
tried cat {own}/grind/runs/"$PITBOSS_RUN_ID"/state.json
tried cat {own}/grind/runs/"$PITBOSS_RUN_ID"/workers/tls/key.pem
tried cat {own}/../README.md
"""


@needs_bwrap
def test_an_agent_reaches_neither_the_certificates_nor_the_folder_of_its_worker(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    home = tmp_path / "repo-home"
    tls, worker = home / "tls", home / ".cache/pitboss/worker"
    (worker / "repositories/other/.git").mkdir(parents=True)
    assert project.pitboss("workers", "cert", str(tls)).code == 0
    project.write(".pitboss/config.toml", CONFIG.format(tls=tls))
    project.prompt("chore", WORK.format(tls=tls, worker=worker), parallel_safe=True, max_runs=1)
    with cluster_beside(project, tmp_path / "cluster", tls) as cluster:
        cluster.worker("anna", "--dir", str(worker))
        done = project.pitboss("grind", "--workers", cluster.address)
        assert done.code == 0, done
    run = the_run(project)
    home_shown = run.files(run.branch)["reached.txt"].splitlines()
    assert [words.rpartition("/")[2] for words in home_shown] == ["download"]
    assert "done.txt" in run.files(run.branch)
    assert sorted(each.name for each in (worker / "repositories/other/.git").iterdir()) == []


@needs_bwrap
def test_an_agent_on_a_worker_of_this_machine_reads_nothing_of_the_run(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    project.env["HOME"] = str(tmp_path)  # as everything else in /tmp is not there anyway
    project.write(".pitboss/config.toml", CONFIG.format(tls="~/none"))
    own = tmp_path / "repo/.pitboss"
    project.prompt("chore", LOCAL.format(own=own), parallel_safe=True, max_runs=1)
    done = project.pitboss("grind", "--workers", "local:1")
    assert done.code == 0, done
    run = the_run(project)
    assert run.files(run.branch)["reached.txt"].split("/")[-1] == "README.md\n"


@needs_bwrap
def test_no_hook_that_an_agent_makes_in_its_tree_runs_outside_on_a_worker(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    home = tmp_path / "repo-home"
    (home / ".gitconfig").write_text("[core]\nhooksPath = tools/hooks\n")
    project.env["GIT_CONFIG_GLOBAL"] = str(home / ".gitconfig")
    hook = (
        "mkdir -p tools/hooks; echo 'touch ~/ran' >tools/hooks/post-commit; chmod +x tools/hooks/post-commit"
    )
    project.prompt("chore", hook, parallel_safe=True, max_runs=1)
    done = project.pitboss("grind", "--workers", "local:1", "--sandbox", "bwrap")
    assert done.code == 0, done
    run = the_run(project)
    assert "tools/hooks/post-commit" in run.files(run.branch)
    assert not (home / "ran").exists()


def test_nobody_without_the_runs_own_certificates_gets_through_to_its_workers(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    project.write(".pitboss/config.toml", '[agent]\nbackend = "shell"\n')
    gate = Gate(tmp_path / "gate")
    project.prompt("chore", gate.script, parallel_safe=True, max_runs=1)
    with project.started("grind", "--workers", "local:1") as process:
        gate.wait()
        (note,) = project.root.glob(".pitboss/grind/runs/*/workers.json")
        where = json.loads(note.read_text())
        assert project.pitboss("workers", "--json").json()[0]["name"] == "local-1"
        stranger = where["address"].replace("tls://", "tcp://")
        refused = project.pitboss("workers", stranger)
        assert (refused.code, refused.out) == (1, ""), refused
        gate.open()
        wait_until(lambda: process.poll() is not None)
    assert [record["status"] for record in the_run(project).records] == ["ok"]
