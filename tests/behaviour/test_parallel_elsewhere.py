"""`mode = "worktree"`: sessions work elsewhere, and the user's checkout belongs to the user (SPEC 1.6, 6)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import PATIENCE_S, Done, Project, wait_until
from tests.support.runs import Gate, configure, grinding, the_run, verdict
from tests.support.side_by_side import remains

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = 'mode = "worktree"'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    configure(project, grind=ELSEWHERE)
    return project


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def tree(project: Project) -> dict[str, object]:
    """All that is the user's: files, index, HEAD and its log, branches, stash, settings."""
    outside = [
        p
        for p in project.root.rglob("*")
        if p.is_file() and not {".git", ".pitboss"} & {*p.relative_to(project.root).parts}
    ]
    files = {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in outside}
    own = {name: (project.root / ".git" / name).read_bytes() for name in ("HEAD", "config", "logs/HEAD")}
    index = hashlib.sha256((project.root / ".git/index").read_bytes()).hexdigest()
    refs = [line for line in project.git("for-each-ref").splitlines() if "pitboss/" not in line]
    return {"files": files, "own": own, "index": index, "refs": refs}


@pytest.mark.parametrize("slots", ["1", "3"])
def test_a_dirty_checkout_on_another_branch_is_not_touched_in_any_way(project: Project, slots: str) -> None:
    project.write("README.md", "staged\n")
    project.git("add", "README.md")
    project.write("README.md", "and edited\n")
    project.write("loose.txt", "loose\n")
    project.write("new.txt", "the user's own\n")
    project.git("status")
    before = tree(project)
    project.prompt(
        "a-works",
        "[ ! -e loose.txt ]; echo by $PITBOSS_SESSION_SEQ >new.txt; echo agent >README.md",
        max_runs=1,
        parallel_safe=True,
    )
    project.prompt("b-fails", "echo text >failed.txt; exit 1", max_runs=1, parallel_safe=True)
    project.prompt("c-alone", "echo alone >alone.txt", max_runs=1)
    done = project.pitboss("grind", "--max-parallel", slots)
    run = the_run(project)
    assert done.code == 1, done
    assert tree(project) == before
    assert run.files(run.branch) == {"README.md": "agent\n", "alone.txt": "alone\n", "new.txt": "by 1\n"}
    assert run.rescued("b-fails")["failed.txt"] == "text\n"
    assert remains(run) == []


def test_the_user_commits_and_switches_meanwhile(project: Project, gate: Gate) -> None:
    project.prompt("chore", f"{gate.script}\necho text >added-$PITBOSS_SESSION_SEQ.txt", max_runs=2)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        project.git("switch", "-q", "-c", "feature")
        project.write("feature.txt", "by the user\n")
        project.commit("A feature")
        project.git("switch", "-q", "main")
        project.write("README.md", "more\n")
        project.commit("On main")
        gate.open()
        done = live.ended()
    assert done.code == 0, done
    assert [verdict(r) for r in run.records] == [("ok", None, True, 0)] * 2
    added = project.git("diff", "--name-only", "main~1", run.branch).split()
    assert added == ["added-1.txt", "added-2.txt"]
    assert project.git("status", "--porcelain", "--branch") == "## main\n"


def test_what_the_user_stashes_meanwhile_is_no_sessions_work(project: Project, gate: Gate) -> None:
    for key in ("user.name", "user.email"):
        project.git("config", key, "somebody")
    works = f"echo text >added-$PITBOSS_SESSION_SEQ.txt\ngit add .\ngit commit -qm own\n{gate.script}"
    project.prompt("chore", works, max_runs=3, parallel_safe=True)
    with grinding(project, "--max-parallel", "3") as live:
        gate.wait()
        run = the_run(project)
        wait_until(lambda: len([*(run.folder / "worktrees").glob("*/added-*")]) == 3)
        project.write("README.md", "half done\n")
        project.write("loose.txt", "half done too\n")
        project.git("stash", "-q", "-u")
        project.git("switch", "-q", "-c", "feature")
        project.git("stash", "pop", "-q")
        gate.open()
        done = live.ended()
    assert done.code == 0, done
    assert [verdict(record) for record in run.records] == [("ok", None, True, 0)] * 3
    assert project.git("for-each-ref", "refs/pitboss/rescue") == ""
    assert project.git("status", "--porcelain") == " M README.md\n?? loose.txt\n"


def test_the_run_branch_cannot_be_checked_out_while_the_run_lives_but_can_be_after(
    project: Project, gate: Gate
) -> None:
    project.prompt("chore", f"{gate.script}\necho text >added.txt", max_runs=1)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        with pytest.raises(Exception, match="returned non-zero"):
            project.git("switch", "-q", run.branch)
        gate.open()
        assert live.ended().code == 0
    project.git("switch", "-q", run.branch)
    assert (project.root / "added.txt").read_text() == "text\n"


