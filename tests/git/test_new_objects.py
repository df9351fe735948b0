"""A commit or tree read from its own file says what git says of it, or nothing."""

from __future__ import annotations

import hashlib
import subprocess
import zlib
from typing import TYPE_CHECKING

import pytest

from pitboss.git.new_objects import CommitObject, entry_of_new, read_new
from pitboss.git.repo import Repo
from tests.support.disk import NO_FILES, put

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["sha1", "sha256"])
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Repo:
    subprocess.run(
        ["git", "init", "-q", f"--object-format={request.param}", str(tmp_path)],
        check=True,
        capture_output=True,
    )
    (tmp_path / "file").write_text("1\n")
    made = Repo.discover(tmp_path)
    made.git("add", "-A")
    made.git("commit", "-qm", "first")
    return made


def tip(repo: Repo) -> str:
    return repo.line("rev-parse", "HEAD")


def place(repo: Repo, oid: str) -> Path:
    return repo.common_dir / "objects" / oid[:2] / oid[2:]


def as_git_says(repo: Repo, oid: str) -> CommitObject:
    said = repo.git("log", "--max-count=1", "--format=%T%n%P%n%B", oid, "--").decode().removesuffix("\n")
    tree, parents, message = said.split("\n", 2)
    return CommitObject(tree=tree, parents=tuple(parents.split()), message=message)


@pytest.mark.parametrize("message", ["subject", "sübject\n\nbody\n\nTrailer: x", ""])
def test_a_new_commit_is_read_as_git_reads_it(repo: Repo, message: str) -> None:
    repo.git("commit", "-q", "--allow-empty", "--allow-empty-message", "-m", message)
    assert read_new(repo, tip(repo)) == as_git_says(repo, tip(repo))


def test_a_merge_has_both_its_parents(repo: Repo) -> None:
    first = tip(repo)
    repo.git("commit", "-q", "--allow-empty", "-m", "second")
    merged = repo.commit_tree(f"{first}^{{tree}}", parent=tip(repo), message="merged\n", merged=first)
    found = read_new(repo, merged)
    assert found is not None
    assert found.parents == (tip(repo), first)


def test_git_is_to_be_asked_for_a_commit_in_a_pack_or_in_another_encoding(repo: Repo) -> None:
    repo.git("-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty", "-m", "latin")
    assert read_new(repo, tip(repo)) is None
    repo.git("commit", "-q", "--allow-empty", "-m", "packed")
    repo.git("gc", "-q")
    assert read_new(repo, tip(repo)) is None


def test_what_is_no_commit_is_none(repo: Repo) -> None:
    assert read_new(repo, repo.line("rev-parse", "HEAD^{tree}")) is None
    assert read_new(repo, "0" * len(tip(repo))) is None


@pytest.mark.parametrize("garbage", [b"", b"no zlib", zlib.compress(b"commit 3\0abc")])
def test_a_file_that_does_not_hold_what_its_name_says_does_not_count(repo: Repo, garbage: bytes) -> None:
    oid = tip(repo)
    place(repo, oid).chmod(0o644)
    place(repo, oid).write_bytes(garbage)
    assert read_new(repo, oid) is None


def test_a_forged_commit_does_not_count(repo: Repo) -> None:
    oid = tip(repo)
    whole = zlib.decompress(place(repo, oid).read_bytes())
    forged = whole.replace(b"first", b"other")
    assert hashlib.sha1(forged, usedforsecurity=False).hexdigest() != oid
    place(repo, oid).chmod(0o644)
    place(repo, oid).write_bytes(zlib.compress(forged))
    assert read_new(repo, oid) is None


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_an_agent_put_in_place_of_a_commit_is_not_waited_for(repo: Repo, kind: str) -> None:
    oid = tip(repo)
    place(repo, oid).unlink()
    put(place(repo, oid), kind)
    assert read_new(repo, oid) is None


@pytest.mark.parametrize(
    "name", ["file", "folder", "link", "a b", ".hidden", "fol", "folder/inside", "ünlike"]
)
def test_a_new_tree_is_read_as_git_reads_it(repo: Repo, name: str) -> None:
    (repo.root / "folder").mkdir()
    (repo.root / "folder/inside").write_text("2\n")
    (repo.root / "link").symlink_to("file")
    (repo.root / "a b").write_text("3\n")
    (repo.root / "ünlike").write_text("4\n")
    (repo.root / ".hidden").mkdir()
    (repo.root / ".hidden/file").write_text("5\n")
    repo.git("add", "-A")
    tree = repo.line("write-tree")
    entries = repo.git("ls-tree", "-z", tree).decode().split("\0")
    said = {path: meta.split() for meta, _, path in (entry.partition("\t") for entry in entries if entry)}
    expected = f"{said[name][0].lstrip('0')} {said[name][2]}" if name in said else ""
    assert entry_of_new(repo, tree, name) == expected


def test_git_is_to_be_asked_for_a_tree_in_a_pack_or_forged_or_what_is_no_tree(repo: Repo) -> None:
    tree = repo.line("rev-parse", "HEAD^{tree}")
    assert entry_of_new(repo, tip(repo), "file") is None
    whole = zlib.decompress(place(repo, tree).read_bytes())
    place(repo, tree).chmod(0o644)
    place(repo, tree).write_bytes(zlib.compress(whole.replace(b"file", b"else")))
    assert entry_of_new(repo, tree, "file") is None
    place(repo, tree).write_bytes(zlib.compress(whole))
    assert entry_of_new(repo, tree, "file")
    repo.git("gc", "-q")
    assert entry_of_new(repo, tree, "file") is None
