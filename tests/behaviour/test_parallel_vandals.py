"""Agents that wreck the working copy they were given: the user's repository and everybody's work survive (SPEC 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import Project
from tests.support.runs import configure, the_run, verdict
from tests.support.side_by_side import AUTHOR, worktrees

if TYPE_CHECKING:
    from pathlib import Path

RUN_BRANCH = "refs/heads/pitboss/grind/$PITBOSS_RUN_ID"
COMMIT = f"git add -A; {AUTHOR} commit -qm own"
HURT = {
    "adds-a-worktree": f"git worktree add -q -b side ../side; cd ../side; echo work >work.txt; {COMMIT}",
    "breaks-its-index": "echo work >work.txt; echo garbage >$(git rev-parse --git-dir)/index",
    "deletes-its-branch": "echo work >work.txt; git update-ref -d $(git symbolic-ref HEAD)",
    "deletes-the-run-branch": f"echo work >work.txt; git update-ref -d {RUN_BRANCH}",
    "empties-its-working-copy": "rm -rf *; echo work >work.txt",
    "fails-without-a-branch": "echo work >work.txt; git update-ref -d $(git symbolic-ref HEAD); exit 1",
    "goes-to-the-users-branch": f"git checkout -q --ignore-other-worktrees other; echo work >work.txt; {COMMIT}",
    "is-in-a-merge": (
        f"git checkout -q -b ours; echo x >both.txt; {COMMIT}; git checkout -q -; echo y >both.txt; {COMMIT}; "
        f"echo work >work.txt; {AUTHOR} merge -q ours || true"
    ),
    "leaves-locks": "echo work >work.txt; cd $(git rev-parse --git-dir); touch index.lock HEAD.lock",
    "links-it-to-the-users-files": (
        f"echo work >work.txt; {COMMIT}; cd ..; "
        'mv "$PITBOSS_WORKTREE" {out}/moved; ln -s {out}/precious "$PITBOSS_WORKTREE"'
    ),
    "locks-its-worktree": "echo work >work.txt; git worktree lock .",
    "makes-its-own-repository": f"echo work >work.txt; rm .git; git init -q .; {COMMIT}",
    "moves-the-run-branch": f"echo work >work.txt; {COMMIT}; git update-ref {RUN_BRANCH} HEAD",
    "forgets-worktrees": (
        "echo work >work.txt; git worktree unlock . 2>/dev/null || true; admin=$(git rev-parse --git-common-dir); "
        "rm .git; git -C $admin worktree prune"
    ),
    "removes-its-git-file": "echo work >work.txt; rm .git",
    "removes-its-working-copy": f'echo work >work.txt; {COMMIT}; cd /; rm -rf "$PITBOSS_WORKTREE"',
    "removes-its-worktree": f"echo work >work.txt; {COMMIT}; git worktree remove --force --force .",
    "rewinds-the-run-branch": f"echo work >work.txt; git update-ref {RUN_BRANCH} main",
    "stashes": f"echo work >work.txt; echo mine >README.md; {AUTHOR} stash -qu",
}
GONE = "head_moved: its working copy is gone"
ENDINGS = {
    "adds-a-worktree": ("ok", None),
    "fails-without-a-branch": ("error", "exit_code: 1"),
    "goes-to-the-users-branch": ("dirty", "head_moved: other"),
    "is-in-a-merge": ("error", "conflict: unmerged both.txt"),
    "makes-its-own-repository": ("dirty", GONE),
    "forgets-worktrees": ("dirty", GONE),
    "removes-its-working-copy": ("dirty", GONE),
    "removes-its-worktree": ("dirty", GONE),
    "stashes": ("dirty", "head_moved: commits that are no longer on the run branch"),
}


class Scene:
    """A run of all of them, two at a time, and what was the user's before and after it."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.project = project = Project.create(folder / "repo")
        configure(project, grind=f'mode = "{mode}"')
        project.git("branch", "other")
        project.git("switch", "-q", "-c", "user")
        self.precious = folder / "precious"
        self.precious.mkdir()
        (self.precious / "file").write_text("the user's\n")
        self.status = " M README.md\n" if mode == "worktree" else ""
        if mode == "worktree":
            project.write("README.md", "the user's, not committed\n")
        for name, script in HURT.items():
            own = script.replace("work.txt", f"{name}.txt").replace("{out}", str(folder))
            project.prompt(name, own, max_runs=1, parallel_safe=True)
        self.before = self.users()
        self.done = project.pitboss("grind", "--max-parallel", "2")
        self.run = the_run(project)

    def users(self) -> dict[str, Any]:
        """What no agent of these has a reason to change: branches, settings, files beside the repository."""
        return {
            "tips": self.project.git("rev-parse", "user", "main"),
            "config": (self.project.root / ".git/config").read_text(),
            "files": {path.name: path.read_text() for path in self.precious.iterdir()},
        }


