"""Git processes that are kept running answer as git does, or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from pitboss.git.repo import Repo
from pitboss.git.tree_changes import changes
from tests.support.processes import leave_out_children, living_children

if TYPE_CHECKING:
    from collections.abc import Iterator

AUTHOR = "Jörg M. Jr. <joerg@example.com>"
NOWHERE = "1" * 40
KINDS = {"commit": "", "tree": "^{tree}", "blob": ":a"}


@pytest.fixture(params=["sha1", "sha256"])
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repo]:
    leave_out_children()
    subprocess.run(
        ["git", "init", "-q", f"--object-format={request.param}", str(tmp_path)],
        check=True,
        capture_output=True,
    )
    found = Repo.discover(tmp_path).authored_by(AUTHOR)
    kept = found.keep_running()
    yield found
    kept.close()


def commit(repo: Repo, **files: str | None) -> str:
    for name, content in files.items():
        if content is None:
            (repo.root / name).unlink()
        else:
            (repo.root / name).write_text(content)
    repo.git("add", "-A")
    repo.git("commit", "-qm", "some")
    return repo.line("rev-parse", "HEAD")


def asked_anew(repo: Repo) -> Repo:
    return Repo(repo.root, repo.git_dir, repo.common_dir, author=repo.author)


def test_what_differs_is_what_git_says(repo: Repo) -> None:
    first = commit(repo, a="1\n", b="1\n")
    second = commit(repo, a="2\n", b=None, c="1\n", **{"=\n odd \u00e4": "1\n"})
    for old, new in ((first, second), (second, first), (first, second), (first, first)):
        assert changes(repo, old, new) == changes(asked_anew(repo), old, new)
    assert changes(repo, first, second) == {"=\n odd \u00e4": "A", "a": "M", "b": "D", "c": "A"}
    assert len(living_children()) == 1


def test_commits_of_the_same_files_do_not_differ(repo: Repo) -> None:
    first = commit(repo, a="1\n")
    repo.git("commit", "-q", "--allow-empty", "-m", "same")
    assert changes(repo, first, repo.line("rev-parse", "HEAD")) == {}


@pytest.mark.parametrize("message", ["subject\n", "s\u00fcbject\n\nbody\n\nTrailer: x\n", "", "no line end"])
def test_a_commit_is_written_as_git_writes_it(repo: Repo, message: str) -> None:
    first = commit(repo, a="1\n")
    second = commit(repo, a="2\n")
    tree = repo.line("rev-parse", f"{second}^{{tree}}")
    for merged in (None, second):
        made = repo.commit_tree(tree, parent=first, message=message, merged=merged)
        when = repo.line("log", "--max-count=1", "--format=%ad", "--date=raw", made)
        dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        parents = ("-p", first, *(("-p", merged) if merged else ()))
        said = repo.git("commit-tree", *parents, tree, stdin=message.encode(), env=dates)
        assert made == said.decode().strip()
    assert len(living_children()) == 1


@pytest.mark.parametrize("packed", [False, True])
def test_an_object_is_read_as_its_own_file_has_it(repo: Repo, packed: bool) -> None:
    first = commit(repo, a="1\n")
    names = {kind: repo.line("rev-parse", f"{first}{what}") for kind, what in KINDS.items()}
    if packed:
        repo.git("gc", "-q")
    assert repo.kept_running is not None
    for kind, oid in names.items():
        content = repo.git("cat-file", kind, oid)
        assert repo.kept_running.read_object(oid) == f"{kind} {len(content)}\0".encode() + content
    assert len(living_children()) == 1


def test_trees_are_written_in_one_go(repo: Repo) -> None:
    first = commit(repo, a="1\n")
    blob = bytes.fromhex(repo.line("rev-parse", f"{first}:a"))
    contents = [b"100644 %s\0%s" % (name, blob) for name in (b"one", b"two", b"new\nline")]
    assert repo.kept_running is not None
    names = repo.kept_running.write_objects("tree", contents)
    assert names is not None
    assert [repo.git("cat-file", "tree", name) for name in names] == contents
    assert repo.kept_running.write_objects("tree", [*contents, b"garbage"]) is None
    assert repo.kept_running.write_objects("tree", contents) == names


def test_what_was_in_a_pack_that_is_gone_is_written(repo: Repo) -> None:
    kept, content = repo.kept_running, b"1\n"
    assert kept is not None
    blob = repo.git("hash-object", "-w", "--stdin", stdin=content).decode().strip()
    repo.git("update-ref", "refs/held/blob", blob)
    repo.git("gc", "--quiet", "--prune=now")
    assert kept.write_objects("blob", [content]) == [blob]
    repo.git("update-ref", "-d", "refs/held/blob")
    repo.git("gc", "--quiet", "--prune=now")
    assert repo.run("cat-file", "-e", blob, ok=(1,)).code == 1
    assert kept.write_objects("blob", [content]) == [blob]
    assert repo.line("cat-file", "-t", blob) == "blob"


def test_without_them_git_is_started(repo: Repo) -> None:
    first = commit(repo, a="1\n")
    second = commit(repo, a="2\n")
    tree = repo.line("rev-parse", f"{second}^{{tree}}")
    for _ in range(3):
        assert changes(repo, first, second) == {"a": "M"}
        made = repo.commit_tree(tree, parent=first, message="made\n")
        assert repo.line("rev-parse", f"{made}^{{tree}}") == tree
        for pid in living_children():
            os.kill(pid, signal.SIGKILL)


def test_what_they_cannot_answer_is_left_to_git(repo: Repo) -> None:
    first = commit(repo, a="1\n")
    assert repo.kept_running is not None
    assert repo.kept_running.name_status(first, NOWHERE[:40].ljust(len(first), "1")) is None
    assert repo.kept_running.name_status(NOWHERE.ljust(len(first), "1"), first) is None
    assert repo.kept_running.name_status("HEAD", "HEAD") is None
    assert repo.kept_running.read_object(NOWHERE.ljust(len(first), "1")) is None
    assert repo.kept_running.read_object("HEAD") is None
    assert repo.kept_running.read_object("no name") is None
    assert repo.kept_running.write_commit("HEAD^{tree}", first, None, "x") is None
    assert repo.kept_running.write_commit(first, first, None, "a\0b") is None
    made = repo.commit_tree("HEAD^{tree}", parent=first, message="made\n")
    assert repo.line("rev-parse", f"{made}^") == first


def test_they_end_when_they_are_closed(repo: Repo) -> None:
    first = commit(repo, a="1\n")
    second = commit(repo, a="2\n")
    changes(repo, first, second)
    assert len(living_children()) == 1
    assert repo.kept_running is not None
    repo.kept_running.close()
    assert living_children() == []


def test_they_work_nowhere_and_in_our_own_session(repo: Repo) -> None:
    changes(repo, commit(repo, a="1\n"), commit(repo, a="2\n"))
    (pid,) = living_children()
    facts = proctree.facts(pid)
    assert facts is not None
    assert facts.session == os.getsid(0)
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
