"""Slots: moved from session to session with nothing lost and nothing left over, crashes included (SPEC 1.2, 6)."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from pitboss.git.ignored_files import copy_ignored
from pitboss.git.repo import Repo
from pitboss.landing import rescue_refs
from pitboss.landing.slot import Slot
from pitboss.landing.slot_traces import RELEASED
from pitboss.landing.unseen import mark_provisioned
from pitboss.store.paths import RunPaths
from tests.support.shell import sh

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUN = "20260101T000000Z-abcd"
BRANCH = f"pitboss/grind/{RUN}"
SETUP = f"""
git init -q -b main .
printf '.pitboss/\\n*.log\\n.env\\n' > .gitignore && mkdir src && echo one > src/one && echo two > two
git add -A && git commit -qm first
git checkout -qb {BRANCH} && echo more > src/one && echo new > new && git rm -q two && git add -A && git commit -qm tip
git checkout -q main
"""


def branch_of(seq: int) -> str:
    return f"{BRANCH}-session-{seq:04}"


class World:
    """A repository with a run branch two commits long, and one slot."""

    def __init__(self, root: Path, setup: str = "") -> None:
        self.root = root
        root.mkdir()
        sh(root, f"{SETUP}{setup}")
        self.repo = Repo.discover(root)
        self.first, self.tip = (sh(root, f"git rev-parse {name}") for name in ("main", BRANCH))
        self.slot = self.open()

    def open(self, nth: int = 1) -> Slot:
        """A slot as a new process would have it."""
        return Slot(self.repo, RUN, RunPaths(self.root, RUN).worktrees / f"slot-{nth}")

    def release(self, seq: int) -> None:
        """What is done when a session has its record."""
        sh(self.slot.path, f"git update-ref --no-deref -m '{RELEASED}' HEAD HEAD")
        sh(self.root, f"git update-ref -d refs/heads/{branch_of(seq)}")

    def kept(self) -> dict[str, list[str]]:
        """What each rescue ref changed since the commit it began from."""
        changed = ("diff-tree", "-r", "--root", "--no-commit-id", "--name-status", "--no-renames")
        return {
            r.short_name.partition("/")[2]: self.repo.line(*changed, r.oid).splitlines()
            for r in rescue_refs.list_rescued(self.repo)
        }

    def assert_ready(self, seq: int, commit: str, slot: Slot | None = None) -> None:
        """The slot is on the session's branch, its files exactly those of the commit, ignored ones apart."""
        place = (slot or self.slot).path
        assert sh(place, "git symbolic-ref HEAD; git rev-parse HEAD").split() == [
            f"refs/heads/{branch_of(seq)}",
            commit,
        ]
        assert sh(place, "git status --porcelain; git ls-files -v | grep -v ^H || :; git stash list") == ""
        listed = sh(place, "git ls-files -z --others --exclude-standard; git diff HEAD --stat")
        assert listed == ""
        for name in sh(place, "git ls-files").splitlines():
            assert (place / name).read_bytes() == self.repo.git("cat-file", "blob", f"{commit}:{name}")


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "some@body")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "repo")


def test_a_slot_is_made_once_then_moved(world: World) -> None:
    assert world.slot.opened() is None
    assert world.slot.prepare(branch_of(1), world.first, seq=1)
    world.assert_ready(1, world.first)
    world.release(1)
    assert not world.open().prepare(branch_of(2), world.tip, seq=2)
    world.assert_ready(2, world.tip)
    world.release(2)
    assert not world.slot.prepare(branch_of(3), world.tip, seq=3)
    world.assert_ready(3, world.tip)
    assert world.kept() == {}


def test_a_session_that_landed_in_another_form_leaves_no_rescue_ref(world: World) -> None:
    world.slot.prepare(branch_of(1), world.first, seq=1)
    sh(world.slot.path, "echo x > x; git add x; git commit -qm x; echo log > a.log")
    world.release(1)
    assert not world.slot.prepare(branch_of(2), world.tip, seq=2)
    world.assert_ready(2, world.tip)
    assert world.kept() == {}
    assert (world.slot.path / "a.log").exists()


