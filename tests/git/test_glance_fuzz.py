"""Whatever is done to a tree, a glance that answers says what git says of it (SPEC 6).

The walks keep to what a glance can tell without git; those from seed 18 on meet rules that come and go. In each third
one nothing is ignored at first, so that git need not have looked.
`GLANCE_WALKS=500 GLANCE_STEPS=60` has more and longer ones made.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Final

from pitboss.git.committer import Committer, UserHooks
from pitboss.git.glance import Glances
from pitboss.git.ignore_rules import ExcludeFiles
from pitboss.git.locks import LockScope
from pitboss.git.repo import Repo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pitboss.git.status import TreeStatus

FIRST: Final = int(os.environ.get("GLANCE_FIRST", "18"))
WALKS: Final = int(os.environ.get("GLANCE_WALKS", "8"))
STEPS: Final = int(os.environ.get("GLANCE_STEPS", "25"))
MOST_LEFT_TO_GIT: Final = 0.6
FILES: Final = (
    "two",
    "longer",
    "empty",
    "src/one",
    "src/deep/two",
    "src/deep/er/three",
    "build/kept",
    "x.txt",
    "rules",
)
IGNORED: Final = (
    "src/a.log",
    "b.log",
    "out/a",
    "out/sub/b",
    "build/c.log",
    "src/deep/d.log",
    "cache/.gitignore",
)
RULES: Final = "*.log\nout/\ncache/\n"
INNER: Final = "out/inner"
SECOND: Final = 10**9
SETTINGS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"core.fileMode": "false"},
    {"core.trustctime": "false", "core.checkStat": "minimal"},
    {"core.autocrlf": "input"},
    {"core.autocrlf": "true"},
    {"core.untrackedCache": "true"},
    {"core.excludesFile": "rules"},
    {"core.excludesFile": "rules"},
    {"index.threads": "1", "core.symlinks": "true", "core.ignoreCase": "true"},
)
ATTRIBUTES: Final = (
    "",
    "*.txt text eol=crlf\n",
    "two ident\n",
    "* text=auto\n",
    "longer filter=up\n",
    "* -text\n",
)
FILTER: Final = {"filter.up.clean": "tr a-z A-Z", "filter.up.smudge": "tr A-Z a-z"}


class Walk:
    """A random walk: what is done to one repository, and what a glance says of it after each step."""

    def __init__(self, place: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.is_bare = seed % 3 == 0
        self.root, self.outside = place / "repo", place / "outside"
        self.outside.mkdir(parents=True)
        self.log = [f"seed {seed}"]
        self.answers = {"clean": 0, "edited": 0, "ask git": 0}
        self._make()
        self.repo = Repo.discover(self.root)
        self.rules = ExcludeFiles()
        self.glances = Glances(self.repo)
        self.expected: set[str] = set()
        self.commit()
        self.settle()

    def _make(self) -> None:
        choose = self.random.choice
        hashes = choose(("sha1", "sha1", "sha1", "sha256"))
        main = self.root if choose((True, False)) else self.root.with_name("main")
        main.mkdir()
        self.sh("git", "init", "-q", "-b", "main", f"--object-format={hashes}", at=main)
        attributes = choose(ATTRIBUTES)
        said = {"user.name": "Somebody", "user.email": "some@body", **FILTER, **choose(SETTINGS)}
        for key, value in said.items():
            self.sh("git", "config", key, value, at=main)
        if main != self.root:
            (main / "first").write_text("first\n")
            self.sh("git", "add", "-A", at=main)
            self.sh("git", "commit", "-qm", "first", at=main)
            self.sh("git", "worktree", "add", "-q", "-b", "side", str(self.root), at=main)
        self.note(
            f"{hashes} {self.is_bare} {said} {attributes!r} {'main' if main == self.root else 'linked'}"
        )
        for path in FILES if self.is_bare else (*FILES, *IGNORED):
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("" if path == "empty" else f"{path}\n" * 3)
        (self.root / "x.txt").write_bytes(b"$Id$\r\nx\r\n")
        (self.root / "link").symlink_to("two")
        (self.root / ".gitignore").write_text(RULES)
        if choose((True, False, False)):
            (main / ".git" / "info").mkdir(exist_ok=True)
            (main / ".git" / "info" / "exclude").write_text(".gitignore\n")
            self.sh("git", "add", "-f", ".gitignore")
        if attributes:
            (self.root / ".gitattributes").write_text(attributes)

    def note(self, said: str) -> None:
        self.log.append(said)

    def sh(self, *argv: str, at: Path | None = None) -> bytes:
        done = subprocess.run(argv, cwd=at or self.root, capture_output=True, check=False)
        return done.stdout

    # What git and a glance say

    def look(self) -> TreeStatus | None:
        return self.glances.look(self.branch, self.base, self.rules.now(self.repo))

    def git_says(self) -> dict[str, str]:
        """Git's letters for each path that is not as committed."""
        asked = ("git", "--no-optional-locks", "status", "--porcelain", "-z", "--no-renames")
        said = os.fsdecode(self.sh(*asked, "--untracked-files=normal"))
        return {line[3:]: line[:2] for line in said.split("\0") if line}

    def judge(self) -> TreeStatus | None:
        """Look, and compare with git."""
        found, said = self.look(), self.git_says()
        answer = "ask git" if found is None else "edited" if found.dirty else "clean"
        self.answers[answer] += 1
        self.note(f"  -> {answer}; git: {said}")
        if found is not None:
            assert set(said) <= set(found.few_paths)
            assert set(said.values()) <= {" M", " D", " T"}
            assert found.head == self.base
        return found

    def told(self) -> str:
        return "\n".join(self.log)

    # From one session to the next

    def commit(self, found: TreeStatus | None = None) -> None:
        """Commit as a session does, by what a glance said, or else by what git says."""
        scope = LockScope(branch=self.repo.on_branch() or "", worktrees=self.outside)
        committer = Committer(self.repo, scope, seconds=60, hooks=UserHooks())
        status = found or self.repo.status()
        if status.dirty:
            # Not Committer's to commit.
            shutil.rmtree(self.root / INNER, ignore_errors=True)
            seen = self.git_says().keys()
            committer.commit(status, "more\n")
            # Git itself overlooks an edit of the same size in the second in which it noted the file.
            left = self.git_says().keys()
            assert not seen & left, left
        self.branch = (self.repo.on_branch() or "").removeprefix("refs/heads/")
        self.base = self.repo.line("rev-parse", "HEAD")

    def settle(self) -> None:
        """Have the tree clean, and git's look at it learned from."""
        self.repo.inside("index").unlink()
        self.sh("git", "reset", "-q", "--hard", self.base)
        self.sh("git", "clean", "-qfd")
        self.later()
        if self.look() is None:
            self.glances.let_git_look(self.rules.now(self.repo))()

    def later(self) -> None:
        """As if time had passed before the next session: nothing is as young as the index."""
        self.date_index(10)

    def date_index(self, seconds: float) -> None:
        index = self.repo.inside("index")
        at = index.stat().st_ctime_ns + int(seconds * SECOND)
        os.utime(index, ns=(at, at))

    # What is done

    def step(self) -> None:
        weighed = self.random.choices(ACTS, [weight for _, weight in ACTS])[0][0]
        # Without that one, or with a pipe there, git itself fails or hangs.
        special = weighed in (folder_in_its_place, pipe_in_its_place)
        place = self.root / self.random.choice(FILES[:-1] if special else FILES)
        try:
            self.note(f"{weighed.__name__} {place.name}")
            weighed(self, place)
        except OSError as error:
            self.note(f"  {error}")


