"""What a worker's clone takes over of the runner's repository, and what becomes of it (SPEC 14)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.cli import Project
from tests.support.cluster import cluster_beside
from tests.support.runs import configure, the_run

HOOK = """#!/bin/sh
[ ! -e forbidden.txt ] || { echo "no forbidden files"; exit 1; }
"""


def at_home(tmp_path: Path, how: str) -> Project:
    """A repository of a kind: a clone of another one, or one with longer names."""
    if how == "sha256":
        project = Project.create(tmp_path / "first")
        project.git("init", "-q", "-b", "main", "--object-format=sha256", str(tmp_path / "project"))
    else:
        project = Project.create(tmp_path / "origin")
        project.git("config", "uploadpack.allowFilter", "true")
        for nth in range(3):
            project.write("story.txt", f"chapter {nth}")
            project.commit(f"chapter {nth}")
        option = "--depth=1" if how == "shallow" else "--filter=blob:none"
        project.git("clone", "-q", option, f"file://{project.root}", str(tmp_path / "project"))
    made = Project(tmp_path / "project")
    made.write(".gitignore", ".pitboss/\n")
    made.write("README.md", "# Project\n")
    if how == "sha256":
        made.commit("First")
    return made


@pytest.mark.parametrize("how", ["shallow", "partial", "sha256"])
def test_a_repository_of_any_kind_is_cloned_and_sessions_land_in_it(tmp_path: Path, how: str) -> None:
    project = at_home(tmp_path, how)
    configure(project)
    project.prompt("alpha", "test -e README.md && echo text > alpha-$PITBOSS_SESSION_SEQ.txt", max_runs=2)
    done = project.pitboss("grind", "--workers", "local:1")
    assert done.code == 0, done
    run = the_run(project)
    assert [record["status"] for record in run.records] == ["ok", "ok"]
    assert set(run.files(run.branch)) == {"alpha-1.txt", "alpha-2.txt"}


def test_identity_line_ends_hooks_and_copied_files_are_on_a_worker_what_they_are_at_home(
    tmp_path: Path,
) -> None:
    project = Project.create(tmp_path / "project")
    project.write(".gitignore", ".pitboss/\n.env\n")
    project.write("notes.txt", "one\ntwo\n")
    project.commit("notes")
    project.write(".env", "KEY=value\n")
    for key, value in {"user.name": 'A "B" \\ C', "user.email": "a@b", "core.autocrlf": "true"}.items():
        project.git("config", key, value)
    with (project.root / ".git/config").open("a") as config:
        config.write("[merge]\n\trenames\n")
    project.write(".git/hooks/pre-commit", HOOK).chmod(0o755)
    configure(project, more='[grind.worktree]\ncopy = [".env"]')
    seen = tmp_path / "seen"
    project.prompt(
        "alpha",
        f"(git config --type=bool merge.renames; git config user.name; grep -c $(printf '\\r') notes.txt; cat .env)"
        f" > {seen}; echo x > new.txt",
        max_runs=1,
    )
    project.prompt("beta", "echo x > forbidden.txt", max_runs=1)
    project.pitboss("grind", "--workers", "local:1")
    run = the_run(project)
    assert seen.read_text() == 'true\nA "B" \\ C\n2\nKEY=value\n'
    assert run.record("alpha")["status"] == "ok"
    assert run.record("beta")["reason"] == "commit_refused: no forbidden files"
    assert set(run.files(run.branch)) == {"new.txt"}
    assert list((run.folder / "workers").glob("local-*/")) == []


def test_what_git_ignores_at_home_by_rules_that_are_not_in_git_is_ignored_on_a_worker(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    rules = project.write("../rules", "*.tmp\n")
    project.git("config", "core.excludesFile", str(rules))
    (project.root / ".git/info/exclude").write_bytes(b"*.log\n\xff\n.env")
    project.write(".env", "KEY=value\n")
    configure(project, more='[grind.worktree]\ncopy = [".env"]')
    project.prompt("alpha", "for name in a.tmp a.log a.txt; do cat .env > $name; done", max_runs=1)
    done = project.pitboss("grind", "--workers", "local:1")
    assert done.code == 0, done
    run = the_run(project)
    assert run.files(run.branch) == {"a.txt": "KEY=value\n"}


def test_a_run_says_once_which_files_a_worker_cannot_copy_though_the_checkout_has_them(
    tmp_path: Path,
) -> None:
    project = Project.create(tmp_path / "project")
    project.write(".gitignore", ".pitboss/\n.env\n*.key\ntools/\n")
    project.write("story.txt", "once\n")
    project.commit("story")
    for name in (".env", "a.key", "tools/run"):
        project.write(name, "here\n")
    configure(project, more='[grind.worktree]\ncopy = [".env", "*.key", "tools", "nowhere", "story.txt"]')
    project.prompt("alpha", "echo x > alpha-$PITBOSS_SESSION_SEQ.txt", max_runs=4)
    kept = tmp_path / "cluster" / "anna" / "copy" / "project"
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        kept.mkdir(parents=True)
        (kept / "a.key").write_text("there\n")
        cluster.worker("anna", "--slots", "2")
        done = project.pitboss("grind", "--workers", cluster.address, "--max-parallel", "2")
    assert done.code == 0, done
    warned = [line.partition("worker anna ")[2] for line in done.err.splitlines() if "to copy" in line]
    put = "to copy, as your checkout has: put it into copy/project in the worker's --dir"
    assert sorted(warned) == [f"has no .env {put}", f"has no tools {put}"]


def test_a_run_says_which_filters_its_workers_lack_if_files_go_through_them(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    for name in ("crypt", "idle"):
        project.git("config", f"filter.{name}.clean", "tr a-z A-Z")
    project.write(".gitattributes", "*.key filter=crypt\n*.pem filter=idle\n")
    project.write("deep/x.key", "secret\n")
    project.commit("A key")
    configure(project)
    project.prompt("alpha", "echo new > y.key", max_runs=2)
    done = project.pitboss("grind", "--workers", "local:1")
    assert (
        done.err.count("warning: on workers, files that go through git filters of yours (crypt) are as") == 1
    )


def broken(folder: Path, oid: str, content: bytes | None) -> None:
    """Damage an object in a worker's clone, or remove it."""
    (file,) = folder.glob(f"repositories/*/.git/objects/{oid[:2]}/{oid[2:]}")
    file.unlink()
    if content is not None:
        file.write_bytes(content)


