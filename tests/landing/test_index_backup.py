"""A broken or lost index costs nobody a file: what it alone knows outlives a session (SPEC 1.2)."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pitboss.core.session import Assignment
from pitboss.git.errors import GitError
from pitboss.git.index_backup import IndexBackup
from pitboss.git.repo import Repo
from pitboss.git.switch import HeadPosition, Switch
from pitboss.landing.readiness import begin_check
from pitboss.landing.rescuer import RescuePolicy
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.session_tree import SessionTree
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20260101T000000Z-abcd"
BRANCH = f"pitboss/grind/{RUN}"
SETUP = """
git init -q -b main . && git config user.name a && git config user.email b
mkdir in out && echo i > in/i && echo o > out/o
printf '.pitboss/\\n*.log\\n' > .gitignore && echo log > kept.log && git add -A && git add -f kept.log
"""
MARKED = """
echo public > skipped; echo public > assumed; git add -A; git commit -qm first
git update-index --skip-worktree skipped; git update-index --assume-unchanged assumed
echo private > skipped; echo private > assumed
"""
SPARSE = "git commit -qm first; git sparse-checkout set in"
DAMAGE = {
    "missing": "rm .git/index",
    "garbage": "echo garbage > .git/index",
    "empty": ": > .git/index",
    "cut short": "head -c 100 .git/index > .git/cut; mv .git/cut .git/index",
    "half of a split one": "git update-index --split-index; rm .git/sharedindex.*",
}
FORCED = "echo forced > forced.log; git add -f forced.log; git commit -qm forced"


def sh(cwd: Path, script: str) -> str:
    done = subprocess.run(["sh", "-c", script], cwd=cwd, capture_output=True, check=True)
    return done.stdout.decode().strip()


class World:
    """A repository on its run branch with session 1 begun."""

    def __init__(self, root: Path, setup: str) -> None:
        root.mkdir()
        self.root = root
        sh(root, SETUP + setup)
        self.tree = self.open()
        branch = RunBranch(Repo.discover(root), BRANCH, checked_out=True)
        base = begin_check(Repo.discover(root), in_place=True)().head
        branch.create(base)
        Switch(Repo.discover(root), RunPaths(root, RUN).switch).to(HeadPosition(commit=base, branch=BRANCH))
        self.tree.begin(1)
        self.session = Assignment(
            seq=1, prompt="alpha", rotation=1, started_at=datetime.now(UTC), base_commit=base
        )

    def open(self) -> SessionTree:
        """The checkout as a new process would open it."""
        return SessionTree(Repo.discover(self.root), BRANCH, RescuePolicy(paths=RunPaths(self.root, RUN)))

    def changed(self, commit: str) -> list[str]:
        """What a commit holds that the session's base does not, and the other way round."""
        base = self.session.base_commit
        return sh(self.root, f"git diff --name-status --no-renames {base} {commit}").splitlines()

    def flags(self) -> str:
        """Every path of the index with its marks."""
        return sh(self.root, "git ls-files -v")

    def leftovers(self) -> list[str]:
        """What pitboss left in git's own folder."""
        return sorted(path.name for path in (self.root / ".git").iterdir() if "pitboss" in path.name)


@pytest.mark.parametrize("another", [False, True], ids=["same process", "another process"])
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("setup", [MARKED, SPARSE], ids=["marked files", "sparse checkout"])
class TestADamagedIndex:
    def test_lands_what_the_session_did_and_nothing_else(
        self, tmp_path: Path, setup: str, damage: str, another: bool
    ) -> None:
        world = World(tmp_path / "repo", setup)
        flags = world.flags()
        sh(world.root, f"echo x > x; {DAMAGE[damage]}")
        tree = world.open() if another else world.tree
        landing = tree.land(world.session, "work\n")
        assert landing.commit is not None
        assert world.changed(landing.commit) == ["A\tx"]
        assert world.flags() == f"{flags}\nH x"
        assert sh(world.root, "git status --porcelain") == ""
        assert world.leftovers() == []

    def test_rescues_what_the_session_did_and_nothing_else(
        self, tmp_path: Path, setup: str, damage: str, another: bool
    ) -> None:
        world = World(tmp_path / "repo", setup)
        flags = world.flags()
        sh(world.root, f"echo x > x; {DAMAGE[damage]}")
        tree = world.open() if another else world.tree
        (ref,) = tree.rescue(world.session).rescue
        assert world.changed(ref) == ["A\tx"]
        assert world.flags() == flags
        assert sh(world.root, "git status --porcelain; cat kept.log") == "log"
        assert world.leftovers() == []


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_the_session_committed_before_the_damage_stays_committed(tmp_path: Path, damage: str) -> None:
    world = World(tmp_path / "repo", MARKED)
    sh(world.root, f"{FORCED}; echo x > x; {DAMAGE[damage]}")
    landing = world.tree.land(world.session, "work\n")
    assert landing.commit is not None
    assert world.changed(landing.commit) == ["A\tforced.log", "A\tx"]
    assert (world.root / "skipped").read_text() == "private\n"