def test_a_slot_made_once_more_is_looked_at_where_git_now_keeps_it(world: World) -> None:
    for seq in (1, 2):
        world.slot.prepare(branch_of(seq), world.tip, seq=seq)
        repo = world.slot.opened()
        assert repo is not None
        assert world.slot.glances(repo).let_git_look(None)().branch == branch_of(seq)
        shutil.rmtree(world.slot.path)
        shutil.rmtree(repo.git_dir)
        repo.git_dir.touch()  # its name is taken


def test_ignored_files_go_too_where_everything_is_to_be_cleaned(world: World) -> None:
    slot = Slot(world.repo, RUN, world.slot.path, clean="all")
    slot.prepare(branch_of(1), world.first, seq=1)
    for seq, dirt in ((2, "true"), (3, "echo x > dirt")):
        sh(slot.path, f"echo log > a.log; {dirt}")
        world.release(seq - 1)
        slot.prepare(branch_of(seq), world.tip, seq=seq)
        assert not (slot.path / "a.log").exists()


# Files whose commit is not known are kept as a change to the run branch.
BACK = ("D\tnew", "M\tsrc/one", "A\ttwo")
LEFT = {
    "dirt": ("echo x > x; echo y > src/one; rm two", {"session-0001": ["M\tsrc/one", "D\ttwo", "A\tx"]}),
    "staged": ("echo x > x; git add x", {"session-0001": ["A\tx"]}),
    "a commit": ("echo x > x; git add x; git commit -qm x", {"session-0001": ["A\tx"]}),
    "an unborn branch": ("git checkout -q --orphan void; echo x > x", None),
    "another branch": (
        "git checkout -q -b side; echo x > x; git add x; git commit -qm x",
        {"session-0001": ["A\tx"]},
    ),
    "no .git": ("echo x > x; rm .git", {"session-0001": ["A\tx"]}),
    "a .git that points nowhere": ("echo x > x; echo 'gitdir: /nowhere' > .git", {"session-0001": ["A\tx"]}),
    "a repository of its own": ("echo x > x; rm .git; git init -q .", {"session-0001": ["A\tx"]}),
    "no index": ("echo x > x; rm $(git rev-parse --git-dir)/index", {"session-0001": ["A\tx"]}),
    "a broken index": (
        "echo x > x; echo garbage > $(git rev-parse --git-dir)/index",
        {"session-0001": ["A\tx"]},
    ),
    "locks": (
        "echo x > x; d=$(git rev-parse --git-dir); : > $d/index.lock; : > $d/HEAD.lock",
        {"session-0001": ["A\tx"]},
    ),
    "unknown to git": ("echo x > x; rm -r $(git rev-parse --git-dir)", {"session-0002": [*BACK, "A\tx"]}),
    "hidden by a mark": (
        "git update-index --assume-unchanged two; echo x > two",
        {"session-0001": ["M\ttwo"]},
    ),
    "left out by a mark": (
        "git update-index --skip-worktree two; echo x > two",
        {"session-0001": ["M\ttwo"]},
    ),
    "an intention": ("echo x > x; git add -N x", {"session-0001": ["A\tx"]}),
    "a merge": (
        "git checkout -b o; echo x > x; git add x; git commit -qm x; git checkout -; git merge --no-ff --no-commit o",
        {"session-0001": ["A\tx"]},
    ),
    "a repository inside": ("git init -q in; echo x > in/x", {"session-0001": ["A\tin/x"]}),
    "an index in another format": ("git update-index --index-version 4", {}),
    "empty folders": ("mkdir -p a/b/c", {}),
    "in the way": ("echo mine > new", {"session-0001": ["A\tnew"]}),
    "ignored and in the way": (
        "echo new > .gitignore; git add .gitignore; git commit -qm i; echo mine > new",
        None,
    ),
}


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("moved", [False, True])
def test_whatever_a_slot_still_holds_is_rescued_before_it_moves(
    world: World, left: str, *, moved: bool
) -> None:
    script, expected = LEFT[left]
    world.slot.prepare(branch_of(1), world.first, seq=1)
    sh(world.slot.path, f"echo keep > keep.log; {script}")
    base = world.tip if moved else world.first
    world.open().prepare(branch_of(2), base, seq=2)
    world.assert_ready(2, base)
    assert expected is None or world.kept() == expected
    assert expected is not None or len(world.kept()) > 0
    assert sh(world.root, "git status --porcelain; git symbolic-ref HEAD") == "refs/heads/main"


