"""A glance at the files says what git would say of the tree, or leaves it to git (SPEC 6)."""

from __future__ import annotations

import os
import struct
import subprocess
from typing import TYPE_CHECKING, Literal

import pytest
from msgspec.structs import replace

from pitboss.git.glance import Glances
from pitboss.git.ignore_rules import ExcludeFiles
from pitboss.git.index_entries import MOST_FILES
from pitboss.git.repo import Repo
from pitboss.git.status import FEW_PATHS

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.git.status import TreeStatus

SETUP = """
git init -q -b main . && git config user.name Somebody && git config user.email some@body
mkdir -p src/deep .pitboss/prompts && echo one >src/deep/one && echo two >two && ln -s two link
echo chore >.pitboss/prompts/chore.md && seq 9 >longer
printf '*.log\\nbuild/\\n' >.gitignore && git add -A && git commit -qm first
mkdir build src/logs && echo b >build/b && echo l >src/a.log && echo l >src/logs/b.log
"""
WITHOUT_LOGS = "rm -r src/logs"
MANY = (
    f"mkdir many; for n in $(seq {FEW_PATHS + 1}); do echo $n >many/$n; done; git add -A; git commit -qm many"
)
LATER_S = 10

Answer = Literal["clean", "edited", "ask git"]
SCRIPTS: dict[str, tuple[str, Answer]] = {
    "nothing": (":", "clean"),
    "something in an ignored folder": ("echo more >build/more; rm build/b", "clean"),
    "an ignored file written again": ("echo more >>src/a.log", "clean"),
    "an ignored file deleted": ("rm src/a.log", "clean"),
    "something new of pitboss's": ("mkdir .pitboss/runs; echo r >.pitboss/runs/r", "clean"),
    "an edit": ("echo more >>two", "edited"),
    "an edit of the same size, dated back": ("echo TWO >two; touch -d 2001-01-01 two", "edited"),
    "a file put in another's place": ("echo other >new; mv new src/deep/one", "edited"),
    "a file deleted": ("rm two", "edited"),
    "several edits": ("echo more >>two; echo more >>src/deep/one; rm longer", "edited"),
    "a file written again as it was": ("echo two >two", "ask git"),
    "another mode": ("chmod +x two", "ask git"),
    "a new file": ("echo new >src/new", "ask git"),
    "a new folder": ("mkdir src/empty", "ask git"),
    "another ignored file": ("echo log >src/c.log", "ask git"),
    "a file in place of an ignored folder": ("rm -r build; echo b >build", "ask git"),
    "a folder in place of an ignored file": ("rm src/a.log; mkdir src/a.log; echo x >src/a.log/x", "ask git"),
    "ignore rules": ("echo '*.txt' >>.gitignore", "ask git"),
    "ignore rules that nobody tracks": ("echo '!*.log' >src/.gitignore", "ask git"),
    "attributes": ("echo '* text' >.gitattributes; git add .gitattributes; git commit -qm x", "ask git"),
    "a folder deleted": ("rm -r src", "ask git"),
    "a file replaced by a folder": ("rm two; mkdir two", "ask git"),
    "a folder replaced by a link": ("mv src/deep ../deep; ln -s ../../deep src/deep", "ask git"),
    "another link": ("ln -sfn nowhere link", "ask git"),
    "a link in place of a file": ("rm two; ln -s longer two", "ask git"),
    "a pipe in place of a file": ("rm two; mkfifo two", "ask git"),
    "a repository inside": ("git init -q src/inner", "ask git"),
    "a staged edit": ("echo more >>two; git add two", "ask git"),
    "a file taken out of the index": ("git rm -q --cached two", "ask git"),
    "a file of pitboss's": ("echo more >>.pitboss/prompts/chore.md", "ask git"),
    "a path that git is not to look at": (
        "echo more >>two; git update-index --assume-unchanged two",
        "ask git",
    ),
    "another format of index": ("git update-index --index-version 4", "ask git"),
    "a submodule": ("git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),sub", "ask git"),
    "an index cut short": ("head -c 100 .git/index >index && mv index .git/index", "ask git"),
    "no index": ("rm .git/index", "ask git"),
    "a commit": ("echo more >>two; git commit -qam second", "ask git"),
    "another branch": ("git checkout -qb side", "ask git"),
    "a detached HEAD": ("git checkout -q --detach", "ask git"),
    "a branch that is packed": ("git pack-refs --all", "ask git"),
    "many edits": (f"for n in $(seq {FEW_PATHS + 1}); do echo >>many/$n; done", "ask git"),
}


def sh(cwd: Path, script: str) -> str:
    done = subprocess.run(["sh", "-c", script], cwd=cwd, capture_output=True, check=False)
    return done.stdout.decode().strip()


