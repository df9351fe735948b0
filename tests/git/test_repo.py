"""The door to git: found from anywhere, deaf to a hook's environment, honest about status (SPEC 1.6)."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.errors import StartError
from pitboss.git.errors import GitError, NotARepository
from pitboss.git.locks import remove_stale_locks, stale_locks
from pitboss.git.repo import Repo
from pitboss.git.status import TreeStatus
from pitboss.git.version import begin_to_refuse_old
from pitboss.git.whereabouts import refuse_unless_found
from pitboss.landing.refs import lock_scope
from pitboss.process import Captured

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BRANCH = "pitboss/grind/run"


def git(cwd: Path, *args: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=b")
    return (
        subprocess.run(["git", *who, *args], cwd=cwd, check=True, capture_output=True).stdout.decode().strip()
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "f").write_text("f")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


def test_a_repository_is_found_from_any_folder_in_it(root: Path) -> None:
    (root / "a b/c").mkdir(parents=True)
    repo = Repo.discover(root / "a b/c")
    assert (repo.root, repo.git_dir, repo.common_dir) == (root, root / ".git", root / ".git")


def test_a_repository_of_another_user_is_refused_with_what_makes_git_trust_it(tmp_path: Path) -> None:
    said = b"fatal: detected dubious ownership in repository at '/a b'\nTo add an exception ...\n"
    with pytest.raises(NotARepository) as refused:
        refuse_unless_found(Captured(code=128, stdout=b"", stderr=said), tmp_path, "landing")
    command = "`git config --global --add safe.directory '/a b'`"
    assert refused.value.hint == f"it belongs to another user: {command} has git trust it"


def test_a_file_that_names_no_repository_is_told_from_one_with_settings_that_git_cannot_read(
    root: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    git(root, "worktree", "add", "-q", str(tree))
    (root / ".git/config").write_text("[core\n")
    with pytest.raises(NotARepository) as unreadable:
        Repo.discover(tree)
    assert "git cannot work with .git/config as it is" in str(unreadable.value.hint)
    shutil.rmtree(root)
    (tree / "sub").mkdir()
    with pytest.raises(NotARepository) as gone:
        Repo.discover(tree / "sub")
    assert f"{tree / '.git'} names no folder of a repository" in str(gone.value.hint)


def test_a_repository_is_found_with_the_folder_of_its_hooks_at_its_root_alone(root: Path) -> None:
    git(root, "config", "core.hooksPath", "mine")
    (root / "inside").mkdir()
    assert Repo.discover(root).authored_by("a <b>").hooks == "mine"
    assert Repo.discover(root / "inside").hooks is None


@pytest.mark.parametrize("name", ["a\nb", "a\n", "\n", "a\rb", "a\n\nb\n"])
def test_a_repository_is_found_though_its_path_holds_line_breaks(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    (folder / "in\nside").mkdir(parents=True)
    git(folder, "init", "-q")
    git(folder / "in\nside", "init", "-q")

    repo = Repo.discover(folder)
    inner = repo.inner("in\nside")

    assert (repo.root, repo.git_dir, repo.common_dir) == (folder, folder / ".git", folder / ".git")
    assert inner is not None
    assert (inner.root, inner.git_dir) == (folder / "in\nside", folder / "in\nside/.git")


def test_outside_a_repository_the_refusal_says_what_was_to_be_done(tmp_path: Path) -> None:
    with pytest.raises(NotARepository, match=r"^creating run branch: .*not a git repository") as refused:
        Repo.discover(tmp_path)
    assert refused.value.exit_code == 4


def test_variables_of_an_outer_git_are_not_obeyed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
    repo = Repo.discover(root)
    assert repo.root == root
    assert repo.status().branch == "main"


def test_settings_that_the_user_injects_by_environment_are_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "pitboss.test")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "yes")
    assert Repo.discover(root).line("config", "pitboss.test") == "yes"


def test_status_tells_head_branch_and_dirt_apart_from_pitboss_files(root: Path) -> None:
    repo = Repo.discover(root)
    head = git(root, "rev-parse", "HEAD")
    clean = TreeStatus(head=head, branch="main", unborn=False, dirty=0)
    assert repo.status() == clean
    (root / ".pitboss").mkdir()
    (root / ".pitboss/x").write_text("x")
    assert repo.status() == TreeStatus(head=head, branch="main", unborn=False, dirty=0, pitboss_visible=True)
    (root / ".pitboss-not").mkdir()
    (root / ".pitboss-not/x").write_text("x")
    (root / "f").rename(root / "g h")
    git(root, "checkout", "-q", "--detach")
    assert repo.status() == TreeStatus(
        head=head,
        branch=None,
        unborn=False,
        dirty=3,
        few_paths=("f", ".pitboss-not/", "g h"),
        new_folders=True,
        pitboss_visible=True,
    )


def test_status_of_a_repository_without_commits(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    assert Repo.discover(tmp_path).status() == TreeStatus(head="", branch="main", unborn=True, dirty=0)


def test_a_failing_command_is_an_error_that_names_it_and_keeps_what_git_said(root: Path) -> None:
    with pytest.raises(GitError, match=r"^git rev-parse failed: fatal: ") as failed:
        Repo.discover(root).line("rev-parse", "--verify", "nothing")
    assert failed.value.stderr.startswith("fatal: Needed a single revision")
    assert failed.value.exit_code == 70


def test_ancestors_and_revisions(root: Path) -> None:
    repo = Repo.discover(root)
    first = repo.status().head
    git(root, "commit", "-q", "--allow-empty", "-m", "second")
    second = repo.status().head
    assert repo.is_ancestor(first, second)
    assert not repo.is_ancestor(second, first)
    assert repo.commit_id("HEAD~1") == first
    assert repo.commit_id("HEAD~2") is None
    for no_commit in ("--all", "^HEAD", "HEAD~1..HEAD", "HEAD^@", "HEAD^!"):
        assert repo.commit_id(no_commit) is None, no_commit
    begin_to_refuse_old(repo, StartError)()


def test_tidying_leaves_the_history_whole(root: Path) -> None:
    repo = Repo.discover(root)
    repo.tidy()
    assert repo.git("log", "--format=%s") == b"first\n"


def remove_locks(root: Path, wait_s: float = 2.0) -> tuple[Path, ...]:
    repo = Repo.discover(root)
    return remove_stale_locks(repo, lock_scope(repo, BRANCH), wait_s=wait_s)


def test_locks_of_a_dead_git_are_removed(root: Path) -> None:
    repo = Repo.discover(root)
    ref_lock = root / ".git/refs/pitboss/rescue/run/session-0001.lock"
    ref_lock.parent.mkdir(parents=True)
    locks = (root / ".git/index.lock", root / ".git/HEAD.lock", root / ".git/packed-refs.lock", ref_lock)
    for lock in locks:
        lock.touch()
    (root / ".git/config.lock").touch()
    assert set(stale_locks(repo, lock_scope(repo, BRANCH))) == set(locks)
    assert set(remove_stale_locks(repo, lock_scope(repo, BRANCH))) == set(locks)
    assert stale_locks(repo, lock_scope(repo, BRANCH)) == ()
    assert (root / ".git/config.lock").exists()


@pytest.mark.parametrize(
    ("program", "blocks"), [("git", True), ("git-remote-http", True), ("gitstatusd", False), ("gitk", False)]
)
def test_only_programs_of_git_are_taken_for_owners(
    root: Path, tmp_path: Path, program: str, blocks: bool
) -> None:
    lock = root / ".git/index.lock"
    lock.touch()
    shutil.copy(shutil.which("cat") or "", tmp_path / program)
    with subprocess.Popen([tmp_path / program], cwd=root, stdin=subprocess.PIPE) as process:
        try:
            if blocks:
                with pytest.raises(StartError, match=f"pid {process.pid}"):
                    remove_locks(root, wait_s=0.0)
            else:
                assert remove_locks(root, wait_s=0.0) == (lock,)
        finally:
            process.communicate()


@pytest.fixture
def live_git(root: Path) -> Iterator[int]:
    process = subprocess.Popen(
        ["git", "cat-file", "--batch"], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"HEAD\n")
        process.stdin.flush()
        process.stdout.readline()
        yield process.pid
        process.stdin.close()


def test_a_git_that_met_a_lock_names_it(root: Path) -> None:
    lock = root / ".git/HEAD.lock"
    lock.touch()
    with pytest.raises(GitError) as refused:
        Repo.discover(root).git("symbolic-ref", "HEAD", "refs/heads/other")
    assert refused.value.message.endswith(f"Unable to create '{lock}': File exists.")
    assert f"if no other git is at work there, `rm {lock}`; then" in str(refused.value.hint)
    assert GitError(("git", "gc"), "", code=-9).message == "git gc failed: killed by SIGKILL"
    assert GitError(("git", "gc"), "", code=3).message == "git gc failed: exit code 3"


def test_a_lock_is_left_alone_while_a_git_works_there(root: Path, live_git: int) -> None:
    (root / ".git/index.lock").touch()
    with pytest.raises(StartError, match=f"git is at work in .* \\(pid {live_git}\\)"):
        remove_locks(root, wait_s=0.1)
    assert (root / ".git/index.lock").exists()


def test_a_lock_that_any_program_holds_open_is_left_alone(root: Path, tmp_path: Path) -> None:
    lock = root / ".git/index.lock"
    with subprocess.Popen(
        ["sh", "-c", f"exec 3> {lock}; echo; cat"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StartError, match=f"pid {holder.pid}"):
            remove_locks(root, wait_s=0.1)
        holder.stdin.close()
    assert remove_locks(root) == (lock,)


SLOT = ".pitboss/grind/runs/run/worktrees/slot-1"


@pytest.fixture
def slot(root: Path) -> Path:
    git(root, "worktree", "add", "-q", "--detach", str(root / SLOT))
    return root / SLOT


def test_locks_of_slots_and_of_their_sessions_branches_are_removed_too(root: Path, slot: Path) -> None:
    repo = Repo.discover(root)
    inside = root / ".git/worktrees" / slot.name
    branch_lock = root / f".git/refs/heads/{BRANCH}-session-0001.lock"
    branch_lock.parent.mkdir(parents=True)
    locks = (inside / "index.lock", inside / "HEAD.lock", branch_lock)
    for lock in locks:
        lock.touch()
    assert set(stale_locks(repo, lock_scope(repo, BRANCH))) == set(locks)
    assert set(remove_stale_locks(repo, lock_scope(repo, BRANCH))) == set(locks)
    assert stale_locks(repo, lock_scope(repo, BRANCH)) == ()


@pytest.mark.parametrize(
    ("lock", "blocks"),
    [("index.lock", False), ("packed-refs.lock", True), ("worktrees/slot-1/index.lock", True)],
)
def test_a_git_at_work_in_a_slot_owns_its_own_locks_and_perhaps_the_shared_ones(
    root: Path, slot: Path, lock: str, *, blocks: bool
) -> None:
    (root / ".git" / lock).touch()
    with subprocess.Popen(["git", "cat-file", "--batch"], cwd=slot, stdin=subprocess.PIPE) as process:
        try:
            if blocks:
                with pytest.raises(StartError, match=f"pid {process.pid}"):
                    remove_locks(root, wait_s=0.0)
            else:
                assert remove_locks(root, wait_s=0.0) == (root / ".git" / lock,)
        finally:
            process.communicate()
