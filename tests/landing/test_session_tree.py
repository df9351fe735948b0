"""What becomes of a session's work, whatever its agent did to the repository (SPEC 1.2, 1.6, 6)."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

import msgspec
import pytest

from pitboss.core.diff_stat import DiffStat
from pitboss.core.session import Assignment, Landing
from pitboss.core.text import commit_message
from pitboss.errors import StartError
from pitboss.git.errors import GitError, NotARepository
from pitboss.git.repo import Repo
from pitboss.landing.readiness import begin_check
from pitboss.landing.rescuer import RescuePolicy
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.session_tree import SessionTree
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20260101T000000Z-abcd"
BRANCH = f"pitboss/grind/{RUN}"
CHANGED = "echo more >>src/one.txt"
MESSAGE = commit_message(prompt="alpha", seq=1, run_id=RUN, summary="did it")
SETUP = """
git init -q -b main --template= .
mkdir .git/hooks .git/info
git config user.name Somebody && git config user.email some@body
mkdir src && echo one > src/one.txt && echo two > src/two.txt
printf '.pitboss/\\nignored/\\n' > .gitignore
git add -A && git commit -qm first
git branch feature && git checkout -q feature && echo f > feature.txt && git add -A && git commit -qm feature
git checkout -q main
mkdir -p ignored .pitboss/grind && echo keep > ignored/cache && echo keep > .pitboss/grind/mine
"""


def sh(cwd: Path, script: str) -> str:
    """Run a shell script as an agent would; returns what it prints."""
    done = subprocess.run(
        ["sh", "-c", script], cwd=cwd, capture_output=True, check=False, stdin=subprocess.DEVNULL
    )
    return done.stdout.decode(errors="replace").strip()


class World:
    """A repository on its run branch with session 1 about to start."""

    born: ClassVar[Path]

    def __init__(self, root: Path, setup: str = "") -> None:
        shutil.copytree(World.born, root)
        self.root = root
        if setup:
            sh(root, setup)
        self.branches = self.other_refs()
        self.tree = self.open()
        self.base = begin_check(Repo.discover(root), in_place=True)().head
        self.branch().create(self.base)
        self.git("symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
        self.tree.begin(1)
        self.session = Assignment(
            seq=1,
            prompt="alpha",
            rotation=1,
            started_at=datetime.now(UTC),
            base_commit=self.base,
        )

    def open(self, commit_seconds: float = 600.0) -> SessionTree:
        """The checkout as a new process would open it."""
        repo = Repo.discover(self.root)
        return SessionTree(
            repo, BRANCH, RescuePolicy(paths=RunPaths(self.root, RUN)), commit_seconds=commit_seconds
        )

    def branch(self) -> RunBranch:
        """The run branch as a new process would know it."""
        return RunBranch(Repo.discover(self.root), BRANCH, checked_out=True)

    def copy(self, folder: Path) -> World:
        """The same world at another place, as it is now."""
        shutil.copytree(self.root.parent, folder, symlinks=True)
        twin = copy.copy(self)
        twin.root = folder / self.root.name
        return twin

    def git(self, *args: str) -> str:
        """Ask git; fails the test when git does."""
        done = subprocess.run(["git", *args], cwd=self.root, capture_output=True, check=True)
        return done.stdout.decode(errors="surrogateescape").strip()

    def other_refs(self) -> str:
        """Every ref that is not pitboss's, and where it points."""
        refs = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return "\n".join(r for r in refs if "pitboss" not in r)

    def kept_files(self) -> dict[str, set[str]]:
        """Path -> contents it has anywhere in the session's landed or rescued work."""
        tips = [BRANCH, *self.rescue_refs()]
        commits = self.git("rev-list", *tips, "--not", self.base).split()
        places: dict[str, set[str]] = {}
        for commit in commits:
            for entry in filter(None, self.git("ls-tree", "-r", "-z", commit).split("\0")):
                (_, kind, oid), path = entry.split("\t")[0].split(), entry.split("\t")[1]
                if kind == "blob":
                    places.setdefault(oid, set()).add(path)
        files: dict[str, set[str]] = {}
        for oid, content in self.blobs(list(places)).items():
            for path in places[oid]:
                files.setdefault(path, set()).add(content)
        return files

    def blobs(self, oids: list[str]) -> dict[str, str]:
        """The contents of blobs, without white space at the ends."""
        asked = "\n".join(oids).encode()
        batch = ["git", "cat-file", "--batch"]
        rest = subprocess.run(batch, cwd=self.root, input=asked, capture_output=True, check=True).stdout
        contents: dict[str, str] = {}
        while rest:
            header, _, rest = rest.partition(b"\n")
            oid, _, size = header.decode().split()
            contents[oid] = rest[: int(size)].decode(errors="surrogateescape").strip()
            rest = rest[int(size) + 1 :]
        return contents

    def kept_subjects(self) -> set[str]:
        """Subjects of all commits that the run branch or rescue refs hold beyond the base."""
        tips = [BRANCH, *self.rescue_refs()]
        return set(self.git("log", "--format=%s", *tips, "--not", self.base).splitlines())

    def rescue_refs(self) -> list[str]:
        """The session's rescue refs."""
        return self.git("for-each-ref", "--format=%(refname)", "refs/pitboss/rescue").split()

    def assert_at_rest(self) -> None:
        """HEAD is on the run branch, the tree is clean, and what is not ours is as it was."""
        assert self.git("symbolic-ref", "HEAD") == f"refs/heads/{BRANCH}"
        assert self.git("status", "--porcelain") == ""
        assert (self.root / "ignored/cache").read_text() == "keep\n"
        assert (self.root / ".pitboss/grind/mine").read_text() == "keep\n"