class World:
    """A repository with ignored files."""

    def __init__(self, root: Path, more: str = WITHOUT_LOGS) -> None:
        self.root = root
        root.mkdir()
        sh(root, f"{SETUP}\n{more}")
        self.repo = Repo.discover(root)
        self.base = self.repo.line("rev-parse", "HEAD")
        self.rules = ExcludeFiles()
        self.glances = Glances(self.repo)
        self.write_index_at(LATER_S)

    def write_index_at(self, seconds: float) -> None:
        """Date the index, if there is one, so many seconds after the latest file."""
        index = self.repo.inside("index")
        if index.exists():
            times = (os.lstat(self.root / name).st_ctime_ns for name in (".gitignore", "longer", "two"))
            at = max(times) + int(seconds * 1e9)
            os.utime(index, ns=(at, at))

    def note_in_index(self, path: str, *, size: int) -> None:
        """Have the index say of a tracked file what the file system says, but for its size and mode."""
        index, found = self.repo.inside("index"), os.lstat(self.root / path)
        content = index.read_bytes()
        place = content.index(os.fsencode(path) + b"\0") - 62
        mode = content[place + 24 : place + 28]
        times = (part for ns in (found.st_ctime_ns, found.st_mtime_ns) for part in divmod(ns, 10**9))
        facts = struct.pack(">6I", *times, found.st_dev & 0xFFFFFFFF, found.st_ino & 0xFFFFFFFF)
        facts += mode + struct.pack(">3I", found.st_uid, found.st_gid, size)
        index.write_bytes(content[:place] + facts + content[place + len(facts) :])
        self.write_index_at(LATER_S)

    def look(self) -> TreeStatus | None:
        return self.glances.look("main", self.base, self.rules.now(self.repo))

    def learn(self) -> None:
        assert self.look() is None
        self.glances.let_git_look(self.rules.now(self.repo))()


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "repo", f"{WITHOUT_LOGS}; {MANY}")
    made.learn()
    return made


@pytest.mark.parametrize(("script", "answer"), SCRIPTS.values(), ids=SCRIPTS)
def test_a_glance_says_what_git_says_or_nothing(world: World, script: str, answer: Answer) -> None:
    sh(world.root, script)
    found = world.look()
    assert (found is None) == (answer == "ask git")
    if found is not None:
        assert (found.dirty > 0) == (answer == "edited") == (not found.exact)
        # Git does not tell a file that is gone from one in whose place a folder is.
        assert found.only_edits == (answer == "edited")
        said = replace(world.repo.status(), pitboss_visible=False, only_edits=found.only_edits)
        assert replace(found, exact=True) == said


def test_a_glance_says_nothing_of_what_is_not_tracked_before_git_has_looked(tmp_path: Path) -> None:
    assert World(tmp_path / "repo").look() is None


ALL_TRACKED = {
    name: case for name, case in SCRIPTS.items() if not any(word in case[0] for word in ("build", "a.log"))
}


@pytest.mark.parametrize(("script", "answer"), ALL_TRACKED.values(), ids=ALL_TRACKED)
def test_where_all_is_tracked_git_need_not_have_looked(tmp_path: Path, script: str, answer: Answer) -> None:
    world = World(tmp_path / "repo", f"{WITHOUT_LOGS}; {MANY}; rm -r build src/a.log")
    sh(world.root, script)
    found = world.look()
    assert (found is None) == (answer == "ask git")
    if found is not None:
        said = replace(world.repo.status(), pitboss_visible=False, only_edits=found.only_edits)
        assert replace(found, exact=True) == said


def test_where_all_is_tracked_other_rules_make_no_difference(tmp_path: Path) -> None:
    world = World(tmp_path / "repo", f"{WITHOUT_LOGS}; rm -r build src/a.log")
    assert world.look() == world.repo.status()
    sh(world.root, "mkdir -p .git/info; printf '*\\n!*.log\\n' >.git/info/exclude; echo more >>two")
    found = world.look()
    assert found is not None
    assert found.few_paths == world.repo.status().few_paths == ("two",)
    sh(world.root, "echo log >src/a.log")
    assert world.look() is None


def test_what_git_names_is_known_from_then_on(world: World) -> None:
    sh(world.root, "echo log >src/c.log")
    world.learn()
    assert world.look() == world.repo.status()


def test_a_folder_that_no_rule_matches_may_come_to_hold_more(tmp_path: Path) -> None:
    world = World(tmp_path / "repo", ":")
    world.learn()
    assert world.repo.status().dirty == 0
    assert world.look() is None


def test_edits_are_committed_before_the_next_glance(world: World) -> None:
    for _ in range(2):
        sh(world.root, "echo more >>two; git commit -qam more")
        world.base = world.repo.line("rev-parse", "HEAD")
        world.write_index_at(LATER_S)
        assert world.look() == world.repo.status()


def test_rules_that_were_committed_since_are_learned_anew(world: World) -> None:
    sh(world.root, "echo '*.txt' >>.gitignore; git commit -qam rules; echo t >t.txt")
    world.base = world.repo.line("rev-parse", "HEAD")
    world.write_index_at(LATER_S)
    world.learn()
    assert world.look() == world.repo.status()


