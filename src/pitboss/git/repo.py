"""One git repository through the git command line: few calls, no prompts, the user's settings left alone (SPEC 1.6)."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pitboss.git.environment import (
    FIXED_WORDING,
    as_git_has_it,
    ceiling,
    identity,
    injected,
    letters_count,
    of_the_user,
    pinned,
)
from pitboss.git.errors import GitError, all_said, found_no_repository, met_half_made_worktree
from pitboss.git.small_files import text_of
from pitboss.git.status import TreeStatus, parse_status, status_call
from pitboss.git.whereabouts import ASK_FOR, WHERE, is_inside, places_in, refuse_unless_found
from pitboss.process import Command, Leash, begin_capture, capture, transfer
from pitboss.process.search import installed
from pitboss.store.paths import PITBOSS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pitboss.core.stops import StopRequest
    from pitboss.git.kept_refs import KeptRefs
    from pitboss.git.kept_running import KeptRunning
    from pitboss.process import Captured
    from pitboss.process.output import Consumer

WITHOUT_PITBOSS = f":(exclude,top){PITBOSS_FOLDER}"
DEFAULT_AUTHOR = "pitboss <pitboss@local>"
GIT_SECONDS = 600.0
ABORT_PATIENCE_S = 10.0
"""How long a call that keeps work may take once everything has to stop."""

NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
"""For pitboss's own bookkeeping: no hook may refuse to keep work or put things back."""

UTF_8 = ("-c", "i18n.commitEncoding=UTF-8")
"""For whatever makes commits: messages are encoded so."""

_TRIES = 20
_TRY_AGAIN_S = 0.02
_ON_BRANCH = "ref: "
_ELSEWHERE = "ref: refs/heads/.invalid"


