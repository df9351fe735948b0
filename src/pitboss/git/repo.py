"""One git repository through the git command line: few calls, no prompts, the user's settings left alone (SPEC 1.6)."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.errors import FREE_SPACE, StartError, StorageError
from pitboss.process import NOT_STARTED, capture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pitboss.process import Captured

PITBOSS_FOLDER = ".pitboss"
WITHOUT_PITBOSS = f":(exclude,top){PITBOSS_FOLDER}"
OLDEST_GIT = (2, 38)
DEFAULT_AUTHOR = "pitboss <pitboss@local>"
GIT_SECONDS = 600.0
FEW_PATHS = 64

_SETTINGS_KEPT = frozenset(
    {
        "GIT_ASKPASS",
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_EXEC_PATH",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSL_CAINFO",
        "GIT_TEMPLATE_DIR",
    }
)
_INJECTED_SETTINGS = ("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")
_QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_EDITOR": "true",
    "GIT_SEQUENCE_EDITOR": "true",
    "GIT_PAGER": "cat",
    "GIT_OPTIONAL_LOCKS": "0",
}
_FIXED_WORDING = {"LC_ALL": "C"}
_NO_BACKGROUND_GC = ("-c", "gc.auto=0", "-c", "maintenance.auto=0")
_UTF_8 = ("-c", "i18n.commitEncoding=UTF-8")
_COMMIT = (
    *_NO_BACKGROUND_GC,
    *("-c", "core.abbrev=no", *_UTF_8),
    *("commit", "--no-gpg-sign", "--cleanup=whitespace", "--allow-empty-message", "--file=-"),
)
_STATUS = ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--no-renames")
_NO_SPACE = ("No space left on device", "Disk quota exceeded", "Out of diskspace")
WHEN_GIT_FAILED = (
    "nothing is lost: mend what git complains of (a full disk?); "
    "then `pitboss repair RUN_ID` and `pitboss grind --resume` go on with the run"
)
_BROKEN_INDEX = re.compile(
    r"index file corrupt|bad index|bad signature|index file smaller than expected|index uses"
)
# Git looks at all worktrees, and gives up when another git is just making one.
_HALF_MADE = re.compile(rb"failed to read .*worktrees/[^/]+/commondir")
_TRIES = 20
_TRY_AGAIN_S = 0.02
_ON_BRANCH = "ref: "
_ELSEWHERE = "ref: refs/heads/.invalid"
_COMMITTED = re.compile(rb"^\[.* ([0-9a-f]{40,64})\] ", re.MULTILINE)


class GitError(StorageError):
    """A git command failed unexpectedly; the tree is as the command left it. `stderr` is what git said."""

    def __init__(self, argv: Sequence[str], stderr: str, *, code: int) -> None:
        command = next((a for a in argv[1:] if not a.startswith("-") and "=" not in a), "git")
        super().__init__(
            f"git {command} failed: {_cause(stderr) or f'exit code {code}'}",
            hint=FREE_SPACE if tells_full_disk(stderr) else WHEN_GIT_FAILED,
        )
        self.stderr = stderr
        self.code = code

    @property
    def lock_in_the_way(self) -> bool:
        """Whether another git, or the remains of a dead one, holds a lock."""
        return ".lock': File exists" in self.stderr

    @property
    def index_is_broken(self) -> bool:
        """Whether git cannot read the index file."""
        return _BROKEN_INDEX.search(self.stderr) is not None


class NotARepository(StartError):
    """There is no git repository at the place asked for."""


class TreeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What one `git status` says; `.pitboss` never counts as dirt.

    `head` is empty when `unborn`; `branch` is None for a detached HEAD. `dirty` counts changed and untracked
    paths, `few_paths` names them where they are few. `new_folders` says that untracked folders are among
    them, `pitboss_visible` that `.pitboss` is not ignored; `unmerged` and `submodules` name conflicted paths
    and submodules with changes inside.
    """

    head: str
    branch: str | None
    unborn: bool
    dirty: int
    few_paths: tuple[str, ...] = ()
    new_folders: bool = False
    pitboss_visible: bool = False
    unmerged: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()