def test_nothing_is_learned_while_rules_differ_from_those_committed(world: World) -> None:
    sh(world.root, "echo '*.txt' >>.gitignore; echo t >t.txt")
    world.learn()
    sh(world.root, "git checkout -q .gitignore")
    world.write_index_at(LATER_S)
    assert world.look() is None


def test_rules_outside_the_tree_count_too(world: World) -> None:
    sh(world.root, "mkdir -p .git/info; echo '*.tmp' >.git/info/exclude; echo t >t.tmp")
    world.learn()
    assert world.look() == world.repo.status()
    assert world.glances.look("main", world.base, None) is None
    sh(world.root, "echo '*.other' >.git/info/exclude")
    assert world.look() is None


def test_rules_count_that_settings_included_elsewhere_name(world: World) -> None:
    sh(world.root, "echo '*.tmp' >.git/ours; echo t >t.tmp; git config include.path more")
    sh(world.root, 'git config -f .git/more core.excludesFile "$PWD/.git/ours"')
    world.learn()
    assert world.look() == world.repo.status()
    sh(world.root, "git config -f .git/more core.excludesFile /dev/null")
    assert world.look() is None


def test_git_tells_the_tree_of_a_commit_that_only_git_can_read(tmp_path: Path) -> None:
    world = World(tmp_path / "repo", f"{WITHOUT_LOGS}; git gc -q; git branch -m side; git branch -m main")
    world.learn()
    assert world.look() == world.repo.status()


def test_of_a_file_as_old_as_the_index_the_content_counts(world: World) -> None:
    world.write_index_at(-LATER_S)
    assert world.look() == world.repo.status()
    # As if another program had written it between git's look and the end of a tick of the file system's clock.
    name = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"],
        cwd=world.root,
        input=b"was\n" * 4,
        capture_output=True,
        check=True,
    ).stdout
    index = world.repo.inside("index")
    real = world.repo.line("rev-parse", "HEAD:longer")
    index.write_bytes(index.read_bytes().replace(bytes.fromhex(real), bytes.fromhex(name.decode().strip())))
    world.write_index_at(-LATER_S)
    assert world.look() is None


def test_a_mode_counts_that_changed_within_a_tick_of_the_clock(world: World) -> None:
    sh(world.root, "chmod +x two")
    world.note_in_index("two", size=4)
    assert world.look() is None


def test_a_link_counts_that_took_a_files_place_within_a_tick_of_the_clock(world: World) -> None:
    sh(world.root, "rm two; ln -s 'two\n' two")
    world.note_in_index("two", size=4)
    assert world.look() is None


def test_a_file_emptied_while_git_noted_it_has_changed(world: World) -> None:
    sh(world.root, ": >two")
    # As git notes of a file whose time does not tell whether it is as it was.
    world.note_in_index("two", size=0)
    assert world.repo.status().few_paths == ("two",)
    found = world.look()
    assert found is None or found.few_paths == ("two",)


def test_many_files_are_left_to_git(tmp_path: Path) -> None:
    world = World(
        tmp_path / "repo",
        f"for n in $(seq {MOST_FILES}); do echo $n >many-$n; done; git add -A; git commit -qm many",
    )
    world.learn()
    assert world.look() is None


def test_rules_that_are_ignored_themselves_do_not_outlast_their_file(world: World) -> None:
    sh(world.root, "mkdir -p .git/info; echo .gitignore >.git/info/exclude")
    sh(world.root, "echo secret >src/.gitignore; echo s >src/secret")
    world.learn()
    sh(world.root, "rm src/.gitignore")
    assert world.repo.status().few_paths == ("src/secret",)
    assert world.look() is None


def test_rules_in_a_new_folder_do_not_outlast_their_file(world: World) -> None:
    sh(world.root, "mkdir new; echo a >new/a; echo secret >new/.gitignore; echo s >new/secret")
    world.learn()
    # As another session has it, from which this working tree goes on.
    sh(world.root, "rm new/.gitignore; git add new/a; git commit -qm second")
    world.base = world.repo.line("rev-parse", "HEAD")
    world.write_index_at(LATER_S)
    assert world.repo.status().few_paths == ("new/secret",)
    assert world.look() is None


def test_rules_count_that_a_setting_looks_for_in_the_tree(world: World) -> None:
    sh(
        world.root,
        "git config core.excludesFile rules; echo '*.tmp' >rules; git add rules; git commit -qm rules",
    )
    sh(world.root, "echo t >src/t.tmp")
    world.base = world.repo.line("rev-parse", "HEAD")
    world.write_index_at(LATER_S)
    world.learn()
    assert world.look() == world.repo.status()
    sh(world.root, "echo '*.other' >rules")
    assert world.repo.status().few_paths == ("rules", "src/t.tmp")
    assert world.look() is None
