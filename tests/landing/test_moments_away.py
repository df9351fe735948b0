"""What git or its files say while an agent has git's folder elsewhere is not believed (SPEC 1.6, 1.8)."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pitboss.core.config import WorktreeSettings
from pitboss.core.session import Assignment
from pitboss.git.errors import GitError, Kind, kind
from pitboss.git.repo import Repo
from pitboss.landing.places import GitPlaces
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.site import Site
from pitboss.store.paths import RunPaths
from tests.support.shell import sh

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUN = "20260101T000000Z-abcd"
BRANCH = f"pitboss/grind/{RUN}"
OWN = f"{BRANCH}-session-0001"
SLOT = "worktrees/slot-1"
ADMIN = f".git/{SLOT}"

WATCHING_GIT = """#!/bin/sh
PATH=@PATH@
case " $* " in *" $(cat @HERE@/asked 2>/dev/null || echo /) "*) ;; *) exec git "$@" ;; esac
rm @HERE@/asked
. @HERE@/hide
git "$@"; code=$?
. @HERE@/show
exit $code
"""
"""A git that runs two scripts around the first call that names the command in the file `asked`."""


class Scene:
    """A repository with a run whose first session is at work in a slot."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.root = folder / "repo"
        self.root.mkdir()
        sh(
            self.root,
            "git init -q -b main .; echo .pitboss/ >.gitignore; echo one >a; git add -A;"
            f" git -c user.name=u -c user.email=u@l commit -qm start; git branch {BRANCH}",
        )
        self.repo = Repo.discover(self.root)
        branch = RunBranch(self.repo, BRANCH, checked_out=False)
        paths = RunPaths(self.root, RUN)
        self.places = GitPlaces(Site(repo=self.repo, branch=branch, paths=paths, worktree=WorktreeSettings()))
        self.session = Assignment(
            seq=1,
            prompt="alpha",
            rotation=1,
            started_at=datetime.now(UTC),
            base_commit=sh(self.root, "git rev-parse main"),
            worktree=SLOT,
            branch=OWN,
        )
        self.place = self.places.at(self.session)
        self.place.prepare()
        self.tree = paths.working_copy(SLOT)

    def around_next(self, command: str, hide: str, show: str) -> None:
        """Run scripts in the repository before and after the next git that is asked for this command."""
        for name, script in (("hide", hide), ("show", show)):
            (self.bin / name).write_text(f"(cd {self.root} && {script})\n")
        (self.bin / "asked").write_text(command)

    def landed(self) -> dict[str, str]:
        """What the run branch has beyond the start."""
        names = sh(self.root, f"git diff --name-only main {BRANCH}").split()
        return {name: sh(self.root, f"git show {BRANCH}:{name}") for name in names}


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    program = tmp_path / "bin/git"
    program.parent.mkdir()
    text = WATCHING_GIT.replace("@PATH@", os.environ["PATH"])
    program.write_text(text.replace("@HERE@", str(program.parent)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return Scene(tmp_path)


@pytest.mark.parametrize(
    ("hide", "show"),
    [
        ("mv .git/refs .git/away; mkdir .git/refs", "rmdir .git/refs; mv .git/away .git/refs"),
        (f"cp {ADMIN}/HEAD away; git rev-parse main >{ADMIN}/HEAD", f"mv away {ADMIN}/HEAD"),
        (f"cp {ADMIN}/HEAD away; echo ref: refs/heads/x >{ADMIN}/HEAD", f"mv away {ADMIN}/HEAD"),
        ("mv .git away", "mv away .git"),
    ],
    ids=["no refs", "detached", "on a branch that was never born", "no repository"],
)
def test_work_lands_though_git_was_asked_in_a_bad_moment(scene: Scene, hide: str, show: str) -> None:
    (scene.tree / "b").write_text("new\n")
    scene.around_next("status", hide, show)
    landing = scene.place.land("work\n")
    assert not (scene.bin / "asked").exists()
    assert (landing.reason, landing.rescue) == (None, ())
    assert scene.landed() == {"b": "new"}


@pytest.mark.parametrize("step", ["commit", "land", "rescue"])
def test_a_working_copy_is_not_given_up_while_its_repository_is_away(scene: Scene, step: str) -> None:
    (scene.tree / "b").write_text("new\n")
    git_dir, away = scene.root / ".git", scene.root / "away"
    work = {
        "commit": lambda: scene.place.commit("work\n"),
        "land": lambda: scene.place.land("work\n"),
        "rescue": scene.place.rescue,
    }[step]
    git_dir.rename(away)
    with pytest.raises(GitError) as failed:
        work()
    assert kind(failed.value) is Kind.GONE
    assert (scene.tree / "b").read_text() == "new\n"
    away.rename(git_dir)
    assert scene.place.land("work\n").reason is None
    assert scene.landed() == {"b": "new"}


def test_a_working_copy_is_found_if_the_repository_comes_back_while_it_is_looked_for(scene: Scene) -> None:
    (scene.tree / "b").write_text("new\n")
    scene.around_next("--git-dir", "true", "mv away .git/worktrees")
    (scene.root / ".git/worktrees").rename(scene.root / "away")
    assert scene.place.land("work\n").reason is None
    assert scene.landed() == {"b": "new"}


def test_an_index_is_not_made_anew_because_it_was_away(scene: Scene) -> None:
    """What it says of ignored files is nowhere else."""
    sh(scene.tree, "echo forced >forced; echo forced >>.gitignore; git add -f forced")
    slot = scene.root / ADMIN
    (slot / "index").rename(slot / "away")
    scene.around_next("--git-dir", "true", f"mv {ADMIN}/away {ADMIN}/index")
    scene.place.land("work\n")
    assert scene.landed()["forced"] == "forced"


@pytest.mark.parametrize(
    "ask", [lambda repo: repo.commit_id("main"), lambda repo: repo.drop_broken_ref("refs/heads/main")]
)
def test_a_git_that_finds_no_repository_has_not_answered(scene: Scene, ask: Callable[[Repo], object]) -> None:
    before = sh(scene.root, "git rev-parse main")
    scene.around_next("--verify", "mv .git away", "mv away .git")
    with pytest.raises(GitError):
        ask(scene.repo)
    assert sh(scene.root, "git rev-parse main") == before


NO_OBJECTS = ("mv .git/objects away; mkdir .git/objects", "rmdir .git/objects; mv away .git/objects")
DROP = "git add -A; git -c user.name=u -c user.email=u@l commit -qm made; git reset -q --hard main"


@pytest.mark.parametrize("how", [DROP, "git stash -qu; git stash drop -q"], ids=["a commit", "a stash"])
def test_what_was_made_and_dropped_is_kept_though_objects_were_away_for_a_moment(
    scene: Scene, how: str
) -> None:
    (scene.tree / "b").write_text("new\n")
    sh(scene.tree, f"git config user.name u; git config user.email u@l; {how}")
    scene.around_next("--batch-check=%(objecttype)", *NO_OBJECTS)
    kept = scene.places.at(scene.session).land("work\n").rescue  # as a new process would
    assert not (scene.bin / "asked").exists()
    assert "new" in [sh(scene.root, f"git show {ref}:b 2>/dev/null || git show {ref}^3:b") for ref in kept]


def test_ignore_rules_that_cannot_be_read_end_the_attempt_and_nothing_else(scene: Scene) -> None:
    (scene.tree / ".gitignore").write_text("hidden\n")
    (scene.tree / "hidden").write_text("new\n")
    scene.around_next("--batch", *NO_OBJECTS)
    with pytest.raises(GitError, match="unable to read"):
        scene.place.land("work\n")
    landing = scene.place.land("work\n")
    assert scene.landed()[".gitignore"] == "hidden"
    assert sh(scene.root, f"git show {landing.rescue[0]}:hidden") == "new"