class Repo:
    """A working tree and its repository; made by `discover`, or by `worktree` for a tree that pitboss created."""

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
        self.remembers = False
        """Whether `status` may save what it found in the index."""
        self.hooks: str | None = None
        """In which folder git said that it finds hooks when the repository was discovered; None if nobody knows yet."""
        self.leash: Leash | None = None
        """What cuts short git, and any hook or filter it runs: see `on_leash`."""
        self.kept_running: KeptRunning | None = None
        """Git processes that answer for all working trees of this repository: see `keep_running`."""
        self.kept_refs: KeptRefs | None = None
        """A git that is kept running for changes of refs: see `ref_changes.keep_changing`."""
        self._inside: dict[tuple[str, ...], Path] = {}
        self._variables = dict(variables or {})
        inherited = of_the_user(os.environ) if environment is None else environment
        self._env = {**inherited, **identity(author), **self._variables}
        told = injected(letters_count(common_dir), after=self._env)
        self.pinned = {**self._env, **told, **pinned(root, git_dir, common_dir), **FIXED_WORDING}
        """The environment of git calls on this working tree, in whatever folder they are made."""

    @classmethod
    def discover(cls, path: Path, *, purpose: str = "creating run branch") -> Repo:
        """Find the working tree that contains `path`.

        Raises NotARepository; its message begins with `purpose` (SPEC 8 fixes the wording for `grind`). StartError
        if there is no git.
        """
        return cls.begin_discover(path, purpose=purpose)()

    @classmethod
    def begin_discover(cls, path: Path, *, purpose: str = "creating run branch") -> Callable[[], Repo]:
        """Start to look for it; whoever gets what this returns calls it once, and then waits as for `discover`."""
        env = of_the_user(os.environ)
        finish = begin_capture(WHERE, cwd=path, env=env, timeout_s=GIT_SECONDS)

        def found() -> Repo:
            refuse_unless_found(answer := finish(), path, purpose)
            at = places_in(answer, lambda place: _capture_git((*ASK_FOR, place), path, env))
            repo = cls(at.root, at.git_dir, at.common_dir)
            repo.hooks = at.hooks if at.root == path else None  # elsewhere it may be relative to `path`
            return repo

        return found

    def without_filter(self, name: str) -> Repo:
        """The same repository without one of the user's filters: files are stored as they are."""
        off = {"clean": "", "smudge": "", "process": "", "required": "false"}
        settings = {f"filter.{name}.{key}": value for key, value in off.items()}
        return Repo(
            self.root,
            self.git_dir,
            self.common_dir,
            author=self.author,
            variables=self._variables | injected(settings, after=self._env),
            environment=self._env,
        )

    def authored_by(self, author: str) -> Repo:
        """The same repository, committing as `NAME <MAIL>`."""
        made = Repo(self.root, self.git_dir, self.common_dir, author=author, variables=self._variables)
        made.hooks, made.leash = self.hooks, self.leash
        return made

    def on_leash(self, stop: Callable[[], StopRequest | None]) -> Repo:
        """The same repository, whose git calls end once `stop` says so: a commit at once, others after a while.

        The others may be busy keeping work.
        """
        made = self.authored_by(self.author)
        made.leash = Leash(stop=stop)
        return made

    def with_hooks(self, folder: Path) -> Repo:
        """The same repository, whose hooks git finds in another folder."""
        hooks = injected({"core.hooksPath": str(folder)}, after=self._env)
        made = Repo(
            self.root, self.git_dir, self.common_dir, author=self.author, variables=self._variables | hooks
        )
        made.leash = self.leash
        return made

    def worktree(self, root: Path, git_dir: Path, *, settings: Mapping[str, str]) -> Repo:
        """A linked worktree of this repository that only pitboss and its agents use.

        Git searches for no repository above it, may save what it finds in its index, and obeys `settings` there
        before the user's.
        """
        variables = {
            "GIT_CEILING_DIRECTORIES": ceiling(root),
            **injected(settings, after=self._env),
        }
        made = Repo(
            root, git_dir, self.common_dir, author=self.author, variables=variables, environment=self._env
        )
        made.remembers = True
        made.leash, made.kept_running = self.leash, self.kept_running
        return made

    def inner(self, folder: str) -> Repo | None:
        """The repository in a folder of the tree, with the same author; None if there is none.

        It counts only if its git directory is inside this one: agents can write its `.git` file, which could
        otherwise lead pitboss to change an unrelated repository.
        """
        path = self.root / folder
        answer = self.ask_in(folder, *WHERE[1:])
        if answer.code != 0:
            return None
        at = places_in(answer, lambda wanted: self.ask_in(folder, *ASK_FOR[1:], wanted))
        if not all(is_inside(place, (self.common_dir, path)) for place in (at.git_dir, at.common_dir)):
            return None
        made = Repo(path, at.git_dir, at.common_dir, author=self.author)
        made.leash = self.leash
        return made

    def keep_running(self) -> KeptRunning:
        """Keep git processes for questions that this tree and its linked worktrees ask often; the caller ends them."""
        from pitboss.git.kept_running import KeptRunning

        self.kept_running = KeptRunning(self.pinned, self.common_dir / "objects" / "pack")
        return self.kept_running

    def ask_in(self, folder: str, *args: str) -> Captured:
        """Run git in a folder of the tree on the repository right there, but never on this one."""
        place = self.root / folder
        env = {**self._env, **FIXED_WORDING, "GIT_CEILING_DIRECTORIES": ceiling(place)}
        return _capture_git(("git", *args), place, env)

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        ok: tuple[int, ...] = (0,),
        timeout_s: float = GIT_SECONDS,
    ) -> Captured:
        """Run git at the root and return all its output; raises GitError unless its exit code is in `ok`.

        A git that found no repository has not answered, whatever its exit code.
        """
        argv = ("git", *args)
        whole = {**self.pinned, **(env or {})}
        for _ in range(_TRIES):
            leash = None if self.leash is None else self.leash.after(ABORT_PATIENCE_S)
            done = capture(argv, cwd=self.root, env=whole, stdin=stdin, timeout_s=timeout_s, leash=leash)
            if done.code == 0 or not met_half_made_worktree(done.stderr):
                break
            time.sleep(_TRY_AGAIN_S)
        if done.cut_short or done.code not in ok or (done.code and found_no_repository(done.stderr)):
            raise GitError(argv, all_said(done, timeout_s), code=done.code)
        return done

    def transfer(
        self, *args: str, source: int | None = None, stdin: bytes = b"", sink: Consumer, quiet_s: float
    ) -> None:
        """Run git on more than memory holds: `source` is a descriptor it reads, `sink` gets what it prints.

        Raises GitError, also if git says nothing for `quiet_s` seconds.
        """
        command = Command(
            argv=(installed("git", self.pinned), *args),
            cwd=str(self.root),
            env=self.pinned,
            stdin=stdin,
            stdin_fd=source,
            merge_stderr=False,
            grace_s=ABORT_PATIENCE_S,
        )
        done = transfer(command, sink, quiet_s=quiet_s)
        if done.code != 0 or done.cut_short:
            # Whatever git said once it was being ended is not the reason.
            silent = f"no sign of life for {quiet_s:g} s" if done.cut_short else None
            raise GitError(("git", *args), silent or done.stderr.decode(errors="replace"), code=done.code)

    def git(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        ok: tuple[int, ...] = (0,),
    ) -> bytes:
        """Run git at the root and return its standard output; raises GitError unless its exit code is in `ok`."""
        return self.run(*args, stdin=stdin, env=env, ok=ok).stdout

    def _begin(self, *args: str, env: Mapping[str, str] | None) -> Callable[[], Captured]:
        leash = None if self.leash is None else self.leash.after(ABORT_PATIENCE_S)
        whole = {**self.pinned, **(env or {})}
        finish = begin_capture(("git", *args), cwd=self.root, env=whole, timeout_s=GIT_SECONDS, leash=leash)

        def answered() -> Captured:
            done = finish()
            return self.run(*args, env=env) if done.cut_short or done.code != 0 else done

        return answered

    def begin_git(self, *args: str, env: Mapping[str, str] | None = None) -> Callable[[], bytes]:
        """Start git on a question; call what this returns once, to wait as for `git`. A failure is asked again."""
        finish = self._begin(*args, env=env)
        return lambda: finish().stdout

    def line(self, *args: str) -> str:
        """Run git and return the one line it prints."""
        return os.fsdecode(self.git(*args)).strip()

    def succeeds(self, *args: str) -> bool:
        """Run a git command that exits with 0 for yes and 1 for no."""
        return self.run(*args, ok=(0, 1)).code == 0

    def status(self, *, writing: bool | None = None, anew: bool = False) -> TreeStatus:
        """HEAD, branch and dirt in one call. No pathspec: with one, git would not use its untracked cache.

        `writing` says whether git may save what it found in the index; None means as usual for this tree. With
        submodules it may not: git would also write where their `.git` files point, and agents can write those.
        `anew` as in `status_call`.
        """
        done = self.run(*status_call(anew=anew), env=self._for_status(writing))
        return parse_status(done.stdout, done.stderr)

    def begin_status(self, *, ignored: bool = False, anew: bool = False) -> Callable[[], TreeStatus]:
        """Start the same call; whoever gets what this returns calls it once, and then waits. That raises GitError.

        With `ignored`, git names ignored paths too.
        """
        finish = self._begin(*status_call(anew=anew, ignored=ignored), env=self._for_status(None))

        def found() -> TreeStatus:
            done = finish()
            return parse_status(done.stdout, done.stderr, with_ignored=ignored)

        return found

    def _for_status(self, writing: bool | None) -> dict[str, str]:
        wanted = self.remembers if writing is None else writing
        may = wanted and not (self.root / ".gitmodules").exists()
        return {"GIT_OPTIONAL_LOCKS": str(int(may))}

    def environment_of_hooks(self) -> dict[str, str]:
        """What a call that runs the user's hooks sees: the user's locale, and places as git itself has them."""
        return {**self._env, **as_git_has_it(self.root, self.git_dir)}

    def commit_tree(self, tree: str, *, parent: str, message: str, merged: str | None = None) -> str:
        """Make a commit on no branch, without running hooks; `merged` is the other parent of a merge."""
        if self.kept_running and (made := self.kept_running.write_commit(tree, parent, merged, message)):
            return made
        parents = ("-p", parent, *(("-p", merged) if merged else ()))
        said = self.git(*UTF_8, "commit-tree", "--no-gpg-sign", *parents, tree, stdin=message.encode())
        return said.decode().strip()

    def commit_id(self, revision: str) -> str | None:
        """The commit that a revision names; None if there is none, or `^main` leaves it out instead."""
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        said = os.fsdecode(self.git(*asked, ok=(0, 1, 128))).strip()
        return said if said.isalnum() else None

    def on_branch(self) -> str | None:
        """The full name of the branch that HEAD is on; None if it is on none."""
        said = text_of(self.inside("HEAD"))
        # If refs are stored elsewhere, or HEAD is a link, the file does not tell.
        if said.startswith(_ON_BRANCH) and not said.startswith(_ELSEWHERE):
            return said.removeprefix(_ON_BRANCH).rstrip("\n")
        return os.fsdecode(self.git("symbolic-ref", "--quiet", "HEAD", ok=(0, 1))).strip() or None

    def is_at(self, ref: str, commit: str) -> bool:
        """Whether a ref, given in full, is at a commit; reads the ref's own file, if any, instead of calling git."""
        said = text_of(self.common_dir / ref)
        return (said.rstrip("\n") if said else self.commit_id(ref)) == commit

    def drop_broken_ref(self, ref: str) -> bool:
        """Delete the file of a ref that names no commit: git would neither read nor overwrite it."""
        file = self.common_dir / ref
        if self.commit_id(ref) is not None or not os.path.lexists(file) or file.is_dir():
            return False
        file.unlink()
        return True

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` contains `older`."""
        return older == newer or self.succeeds("merge-base", "--is-ancestor", older, newer)

    def ignores(self, path: str) -> bool:
        """Whether git ignores a path; never true of a path outside the tree."""
        return self.run("check-ignore", "--quiet", "--", path, ok=(0, 1, 128)).code == 0

    def tidy(self) -> None:
        """Let git collect garbage now, in the foreground, if due: commits here never trigger it.

        A failure does no harm: git says why the next time it is due.
        """
        _capture_git(("git", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet"), self.root, self.pinned)

    def inside(self, *parts: str) -> Path:
        """A file of this working tree's own git folder, such as HEAD or index."""
        if parts not in self._inside:
            self._inside[parts] = self.git_dir.joinpath(*parts)
        return self._inside[parts]


def _capture_git(argv: Sequence[str], cwd: Path, env: dict[str, str]) -> Captured:
    return capture(argv, cwd=cwd, env=env, timeout_s=GIT_SECONDS)
