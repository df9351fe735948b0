"""What a session's work is kept under outlasts what later sessions do to it (SPEC 1.2)."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import COMMAND, Project
from tests.support.runs import the_run

if TYPE_CHECKING:
    from pathlib import Path

FAILS = "echo half > half.txt; exit 3"
PRUNES = "git init -q --bare ../empty.git; git fetch -q --prune ../empty.git '+refs/pitboss/*:refs/pitboss/*'"
DELETES = "git for-each-ref --format='delete %(refname)' refs/pitboss | git update-ref --stdin"
PACKS = f"git pack-refs --all --prune; {DELETES}"


@pytest.mark.parametrize("safe", [False, True], ids=["in place", "side by side"])
@pytest.mark.parametrize("act", [PRUNES, DELETES, PACKS], ids=["pruned", "deleted", "packed and deleted"])
def test_a_later_session_cannot_take_away_the_work_of_a_failed_one(
    tmp_path: Path, act: str, safe: bool
) -> None:
    project = Project.create(tmp_path / "project")
    project.prompt("a-fails", FAILS, max_runs=1, parallel_safe=safe)
    project.prompt("b-acts", f"sleep 1; {act}; echo done > done.txt", max_runs=1, parallel_safe=safe)

    done = project.pitboss("grind", "--max-parallel", "2" if safe else "1")

    run = the_run(project)
    assert run.record("b-acts")["status"] == "ok"
    assert run.rescued("a-fails") == {"half.txt": "half\n"}
    assert "keeps a session's work, had been deleted, and was put back" in done.err


def test_what_is_dropped_during_a_run_stays_away(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.prompt("a-fails", FAILS, max_runs=1)
    pitboss = shlex.join(COMMAND)
    ref = "$(git for-each-ref --format='%(refname)' refs/pitboss/rescue)"
    project.prompt("b-drops", f"{pitboss} rescue drop {ref} || exit 9", max_runs=1)

    project.pitboss("grind")

    assert the_run(project).record("b-drops")["status"] == "ok"
    assert project.pitboss("rescue", "ls", "--json").json() == []


def test_what_the_users_branch_lost_is_among_what_needs_a_person_until_it_is_dropped(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    who = ("-c", "user.name=a", "-c", "user.email=b")
    idea = project.git(*who, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "an idea").strip()
    project.git("branch", "idea", idea)
    project.prompt("deletes", "git branch -D idea; echo done > done.txt", max_runs=1)

    done = project.pitboss("grind")

    run = the_run(project)
    name = f"{run.run_id}/session-0001"
    need = "session 1: work that no record names is kept"
    for said in (done.err, project.pitboss("status").out, project.pitboss("report", "--format", "md").out):
        assert need in said
        assert f"pitboss rescue show {name}" in said
    assert "an idea" in project.pitboss("rescue", "show", name).out
    project.pitboss("rescue", "drop", name)
    assert need not in project.pitboss("status").out