def edit(walk: Walk, file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"more\n")


def edit_dated_back(walk: Walk, file: Path) -> None:
    found, data = file.stat(), file.read_bytes()
    file.write_bytes(data.swapcase())
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))


def write_again(walk: Walk, file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(b"other")
    file.write_bytes(data)


def edit_and_back(walk: Walk, file: Path) -> None:
    found, data = file.stat(), file.read_bytes()
    file.write_bytes(b"other")
    file.write_bytes(data)
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))


def put_another_there(walk: Walk, file: Path) -> None:
    found, data = file.stat(), file.read_bytes()
    new = walk.outside / "new"
    new.write_bytes(data.swapcase() if walk.random.random() < 0.8 else data)
    os.utime(new, ns=(found.st_atime_ns, found.st_mtime_ns))
    new.replace(file)


def edit_by_hard_link(walk: Walk, file: Path) -> None:
    other = walk.outside / "hard"
    other.unlink(missing_ok=True)
    os.link(file, other)
    if walk.random.random() < 0.7:
        edit_dated_back(walk, other)


def empty(walk: Walk, file: Path) -> None:
    os.truncate(file, 0)


def change_mode(walk: Walk, file: Path) -> None:
    file.chmod(file.stat().st_mode ^ stat.S_IXUSR)