@pytest.fixture(scope="module", params=["in-place", "worktree"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("vandals"), request.param)


def test_the_run_goes_on_to_its_end_with_one_record_each(scene: Scene) -> None:
    assert scene.done.code == 1, scene.done
    assert scene.run.ending() == ("completed", "every prompt has had its runs")
    assert sorted(r["prompt"] for r in scene.run.records) == sorted(HURT)
    assert scene.run.state.get("in_flight", []) == []


def test_what_is_the_users_is_as_it_was(scene: Scene) -> None:
    assert scene.users() == scene.before
    assert set(worktrees(scene.project)) <= {"repo", "side"}


def test_the_users_checkout_is_where_it_belongs(scene: Scene) -> None:
    head, status = (
        scene.project.git("symbolic-ref", "--short", "HEAD").strip(),
        scene.project.git("status", "--short"),
    )
    assert (head, status) == ("user", scene.status)


def test_each_session_ends_as_what_its_agent_did_deserves(scene: Scene) -> None:
    ended = {record["prompt"]: verdict(record)[:2] for record in scene.run.records}
    own = f"{scene.run.branch}-session-{scene.run.record('deletes-its-branch')['seq']:04}"
    expected = {name: ENDINGS.get(name, ("ok", None)) for name in HURT}
    expected["deletes-its-branch"] = ("dirty", f"head_moved: {own}")
    if ended["removes-its-git-file"] == (
        "dirty",
        GONE,
    ):  # another session had git forget working copies just then
        expected["removes-its-git-file"] = ("dirty", GONE)
    undone = ("dirty", "head_moved: what others did to the run branch was undone")
    if ended["moves-the-run-branch"] == undone:  # its neighbor had landed since it began
        expected["moves-the-run-branch"] = undone
    assert ended == expected


def test_all_work_is_reachable_from_its_record(scene: Scene) -> None:
    lost = []
    for record in scene.run.records:
        name = record["prompt"]
        kept = [
            record["commit"] or "main",
            *record.get("rescue", []),
            *(["side"] if name == "adds-a-worktree" else []),
        ]
        if not scene.project.git("log", "--full-history", "--format=%H", *kept, "--", f"{name}.txt"):
            lost.append(record)
    assert lost == []


def test_every_commit_that_a_record_names_is_on_the_run_branch(scene: Scene) -> None:
    for record in scene.run.records:
        if record["commit"]:
            scene.project.git("merge-base", "--is-ancestor", record["commit"], scene.run.branch)


@pytest.mark.parametrize("mode", ["in-place", "worktree"])
def test_what_has_landed_stays_on_the_run_branch_though_the_last_session_rewinds_it_and_fails(
    tmp_path: Path, mode: str
) -> None:
    project = Project.create(tmp_path / "repo")
    configure(project, grind=f'mode = "{mode}"')
    until_it_landed = f"until git cat-file -e {RUN_BRANCH}:work.txt; do sleep 0.1; done"
    rewinds = f"{until_it_landed}; git update-ref {RUN_BRANCH} main; exit 1"
    for name, script in {"works": "echo work >work.txt", "rewinds": rewinds}.items():
        project.prompt(name, script, max_runs=1, parallel_safe=True)
    assert project.pitboss("grind", "--max-parallel", "2").code == 1
    run = the_run(project)
    assert project.git("rev-parse", run.branch).strip() == run.record("works")["commit"]
    assert project.git("status", "--porcelain") == ""


def test_so_does_what_landed_before_the_run_was_resumed(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    configure(project, grind='mode = "worktree"')
    rewinds = f"git update-ref {RUN_BRANCH} main; exit 1"
    for name, script in {"first": "echo work >work.txt", "second": rewinds}.items():
        project.prompt(name, script, max_runs=1, parallel_safe=True)
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3
    run = the_run(project)
    assert project.git("rev-parse", run.branch).strip() == run.record("first")["commit"]