@pytest.mark.parametrize(
    "copy", ["rm {0}", "echo garbage > {0}", "head -c 100 {0} > .git/cut; mv .git/cut {0}"]
)
@pytest.mark.parametrize("setup", ["git commit -qm first", SPARSE], ids=["whole", "sparse checkout"])
def test_without_a_usable_copy_the_last_commit_serves(tmp_path: Path, setup: str, copy: str) -> None:
    world = World(tmp_path / "repo", setup)
    sh(world.root, f"{copy.format('.git/pitboss-kept-index')}; echo x > x; rm .git/index")
    landing = world.tree.land(world.session, "work\n")
    assert landing.commit is not None
    assert world.changed(landing.commit) == ["A\tx"]
    assert sh(world.root, "git status --porcelain") == ""


@pytest.mark.parametrize("damage", ["rm {0}", "echo garbage > {0}", ": > {0}"])
@pytest.mark.parametrize("setup", ["git commit -qm first", SPARSE], ids=["whole", "sparse checkout"])
def test_of_a_split_index_the_copy_is_only_half(tmp_path: Path, setup: str, damage: str) -> None:
    split = "git config core.splitIndex true; git update-index --split-index"
    world = World(tmp_path / "repo", f"{setup}; {split}")
    shared = "$(echo .git/sharedindex.*)"
    sh(world.root, f"echo x > x; chmod u+w {shared}; {damage.format(shared)}")
    landing = world.tree.land(world.session, "work\n")
    assert landing.commit is not None
    assert world.changed(landing.commit) == ["A\tx"]
    assert sh(world.root, "git status --porcelain") == ""


def test_on_a_branch_without_a_commit_the_base_serves(tmp_path: Path) -> None:
    world = World(tmp_path / "repo", MARKED)
    sh(world.root, "git checkout -q --orphan void; echo x > x; rm .git/index")
    landing = world.tree.land(world.session, "work\n")
    assert (landing.commit, landing.reason) == (None, "head_moved: void")
    assert world.changed(landing.rescue[0]) == ["A\tx"]
    assert sh(world.root, "cat skipped assumed kept.log") == "private\nprivate\nlog"


def test_a_session_leaves_no_copy_of_the_index_and_a_crashed_one_no_older_copy(tmp_path: Path) -> None:
    world = World(tmp_path / "repo", MARKED)
    copy = world.root / ".git/pitboss-kept-index"
    copy.write_text("of a crashed session")
    world.open().begin(1)
    assert copy.read_bytes() == (world.root / ".git/index").read_bytes()
    assert copy.stat().st_mtime_ns == (world.root / ".git/index").stat().st_mtime_ns
    assert sh(world.root, "git status --porcelain; git fsck") == ""
    world.tree.land(world.session, "nothing\n")
    assert world.leftovers() == []


def test_an_index_without_a_hash_is_sound(tmp_path: Path) -> None:
    world = World(tmp_path / "repo", MARKED)
    sh(world.root, "echo x > x; echo forced > forced.log; git add -f forced.log")
    index = world.root / ".git/index"
    index.write_bytes(index.read_bytes()[:-20] + bytes(20))
    landing = world.open().land(world.session, "work\n")
    assert landing.commit is not None
    assert world.changed(landing.commit) == ["A\tforced.log", "A\tx"]


@pytest.mark.parametrize("agent", ["git update-index --split-index", "git config feature.manyFiles true"])
@pytest.mark.parametrize("hashes", ["sha1", "sha256"])
def test_an_index_of_another_kind_is_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: str, hashes: str
) -> None:
    monkeypatch.setenv("GIT_DEFAULT_HASH", hashes)
    world = World(tmp_path / "repo", MARKED)
    sh(world.root, f"{agent}; echo x > x.log; git add -f x.log; rm x.log")
    landing = world.open().rescue(world.session)
    assert landing.rescue == ()
    sh(world.root, "echo x > x; echo x > x.log; git add -f x.log")
    landing = world.open().land(world.session, "work\n")
    assert landing.commit is not None
    assert world.changed(landing.commit) == ["A\tx", "A\tx.log"]


def test_a_lock_on_the_copy_left_by_a_crash_is_in_nobodys_way(tmp_path: Path) -> None:
    world = World(tmp_path / "repo", MARKED)
    sh(world.root, "echo x > x; rm .git/index; : > .git/pitboss-kept-index.lock")
    landing = world.open().land(world.session, "work\n")
    assert landing.commit is not None
    assert world.changed(landing.commit) == ["A\tx"]
    assert world.leftovers() == []