def touch(walk: Walk, file: Path) -> None:
    at = walk.random.choice((0, 1, 2**31, 2**32 + 5, 1_700_000_000)) * SECOND
    os.utime(file, ns=(at, at))


def link_in_its_place(walk: Walk, file: Path) -> None:
    size = file.stat().st_size
    file.unlink()
    file.symlink_to("x" * (size or 1))


def turn_link(walk: Walk, file: Path) -> None:
    link = walk.root / "link"
    link.unlink()
    link.symlink_to(walk.random.choice(("two", "one", "longer")))


def delete(walk: Walk, file: Path) -> None:
    file.unlink()


def folder_in_its_place(walk: Walk, file: Path) -> None:
    file.unlink()
    file.mkdir()


def pipe_in_its_place(walk: Walk, file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def put_back(walk: Walk, file: Path) -> None:
    walk.sh("git", "checkout", "-q", "--", str(file))


def ignored_file(walk: Walk, file: Path) -> None:
    path = walk.root / walk.random.choice(IGNORED)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and walk.random.random() < 0.5:
        path.unlink()
    else:
        path.write_text(str(walk.random.random()))


def in_ignored_folder(walk: Walk, file: Path) -> None:
    place = walk.root / "out" / walk.random.choice(("x", "y", "sub/z", ".gitignore", "deep/er/z"))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("!*\n")


def repository_in_ignored_folder(walk: Walk, file: Path) -> None:
    walk.sh("git", "init", "-q", str(walk.root / INNER))


def take_ignored_folder_away(walk: Walk, file: Path) -> None:
    shutil.rmtree(walk.root / "out")
    what = walk.random.choice(("nothing", "file", "link"))
    if what == "file":
        (walk.root / "out").write_text("out\n")
    elif what == "link":
        (walk.root / "out").symlink_to(walk.outside)


def new_file(walk: Walk, file: Path) -> None:
    file.with_name("new").write_text("new\n")


def new_ignored_file(walk: Walk, file: Path) -> None:
    file.with_name("new.log").write_text("new\n")


def new_rules(walk: Walk, file: Path) -> None:
    file.with_name(".gitignore").write_text(walk.random.choice(("!*.log\n", "new\n*.txt\n", "*\n")))


def drop_rules(walk: Walk, file: Path) -> None:
    file.with_name(".gitignore").unlink()


def rules_outside(walk: Walk, file: Path) -> None:
    place = walk.repo.common_dir / "info" / "exclude"
    place.parent.mkdir(exist_ok=True)
    place.write_text(walk.random.choice(("", "new\n", ".gitignore\n", "x*\n", "n*/\n")))


def rules_in_tree(walk: Walk, file: Path) -> None:
    (walk.root / "rules").write_text(walk.random.choice(("new\n", "n*\n", "none\n")))


def new_folder(walk: Walk, file: Path) -> None:
    folder = walk.root / walk.random.choice(("src", "src/deep", ".")) / walk.random.choice(("new", "n2"))
    folder.mkdir(exist_ok=True)
    for name, text in (("a", "a\n"), (".gitignore", "secret\n"), ("secret", "s\n")):
        if walk.random.random() < 0.7:
            (folder / name).write_text(text)


def track_ignored(walk: Walk, file: Path) -> None:
    walk.sh("git", "add", "-f", "--", walk.random.choice(IGNORED))


def untrack(walk: Walk, file: Path) -> None:
    walk.sh("git", "rm", "-q", "--cached", "--", walk.random.choice(IGNORED))


def refresh(walk: Walk, file: Path) -> None:
    walk.sh("git", "status")


def old_index(walk: Walk, file: Path) -> None:
    walk.date_index(-10)


def index_of_then(walk: Walk, file: Path) -> None:
    at = os.lstat(file).st_mtime_ns
    os.utime(walk.repo.inside("index"), ns=(at, at))


def young_index(walk: Walk, file: Path) -> None:
    walk.date_index(1000)


def whole_seconds(walk: Walk, file: Path) -> None:
    at = file.stat().st_mtime_ns // SECOND * SECOND
    os.utime(file, ns=(at, at))
    walk.sh("git", "update-index", "-q", "--refresh")


def stage(walk: Walk, file: Path) -> None:
    walk.sh("git", "add", "-A")


def commit_alone(walk: Walk, file: Path) -> None:
    walk.sh("git", "commit", "-qam", "alone")


ACTS: Final[tuple[tuple[Callable[[Walk, Path], None], float], ...]] = (
    (edit, 6),
    (edit_dated_back, 8),
    (write_again, 1),
    (edit_and_back, 1),
    (put_another_there, 5),
    (edit_by_hard_link, 5),
    (empty, 4),
    (change_mode, 1),
    (touch, 1),
    (link_in_its_place, 0.7),
    (turn_link, 0.7),
    (delete, 5),
    (folder_in_its_place, 0.3),
    (pipe_in_its_place, 0.3),
    (put_back, 2),
    (ignored_file, 8),
    (in_ignored_folder, 6),
    (repository_in_ignored_folder, 1),
    (take_ignored_folder_away, 1),
    (new_file, 0.6),
    (new_ignored_file, 0.8),
    (new_rules, 0.6),
    (drop_rules, 0.8),
    (rules_outside, 0.5),
    (rules_in_tree, 0.8),
    (new_folder, 1),
    (track_ignored, 0.5),
    (untrack, 0.5),
    (refresh, 3),
    (old_index, 3),
    (index_of_then, 3),
    (young_index, 3),
    (whole_seconds, 1),
    (stage, 0.5),
    (commit_alone, 0.5),
)


def walk(place: Path, seed: int, steps: int) -> dict[str, int]:
    """Walk on from one seed: looks, as sessions end, and what follows from them."""
    made = Walk(place, seed)
    try:
        for _ in range(steps):
            made.step()
            _go_on(made, made.judge())
    except Exception as error:
        error.add_note(made.told())
        raise
    return made.answers


def _go_on(walk: Walk, found: TreeStatus | None) -> None:
    chance = walk.random.random()
    if found is None:
        walk.glances.let_git_look(walk.rules.now(walk.repo))()
    if found is None and chance < 0.85:
        walk.note("settle")
        walk.commit()
        walk.settle()
    elif chance < 0.35:
        walk.note("commit")
        walk.commit(found)
        if chance < 0.3:
            walk.later()


def test_what_a_glance_says_is_what_git_says(tmp_path: Path) -> None:
    total: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + WALKS):
        total.update(walk(tmp_path / str(seed), seed, STEPS))
    assert total["ask git"] < MOST_LEFT_TO_GIT * total.total()
