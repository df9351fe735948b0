"""`gc` looks at `[workers] remote` too: what runs at rest left there goes once it is at home (SPEC 11, 14)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Run, configure, the_run

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "20200101T000000Z-abcd"


class Elsewhere:
    """A remote, and a clone in which workers committed what the project has not seen."""

    def __init__(self, folder: Path, project: Project) -> None:
        self.bare = folder / "remote.git"
        self._project = project
        project.git("init", "-q", "--bare", str(self.bare))
        self._work = folder / "work"
        project.git("clone", "-q", str(project.root), str(self._work))
        configure(project, more=f'[workers]\nremote = "file://{self.bare}"')

    def push(self, file: str, *names: str) -> str:
        """Have refs there name a new commit with that file."""
        (self._work / file).write_text("text\n")
        self._git("add", file)
        self._git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", file)
        self._git("push", "-q", str(self.bare), *(f"HEAD:refs/{name}" for name in names))
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *args: str) -> str:
        return self._project.git("-C", str(self._work), *args)

    def refs(self) -> list[str]:
        listed = self._project.git("ls-remote", str(self.bare)).splitlines()
        return [line.split("\t")[1].removeprefix("refs/") for line in listed]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    project.prompt("work", "date +%N >> work.txt", max_runs=2)
    return project


@pytest.fixture
def elsewhere(project: Project, tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path, project)


def finished(project: Project, *options: str) -> Run:
    project.pitboss("grind", *options)
    return the_run(project)


def test_refs_of_a_run_at_rest_go_and_what_was_only_there_is_rescued(
    project: Project, elsewhere: Elsewhere
) -> None:
    run = finished(project)
    base, result = f"pitboss/base/{run.run_id}", f"pitboss/result/{run.run_id}"
    elsewhere.push("base.txt", base)
    elsewhere.push("landed.txt", f"{result}/1-1")
    late = elsewhere.push("late.txt", f"{result}/2-1-partial")
    others = ["heads/main", f"pitboss/base/{OTHER}", f"pitboss/result/{OTHER}/1-1"]
    elsewhere.push("others.txt", *others)
    before = elsewhere.refs()

    preview = project.pitboss("gc", "--dry-run")
    assert elsewhere.refs() == before
    assert project.git("for-each-ref", "refs/pitboss") == ""
    shown = [f"base/{run.run_id}", f"result/{run.run_id}/1-1", f"result/{run.run_id}/2-1-partial"]
    assert all(f"{each} on the remote" in preview.out for each in shown), preview
    done = project.pitboss("gc")

    assert (done.code, done.err) == (0, "")
    assert done.out == preview.out.replace("would free", "freed")
    assert elsewhere.refs() == others
    kept = project.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/pitboss").splitlines()
    assert kept == [f"refs/pitboss/rescue/{run.run_id}/session-0002 {late}"]
    assert project.pitboss("gc") == (0, "nothing to remove\n", "")


def test_a_run_that_can_be_resumed_keeps_what_it_has_there(project: Project, elsewhere: Elsewhere) -> None:
    run = finished(project, "--max-iterations", "1")
    elsewhere.push("left.txt", f"pitboss/result/{run.run_id}/1-1")
    assert project.pitboss("gc").out == "nothing to remove\n"
    assert elsewhere.refs() == [f"pitboss/result/{run.run_id}/1-1"]
    assert project.git("for-each-ref", "refs/pitboss") == ""


def test_a_remote_that_cannot_be_reached_is_named_and_the_rest_goes(
    project: Project, elsewhere: Elsewhere
) -> None:
    run = finished(project)
    elsewhere.bare.rename(elsewhere.bare.with_name("away"))
    done = project.pitboss("gc")
    assert done.code == 0
    assert "what runs left on [workers] remote stays, as that cannot be looked at" in done.err
    assert done.out.startswith(f"{run.run_id}  freed ")


def test_json_lists_the_refs_that_were_there(project: Project, elsewhere: Elsewhere) -> None:
    run = finished(project)
    oid = elsewhere.push("base.txt", f"pitboss/base/{run.run_id}")
    (listed,) = json.loads(project.pitboss("gc", "--json").out)
    assert listed["remote"] == [{"ref": f"refs/pitboss/base/{run.run_id}", "commit": oid}]
    assert elsewhere.refs() == []


def test_what_the_remote_does_not_let_go_is_rescued_all_the_same_and_a_problem(
    project: Project, elsewhere: Elsewhere
) -> None:
    run = finished(project)
    ref = f"pitboss/result/{run.run_id}/1-1-partial"
    elsewhere.push("first.txt", ref)
    hook = elsewhere.bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    done = project.pitboss("gc")
    assert done.code == 1
    assert f"{run.run_id}: " in done.err
    assert elsewhere.refs() == [ref]
    assert "first.txt" in project.git(
        "ls-tree", "--name-only", f"refs/pitboss/rescue/{run.run_id}/session-0001"
    )