@pytest.mark.parametrize("content", [b"no object", b"", None])
def test_a_session_that_meets_a_damaged_clone_is_tried_elsewhere_and_the_worker_makes_a_new_clone(
    tmp_path: Path, content: bytes | None
) -> None:
    project = Project.create(tmp_path / "project")
    configure(project)
    project.prompt("alpha", "echo text > alpha-$PITBOSS_SESSION_SEQ.txt", max_runs=1, parallel_safe=True)
    with cluster_beside(project, tmp_path / "cluster") as cluster:
        one = cluster.worker("one")
        assert project.pitboss("grind", "--workers", cluster.address).code == 0
        broken(tmp_path / "cluster/one", project.git("rev-parse", "HEAD^{tree}").strip(), content)
        done = project.pitboss("grind", "--workers", cluster.address, "--max-iterations", "1")
        assert "worker one gives the session up: git_failed" in done.err
        found = cluster.listed("one")
        assert found is not None
        assert found["unfit"] is None
        again = project.pitboss("grind", "--workers", cluster.address)
        assert again.code == 0
        assert len(list((tmp_path / "cluster/one/damaged").iterdir())) == 1
        one.terminate()


SPOILED = {
    "refs": "rm -r $(git rev-parse --git-common-dir)/refs",
    "objects": "rm -r $(git rev-parse --git-common-dir)/objects/??",
    "name": "git init -q nested; mkdir nested/.GIT; echo x > nested/.GIT/x; echo y > nested/y",
}
"""What a session does to a clone, by which git can no longer keep what it did."""


@pytest.mark.parametrize("what", SPOILED)
def test_work_that_git_cannot_keep_in_a_clone_is_put_aside_with_it_and_the_run_goes_on(
    tmp_path: Path, what: str
) -> None:
    project = Project.create(tmp_path / "project")
    configure(project)
    text = "echo text > alpha-$PITBOSS_SESSION_SEQ.txt"
    project.prompt("alpha", f'{text}; [ "$PITBOSS_SESSION_SEQ" != 1 ] || {{ {SPOILED[what]}; }}', max_runs=2)
    done = project.pitboss("grind", "--workers", "local:1")
    run = the_run(project)
    said = re.search(
        r"session 1: git on worker local-1 could not keep .* its clone is in (\S+) there", done.err
    )
    assert said is not None, done.err
    (kept,) = Path(said[1]).rglob("alpha-1.txt")
    assert kept.read_text() == "text\n"
    assert [record["status"] for record in run.records] == ["error", "ok"]
    assert run.files(run.branch) == {"alpha-2.txt": "text\n"}