PLACES = {
    "a file where one is": ("d/x", "mkdir d; echo '*' > d/.gitignore; echo mine > d/x"),
    "a file where a folder is": ("d", "mkdir d; echo '*' > d/.gitignore; echo mine > d/x"),
    "a folder where a file is": ("d/x/y", "mkdir d; echo '*' > d/.gitignore; echo mine > d/x"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("large", [False, True])
def test_what_hides_itself_is_rescued_before_a_file_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, *, large: bool
) -> None:
    monkeypatch.setattr("pitboss.landing.slot._SMALL_INDEX", 0 if large else 1_000_000)
    path, script = PLACES[place]
    tracks = f"git checkout -q {BRANCH}; mkdir -p $(dirname {path}); echo tracked > {path}; git add -f {path}"
    world = World(tmp_path / "repo", f"{tracks}; git commit -qm tracks; git checkout -q main")
    world.slot.prepare(branch_of(1), world.first, seq=1)
    opened = world.slot.opened()
    assert opened is not None
    mark_provisioned(opened, 1_000_000)
    sh(world.slot.path, script)
    world.release(1)
    world.slot.prepare(branch_of(2), world.tip, seq=2)
    world.assert_ready(2, world.tip)
    assert world.kept() == {"session-0001": ["A\td/.gitignore", "A\td/x"]}
    (kept,) = rescue_refs.list_rescued(world.repo)
    assert world.repo.git("cat-file", "blob", f"{kept.oid}:d/x") == b"mine\n"


def test_rules_that_differ_between_commits_are_obeyed_for_files_that_are_there(tmp_path: Path) -> None:
    world = World(tmp_path / "repo")
    world.slot.prepare(branch_of(1), world.first, seq=1)
    sh(world.slot.path, "echo log > a.log; echo env > .env")
    world.release(1)
    rules = "echo 'src/* text eol=crlf' > .gitattributes; printf '.pitboss/\\n.env\\n' > .gitignore"
    sh(world.root, f"{rules}; git add -A; git commit -qm r")
    base = sh(world.root, "git rev-parse HEAD")
    world.slot.prepare(branch_of(2), base, seq=2)
    place = world.slot.path
    assert (place / "src/one").read_bytes() == b"one\r\n"
    assert sh(place, "git status --porcelain") == ""
    assert ((place / "a.log").exists(), (place / ".env").exists()) == (False, True)
    assert world.kept() == {"session-0001": ["A\ta.log"]}


def test_a_branch_of_the_name_that_is_there_already_is_kept_and_made_again(world: World) -> None:
    sh(
        world.root,
        f"git checkout -qb {branch_of(2)}; echo x > x; git add x; git commit -qm x; git checkout -q main",
    )
    world.slot.prepare(branch_of(1), world.first, seq=1)
    world.release(1)
    world.slot.prepare(branch_of(2), world.tip, seq=2)
    world.assert_ready(2, world.tip)
    assert world.kept() == {"session-0002": ["A\tx"]}


def test_git_in_a_slot_without_its_link_never_finds_the_users_repository(world: World) -> None:
    world.slot.prepare(branch_of(1), world.first, seq=1)
    repo = world.slot.opened()
    assert repo is not None
    (world.slot.path / ".git").unlink()
    assert repo.line("rev-parse", "--show-toplevel") == str(world.slot.path)
    assert repo.line("rev-parse", "--git-dir") == str(repo.git_dir)
    assert (
        sh(
            world.slot.path,
            f"GIT_CEILING_DIRECTORIES={world.slot.path.parent} git rev-parse --git-dir || true",
        )
        == ""
    )
    again = world.slot.opened()
    assert again is not None
    assert again.line("rev-parse", "--show-toplevel") == str(world.slot.path)


def test_several_slots_may_be_prepared_at_the_same_time(world: World) -> None:
    slots = [world.open(nth) for nth in range(1, 9)]
    failures: list[BaseException] = []

    def use(slot: Slot, nth: int) -> None:
        try:
            for turn in range(3):
                seq = nth * 10 + turn
                slot.prepare(branch_of(seq), (world.first, world.tip)[turn % 2], seq=seq)
                sh(slot.path, f"git update-ref --no-deref -m '{RELEASED}' HEAD HEAD")
                world.repo.git("update-ref", "-d", f"refs/heads/{branch_of(seq)}")
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=use, args=(slot, nth)) for nth, slot in enumerate(slots)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    for slot in slots:
        assert sh(slot.path, "git status --porcelain; git rev-parse HEAD") == world.first
    assert world.kept() == {}