class Repo:
    """A working tree and its repository; made by `discover`, or by `worktree` for one that pitboss made itself."""

    def __init__(
        self,
        root: Path,
        git_dir: Path,
        common_dir: Path,
        *,
        author: str = DEFAULT_AUTHOR,
        variables: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.root = root
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.author = author
        self._variables = dict(variables or {})
        inherited = _environment(os.environ) if environment is None else environment
        self._env = {**inherited, **_identity(author), **self._variables}

    @classmethod
    def discover(cls, path: Path, *, purpose: str = "creating run branch") -> Repo:
        """Find the working tree that contains `path`.

        Raises NotARepository; its message begins with `purpose` (SPEC 8 fixes the wording for `grind`). StartError
        when there is no git.
        """
        asked = (
            "git",
            "rev-parse",
            "--path-format=absolute",
            "--show-toplevel",
            "--git-dir",
            "--git-common-dir",
        )
        answer = _capture_git(asked, path, _environment(os.environ))
        if answer.code == NOT_STARTED:
            oldest = ".".join(map(str, OLDEST_GIT))
            raise StartError(
                os.fsdecode(answer.stderr), hint=f"install git {oldest} or newer, and have it on PATH"
            )
        if answer.code not in (0, 128):
            raise GitError(asked, answer.stderr.decode(errors="replace"), code=answer.code)
        if answer.code == 128:
            why = last_line(answer.stderr.decode(errors="replace"))
            raise NotARepository(
                f"{purpose}: {path} is not the working tree of a git repository ({why})",
                hint="run `git init` and commit something first, or go to a repository",
            )
        # A git too old to know --path-format prints it back; `version` is what refuses such a git.
        root, git_dir, common_dir = (Path(os.fsdecode(line)) for line in answer.stdout.splitlines()[-3:])
        return cls(root, git_dir, common_dir)

    def authored_by(self, author: str) -> Repo:
        """The same repository, committing as `NAME <MAIL>`."""
        return Repo(self.root, self.git_dir, self.common_dir, author=author, variables=self._variables)

    def worktree(self, root: Path, git_dir: Path, *, settings: Mapping[str, str]) -> Repo:
        """A linked worktree of this repository that nobody but pitboss and its agents uses.

        Git looks for no repository above it, may write down in its index what it finds, and obeys `settings` there
        before the user's.
        """
        variables = {
            "GIT_CEILING_DIRECTORIES": ceiling(root),
            "GIT_OPTIONAL_LOCKS": "1",
            **_injected(settings, after=os.environ),
        }
        return Repo(
            root, git_dir, self.common_dir, author=self.author, variables=variables, environment=self._env
        )

    def another(self, path: Path) -> Repo:
        """The repository at `path`, worked in by the same author."""
        found = Repo.discover(path, purpose="looking into a submodule")
        return found.authored_by(self.author)

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        ok: tuple[int, ...] = (0,),
        timeout_s: float = GIT_SECONDS,
    ) -> Captured:
        """Run git at the root and return all it said; raises GitError unless its exit code is in `ok`."""
        argv = ("git", *args)
        whole = {**self._env, **_FIXED_WORDING, **(env or {})}
        for _ in range(_TRIES):
            done = _capture_git(argv, self.root, whole, stdin=stdin, timeout_s=timeout_s)
            if done.code == 0 or not _HALF_MADE.search(done.stderr):
                break
            time.sleep(_TRY_AGAIN_S)
        if done.timed_out or done.code not in ok:
            raise GitError(argv, _explain(done, timeout_s), code=done.code)
        return done

    def git(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        ok: tuple[int, ...] = (0,),
    ) -> bytes:
        """Run git at the root and return its standard output; raises GitError unless its exit code is in `ok`."""
        return self.run(*args, stdin=stdin, env=env, ok=ok).stdout

    def line(self, *args: str) -> str:
        """Run git and return the one line it prints."""
        return os.fsdecode(self.git(*args)).strip()

    def succeeds(self, *args: str) -> bool:
        """Run a git command that answers yes by 0 and no by 1."""
        return self.run(*args, ok=(0, 1)).code == 0

    def status(self, *, writing: bool | None = None) -> TreeStatus:
        """HEAD, branch and dirt in one call. No pathspec: with one, git would not use its untracked cache.

        `writing` says whether git may write down in the index what it found, None what is usual for this tree.
        """
        env = None if writing is None else {"GIT_OPTIONAL_LOCKS": str(int(writing))}
        return _parse_status(self.git(*_STATUS, env=env))

    def version(self) -> tuple[int, ...]:
        """Git's version as numbers, such as (2, 39, 5)."""
        found = re.search(r"\d+(\.\d+)+", self.line("version"))
        return tuple(int(part) for part in found[0].split(".")) if found else ()

    def commit(self, message: str, *, hooks: bool = True, timeout_s: float = GIT_SECONDS) -> Captured:
        """Commit the index; a refusal is an answer, not an error. The user's hooks run in the user's locale."""
        argv = ("git", *_COMMIT, *(() if hooks else ("--no-verify",)))
        return _capture_git(argv, self.root, self._env, stdin=message.encode(), timeout_s=timeout_s)

    def commit_tree(self, tree: str, *, parent: str, message: str, merged: str | None = None) -> str:
        """Make a commit that is on no branch and runs no hook; `merged` is the other parent of a merge."""
        parents = ("-p", parent, *(("-p", merged) if merged else ()))
        made = self.git(*_UTF_8, "commit-tree", "--no-gpg-sign", *parents, tree, stdin=message.encode())
        return made.decode().strip()

    def committed(self, done: Captured) -> str:
        """The commit that a successful `commit` made."""
        found = _COMMITTED.search(done.stdout)
        return found[1].decode() if found else self.line("rev-parse", "HEAD")

    def commit_id(self, revision: str) -> str | None:
        """The commit that a revision names, None when there is none."""
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return os.fsdecode(self.git(*asked, ok=(0, 1, 128))).strip() or None

    def on_branch(self) -> str | None:
        """The full name of the branch that HEAD is on, None when it is on none."""
        try:
            said = self.inside("HEAD").read_text(errors="surrogateescape")
        except OSError:
            said = ""
        # Where refs are kept elsewhere, or HEAD is a link, the file does not tell.
        if said.startswith(_ON_BRANCH) and not said.startswith(_ELSEWHERE):
            return said.removeprefix(_ON_BRANCH).rstrip("\n")
        return os.fsdecode(self.git("symbolic-ref", "--quiet", "HEAD", ok=(0, 1))).strip() or None

    def is_at(self, ref: str, commit: str) -> bool:
        """Whether a ref, given in full, is at a commit; its own file, if it has one, tells without a call to git."""
        try:
            return (self.common_dir / ref).read_text().rstrip("\n") == commit
        except (OSError, UnicodeDecodeError):
            return self.commit_id(ref) == commit

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` contains `older`."""
        return older == newer or self.succeeds("merge-base", "--is-ancestor", older, newer)

    def tidy(self) -> None:
        """Let git collect garbage now, in the foreground, if it is due: commits here never start it themselves.

        A failure is nobody's loss: git says why when it is due the next time.
        """
        _capture_git(("git", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet"), self.root, self._env)

    def inside(self, *parts: str) -> Path:
        """A file of this working tree's own git folder, such as HEAD or index."""
        return self.git_dir.joinpath(*parts)


def _capture_git(
    argv: Sequence[str], cwd: Path, env: dict[str, str], *, stdin: bytes = b"", timeout_s: float = GIT_SECONDS
) -> Captured:
    return capture(argv, cwd=str(cwd), env=env, stdin=stdin, timeout_s=timeout_s)


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment without what a git hook or an outer git command would make us act on."""
    kept = {name: value for name, value in inherited.items() if not name.startswith("GIT_")}
    settings = {
        name: value
        for name, value in inherited.items()
        if name in _SETTINGS_KEPT or name.startswith(_INJECTED_SETTINGS)
    }
    return kept | settings | _QUIET


def ceiling(folder: Path) -> str:
    """GIT_CEILING_DIRECTORIES by which git, at work in `folder`, never takes a folder above it for the repository."""
    above = os.path.realpath(folder.parent)
    return os.pathsep.join(filter(None, (above, os.environ.get("GIT_CEILING_DIRECTORIES"))))


def _injected(settings: Mapping[str, str], *, after: Mapping[str, str]) -> dict[str, str]:
    """Settings as variables, behind those that the user has injected by the same way."""
    count = after.get("GIT_CONFIG_COUNT", "")
    first = int(count) if count.isdecimal() else 0
    injected = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for nth, (key, value) in enumerate(settings.items(), first):
        injected |= {f"GIT_CONFIG_KEY_{nth}": key, f"GIT_CONFIG_VALUE_{nth}": value}
    return injected


def _identity(author: str) -> dict[str, str]:
    name, _, mail = author.partition("<")
    person = {"NAME": name.strip() or "pitboss", "EMAIL": mail.rstrip("> ").strip() or "pitboss@local"}
    return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in person.items()}


def _explain(done: Captured, timeout_s: float) -> str:
    said = (done.stderr or done.stdout).decode(errors="replace")
    return f"{said}\nno end after {timeout_s:g} s" if done.timed_out else said


def tells_full_disk(said: str) -> bool:
    """Whether what git, or a hook of the user, said tells of a disk without space."""
    return any(words in said for words in _NO_SPACE)


def _cause(stderr: str) -> str:
    """The line that says why: the one about the disk if there is one, else the last."""
    full = (line.strip() for line in stderr.splitlines() if tells_full_disk(line))
    return next(full, "") or last_line(stderr)


def last_line(text: str) -> str:
    """The last line that says something, empty when none does."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _parse_status(output: bytes) -> TreeStatus:
    header: dict[str, str] = {}
    entries: list[tuple[str, list[str], str]] = []
    for item in os.fsdecode(output).split("\0"):
        kind, _, rest = item.partition(" ")
        if kind == "#":
            key, _, value = rest.partition(" ")
            header[key] = value
        elif kind in ("1", "u", "?"):
            fields = rest.split(" ", {"1": 7, "u": 9, "?": 0}[kind])
            entries.append((kind, fields, fields[-1]))
    ours = [entry for entry in entries if entry[2].partition("/")[0] == PITBOSS_FOLDER]
    theirs = [entry for entry in entries if entry not in ours] if ours else entries
    head, branch = header["branch.oid"], header["branch.head"]
    return TreeStatus(
        head="" if head == "(initial)" else head,
        branch=None if branch == "(detached)" else branch,
        unborn=head == "(initial)",
        dirty=len(theirs),
        few_paths=tuple(path for *_, path in theirs) if len(theirs) <= FEW_PATHS else (),
        new_folders=any(kind == "?" and path.endswith("/") for kind, _, path in theirs),
        pitboss_visible=bool(ours),
        unmerged=tuple(path for kind, _, path in theirs if kind == "u"),
        submodules=tuple(path for kind, fields, path in theirs if kind == "1" and fields[1].startswith("S")),
    )