def test_a_run_whose_branch_is_checked_out_is_not_resumed(project: Project) -> None:
    project.prompt("chore", "echo text >added-$PITBOSS_SESSION_SEQ.txt", max_runs=2)
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    run = the_run(project)
    project.git("switch", "-q", run.branch)
    refused = project.pitboss("grind", "--resume", "--max-iterations", "none")
    assert refused.code == 4
    assert (
        f"error: the run branch {run.branch} is checked out, and sessions are to land on it from elsewhere\n"
        "hint: `git switch` to another branch, then try again\n"
    ) in refused.err
    assert run.ending()[0] == "aborted"
    project.git("switch", "-q", "main")
    assert project.pitboss("grind", "--resume", "--max-iterations", "none").code == 0
    assert [verdict(r) for r in run.records] == [("ok", None, True, 0)] * 2
    assert project.git("status", "--porcelain", "--branch") == "## main\n"


def test_agents_hooks_and_tests_work_in_the_slot(project: Project, tmp_path: Path) -> None:
    say = f'echo "$(pwd) $PITBOSS_WORKTREE $(git rev-parse --abbrev-ref HEAD)" >>{tmp_path}'
    hooks = "\n".join(f"{name} = '{say}/{name}'" for name in ("pre_session", "post_session"))
    configure(project, grind=ELSEWHERE, more=f"[grind.hooks]\n{hooks}\n[tests]\ncommand = '{say}/tests'")
    project.prompt("chore", f"{say}/agent; echo text >added.txt", max_runs=1, verify=True)
    done = project.pitboss("grind")
    run = the_run(project)
    assert done.code == 0, done
    slot = run.folder / "worktrees/slot-1"
    here = f"{slot} {slot} {run.branch}-session-0001\n"
    said = {name: (tmp_path / name).read_text() for name in ("pre_session", "agent", "tests")}
    assert said == dict.fromkeys(said, here)
    assert (tmp_path / "post_session").read_text().startswith(f"{slot} {slot} ")


def test_commands_that_look_at_a_run_see_one_that_works_elsewhere(project: Project, gate: Gate) -> None:
    project.prompt("a-fails", "echo half >half.txt; exit 1", max_runs=1, parallel_safe=True)
    project.prompt("b-works", "echo text >added.txt", max_runs=1, parallel_safe=True)
    project.prompt("c-waits", gate.script, max_runs=1, parallel_safe=True)
    with grinding(project, "--max-parallel", "3") as live:
        gate.wait()
        run = the_run(project)
        wait_until(lambda: len(run.records) == 2)
        with project.started("log", "-f", "--json") as following:
            status = project.pitboss("status", "--json").json()
            told = project.pitboss("status").out
            diff = project.pitboss("show", run.run_id, "2", "--diff").out
            runs = project.pitboss("runs", "--json").json()
            assert live.process.poll() is None
            gate.open()
            assert live.ended().code == 1
            out, _ = following.communicate(timeout=PATIENCE_S)
    assert [(s["seq"], s["prompt"]) for s in status["in_flight"]] == [(3, "c-waits")]
    assert "session-0003 c-waits since " in told
    assert "+text" in diff
    assert [(r["run_id"], r["condition"]) for r in runs] == [(run.run_id, "live")]
    assert [json.loads(line) for line in out.splitlines()] == run.records
    applied = project.pitboss("rescue", "apply", f"{run.run_id}/session-0001")
    assert applied.code == 0, applied
    assert (project.root / "half.txt").read_text() == "half\n"
    assert project.git("branch", "--show-current") == "main\n"


def test_a_run_started_from_a_detached_head_lands_on_its_branch(project: Project) -> None:
    project.git("checkout", "-q", "--detach")
    head = project.git("rev-parse", "HEAD")
    project.prompt("chore", "echo text >added.txt", max_runs=1)
    assert project.pitboss("grind").code == 0
    run = the_run(project)
    assert run.files(run.branch) == {"added.txt": "text\n"}
    assert (project.git("branch", "--show-current"), project.git("rev-parse", "HEAD")) == ("", head)
    assert project.pitboss("grind", "--resume") != Done(0, "", "")


def test_a_run_started_in_place_goes_on_elsewhere_and_back(project: Project) -> None:
    project.prompt("chore", "echo text >added-$PITBOSS_SESSION_SEQ.txt", max_runs=3)
    configure(project)
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    run = the_run(project)
    configure(project, grind=ELSEWHERE)
    project.git("switch", "-q", "main")
    assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3
    assert project.git("branch", "--show-current") == "main\n"
    configure(project)
    project.git("switch", "-q", run.branch)
    assert project.pitboss("grind", "--resume", "--max-iterations", "none").code == 0
    assert run.files(run.branch) == {f"added-{n}.txt": "text\n" for n in (1, 2, 3)}
    assert project.git("status", "--porcelain") == ""
