"""What is retried when git fails, how often, and what ends a session or the run (SPEC 1.8)."""

from __future__ import annotations

import errno
import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.core.config import WorktreeSettings
from pitboss.core.events import Warned
from pitboss.errors import FREE_SPACE, StartError, StorageError
from pitboss.git.errors import GitError, LostRace, RepositoryGone
from pitboss.git.repo import Repo
from pitboss.landing.git_trouble import GitFailed, Perseverance, RepositoryMonitor, git_refusing
from pitboss.landing.guard import Guard
from pitboss.landing.places import GitPlaces
from pitboss.landing.refs import run_branch
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.site import Site
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.events import AgentStep, RunEvent

RUN = "20260101T000000Z-abcd"
LOCKED = GitError(("git", "commit"), "fatal: Unable to create '.git/index.lock': File exists.", code=128)
REFUSED = GitError(("git", "commit"), "error: external filter 'lfs' failed", code=1)
UNKNOWN = GitError(("git", "commit"), "fatal: a passing thing", code=128)
HALF_MOVED = GitError(("git", "status"), "fatal: not a git repository: '/r/.git/worktrees/slot-2'", code=128)
FULL = GitError(("git", "commit"), "error: write failed: No space left on device", code=1)


class World:
    """A repository that a run watches over, and what the run warned of."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events: list[RunEvent | AgentStep] = []
        self.hurried = False
        subprocess.run(["git", "init", "-q", "--template=", root], check=True)
        repo, paths = Repo.discover(root), RunPaths(root, RUN)
        paths.root.mkdir(parents=True)
        guard = Guard(repo, paths.root)
        guard.begin()
        branch = RunBranch(repo, run_branch(RUN), checked_out=True)
        places = GitPlaces(Site(repo=repo, branch=branch, paths=paths, worktree=WorktreeSettings()))
        self.monitor = RepositoryMonitor(places, guard, self.events.append, lambda: self.hurried)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "repo")


class Failing:
    """Work with git that fails in these ways, one after the other, before it is done."""

    def __init__(self, *failures: Exception) -> None:
        self.tries = 0
        self._failures = list(failures)

    def __call__(self) -> str:
        self.tries += 1
        if self._failures:
            raise self._failures.pop(0)
        return "done"


@pytest.mark.parametrize(
    ("failures", "tries"),
    [
        ((), 1),
        ((LOCKED, LOCKED, LostRace("moved"), StartError("a live git holds a lock")), 5),
        ((UNKNOWN,), 2),
        ((OSError(errno.EIO, "odd"),), 2),
        ((RepositoryGone("moved away"), RepositoryGone("moved away")), 3),
        ((HALF_MOVED, HALF_MOVED), 3),  # an agent beside this one puts a link in place of `refs`
    ],
)
def test_what_may_pass_is_retried(world: World, failures: tuple[Exception, ...], tries: int) -> None:
    work = Failing(*failures)
    assert Perseverance(world.monitor, 1).attempt(work) == "done"
    assert work.tries == tries
    assert world.events == []


@pytest.mark.parametrize(
    ("failures", "tries", "reason"),
    [
        ((REFUSED,), 1, "git_failed: git commit failed: error: external filter 'lfs' failed"),
        ((UNKNOWN, UNKNOWN), 2, "git_failed: git commit failed: fatal: a passing thing"),
        ((RepositoryGone("gone"),) * 4, 4, "git_failed: gone"),
    ],
)
def test_what_does_not_pass_is_the_reason_why_the_session_ends(
    world: World, failures: tuple[Exception, ...], tries: int, reason: str
) -> None:
    work = Failing(*failures)
    with pytest.raises(GitFailed) as failed:
        Perseverance(world.monitor, 1).attempt(work)
    assert (work.tries, str(failed.value)) == (tries, reason)


def test_the_run_knows_when_there_is_no_repository_any_more(world: World) -> None:
    gone = RepositoryGone("gone")
    with pytest.raises(GitFailed):
        Perseverance(world.monitor, 1).attempt(Failing(gone, gone, gone, gone))
    assert world.monitor.gone is gone


def test_nobody_waits_for_a_lock_while_somebody_waits_for_the_run_to_end(world: World) -> None:
    world.hurried = True
    work = Failing(LOCKED)
    with pytest.raises(GitFailed):
        Perseverance(world.monitor, 1).attempt(work)
    assert work.tries == 1


@pytest.mark.parametrize("failure", [FULL, OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "quota")])
def test_a_full_disk_stops_the_run(world: World, failure: Exception) -> None:
    with pytest.raises(StorageError) as stopped:
        Perseverance(world.monitor, 1).attempt(Failing(failure))
    assert stopped.value.hint == FREE_SPACE


def test_what_an_agent_had_just_changed_in_gits_config_is_restored_and_the_work_retried(world: World) -> None:
    config = world.root / ".git/config"
    before = config.read_text()
    tries = 0

    def work() -> str:
        nonlocal tries
        tries += 1
        if tries == 1:
            config.write_text(before + "[core]\n\thooksPath = /elsewhere\n")
            raise REFUSED
        return "done"

    assert Perseverance(world.monitor, 7).attempt(work) == "done"
    assert "elsewhere" not in config.read_text()
    (warned,) = world.events
    assert isinstance(warned, Warned)
    assert warned.text.startswith("session 7: ")


def test_where_nothing_has_begun_git_that_fails_is_a_refusal_to_start() -> None:
    with (
        pytest.raises(StartError, match="cannot start the run: git commit failed"),
        git_refusing("start the run"),
    ):
        raise UNKNOWN
    with pytest.raises(GitError), git_refusing("start the run"):
        raise FULL