# A crash after a call that only looks leaves what a crash before it leaves: `make chaos` crashes there too.
CHANGING = ("add", "checkout", "clean", "read-tree", "reset", "symbolic-ref", "update-ref", "worktree")
COUNTED = "*" if os.environ.get("PITBOSS_CHAOS") == "full" else "|".join(f'*" {word} "*' for word in CHANGING)
DYING_GIT = """#!/bin/sh
case " $* " in @COUNTED@) ;; *) PATH=$REAL_PATH exec git "$@" ;; esac
read n < "$CALLS"; n=$((n + 1)); echo $n > "$CALLS"
[ $n -gt $LIMIT ] && exit 137
PATH=$REAL_PATH git "$@"; code=$?
[ $n -eq $LIMIT ] && exit 137
exit $code
"""


def dying_git(patch: pytest.MonkeyPatch, folder: Path, limit: int, counted: str = COUNTED) -> None:
    """From now on git works for `limit` counted calls; the last of them does its work, then all is over."""
    folder.mkdir()
    (folder / "git").write_text(DYING_GIT.replace("@COUNTED@", counted))
    (folder / "git").chmod(0o755)
    (folder / "calls").write_text("0\n")
    for name, value in (("REAL_PATH", os.environ["PATH"]), ("CALLS", folder / "calls"), ("LIMIT", limit)):
        patch.setenv(name, str(value))
    patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


CRASHED: dict[str, tuple[str, Callable[[World], None], dict[str, list[str]]]] = {
    "new": ("true", lambda _: None, {}),
    "clean": ("echo x > x; git add x; git commit -qm x", lambda w: w.release(1), {}),
    "dirty": ("echo x > x; rm two", lambda _: None, {"session-0001": ["D\ttwo", "A\tx"]}),
    "broken": (
        "echo x > x; git add x; git commit -qm x; echo garbage > $(git rev-parse --git-dir)/index",
        lambda _: None,
        {"session-0001": ["A\tx"]},
    ),
}


@pytest.mark.parametrize("case", CRASHED)
def test_a_crash_after_any_git_call_loses_nothing_and_the_next_attempt_works(
    tmp_path: Path, case: str
) -> None:
    script, then, expected = CRASHED[case]
    limit, calls = 0, 1
    while limit <= calls:
        limit += 1
        world = World(tmp_path / f"repo-{limit}")
        if case != "new":
            world.slot.prepare(branch_of(1), world.first, seq=1)
            sh(world.slot.path, script)
            then(world)
        with pytest.MonkeyPatch.context() as patch:
            dying_git(patch, tmp_path / f"bin-{limit}", limit)
            with contextlib.suppress(Exception):  # however the crash shows
                Slot(Repo.discover(world.root), RUN, world.slot.path).prepare(branch_of(2), world.tip, seq=2)
            calls = int((tmp_path / f"bin-{limit}/calls").read_text())
        world.open().prepare(branch_of(2), world.tip, seq=2)
        world.assert_ready(2, world.tip)
        assert world.kept() == expected
        shutil.rmtree(world.root)
    assert limit > 1


