"""A few small objects travel without a git process, and arrive as git would have brought them (SPEC 14)."""

from __future__ import annotations

import random
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pitboss.git.packs import pack, unpack
from pitboss.git.repo import Repo
from pitboss.git.small_packs import (
    MOST_BYTES,
    MOST_COMMITS,
    MOST_OBJECTS,
    MOST_TAKEN,
    small_pack,
    take_small_pack,
)
from tests.support.shell import sh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTINGS = "-c user.name=a -c user.email=b -c protocol.file.allow=always"


@pytest.fixture(params=["sha1", "sha256"])
def here(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Repo]:
    """A repository with files in folders."""
    root = tmp_path / "here"
    root.mkdir()
    sh(
        root,
        f"""git init -q -b main --object-format={request.param}; mkdir -p a/b c; for n in 1 2 3; do
        echo $n > $n; echo a$n > a/$n; echo b$n > a/b/$n; echo c$n > c/$n; done
        git add -A; git {SETTINGS} commit -qm base; cd .git
        git init -q --object-format={request.param} inner; cd inner; git {SETTINGS} commit -q --allow-empty -m inner""",
    )
    found = Repo.discover(root)
    with closing(found.keep_running()):
        yield found


@pytest.fixture
def there(here: Repo, tmp_path: Path) -> Iterator[Repo]:
    """A clone of it."""
    sh(tmp_path, "git clone -q --no-local here there")
    found = Repo.discover(tmp_path / "there")
    with closing(found.keep_running()):
        yield found


def head(repo: Repo) -> str:
    return repo.line("rev-parse", "HEAD")


def commit(repo: Repo, script: str) -> str:
    sh(repo.root, f"{script}\ngit add -A; git {SETTINGS} commit -qm some --allow-empty")
    return head(repo)


def check_whole(here: Repo, there: Repo, tip: str) -> None:
    """All that a commit reaches is there."""
    assert there.git("rev-list", "--objects", tip) == here.git("rev-list", "--objects", tip)
    there.git("fsck", "--full", "--strict")


def check_arrives(here: Repo, there: Repo, tips: list[str], known: str) -> None:
    """What `tips` have beyond `known` goes there without git."""
    small = small_pack(here, tips, [known])
    assert small is not None
    assert take_small_pack(there, small)
    for tip in tips:
        check_whole(here, there, tip)


@pytest.mark.parametrize(
    "script",
    [
        "echo new > a/b/1",
        "rm a/b/1; mv a/2 c/2; echo new > new; mkdir -p d/e; echo new > d/e/f",
        "rm -r a; echo file > a; rm 1; mkdir 1; echo 1 > 1/1",
        "ln -s c link; chmod +x 2; : > empty",
        "cp -r .git/inner inner",
        ":",
    ],
)
def test_what_one_commit_did_arrives(here: Repo, there: Repo, script: str) -> None:
    base, tip = head(here), commit(here, script)
    check_arrives(here, there, [tip], base)


def test_only_what_is_new_has_to_be_in_files_of_its_own(here: Repo, there: Repo) -> None:
    base = head(here)
    sh(here.root, "git repack -adq")
    tip = commit(here, "echo new > a/b/1; chmod +x 2")
    check_arrives(here, there, [tip], base)


def test_several_commits_and_a_merge_arrive(here: Repo, there: Repo) -> None:
    base = head(here)
    commit(here, "echo x > x")
    sh(here.root, f"git checkout -q -b side {base}")
    side = commit(here, "echo y > a/b/y")
    sh(here.root, f"git checkout -q main; git {SETTINGS} merge -q -m merged side")
    tip = commit(here, "echo z > c/1; rm -r a")
    check_arrives(here, there, [tip, side], base)
    assert small_pack(here, [tip], [tip]) is not None  # of nothing


@pytest.mark.parametrize("seed", range(2))
def test_whatever_changes_arrives(here: Repo, there: Repo, seed: int) -> None:
    chance = random.Random(seed)
    known = head(here)
    for _ in range(8):
        places = [f"{chance.choice('abcd')}/{chance.choice('efg')}/{chance.choice('123')}" for _ in range(3)]
        lines = [
            f"rm -rf {place}"
            if chance.random() < 0.4
            else f"mkdir -p {place}; echo {chance.random()} > {place}/f"
            for place in places
        ]
        tip = commit(here, "\n".join(lines))
        if chance.random() < 0.6:
            unpack(there, pack(here, [tip], [known]))
            check_whole(here, there, tip)
            known = tip


def test_what_is_more_or_larger_is_left_to_git(here: Repo, there: Repo) -> None:
    base = head(here)
    assert small_pack(here, [base], []) is None
    large = commit(here, f"head -c {MOST_BYTES} /dev/zero > large")
    assert small_pack(here, [large], [base]) is None
    many = commit(here, f"for n in $(seq {MOST_OBJECTS}); do echo $n > many-$n; done")
    assert small_pack(here, [many], [large]) is None
    for n in range(MOST_COMMITS + 1):
        tip = commit(here, f"echo {n} > 1")
    assert small_pack(here, [tip], [many]) is None
    for known in (large, many):
        unpack(there, pack(here, [known], [base]))
    unpack(there, pack(here, [tip], [many]))
    check_whole(here, there, tip)


def test_more_objects_than_are_soon_written_are_taken_by_git(here: Repo, there: Repo) -> None:
    base, tip = head(here), commit(here, f"for n in $(seq {MOST_TAKEN}); do echo $n > many-$n; done")
    small = small_pack(here, [tip], [base])
    assert small is not None
    assert not take_small_pack(there, small)
    unpack(there, pack(here, [tip], [base]))
    check_whole(here, there, tip)


def test_what_git_packed_as_a_difference_is_left_to_git(here: Repo, there: Repo) -> None:
    base = commit(here, "seq 3000 > numbers")
    unpack(there, pack(here, [base], [head(there)]))
    tip = commit(here, "echo one more >> numbers")
    here.kept_running = None
    thin = pack(here, [tip], [base])
    assert not take_small_pack(there, thin.data)
    unpack(there, thin)
    check_whole(here, there, tip)


def test_what_is_not_in_files_of_its_own_is_left_to_git(here: Repo) -> None:
    base, tip = head(here), commit(here, "echo new > a/b/1")
    sh(here.root, "git repack -adq")
    assert small_pack(here, [tip], [base]) is None
    assert small_pack(here, ["0" * len(tip)], [base]) is None


def test_a_damaged_pack_brings_nothing(here: Repo, there: Repo) -> None:
    base, tip = head(here), commit(here, "echo new > a/b/1")
    small = small_pack(here, [tip], [base])
    assert small is not None
    for damaged in (b"", small[:-1], small[:-40], small[:20] + bytes([small[20] ^ 1]) + small[21:]):
        assert not take_small_pack(there, damaged)
    there.kept_running = None
    assert not take_small_pack(there, small)
    assert there.commit_id(tip) is None