@pytest.fixture(scope="module", autouse=True)
def born(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The repository that every world is a copy of."""
    World.born = tmp_path_factory.mktemp("born") / "repo"
    World.born.mkdir()
    sh(World.born, SETUP)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent does, what must be kept, and what `land` must say."""

    agent: str
    lands: bool = True
    rescues: int = 0
    reason: str | None = None
    files: dict[str, str] = {}
    commits: tuple[str, ...] = ()
    setup: str = ""
    moves_user_refs: bool = False

    def unhooked_files(self) -> dict[str, str]:
        """The files that are there when no commit is tried, so no hook formats any."""
        return {path: content for path, content in self.files.items() if content != "formatted"}


CASES = {
    "nothing": Case(agent="true", lands=False),
    "looks around": Case(agent="git checkout -q feature; git checkout -q -", lands=False),
    "an edit": Case(agent="echo new > src/one.txt", files={"src/one.txt": "new"}),
    "a new folder": Case(agent="mkdir -p a/b && echo x > a/b/c", files={"a/b/c": "x"}),
    "a staged edit": Case(agent="echo new > n; git add n", files={"n": "new"}),
    "a deletion": Case(agent="git rm -q src/one.txt"),
    "a deletion from an ignored folder": Case(
        setup="echo old >ignored/old; git add -f ignored/old; git commit -qm old",
        agent="rm ignored/old; echo new >new",
        files={"new": "new"},
    ),
    "a mode change": Case(agent="chmod +x src/one.txt"),
    "a symlink over a folder": Case(agent="rm -r src; ln -s /etc src", files={"src": "/etc"}),
    "odd names": Case(
        agent="""printf a > "new
line"; printf b > ./-dash; printf c > 'qu"ote'; printf d > "$(printf 'l\\351tin')"; printf e > ':(top)x'""",
        files={"new\nline": "a", "-dash": "b", 'qu"ote': "c", "l\udce9tin": "d", ":(top)x": "e"},
    ),
    "carriage returns": Case(
        agent="printf 'a\\r\\nb\\n' > crlf.txt",
        setup="git config core.autocrlf input; git config core.safecrlf true\n",
        files={"crlf.txt": "a\nb"},
    ),
    "its own commit": Case(
        agent="echo x > x; git add x; git commit -qm mine", files={"x": "x"}, commits=("mine",)
    ),
    "its own commit and dirt": Case(
        agent="echo x > x; git add x; git commit -qm mine; echo y > y",
        files={"x": "x", "y": "y"},
        commits=("mine",),
    ),
    "a merge": Case(agent="git merge -q --no-ff -m merged feature", commits=("merged", "feature")),
    "a merge not concluded": Case(
        agent="git merge -q --no-ff --no-commit feature", files={"feature.txt": "f"}
    ),
    "amended": Case(
        agent="echo x > x; git add x; git commit -qm draft; git commit -q --amend -m final",
        rescues=1,
        reason="head_moved: commits that are no longer on the run branch",
        commits=("draft", "final"),
    ),
    "committed and reset": Case(
        agent="echo x > x; git add x; git commit -qm gone; git reset -q --hard HEAD~1",
        lands=False,
        rescues=1,
        reason="head_moved: commits that are no longer on the run branch",
        files={"x": "x"},
        commits=("gone",),
    ),
    "stashed": Case(
        agent="echo x > src/one.txt; git stash -q",
        lands=False,
        rescues=1,
        reason="head_moved: commits that are no longer on the run branch",
        files={"src/one.txt": "x"},
        moves_user_refs=True,
    ),
    "history rewritten": Case(
        agent="git commit -q --amend -m rewritten; echo x > x",
        lands=False,
        rescues=1,
        reason="history_rewritten",
        files={"x": "x"},
        commits=("rewritten",),
    ),
    "on a new branch": Case(
        agent="git checkout -qb side; echo x > x; git add x; git commit -qm side; echo y > y",
        lands=False,
        rescues=1,
        reason="head_moved: side",
        files={"x": "x", "y": "y"},
        commits=("side",),
        moves_user_refs=True,
    ),
    "on the user's branch": Case(
        agent="git checkout -q main; echo x > x",
        lands=False,
        rescues=1,
        reason="head_moved: main",
        files={"x": "x"},
    ),
    "commit, then another branch": Case(
        agent="echo x > x; git add x; git commit -qm mine; git checkout -q main; echo y > y",
        rescues=1,
        reason="head_moved: main",
        files={"x": "x", "y": "y"},
        commits=("mine",),
    ),
    "side commits, then back": Case(
        agent="git checkout -qb side; echo x > x; git add x; git commit -qm side; git checkout -q -; echo y > y",
        rescues=1,
        reason="head_moved: commits that are no longer on the run branch",
        files={"x": "x", "y": "y"},
        commits=("side",),
        moves_user_refs=True,
    ),
    "detached": Case(
        agent="git checkout -q --detach; echo x > x; git add x; git commit -qm loose; echo y > y",
        lands=False,
        rescues=1,
        reason="head_moved: a detached HEAD",
        files={"x": "x", "y": "y"},
        commits=("loose",),
    ),
    "run branch deleted": Case(
        agent=f"git checkout -q main; git branch -q -D {BRANCH}; echo y > y",
        lands=False,
        rescues=1,
        reason="head_moved: main",
        files={"y": "y"},
    ),
    "an orphan branch": Case(
        agent="git checkout -q --orphan void; echo y > y",
        lands=False,
        rescues=1,
        reason="head_moved: void",
        files={"y": "y"},
    ),
    "a merge with conflicts": Case(
        agent="echo mine > feature.txt; git add -A; git commit -qm mine; git merge -q feature",
        lands=False,
        rescues=1,
        reason="conflict: unmerged feature.txt",
        commits=("mine",),
    ),
    "a rebase with conflicts": Case(
        agent="echo mine > feature.txt; git add -A; git commit -qm mine; echo z > src/one.txt;"
        " git rebase -q --autostash feature",
        lands=True,
        rescues=2,
        reason="head_moved: a detached HEAD",
        files={"src/one.txt": "z"},
        commits=("mine",),
    ),
    "a bisect": Case(
        agent="echo x > x; git add -A; git commit -qm x; git bisect start -q; git bisect bad; git bisect good HEAD~1;"
        " git checkout -q HEAD~1",
        commits=("x",),
    ),
    "cherry-picks with conflicts": Case(
        agent="echo mine > feature.txt; git add -A; git commit -qm mine; git cherry-pick feature",
        lands=False,
        rescues=1,
        reason="conflict: unmerged feature.txt",
        commits=("mine",),
    ),
    "a nested repository without commits": Case(
        agent="git init -q new; echo x > new/x; mkdir new/sub; git init -q new/sub/in; echo y > new/sub/in/y",
        files={"new/x": "x", "new/sub/in/y": "y"},
    ),
    "a nested repository with commits": Case(
        agent="git init -q new; cd new; git config user.name a; git config user.email b; echo x > x; git add x;"
        " git commit -qm inner; echo y > y",
        files={"new/x": "x", "new/y": "y"},
        rescues=1,
        commits=("inner",),
    ),
    "a gitlink and work inside": Case(
        agent="git init -q new; cd new; git config user.name a; git config user.email b; echo x > x; git add x;"
        " git commit -qm inner; cd ..; git add -A 2>/dev/null; git commit -qm link; echo y > new/y",
        rescues=1,
        reason="head_moved: work in a repository or submodule inside",
        files={"x": "x", "y": "y"},
        commits=("inner", "link"),
    ),
    "a lock left behind": Case(agent="echo x > x; : > .git/index.lock", files={"x": "x"}),
    "no index": Case(agent="echo x > x; rm .git/index", files={"x": "x"}),
    "a broken index": Case(agent="echo x > x; echo garbage > .git/index", files={"x": "x"}),
    "a pre-commit hook that refuses": Case(
        agent="echo x > x",
        setup="printf '#!/bin/sh\\necho checking; echo >&2 not today' > .git/hooks/pre-commit;"
        "echo '; exit 1' >> .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit\n",
        lands=False,
        rescues=1,
        reason="commit_refused: not today",
        files={"x": "x"},
    ),
    "a commit-msg hook that refuses": Case(
        agent="echo x > x; echo y >> src/one.txt; rm src/two.txt",
        setup="printf '#!/bin/sh\\necho bad message >&2; exit 1\\n' > .git/hooks/commit-msg;"
        " chmod +x .git/hooks/commit-msg\n",
        lands=False,
        rescues=1,
        reason="commit_refused: bad message",
        files={"x": "x", "src/one.txt": "one\ny"},
    ),
    "a pre-commit hook that formats": Case(
        agent="echo x > x",
        setup="printf '#!/bin/sh\\necho formatted > src/one.txt\\n' > .git/hooks/pre-commit;"
        " chmod +x .git/hooks/pre-commit\n",
        files={"x": "x", "src/one.txt": "formatted"},
    ),
    "a pre-commit hook that refuses until formatted": Case(
        agent="echo x > x",
        setup="printf '#!/bin/sh\\ngrep -q formatted src/one.txt || { echo formatted > src/one.txt; exit 1; }\\n'"
        " > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit\n",
        files={"x": "x", "src/one.txt": "formatted"},
    ),
    "a submodule with work inside": Case(
        agent="cd lib && echo x > x && git add x && git -c user.name=a -c user.email=b commit -qm in; echo y > y",
        setup="git init -q ../lib && cd ../lib && git config user.name a && git config user.email b &&"
        " echo l > l && git add l && git commit -qm lib && cd - >/dev/null &&"
        " git -c protocol.file.allow=always submodule --quiet add ../lib lib && git commit -qm sub\n",
        rescues=1,
        reason="head_moved: work in a repository or submodule inside",
        files={"y": "y"},
    ),
    "a linked worktree": Case(
        agent="git worktree add -q tree -b side main; echo x > x; echo t > tree/t",
        setup="echo tree/ >> .git/info/exclude\n",
        files={"x": "x"},
        moves_user_refs=True,
    ),
    "read-only folders": Case(
        agent="mkdir -p ro/deep && echo x > ro/deep/x && chmod -R a-w ro && chmod a-r ro/deep/x",
        files={"ro/deep/x": "x"},
    ),
    "sockets and pipes": Case(agent="mkfifo pipe; echo x > x; mkfifo ignored/pipe", files={"x": "x"}),
    "a pipe in place of a tracked file": Case(
        agent="rm src/one.txt; mkfifo src/one.txt; chmod 0 src/two.txt; echo x > x", files={"x": "x"}
    ),
    "a folder in place of a tracked file": Case(
        agent="rm src/one.txt; mkdir src/one.txt; echo x > src/one.txt/x; echo new > src/two.txt",
        files={"src/one.txt/x": "x", "src/two.txt": "new"},
    ),
    "its own run folder deleted": Case(
        agent="cp -r .pitboss ../saved; rm -rf .pitboss; echo x > x; mv ../saved .pitboss", files={"x": "x"}
    ),
    "ignore rules changed": Case(
        agent="echo '*.log' >> .gitignore; echo l > a.log; echo x > x", files={"x": "x"}
    ),
}


def settle(world: World, case: Case) -> None:
    """Check that nothing of the case's work is lost and that the tree is at rest."""
    kept = world.kept_files()
    for path, content in case.files.items():
        assert content in kept.get(path, set()), f"{path!r} is lost"
    assert set(case.commits) <= world.kept_subjects()
    world.assert_at_rest()
    if not case.moves_user_refs:
        assert world.other_refs() == world.branches


def check(world: World, case: Case, landing: Landing) -> None:
    """Check the answer of `land`."""
    assert (landing.commit is not None, len(landing.rescue), landing.reason) == (
        case.lands,
        case.rescues,
        case.reason,
    )
    assert list(landing.rescue) == world.rescue_refs()
    assert world.git("rev-parse", BRANCH) == (landing.commit or world.base)


def do_nothing(world: World) -> None:
    """Work before that changes nothing: from then on it is known what git ignores."""
    world.tree.look_ahead(world.session)
    assert world.tree.land(world.session, MESSAGE) == Landing()
    world.tree.begin(1)


def expect_edits(world: World) -> None:
    """A look that finds an edit, after which the next one begins a commit before it knows what there is to commit."""
    sh(world.root, f"git update-index --refresh; cp src/one.txt ../one; {CHANGED}")
    world.tree.begin(1)
    world.tree.look_ahead(world.session)
    sh(world.root, "cat ../one > src/one.txt; rm ../one; git update-index --refresh")
    world.tree.begin(1)


@pytest.mark.parametrize("name", CASES)
def test_landing_keeps_all_work_and_says_where_it_went(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    world = World(tmp_path / "repo", case.setup)
    do_nothing(world)
    expect_edits(world)
    sh(world.root, case.agent)
    world.tree.look_ahead(world.session)  # as the engine does where no tests are due
    check(world, case, world.tree.land(world.session, MESSAGE))
    settle(world, case)


@pytest.mark.parametrize("name", CASES)
def test_landing_by_another_process_gives_the_same_answer_and_twice_is_as_good_as_once(
    tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    world = World(tmp_path / "repo", case.setup)
    sh(world.root, case.agent)
    first = world.open().land(world.session, MESSAGE)
    check(world, case, first)
    assert world.open().land(world.session, MESSAGE) == first
    settle(world, case)


def test_a_commit_that_has_begun_is_made_by_nobody_if_its_process_dies(tmp_path: Path) -> None:
    world = World(tmp_path / "repo")
    sh(world.root, "git update-index --refresh")
    world.tree.begin(1)
    do_nothing(world)
    sh(world.root, CHANGED)
    if (child := os.fork()) == 0:
        with contextlib.suppress(BaseException):
            world.tree.look_ahead(world.session)
        os._exit(0)
    os.waitpid(child, 0)
    assert world.git("rev-parse", BRANCH) == world.base
    landing = world.open().land(world.session, MESSAGE)
    assert landing == Landing(commit=world.git("rev-parse", BRANCH))
    assert world.git("log", "--format=%B", f"{world.base}..{BRANCH}") == MESSAGE.strip()
    world.assert_at_rest()


def test_a_commit_that_has_begun_is_not_the_next_sessions(tmp_path: Path) -> None:
    world = World(tmp_path / "repo")
    sh(world.root, "git update-index --refresh")
    world.tree.begin(1)
    do_nothing(world)
    sh(world.root, CHANGED)
    world.tree.look_ahead(world.session)
    sh(world.root, "echo other > src/one.txt")
    world.tree.look_ahead(world.session)
    assert world.tree.land(world.session, MESSAGE).commit is not None
    assert world.git("show", f"{BRANCH}:src/one.txt") == "other"


def test_a_look_that_nobody_took_is_not_the_next_sessions(tmp_path: Path) -> None:
    world = World(tmp_path / "repo")
    world.tree.look_ahead(world.session)
    world.tree.look_ahead(world.session)
    world.tree.begin(1)
    sh(world.root, CHANGED)
    assert world.tree.land(world.session, MESSAGE).commit is not None


@pytest.mark.parametrize("name", CASES)
def test_rescuing_keeps_all_work_and_puts_the_tree_back(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    world = World(tmp_path / "repo", case.setup)
    before = world.git("rev-parse", f"{world.base}^{{tree}}")
    do_nothing(world)
    sh(world.root, case.agent)
    world.tree.look_ahead(world.session)
    landing = world.tree.rescue(world.session)
    assert (landing.commit, landing.reason) == (None, None)
    assert list(landing.rescue) == world.rescue_refs()
    assert world.open().rescue(world.session) == landing
    assert world.git("rev-parse", BRANCH) == world.base
    assert world.git("write-tree") == before
    settle(world, msgspec.structs.replace(case, files=case.unhooked_files()))


UNIGNORED = "printf 'ignored/\\n' > .gitignore; git commit -qam 'show .pitboss'\n"
TRACKED = "git add -f .pitboss; git commit -qm 'track .pitboss'\n"


@pytest.mark.parametrize("setup", [UNIGNORED, TRACKED], ids=["not ignored", "tracked"])
@pytest.mark.parametrize("operation", ["land", "rescue"])
def test_the_pitboss_folder_is_never_committed_cleaned_or_reverted(
    tmp_path: Path, setup: str, operation: str
) -> None:
    world = World(tmp_path / "repo", setup)
    sh(
        world.root,
        "echo changed > .pitboss/grind/mine; echo log > .pitboss/log; echo x > x; echo y > src/one.txt",
    )
    if operation == "land":
        world.tree.land(world.session, MESSAGE)
    else:
        world.tree.rescue(world.session)
    assert (world.root / ".pitboss/grind/mine").read_text() == "changed\n"
    assert (world.root / ".pitboss/log").read_text() == "log\n"
    assert set(world.kept_files()) >= {"x", "src/one.txt"}
    assert "log" not in " ".join(world.kept_files())
    assert Repo.discover(world.root).status().dirty == 0


def test_a_session_after_only_pitboss_files_changed_lands_nothing(tmp_path: Path) -> None:
    world = World(tmp_path / "repo", UNIGNORED)
    sh(world.root, "echo changed > .pitboss/grind/mine")
    assert world.tree.land(world.session, MESSAGE) == Landing()


def test_a_hook_that_never_answers_refuses_the_commit(tmp_path: Path) -> None:
    world = World(tmp_path / "repo", "printf '#!/bin/sh\\nsleep 60\\n' > .git/hooks/pre-commit\n")
    (world.root / ".git/hooks/pre-commit").chmod(0o755)
    tree = world.open(commit_seconds=0.3)
    tree.begin(1)
    sh(world.root, "echo x > x")
    landing = tree.land(world.session, MESSAGE)
    assert landing.reason == "commit_refused: no answer from a git hook or filter after 0.3 s"
    assert world.kept_files() == {**world.kept_files(), "x": {"x"}}
    world.assert_at_rest()


def test_a_hung_hook_beside_a_git_at_work_is_a_failure_of_git(tmp_path: Path) -> None:
    world = World(tmp_path / "repo")
    hook = world.root / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\n: > .git/HEAD.lock\nsleep 60\n")
    hook.chmod(0o755)
    tree = world.open(commit_seconds=0.5)
    tree.begin(1)
    sh(world.root, "echo x > x")
    at_work = ["git", "cat-file", "--batch"]
    with subprocess.Popen(at_work, cwd=world.root, stdin=subprocess.PIPE) as process:
        with pytest.raises(GitError, match=r"no answer from a git hook or filter after 0\.5 s") as failed:
            tree.land(world.session, MESSAGE)
        process.communicate()
    assert failed.value.exit_code == 70


def test_the_commit_carries_the_message_and_the_author_whatever_the_user_configured(tmp_path: Path) -> None:
    world = World(
        tmp_path / "repo",
        "git config commit.gpgSign true; git config commit.cleanup scissors; git config user.useConfigOnly true;"
        " git config --unset user.name; git config core.editor false; git config core.abbrev 4\n",
    )
    sh(world.root, "echo x > x")
    message = commit_message(prompt="alpha", seq=1, run_id=RUN, summary="# not a comment")
    landing = world.tree.land(world.session, message)
    assert world.git("log", "-1", "--format=%an <%ae> %cn <%ce>%n%B") == (
        f"pitboss <pitboss@local> pitboss <pitboss@local>\n{message.strip()}"
    )
    assert landing.commit == world.git("rev-parse", BRANCH)


def test_sessions_follow_one_another_on_the_branch(tmp_path: Path) -> None:
    world = World(tmp_path / "repo")
    for seq in range(1, 4):
        base = world.git("rev-parse", BRANCH)
        world.tree.begin(seq)
        session = msgspec.structs.replace(world.session, seq=seq, base_commit=base)
        sh(world.root, f"echo {seq} > n; git stash list > /dev/null")
        if seq == 2:
            assert len(world.tree.rescue(session).rescue) == 1
        else:
            assert world.tree.land(session, f"session {seq}\n").rescue == ()
    assert world.git("log", "--format=%s", f"{world.base}..{BRANCH}").split("\n") == [
        "session 3",
        "session 1",
    ]
    world.assert_at_rest()


@pytest.mark.parametrize(
    ("others", "again"), [("session-0001-9", False), ("session-0002", True), ("session-00011", True)]
)
def test_rescuing_costs_the_same_however_much_was_rescued_before(
    tmp_path: Path, others: str, again: bool
) -> None:
    world = World(tmp_path / "repo")
    sh(world.root, "echo x > x")
    # Git fails where it looks at a ref whose commit is not there.
    broken = world.root / f".git/refs/pitboss/rescue/{RUN}/{others}"
    broken.parent.mkdir(parents=True)
    broken.write_text("1" * 40 + "\n")
    tree = world.open() if again else world.tree
    assert tree.rescue(world.session).rescue == (f"refs/pitboss/rescue/{RUN}/session-0001",)


FOR_HOOKS = 1
"""Git is asked once where the hooks are."""


@pytest.mark.parametrize(
    ("agent", "calls"),
    [
        ("true", 0),
        ("echo x > src/one.txt", 1 + FOR_HOOKS),
        ("chmod +x src/one.txt; echo x > src/one.txt; echo x > ignored/x", 1 + FOR_HOOKS),
        ("echo one > src/one.txt; touch -d 2001-01-01 src/one.txt", 1),
        ("echo x > x", 3 + FOR_HOOKS),
    ],
)
def test_once_git_has_looked_it_is_asked_about_new_names_only(tmp_path: Path, agent: str, calls: int) -> None:
    world = World(tmp_path / "repo")
    with pytest.MonkeyPatch.context() as patch:
        sh(world.root, "git update-index --refresh")  # this is a copy, which git does not know by sight
        dying_git(patch, tmp_path / "bin", 100, EVERY_CALL)
        world.tree = world.open()
        world.tree.begin(1)
        do_nothing(world)
        (tmp_path / "bin/calls").write_text("0\n")
        patch.setenv("PATH", os.environ["REAL_PATH"])
        sh(world.root, agent)
        world.tree.look_ahead(world.session)
        landing = world.tree.land(world.session, MESSAGE)
    assert int((tmp_path / "bin/calls").read_text()) == calls
    assert (landing.commit is None) == (world.git("diff", "--name-only", world.base, BRANCH) == "")


@pytest.mark.parametrize(
    ("agent", "calls"), [("true", 1), ("echo x > src/one.txt", 3), ("git commit -q --allow-empty -m x", 5)]
)
def test_a_session_costs_few_git_calls(tmp_path: Path, agent: str, calls: int) -> None:
    world = World(tmp_path / "repo")
    with pytest.MonkeyPatch.context() as patch:
        dying_git(patch, tmp_path / "bin", 100, EVERY_CALL)
        tree = world.open()
        tree.begin(1)
        (tmp_path / "bin/calls").write_text("0\n")
        patch.setenv("PATH", os.environ["REAL_PATH"])
        sh(world.root, agent)
        tree.land(world.session, MESSAGE)
    assert int((tmp_path / "bin/calls").read_text()) <= calls + (1 if "echo" in agent else 0)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("echo x > x", "the working tree is not clean: 1 path changed or untracked"),
        ("git merge -q --no-ff --no-commit feature", "a merge is in progress in the working tree"),
        ("git checkout -q --orphan void", "creating run branch: the repository has no commit yet"),
    ],
)
def test_a_run_does_not_start_in_an_unready_tree(tmp_path: Path, state: str, message: str) -> None:
    world = World(tmp_path / "repo")
    sh(world.root, state)
    with pytest.raises(StartError) as refused:
        begin_check(Repo.discover(world.root), in_place=True)()
    assert refused.value.message == message
    assert refused.value.exit_code == 4


def test_a_lost_run_branch_is_made_again_only_where_its_commit_exists(tmp_path: Path) -> None:
    world = World(tmp_path / "repo")
    sh(world.root, f"git checkout -q main; git branch -q -D {BRANCH}")
    with pytest.raises(StartError, match="is gone, and so is commit 1111111"):
        world.branch().recreate("1" * 40)
    world.branch().recreate(world.base)
    assert world.git("branch", "--show-current") == "main"
    assert world.git("rev-parse", BRANCH) == world.base


def test_git_failing_for_a_reason_of_its_own_leaves_the_work_for_a_later_attempt(tmp_path: Path) -> None:
    world = World(tmp_path / "repo")
    sh(world.root, "echo x > x")
    objects = world.root / ".git/objects"
    sh(world.root, "mv .git/objects .git/away; echo > .git/objects")
    with pytest.raises(GitError) as failed:
        world.tree.land(world.session, MESSAGE)
    assert failed.value.exit_code == 70
    objects.unlink()
    (world.root / ".git/away").rename(objects)
    assert world.open().land(world.session, MESSAGE).commit == world.git("rev-parse", BRANCH)
    world.assert_at_rest()


DYING_GIT = """#!/bin/sh
case " $* " in @COUNTED@) ;; *) PATH=$REAL_PATH exec git "$@" ;; esac
read n < "$CALLS"; n=$((n + 1)); echo $n > "$CALLS"
[ $n -gt $LIMIT ] && exit 137
PATH=$REAL_PATH git "$@"; code=$?
[ $n -eq $LIMIT ] && exit 137
exit $code
"""
EVERY_CALL = "*"
# A crash after a call that only looks leaves what a crash before it leaves, unless Python moved files between:
# PITBOSS_CHAOS=full, which `make chaos` sets, crashes after those too, in more cases, at four times the cost.
CHANGING = ("add", "bisect", "checkout", "checkout-index", "clean", "commit", "read-tree", "symbolic-ref")
CHANGES = "|".join(f'*" {word} "*' for word in (*CHANGING, "update-ref"))
FULL = os.environ.get("PITBOSS_CHAOS") == "full"
COUNTED = EVERY_CALL if FULL else CHANGES
INTERRUPTED = (
    ("land", "amended"),
    ("land", "commit, then another branch"),
    ("land", "a nested repository with commits"),
    ("land", "a gitlink and work inside"),
    ("land", "a submodule with work inside"),
    ("land", "a commit-msg hook that refuses"),
    ("land", "a pre-commit hook that formats"),
    ("rescue", "ignore rules changed"),
)
INTERRUPTED_TOO = (
    ("rescue", "its own commit and dirt"),
    ("rescue", "a gitlink and work inside"),
    ("rescue", "a submodule with work inside"),
)


def dying_git(monkeypatch: pytest.MonkeyPatch, folder: Path, limit: int, counted: str = COUNTED) -> None:
    """From now on git works for `limit` counted calls; the last of them does its work, then all is over."""
    folder.mkdir()
    program = folder / "git"
    program.write_text(DYING_GIT.replace("@COUNTED@", counted))
    program.chmod(0o755)
    (folder / "calls").write_text("0\n")
    monkeypatch.setenv("REAL_PATH", os.environ["PATH"])
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(folder / "calls"))
    monkeypatch.setenv("LIMIT", str(limit))


def trees(world: World, landing: Landing) -> tuple[str | None, list[str], str | None]:
    """A landing by content: commits carry the time, trees do not."""
    refs = sorted(world.git("rev-parse", f"{ref}^{{tree}}") for ref in landing.rescue)
    commit = landing.commit and world.git("rev-parse", f"{landing.commit}^{{tree}}")
    return commit, refs, landing.reason


@pytest.mark.parametrize(("operation", "name"), INTERRUPTED + INTERRUPTED_TOO * FULL)
def test_a_crash_after_any_git_call_changes_nothing_about_the_end(
    tmp_path: Path, operation: str, name: str
) -> None:
    case = CASES[name]
    template = World(tmp_path / "template" / "repo", case.setup)
    sh(template.root, case.agent)

    def work(world: World) -> Landing:
        tree = world.open()
        return tree.land(world.session, MESSAGE) if operation == "land" else tree.rescue(world.session)

    whole = template.copy(tmp_path / "whole")
    expected = trees(whole, work(whole))
    settle(
        whole,
        msgspec.structs.replace(case, files=case.files if operation == "land" else case.unhooked_files()),
    )
    for limit in range(100):
        world = template.copy(tmp_path / str(limit))
        with pytest.MonkeyPatch.context() as patch:
            dying_git(patch, tmp_path / f"bin-{limit}", limit)
            try:
                finished: Landing | None = work(world)
            except (GitError, NotARepository):
                finished = None
        assert trees(world, work(world)) == expected, f"after {limit} calls"
        world.assert_at_rest()
        if finished is not None:
            assert trees(world, finished) == expected
            return
    raise AssertionError("never finished")


@pytest.mark.parametrize(
    ("script", "stat"),
    [
        ("echo 1 >new; echo 2 >other", DiffStat(files=2, added=2)),
        ("echo 1 >new; git add -A; git commit -qm own", None),
        ("echo 1 >new; git add -A; git commit -qm own; echo 2 >other", None),
        (
            "printf 'echo 3 >by-hook\\n' >.git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; echo 1 >new",
            None,
        ),
        (CHANGED, DiffStat(files=1, added=1)),
        ("true", None),
    ],
    ids=["new files", "own commits", "both", "a hook changes more", "a change", "nothing"],
)
def test_how_much_landed_is_what_git_said_of_the_one_commit(
    tmp_path: Path, script: str, stat: DiffStat | None
) -> None:
    world = World(tmp_path / "repo")
    sh(world.root, script)
    assert world.tree.may_add
    world.tree.land(world.session, MESSAGE)
    assert world.tree.stat == stat
    assert world.tree.may_add is (script != CHANGED)
