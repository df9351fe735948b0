"""Working copies after a crash: what is released is only what had begun (SPEC 1.2, 7)."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitboss.core.config import WorktreeSettings
from pitboss.core.session import Assignment, Landing
from pitboss.git.repo import Repo
from pitboss.landing.places import GitPlaces
from pitboss.landing.rescue_refs import list_rescued
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.site import Site
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20260101T000000Z-abcd"
BRANCH = f"pitboss/grind/{RUN}"


def sh(folder: Path, script: str) -> str:
    done = subprocess.run(["sh", "-ec", script], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().strip()


def opened(root: Path) -> GitPlaces:
    """The run's places as a new process would open them."""
    repo = Repo.discover(root)
    branch = RunBranch(repo, BRANCH, checked_out=False)
    paths = RunPaths(root, RUN)
    return GitPlaces(Site(repo=repo, branch=branch, paths=paths, worktree=WorktreeSettings()))


def session(root: Path, seq: int, worktree: str) -> Assignment:
    return Assignment(
        seq=seq,
        prompt="alpha",
        rotation=seq,
        started_at=datetime.now(UTC),
        base_commit=sh(root, f"git rev-parse {BRANCH}"),
        worktree=worktree,
        branch=f"{BRANCH}-session-{seq:04}",
    )


def test_a_session_that_never_got_its_slot_leaves_it_as_it_was(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    root.mkdir()
    sh(
        root,
        "git init -q -b main .; echo .pitboss/ >.gitignore; echo one >a; git add -A;"
        f" git -c user.name=u -c user.email=u@l commit -qm start; git branch {BRANCH}",
    )
    alive = opened(root)
    first = session(root, 1, str(alive.reserve(1, in_slot=True).worktree))
    place = alive.at(first)
    place.prepare()
    (root / f".pitboss/grind/runs/{RUN}/worktrees/slot-1/a").write_text("two\n")
    landed = place.land("landed\n")
    place.release()
    commit = f"git -c user.name=t -c user.email=t@local commit-tree -p {BRANCH} main^{{tree}}"
    sh(root, f"git update-ref refs/heads/{BRANCH} $(echo later | {commit})")

    # The runner died before the slot was moved for the second session.
    second = session(root, 2, str(first.worktree))
    resumed = opened(root)
    place = resumed.at(second)
    assert place.rescue() == Landing()
    place.release()
    resumed.close()

    assert landed.commit is not None
    assert list_rescued(Repo.discover(root), RUN) == ()
    assert sh(root, "git worktree list").count("\n") == 0
    # The first session's branch, which would have gone with the next landing, is left to recovery.
    assert sh(root, "git branch --format='%(refname:short)'").split() == ["main", BRANCH, first.branch]
