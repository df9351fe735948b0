"""Changes of different files are merged as git merges them; where a file may be renamed, git does it (SPEC 6)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from pitboss.git import disjoint_changes, known_trees
from pitboss.git.disjoint_changes import DisjointChanges
from pitboss.git.merge import merge_trees
from pitboss.git.repo import Repo
from tests.support.commit_streams import (
    FILE,
    LINK,
    PROGRAM,
    CommitStream,
    put,
    put_submodule,
    remove,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DIGITS = {"sha1": 40, "sha256": 64}
ODD = (
    "a b",
    'say "so"',
    "new\nline",
    "back\\slash",
    "\u00fcn\u00efcode",
    "raw-\udcff",
    "folder.d",
    "folder-x",
)
Orders = tuple[bytes, ...]


@pytest.fixture(params=sorted(DIGITS))
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repo]:
    subprocess.run(
        ["git", "init", "-q", f"--object-format={request.param}", str(tmp_path)],
        check=True,
        capture_output=True,
    )
    found = Repo.discover(tmp_path)
    kept = found.keep_running()
    yield found
    kept.close()


def link(nth: int, repo: Repo) -> str:
    """What a submodule may point to."""
    return f"{nth:x}".rjust(DIGITS[repo.line("rev-parse", "--show-object-format")], "1")


def base(repo: Repo) -> list[bytes]:
    files = (
        "top",
        "folder/one",
        "folder/two",
        "folder/deep/er/three",
        "folder/deep/er/four",
        "other/five",
        "pair/a",
        "pair/b",
    )
    return [
        *(put(path, os.fsencode(f"as {path} was\n")) for path in (*files, *ODD)),
        put("program", b"#!/bin/sh\n", PROGRAM),
        put("link", b"top", LINK),
        put(".gitattributes", b"*.x merge=ours\n"),
        put_submodule("module", link(1, repo)),
    ]


def edit(*paths: str) -> Orders:
    return tuple(put(path, os.fsencode(f"{path} is edited\n")) for path in paths)


MERGED: dict[str, tuple[Orders, Orders]] = {
    "files of one folder": (edit("folder/one"), edit("folder/two")),
    "files at the top": (edit("top"), edit(".gitattributes")),
    "files of different folders": (edit("folder/one"), edit("other/five")),
    "files at different depths": (edit("top", "folder/deep/er/three"), edit("folder/one")),
    "files deep down": (edit("folder/deep/er/three"), edit("folder/deep/er/four")),
    "many files": (edit("top", "folder/one", "other/five"), edit("folder/two", "folder/deep/er/four", *ODD)),
    "odd names": (edit(*ODD[::2]), edit(*ODD[1::2])),
    "a file becomes a program": (
        (put("top", b"as top was\n", PROGRAM),),
        (put("program", b"#!/bin/sh\n", FILE),),
    ),
    "what was elsewhere": ((put("top", b"as other/five was\n"),), (put("other/five", b"as top was\n"),)),
    "they add a file": (edit("top"), (put("added", b"1\n"),)),
    "we add a file": ((put("folder/added", b"1\n"),), edit("folder/one")),
    "they delete a file": (edit("top"), (remove("folder/one"),)),
    "we delete a folder": ((remove("other"),), edit("top")),
    "both add a file": ((put("folder/1", b"1\n"),), (put("folder/2", b"1\n"), put("folder-1", b"1\n"))),
    "both add a folder": ((put("new/er/1", b"1\n"),), (put("newer/2", b"1\n"), *edit("top"))),
    "both delete a file": ((remove("folder/one"), *edit("top")), (remove("folder/two"), remove("program"))),
    "we delete what they add": ((remove("folder/one"),), (put("folder/1", b"as folder/one was\n"),)),
    "we delete a folder, they add one like it": (
        (remove("pair"),),
        (put("other/a", b"as pair/a was\n"), put("other/b", b"as pair/b was\n")),
    ),
    "files come before and after a folder": (
        (put("folder+", b"1\n"), put("folder0", b"1\n")),
        (put("folder ", b"1\n"), *edit("folder/one")),
    ),
    "two commits' worth": (edit("top", "folder/two"), edit("other/five")),
}
LEFT: dict[str, tuple[Orders, Orders]] = {
    "one file, differently": ((put("top", b"ours\n"),), (put("top", b"theirs\n"),)),
    "one file, in the same way": (edit("top", "other/five"), edit("top", "folder/one")),
    "one file and its mode": (edit("top"), (put("top", b"as top was\n", PROGRAM),)),
    "one folder, in the same way": (edit("folder/one", "top"), edit("folder/one", "other/five")),
    "they rename a file": (edit("top"), (remove("folder/one"), put("folder/1", b"as folder/one was\n"))),
    "they rename what we edit": (
        edit("folder/one"),
        (remove("folder/one"), put("folder/1", b"as folder/one was\n")),
    ),
    "one goes as another comes": ((remove("folder/one"), put("folder/onf", b"1\n")), edit("folder/two")),
    "both add one file": ((put("added", b"1\n"),), (put("added", b"2\n"),)),
    "both add one file, in the same way": ((put("new/1", b"1\n"),), (put("new/1", b"1\n"),)),
    "one folder is new on both sides": ((put("new/1", b"1\n"),), (put("new/2", b"2\n"),)),
    "we add a file where they add a folder": ((put("new", b"1\n"),), (put("new/2", b"2\n"),)),
    "they edit what we delete": ((remove("top"),), edit("top")),
    "they add to a folder that we delete": ((remove("pair"),), (put("pair/c", b"1\n"),)),
    "a folder is left with nothing": ((remove("pair/a"),), (remove("pair/b"),)),
    "they rename between folders": (
        edit("top"),
        (remove("other"), put("folder/five", b"as other/five was\n")),
    ),
    "they rename and edit": (
        edit("top"),
        (remove("folder/one"), put("folder/1", b"as folder/one was\nand more\n")),
    ),
    "they rename a folder that we add to": (
        (put("pair/c", b"1\n"),),
        (remove("pair"), put("two/a", b"as pair/a was\n"), put("two/b", b"as pair/b was\n")),
    ),
    "they add a link": (edit("top"), (put("link-2", b"top", LINK),)),
    "they delete a link": (edit("top"), (remove("link"),)),
    "they edit a link": (edit("top"), (put("link", b"program", LINK),)),
    "a file becomes a link": (edit("top"), (put("other/five", b"top", LINK),)),
    "a file becomes a folder": (edit("folder/one"), (remove("top"), put("top/file", b"1\n"))),
    "a folder becomes a file": ((remove("other"), put("other", b"1\n")), edit("top")),
    "a folder that we edit becomes a file": (edit("other/five"), (remove("other"), put("other", b"1\n"))),
    "nothing": (edit("top"), ()),
    "nothing at all": ((), ()),
    "both the same": (edit("top"), edit("top")),
}


def made(repo: Repo, ours: Sequence[bytes], theirs: Sequence[bytes]) -> tuple[str, str, str]:
    """Base and both sides as commits, in a pack."""
    stream = CommitStream(repo)
    root = stream.commit(base(repo))
    stream.commit(ours, parent=root)
    stream.commit(theirs, parent=root)
    names = stream.write(packed=True)
    return names[1], names[2], names[3]


@pytest.mark.parametrize("name", MERGED)
def test_edits_of_different_files_are_merged_as_git_does_it(repo: Repo, name: str) -> None:
    root, ours, theirs = made(repo, *MERGED[name])
    tree = DisjointChanges(repo).merge(root, ours, theirs)
    assert tree is not None
    assert merge_trees(repo, ours, theirs).tree == tree
    assert DisjointChanges(repo).merge(root, theirs, ours) == tree
    repo.git("fsck", "--strict", tree)


@pytest.mark.parametrize("name", LEFT)
def test_anything_else_is_left_to_git(repo: Repo, name: str) -> None:
    root, ours, theirs = made(repo, *LEFT[name])
    assert DisjointChanges(repo).merge(root, ours, theirs) is None
    assert DisjointChanges(repo).merge(root, theirs, ours) is None


@pytest.mark.parametrize("path", ["module", "folder/new"])
def test_a_submodule_that_moves_or_is_new_is_left_to_git(repo: Repo, path: str) -> None:
    root, ours, theirs = made(repo, edit("top"), [put_submodule(path, link(2, repo))])
    assert DisjointChanges(repo).merge(root, ours, theirs) is None


class Fuzz:
    """Histories at random: a base, some commits on one side of it, and one on the other."""

    def __init__(self, repo: Repo, seed: int) -> None:
        self.random = random.Random(seed)
        self.repo = repo
        self.stream = CommitStream(repo)
        self.nth = 0
        self.cases: list[tuple[int, int, int, bool]] = []

    def content(self) -> bytes:
        self.nth += 1
        return b"%d\n" % self.nth

    def files(self) -> dict[str, str]:
        """Paths and modes of a base."""
        folders = ("", "a/", "a/b/", "a/b/c/", "a.x/", "d/")
        paths = {f"{self.random.choice(folders)}{name}" for name in "klmnopqrst"}
        return {path: self.random.choice((FILE, FILE, PROGRAM)) for path in sorted(paths)}

    def edits(self, paths: Sequence[str], modes: dict[str, str]) -> list[bytes]:
        """Edits of these files, and now and then a new one beside them; sometimes the mode changes too."""
        found = []
        for path in paths:
            mode = self.random.choice((modes[path], FILE, PROGRAM))
            found.append(put(path, self.content(), mode))
            if self.random.random() < 0.2:
                found.append(put(f"{path}-{self.random.choice('xy/')}{self.nth}", self.content(), mode))
        return found

    def deletions(self, paths: Sequence[str], modes: dict[str, str]) -> list[bytes]:
        """Some of these files are edited, the others deleted."""
        return [self.random.choice((remove(path), *self.edits([path], modes)[:1])) for path in paths]

    def anything(self, modes: dict[str, str]) -> list[bytes]:
        """One to three changes of whatever kind."""
        return [order for _ in range(self.random.randint(1, 3)) for order in self.change(modes)]

    def change(self, modes: dict[str, str]) -> list[bytes]:
        path = self.random.choice(sorted(modes))
        folder = path.rpartition("/")[0]
        return self.random.choice(
            [
                [put(path, self.content(), modes[path])],
                [put(path, b"the same\n")],
                [put(path, b"k", LINK)],
                [put_submodule(path, link(self.random.randint(1, 3), self.repo))],
                [remove(path)],
                [remove(path), put(path + "-renamed", b"0 " + path.encode() + b"\n", modes[path])],
                [remove(path), put(path + "/inside", self.content())],
                [remove(folder or path), put(folder or path, self.content())],
                [put(f"{folder or 'new'}/added", b"added\n")],
                [],
            ]
        )

    def add(self) -> None:
        modes = self.files()
        root = self.stream.commit(
            put(path, b"0 " + path.encode() + b"\n", mode) for path, mode in modes.items()
        )
        paths = list(modes)
        self.random.shuffle(paths)
        cut = self.random.randint(1, len(paths) - 1)
        sort = self.random.choice(("plain", "plain", "deleting", "any"))
        if sort == "any":
            ours, theirs = self.anything(modes), self.anything(modes)
        else:
            ours = self.edits(paths[:cut], modes)
            theirs = (self.edits if sort == "plain" else self.deletions)(paths[cut:], modes)
        tip = root
        for order in ours:
            tip = self.stream.commit([order], parent=tip)
        self.cases.append((root, tip, self.stream.commit(theirs, parent=root), sort == "plain"))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "loose"])
def test_what_is_merged_at_random_is_what_git_makes_of_it(repo: Repo, seed: int, packed: bool) -> None:
    fuzz = Fuzz(repo, seed)
    for _ in range(40):
        fuzz.add()
    names, edits = fuzz.stream.write(packed=packed), DisjointChanges(repo)
    for root, tip, change, plain in fuzz.cases:
        tree = edits.merge(names[root], names[tip], names[change])
        assert tree is not None or not plain
        if tree is not None:
            merged = merge_trees(repo, names[tip], names[change])
            assert (merged.tree, merged.conflicts) == (tree, ())


def test_one_change_after_another_is_merged_onto_what_the_last_one_made(repo: Repo) -> None:
    root, *_ = made(repo, (), ())
    edits, tip = DisjointChanges(repo), root
    for nth, path in enumerate(("top", "folder/one", "folder/two", "other/five", *ODD)):
        stream = CommitStream(repo)
        again = stream.commit([*base(repo), *edit(path)])
        change = stream.write(packed=False)[again]
        tree = edits.merge(root, tip, change) if nth else repo.line("rev-parse", f"{change}^{{tree}}")
        assert tree is not None
        tip = repo.commit_tree(tree, parent=tip, message="made\n")
    assert repo.git("ls-tree", "-r", "--name-only", tip) == repo.git("ls-tree", "-r", "--name-only", root)
    assert repo.git("show", f"{tip}:folder/two") == b"folder/two is edited\n"
    assert repo.git("show", f"{tip}:folder/one") == b"folder/one is edited\n"


@pytest.fixture
def plain(repo: Repo) -> tuple[str, str, str]:
    return made(repo, *MERGED["files at different depths"])


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_repository_with_replaced_objects_is_left_to_git(
    repo: Repo, plain: tuple[str, str, str], is_packed: bool
) -> None:
    edits = DisjointChanges(repo)
    assert edits.merge(*plain)
    repo.git("replace", plain[0], plain[1])
    if is_packed:
        repo.git("pack-refs", "--all")
    assert edits.merge(*plain) is None
    repo.git("replace", "-d", plain[0])
    assert edits.merge(*plain)


@pytest.mark.parametrize("name", ["shallow", "info/grafts", "reftable"])
def test_a_repository_whose_history_may_not_be_what_commits_say_is_left_to_git(
    repo: Repo, plain: tuple[str, str, str], name: str
) -> None:
    edits = DisjointChanges(repo)
    assert edits.merge(*plain)
    (repo.common_dir / name).write_text("")
    assert edits.merge(*plain) is None


def test_so_is_one_whose_refs_cannot_be_looked_at(repo: Repo, plain: tuple[str, str, str]) -> None:
    (repo.common_dir / "refs/replace").write_text("")
    assert DisjointChanges(repo).merge(*plain) is None


def test_a_tree_that_git_would_write_differently_is_left_to_git(repo: Repo) -> None:
    kept = repo.kept_running
    assert kept is not None
    blobs = [repo.git("hash-object", "-w", "--stdin", stdin=text).decode().strip() for text in (b"1", b"2")]
    old, new = (bytes.fromhex(oid) for oid in blobs)
    sides = ((old, old), (new, old), (old, new))
    good = [b"100644 a\0%s100644 b\0%s" % pair for pair in sides]
    trees = kept.write_objects("tree", good)
    assert trees is not None
    commits = [repo.line("commit-tree", "-m", "made", tree) for tree in trees]
    assert DisjointChanges(repo).merge(commits[0], commits[1], commits[2])
    for entries in (b"100664 a\0%s100644 b\0%s", b"100644 b\0%s100644 a\0%s", b"100644 a\0%s40000 a\0%s"):
        trees = kept.write_objects("tree", [entries % pair for pair in sides])
        if trees is None:
            continue  # a newer git refuses to write it
        commits = [repo.line("commit-tree", "-m", "made", tree) for tree in trees]
        assert DisjointChanges(repo).merge(commits[0], commits[1], commits[2]) is None


def test_without_processes_that_are_kept_running_it_is_left_to_git(
    repo: Repo, plain: tuple[str, str, str]
) -> None:
    alone = Repo(repo.root, repo.git_dir, repo.common_dir)
    assert DisjointChanges(alone).merge(*plain) is None


def test_processes_that_end_are_started_again(repo: Repo, plain: tuple[str, str, str]) -> None:
    for _ in range(3):
        answers = [DisjointChanges(repo).merge(*plain) for _ in range(3)]
        assert answers[-1]  # the first one after their end may be left to git
        mine = proctree.children(os.getpid())
        assert mine
        for pid in mine:
            os.kill(pid, signal.SIGKILL)


def test_what_is_no_commit_or_not_there_is_left_to_git(repo: Repo, plain: tuple[str, str, str]) -> None:
    root, ours, theirs = plain
    nowhere, tree = "1" * len(root), repo.line("rev-parse", f"{root}^{{tree}}")
    assert DisjointChanges(repo).merge(nowhere, ours, theirs) is None
    assert DisjointChanges(repo).merge(root, ours, tree) is None
    assert DisjointChanges(repo).merge(root, ours, theirs)


@pytest.mark.parametrize(
    ("module", "limit", "small"),
    [(disjoint_changes, "MOST_TREES", 4), (disjoint_changes, "MOST_WRITTEN", 1), (known_trees, "LARGE", 50)],
)
def test_what_is_large_is_left_to_git(
    repo: Repo,
    plain: tuple[str, str, str],
    monkeypatch: pytest.MonkeyPatch,
    module: object,
    limit: str,
    small: int,
) -> None:
    monkeypatch.setattr(module, limit, small)
    assert DisjointChanges(repo).merge(*plain) is None


def test_what_is_forgotten_is_read_again(
    repo: Repo, plain: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = merge_trees(repo, plain[1], plain[2]).tree
    monkeypatch.setattr(known_trees, "MOST_ENTRIES", 3)
    monkeypatch.setattr(known_trees, "MOST_COMMITS", 1)
    edits = DisjointChanges(repo)
    assert [edits.merge(*plain) for _ in range(3)] == [wanted] * 3