def test_ignored_files_of_the_users_checkout_are_copied_and_nothing_else(world: World) -> None:
    outside = world.root.parent / "outside"
    outside.mkdir()
    (outside / "secret.log").write_text("s")
    sh(
        world.root,
        "echo e > .env; echo p > plain; mkdir -p deps/in; echo d > deps/in/d.log; echo p > deps/plain;"
        f" ln -s ../two deps/l.log; ln -s {outside} link; echo changed > two; mkdir .git/mine",
    )
    world.slot.prepare(branch_of(1), world.first, seq=1)
    repo = world.slot.opened()
    assert repo is not None
    names = [
        ".env",
        "plain",
        "deps",
        "two",
        "link/secret.log",
        "../outside/secret.log",
        str(outside),
        ".git/mine",
        "no*",
    ]
    warnings = copy_ignored(world.root, repo, names)
    place = world.slot.path
    assert sh(place, "find . -type f -o -type l | sort").splitlines() == [
        "./.env",
        "./.git",
        "./.gitignore",
        "./deps/in/d.log",
        "./deps/l.log",
        "./src/one",
        "./two",
    ]
    assert ((place / "two").read_text(), os.readlink(place / "deps/l.log")) == ("two\n", "../two")  # noqa: PTH115
    assert warnings == (
        "../outside/secret.log is not a name inside the repository, so it was not copied",
        f"{outside} is not a name inside the repository, so it was not copied",
        ".git/mine is not a name inside the repository, so it was not copied",
        "link/secret.log lies behind a symbolic link, so it was not copied",
        "deps/plain is not ignored by git, so it was not copied",
        "plain is not ignored by git, so it was not copied",
    )
    world.assert_ready(1, world.first)


def test_folders_that_hide_themselves_are_copied_and_others_do_not_become_hidden(world: World) -> None:
    sh(
        world.root,
        "mkdir -p venv/bin cache/in half; echo '*' > venv/.gitignore; echo p > venv/bin/python;"
        " echo '*' > cache/in/.gitignore; echo c > cache/in/c; echo open > cache/open;"
        " echo deep > half/.gitignore; echo d > half/deep",
    )
    world.slot.prepare(branch_of(1), world.first, seq=1)
    repo = world.slot.opened()
    assert repo is not None
    warnings = copy_ignored(world.root, repo, ["venv", "cache", "half"])
    place = world.slot.path
    assert sh(place, "find venv cache half -type f | sort").splitlines() == [
        "cache/in/.gitignore",
        "cache/in/c",
        "venv/.gitignore",
        "venv/bin/python",
    ]
    assert warnings == tuple(
        f"{path} is not ignored by git, so it was not copied"
        for path in ("cache/open", "half/.gitignore", "half/deep")
    )
    world.assert_ready(1, world.first)


def test_a_slot_that_git_was_killed_while_making_is_finished_and_counts_as_new(world: World) -> None:
    world.slot.prepare(branch_of(1), world.first, seq=1)
    inside = world.root / ".git/worktrees/slot-1"
    (inside / "locked").write_text("initializing\n")
    (inside / "index").rename(inside / "index.lock")
    (world.slot.path / "two").unlink()
    assert world.open().prepare(branch_of(1), world.first, seq=1)
    world.assert_ready(1, world.first)
    assert world.kept() == {}
    world.release(1)
    assert not world.open().prepare(branch_of(2), world.tip, seq=2)


def test_a_move_costs_few_git_calls(world: World, tmp_path: Path) -> None:
    world.slot.prepare(branch_of(1), world.first, seq=1)
    for seq, base, most in ((2, world.tip, 3), (3, world.tip, 2)):
        world.release(seq - 1)
        with pytest.MonkeyPatch.context() as patch:
            dying_git(patch, tmp_path / f"bin-{seq}", 100, "*")
            slot = Slot(Repo(world.root, world.repo.git_dir, world.repo.common_dir), RUN, world.slot.path)
            slot.prepare(branch_of(seq), base, seq=seq)
        assert int((tmp_path / f"bin-{seq}/calls").read_text()) <= most
