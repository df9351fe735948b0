"""A worker whose machine lacks something costs the prompts no turns while another can take them (SPEC 14)."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.agents import executable
from tests.support.cli import Project
from tests.support.cluster import cluster_beside
from tests.support.runs import configure, the_run

if TYPE_CHECKING:
    from pathlib import Path

ON_BROKEN = '"case $PWD in */broken/*) echo no cc here >&2; exit 1;; esac"'


@pytest.mark.parametrize("what", ["set-up", "pre-session", "agent", "post-session"])
def test_what_fails_on_one_worker_before_its_agents_work_goes_to_another(tmp_path: Path, what: str) -> None:
    project = Project.create(tmp_path / "project")
    tools = tmp_path / "tools"
    tools.mkdir()
    executable(tools / "my-agent", "cat >/dev/null; sleep 0.3; echo x >$PITBOSS_SESSION_SEQ.txt")
    more = {
        "set-up": f"[grind.worktree]\nsetup = {ON_BROKEN}\n",
        "pre-session": f"[grind.hooks]\npre_session = {ON_BROKEN}\n",
        "post-session": f"[grind.hooks]\npost_session = {ON_BROKEN}\n",
        "agent": "",
    }[what]
    configure(project, agent="command", more=f'[agent.command]\ncommand = ["my-agent"]\n{more}')
    for number in range(5):
        project.prompt(f"p{number}", ":", parallel_safe=True, max_runs=1)
    path = project.env["PATH"]
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        cluster.worker("broken", env={"PATH": path if what == "agent" else f"{tools}:{path}"})
        cluster.worker("good", env={"PATH": f"{tools}:{path}"})
        project.env["PATH"] = f"{tools}:{path}"
        ended = project.pitboss("grind", "--workers", cluster.address)
    records = the_run(project).records
    there = [record["status"] for record in records if record["host"] == "broken"]
    warning = "worker broken gets no session for a while if others can take it: "
    if what == "post-session":
        assert there == ["ok"] * len(there)
        assert warning not in ended.err
        return
    assert there == ["error"], ended
    assert [record["status"] for record in records].count("ok") == 4, ended
    assert ended.err.count(warning) == 1, ended


def test_what_a_worker_has_no_room_to_keep_is_named_and_comes_home_once_it_has(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    full, tools, git = tmp_path / "full", tmp_path / "tools", shutil.which("git") or "git"
    tools.mkdir()
    no_room = f"[ ! -e {full} ] || {{ echo 'fatal: write error: No space left on device' >&2; exit 128; }}"
    executable(tools / "git", f'[ "$1" = --version ] || {no_room}; exec {shlex.quote(git)} "$@"')
    configure(project, more="[workers]\nlost_after_s = 2")
    write = f"echo x >$PITBOSS_SESSION_SEQ.txt; [ $PITBOSS_SESSION_SEQ != 1 ] || touch {full}"
    project.prompt("alpha", write, parallel_safe=True, max_runs=1)
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        cluster.worker("one", env={"PATH": f"{tools}:{project.env['PATH']}"})
        ended = project.pitboss("grind", "--workers", cluster.address, "--max-iterations", "1")
        assert "worker one cannot keep what the session did, as its log explains" in ended.err
        assert "what it did may still be on worker one, which did not hand it over" in ended.err
        full.unlink()
        ended = project.pitboss("grind", "--resume", "--max-iterations", "2")
    run = the_run(project)
    assert [record["status"] for record in run.records] == ["aborted", "ok"], ended
    assert set(run.files(f"refs/pitboss/rescue/{run.run_id}/session-0001")) == {"1.txt"}
