"""Logs of all working trees are found, also as copies, and read once; what is kept may go at any time (SPEC 11)."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import msgspec
import pytest

from pitboss.store.git_dir import working_trees
from pitboss.store.past_copy import copy_past
from pitboss.store.past_sessions import AllSessions
from pitboss.store.paths import RunPaths
from pitboss.store.record_codec import encode_record
from pitboss.store.state_codec import encode_state
from tests.support.values import record, run_state

if TYPE_CHECKING:
    from pathlib import Path


class More(msgspec.Struct):
    """What somebody keeps beside the sessions."""

    words: list[str] = []


def log(folder: Path, run_id: str, *seqs: int) -> Path:
    folder /= run_id
    folder.mkdir(parents=True, exist_ok=True)
    lines = (encode_record(msgspec.structs.replace(record(seq), run_id=run_id)) for seq in seqs)
    (folder / "sessions.jsonl").write_bytes(b"".join(lines))
    return folder


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def own(root: Path) -> Path:
    return root / ".pitboss/grind/runs"


def copies(root: Path) -> Path:
    return root / ".git/pitboss/backup/runs"


def read(root: Path) -> list[tuple[str, int]]:
    past = AllSessions(root)
    found = sorted(each.id for each in past.read())
    past.keep(More())
    return found


def linked(repo: Path, root: Path, *, said: str | None = None) -> Path:
    """A working tree as `git worktree add` leaves it, as far as anybody looks."""
    folder = repo / ".git/worktrees" / root.name
    folder.mkdir(parents=True)
    root.mkdir()
    (root / ".git").write_text(f"gitdir: {folder}\n")
    (folder / "commondir").write_text("../..\n")
    (folder / "gitdir").write_text(said or f"{root / '.git'}\n")
    return folder


def test_each_run_is_read_from_its_own_log_or_else_its_copy(repo: Path) -> None:
    log(own(repo), "a", 1, 2)
    log(copies(repo), "a", 1)
    log(copies(repo), "b", 1)
    (own(repo) / "c").mkdir()
    log(copies(repo), "c", 1)
    (own(repo) / "d").mkdir()
    (own(repo) / "d/sessions.jsonl").mkdir()
    log(copies(repo), "d", 1)
    (own(repo) / "e").mkdir()
    foreign = encode_record(msgspec.structs.replace(record(9), run_id="elsewhere"))
    with (own(repo) / "a/sessions.jsonl").open("ab") as stream:
        stream.write(foreign + b"garbage\n")
    assert read(repo) == [("a", 1), ("a", 2), ("b", 1), ("c", 1), ("d", 1)]


def test_the_runs_of_all_working_trees_count_from_each_of_them(repo: Path, tmp_path: Path) -> None:
    log(own(repo), "a", 1)
    other, gone = tmp_path / "other", tmp_path / "gone"
    linked(repo, other)
    log(own(other), "b", 1)
    log(linked(repo, gone) / "pitboss/backup/runs", "c", 1)
    (gone / ".git").unlink()
    gone.rmdir()
    mute = linked(repo, tmp_path / "mute")
    (mute / "gitdir").unlink()
    assert read(repo) == read(other) == [("a", 1), ("b", 1), ("c", 1)]
    roots = {root for root, _ in working_trees(other)}
    assert roots == {repo, other, gone, None}


def test_a_run_of_a_linked_working_tree_is_copied_to_where_it_outlives_the_tree(
    repo: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    folder = linked(repo, other)
    for root, run_id in ((repo, "a"), (other, "b"), (other, "c")):
        log(own(root), run_id, 1)
        copy_past(RunPaths(root, run_id))
    (repo / ".git/pitboss/past/c").rename(tmp_path / "treasure")
    (repo / ".git/pitboss/past/c").symlink_to(tmp_path / "treasure")
    (tmp_path / "treasure/sessions.jsonl").write_text("mine")
    copy_past(RunPaths(other, "c"))
    assert (tmp_path / "treasure/sessions.jsonl").read_text() == "mine"
    copy_past(RunPaths(tmp_path, "d"))
    shutil.rmtree(other)
    shutil.rmtree(folder)
    assert read(repo) == [("a", 1), ("b", 1), ("c", 1)]


def test_working_copies_of_sessions_have_no_runs(repo: Path) -> None:
    log(own(repo), "a", 1)
    slot = own(repo) / "a/worktrees/slot-1"
    slot.parent.mkdir()
    linked(repo, slot)
    log(own(slot), "b", 1)
    assert read(repo) == [("a", 1)]


def test_outside_of_git_nothing_is_found_or_kept(tmp_path: Path) -> None:
    past = AllSessions(tmp_path)
    assert (past.read(), past.run_ids, past.kept(More)) == ([], [], More())
    past.keep(More())


def test_a_git_folder_elsewhere_is_found_from_its_working_tree(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    subprocess.run(
        ["git", "init", "-q", f"--separate-git-dir={tmp_path / 'elsewhere'}", str(root)], check=True
    )
    log(own(root), "a", 1)
    assert read(root) == [("a", 1)]


def test_a_log_is_read_again_only_if_it_changed_whatever_its_time_says(repo: Path) -> None:
    file, kept = log(own(repo), "a", 1, 2) / "sessions.jsonl", repo / ".git/pitboss/history"
    assert read(repo) == [("a", 1), ("a", 2)]
    kept.write_bytes(kept.read_bytes().replace(b'["a",1,', b'["a",3,'))
    before = kept.stat().st_mtime_ns
    assert read(repo) == [("a", 2), ("a", 3)]
    assert kept.stat().st_mtime_ns == before
    found = file.stat()
    with file.open("r+b") as stream:
        stream.write(b"x")
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert read(repo) == [("a", 2)]


@pytest.mark.parametrize(
    "junk", [b"", b"\xff", b"[]", b'{"version":0}', b'{"version":2,"logs":{},"more":[1]}']
)
def test_what_is_kept_may_be_anything(repo: Path, junk: bytes) -> None:
    log(own(repo), "a", 1)
    read(repo)
    (repo / ".git/pitboss/history").write_bytes(junk)
    assert read(repo) == [("a", 1)]


def test_what_somebody_keeps_beside_it_comes_back(repo: Path) -> None:
    past = AllSessions(repo)
    past.read()
    past.keep(More(words=["one"]))
    assert AllSessions(repo).kept(More) == More(words=["one"])


def test_states_are_read_where_they_can_be(repo: Path) -> None:
    folder = log(own(repo), "a", 1)
    (folder / "state.json").write_bytes(b"garbage")
    copy = log(copies(repo), "a", 1)
    (copy / "state.json").write_bytes(encode_state(run_state(run_id="a")))
    log(own(repo), "b", 1)
    past = AllSessions(repo)
    assert past.run_ids == ["a", "b"]
    assert past.state("a") == run_state(run_id="a")
    assert past.state("b") is None
