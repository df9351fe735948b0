"""The lock with real processes: who may have it, who is told, and when it is free again."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pitboss.errors import LockHeld, StartError
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import LockInfo, RunLock, lock_holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDER = """
import sys
from pathlib import Path
from pitboss.store.lock import RunLock
with RunLock.acquire(Path(sys.argv[1]), run_id="their-run"):
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its stdin is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".pitboss" / "grind" / "lock"


def test_the_file_says_who_holds_the_lock(path: Path) -> None:
    with RunLock.acquire(path, run_id="my-run") as lock:
        written = json.loads(path.read_text())
        assert list(written) == ["pid", "started", "host", "run_id"]
        assert (written["pid"], written["run_id"]) == (os.getpid(), "my-run")
        assert lock_holder(path) == lock.info


def test_what_a_killed_run_left_is_waited_for_while_it_is_being_ended(path: Path) -> None:
    """The lock's description outlives the process that took it, as it does with the warden of a killed run."""
    source = HOLDER.replace("sys.stdin.read()", "os.fork() and os._exit(0); sys.stdin.read()")
    with subprocess.Popen(
        [sys.executable, "-c", source.replace("import sys", "import os, sys"), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        process.wait()
        threading.Timer(1.0, process.stdin.close).start()
        with RunLock.acquire(path, run_id="my-run") as lock:
            assert lock_holder(path) == lock.info


def test_a_run_may_be_named_after_the_lock_was_taken(path: Path) -> None:
    with RunLock.acquire(path, run_id=None) as lock:
        lock.describe("my-run")
        lock.describe("run")
        info = lock_holder(path)
        assert info == lock.info
        assert info is not None
        assert (info.run_id, info.pid) == ("run", os.getpid())


def test_a_second_run_is_refused_with_pid_run_and_since_when(path: Path) -> None:
    with holder(path) as process:
        info = lock_holder(path)
        assert info is not None
        with pytest.raises(LockHeld) as refusal:
            RunLock.acquire(path, run_id="mine")
        assert refusal.value.message == (
            f"another grind run is live in this working tree: their-run "
            f"(pid {process.pid}, since {info.started:%Y-%m-%dT%H:%M:%SZ})"
        )
        assert refusal.value.hint == "`pitboss status` shows it, `pitboss stop` ends it"
        assert refusal.value.exit_code == 4


def test_the_lock_is_free_after_its_holder_was_killed(path: Path) -> None:
    with holder(path) as process:
        process.kill()
        process.wait()
        assert lock_holder(path) is None
        with RunLock.acquire(path, run_id="mine") as lock:
            assert lock.info.run_id == "mine"


def test_nobody_holds_a_lock_that_was_released_or_never_taken(path: Path) -> None:
    assert lock_holder(path) is None
    lock = RunLock.acquire(path, run_id="mine")
    lock.release()
    lock.release()
    assert lock_holder(path) is None
    assert path.exists()


@pytest.mark.parametrize("content", [b"", b"garbage\n", b"\xff\0" * 5000, b"[" * 4096, b'{"pid": "me"}\n'])
def test_a_lock_file_with_anything_in_it_still_locks(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert lock_holder(path) == LockInfo()
        with pytest.raises(LockHeld) as refusal:
            RunLock.acquire(path, run_id="mine")
        assert refusal.value.message == (
            "another grind run is live in this working tree: unknown run (unknown pid, since an unknown time)"
        )
    with RunLock.acquire(path, run_id="mine") as lock:
        assert lock_holder(path) == lock.info


def test_a_fork_shares_the_lock_and_an_exec_does_not(path: Path) -> None:
    lock = RunLock.acquire(path, run_id="mine")
    ends_child, child_ends = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ends_child[1])
        os.read(ends_child[0], 1)
        os._exit(0)
    with subprocess.Popen(["sleep", "60"]) as other:
        lock.release()
        assert lock_holder(path) is not None, "the forked child still holds it"
        os.close(ends_child[1])
        os.waitpid(child, 0)
        assert lock_holder(path) is None, "the program that was executed does not hold it"
        other.kill()
    for descriptor in (ends_child[0], *child_ends):
        os.close(descriptor)


def test_a_run_that_starts_while_an_observer_looks_waits_for_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pitboss.store.lock.PATIENCE_S", 60.0)
    path.parent.mkdir(parents=True)
    path.touch()
    with path.open("rb") as observer:
        fcntl.flock(observer, fcntl.LOCK_SH)
        timer = threading.Timer(0.05, fcntl.flock, (observer, fcntl.LOCK_UN))
        timer.start()
        with RunLock.acquire(path, run_id="mine"):
            timer.join()


def test_two_observers_do_not_take_each_other_for_a_run(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    with path.open("rb") as observer:
        fcntl.flock(observer, fcntl.LOCK_SH)
        assert lock_holder(path) is None


def test_a_lock_that_cannot_be_made_is_a_refusal_to_start(tmp_path: Path) -> None:
    (tmp_path / "grind").write_bytes(b"")
    with pytest.raises(StartError) as refusal:
        RunLock.acquire(tmp_path / "grind" / "lock", run_id="mine")
    assert refusal.value.message.startswith("cannot lock ")
    assert refusal.value.exit_code == 4
    assert lock_holder(tmp_path / "grind" / "lock") is None


def test_a_lock_file_that_cannot_be_written_is_a_refusal_to_start(tmp_path: Path) -> None:
    path = tmp_path / "grind" / "lock"
    path.parent.mkdir(parents=True)
    path.symlink_to("/dev/full")
    with pytest.raises(StartError, match="No space left on device"):
        RunLock.acquire(path, run_id="mine")


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, ...]:
    (tmp_path / ".git").mkdir()
    return lock_paths(tmp_path)


@pytest.mark.parametrize("gone", [0, 1])
@pytest.mark.parametrize("how", ["deleted", "replaced", "a link", "its folder moved away"])
def test_a_run_is_live_as_long_as_one_file_of_its_lock_is_left(
    both: tuple[Path, ...], gone: int, how: str, tmp_path: Path
) -> None:
    with RunLock.acquire(*both, run_id="mine") as lock:
        if how == "its folder moved away":
            both[gone].parent.rename(tmp_path / "moved")
        else:
            both[gone].unlink()
        if how == "replaced":
            both[gone].write_bytes(both[1 - gone].read_bytes())
        if how == "a link":
            both[gone].symlink_to(tmp_path / "elsewhere")
        assert lock_holder(*both) == lock.info
        with pytest.raises(LockHeld, match="mine"):
            RunLock.acquire(*both, run_id="other")
        assert lock_holder(*both) == lock.info
    with RunLock.acquire(*both, run_id="other"):
        assert not (tmp_path / "elsewhere").exists()


def test_a_second_name_of_a_users_file_is_not_written_into(both: tuple[Path, ...], tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("the user's")
    both[0].parent.mkdir(parents=True)
    both[0].hardlink_to(precious)
    with RunLock.acquire(*both, run_id="mine"):
        assert (precious.read_text(), both[0].stat().st_nlink) == ("the user's", 1)


def test_a_lock_file_that_an_agent_gave_a_second_name_still_locks(
    both: tuple[Path, ...], tmp_path: Path
) -> None:
    with RunLock.acquire(*both, run_id="mine"):
        (tmp_path / "second").hardlink_to(both[0])
        with pytest.raises(LockHeld, match="mine"):
            RunLock.acquire(both[0], run_id="other")


def test_a_linked_working_tree_has_a_lock_of_its_own(tmp_path: Path) -> None:
    own, linked = tmp_path / "main/.git/worktrees/side", tmp_path / "side"
    own.mkdir(parents=True)
    linked.mkdir()
    (linked / ".git").write_text(f"gitdir: {own}\n")
    assert lock_paths(linked)[1] == own / "pitboss/lock"
    assert lock_paths(tmp_path / "main")[1] == tmp_path / "main/.git/pitboss/lock"
    (linked / ".git").write_text("gitdir: ../main/.git/worktrees/side\n")
    with RunLock.acquire(*lock_paths(linked), run_id="mine"):
        assert (own / "pitboss/lock").exists()


@pytest.mark.parametrize("said", [None, b"", b"garbage", b"gitdir: /nowhere\n"])
def test_outside_git_there_is_one_file(tmp_path: Path, said: bytes | None) -> None:
    if said is not None:
        (tmp_path / ".git").write_bytes(said)
    assert len(lock_paths(tmp_path)) == 1


def test_with_both_files_deleted_gits_folder_still_holds(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    paths = lock_paths(tmp_path)
    with RunLock.acquire(*paths, run_id="one") as lock:
        lock.describe("one")
        for path in paths[:2]:
            path.unlink()
        assert lock_holder(*paths) is not None
        with pytest.raises(LockHeld, match="unknown run"):
            RunLock.acquire(*paths, run_id="two")
        with pytest.raises(LockHeld):
            RunLock.acquire(*paths, run_id="three")
    assert lock_holder(*paths) is None
    RunLock.acquire(*paths, run_id="four").release()


def test_a_folder_that_cannot_be_opened_is_no_lock_and_cannot_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setattr("pitboss.store.lock._FOLDER", os.O_RDONLY | os.O_DIRECTORY | os.O_EXCL | os.O_CREAT)
    assert lock_holder(folder) is None
    with pytest.raises(StartError, match="cannot lock"):
        RunLock.acquire(folder, run_id="one")