@pytest.mark.parametrize("paths", [1, 100], ids=["few paths", "many paths"])
@pytest.mark.parametrize("operation", ["land", "rescue"])
def test_new_files_outside_a_sparse_checkout_are_kept(tmp_path: Path, operation: str, paths: int) -> None:
    world = World(tmp_path / "repo", SPARSE)
    sh(world.root, f"mkdir -p out; for n in $(seq {paths}); do echo n > out/$n; echo n > in/$n; done")
    if operation == "land":
        kept = world.tree.land(world.session, "work\n").commit or ""
    else:
        (kept,) = world.tree.rescue(world.session).rescue
    assert len(world.changed(kept)) == 2 * paths
    assert sh(world.root, "git status --porcelain") == ""


def test_edits_outside_a_sparse_checkout_are_kept(tmp_path: Path) -> None:
    world = World(tmp_path / "repo", SPARSE)
    sh(world.root, "mkdir out; echo edit > out/o; echo edit > in/i")
    landing = world.tree.land(world.session, "work\n")
    assert world.changed(landing.commit or "") == ["M\tin/i", "M\tout/o"]
    assert sh(world.root, "git status --porcelain") == ""


@pytest.mark.parametrize(
    ("said", "broken"),
    [
        ("fatal: index file corrupt", True),
        ("error: bad signature 0x67617262\nfatal: index file corrupt", True),
        ("fatal: .git/index: index file smaller than expected", True),
        ("fatal: index uses LINK extension, which we do not understand", True),
        ("error: bad index file sha1 signature\nfatal: index file corrupt", True),
        ("fatal: unable to write new index file", False),
        ("fatal: unable to write new_index file", False),
    ],
)
def test_only_an_index_that_cannot_be_read_is_broken(said: str, broken: bool) -> None:
    assert GitError(("git", "add"), said, code=128).index_is_broken is broken


def test_an_index_that_was_restored_trusts_nothing_that_was_cached_of_untracked_files(tmp_path: Path) -> None:
    world = World(tmp_path / "repo", "git commit -qm first; git config core.untrackedCache true; git status")
    index = tmp_path / "repo/.git/index"
    assert b"UNTR" in index.read_bytes()
    backup = IndexBackup(Repo.discover(tmp_path / "repo"))
    backup.save()
    index.unlink()
    backup.restore(world.session.base_commit)
    assert b"UNTR" not in index.read_bytes()


@pytest.mark.parametrize("another", [False, True], ids=["same process", "another process"])
@pytest.mark.parametrize("mark", ["assume-unchanged", "skip-worktree"])
def test_what_a_session_has_git_overlook_lands_and_what_its_user_does_stays(
    tmp_path: Path, mark: str, another: bool
) -> None:
    world = World(tmp_path / "repo", MARKED)
    flags = world.flags()
    sh(world.root, f"git update-index --{mark} in/i; echo work >in/i")
    tree = world.open() if another else world.tree
    landing = tree.land(world.session, "work\n")
    assert landing.commit is not None
    assert world.changed(landing.commit) == ["M\tin/i"]
    assert world.flags() == flags
    assert sh(world.root, "cat skipped assumed") == "private\nprivate"


NARROWED = {
    "by folders": "git sparse-checkout set in",
    "by patterns": "git sparse-checkout set --no-cone /in/ '!/kept.log'",
    "in few entries": "git sparse-checkout set --sparse-index in",
}
AS_BEFORE = "git config --unset extensions.worktreeConfig"
"""What puts git's settings back after a session does to these."""


@pytest.mark.parametrize("another", [False, True], ids=["same process", "another process"])
@pytest.mark.parametrize("narrow", NARROWED.values(), ids=NARROWED)
def test_what_a_sessions_sparse_checkout_put_away_is_not_deleted(
    tmp_path: Path, narrow: str, another: bool
) -> None:
    world = World(tmp_path / "repo", "git commit -qm first")
    flags = world.flags()
    sh(world.root, f"{narrow}; echo work >in/i; test ! -e out/o; {AS_BEFORE}")
    tree = world.open() if another else world.tree
    landing = tree.land(world.session, "work\n")
    assert world.changed(landing.commit or "") == ["M\tin/i"]
    assert world.flags() == flags
    assert sh(world.root, "cat out/o kept.log; git status --porcelain") == "o\nlog"


@pytest.mark.parametrize(
    "instead", ["echo new >out", "ln -s /dev/null out", "mkdir -p out/o; echo new >out/o/n"]
)
def test_what_a_session_made_in_the_place_of_a_file_put_away_stays(tmp_path: Path, instead: str) -> None:
    world = World(tmp_path / "repo", "git commit -qm first")
    sh(world.root, f"git sparse-checkout set in; {instead}; {AS_BEFORE}")
    landing = world.tree.land(world.session, "work\n")
    assert "D\tout/o" in world.changed(landing.commit or "")
    assert sh(world.root, "git status --porcelain") == ""
