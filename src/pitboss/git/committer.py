"""Commits everything that changed; the user's hooks may correct or refuse it (SPEC 1.6, 6)."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from pitboss.core.diff_stat import may_add, parse_shortstat
from pitboss.core.redact import Secrets
from pitboss.git import snapshot
from pitboss.git.commit_calls import begin_commit_of_edits, commit, made_by
from pitboss.git.errors import GitError, last_line, tells_full_disk, why_cut_short
from pitboss.git.ignored_files import copy_ignored
from pitboss.git.locks import clear_the_way
from pitboss.git.whereabouts import HOOKS
from pitboss.process import EndedBy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.core.diff_stat import DiffStat
    from pitboss.git.locks import LockScope
    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus
    from pitboss.process import Captured, PendingCapture

_NO_TREES = "Error building trees"
COMMIT_HOOKS = ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "pre-merge-commit")
"""The hooks that a commit may run."""
_SAMPLE = ".sample"


class CommitRefused(Exception):
    """One of the user's git hooks refused; the text is its last line of output."""


class HookHung(CommitRefused):
    """One of the user's git hooks never answered, or had to be ended, so it is not run again."""


class HookStopped(HookHung):
    """One of the user's git hooks was still running when everything had to stop."""


class UserHooks:
    """Where the user's hooks are; git is asked once for all working trees of a repository.

    `source` is the user's tree, if commits are made elsewhere.
    """

    def __init__(self, source: Path | None = None) -> None:
        self._source = source
        self._folder: Path | None = None
        self._asking = Lock()

    def any_for(self, repo: Repo) -> bool:
        """Whether a commit there runs a hook."""
        return any(self.has(repo, name) for name in COMMIT_HOOKS)

    def has(self, repo: Repo, name: str) -> bool:
        """Whether there is a hook of that name for that tree."""
        return (repo.root / self._found(repo) / name).exists()

    def is_none_in(self, repo: Repo) -> bool:
        """Whether there is no hook at all for that tree, of whatever kind; git's own samples do not count."""
        try:
            names = os.listdir(repo.root / self._found(repo))  # noqa: PTH208
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return all(name.endswith(_SAMPLE) for name in names)

    def bring(self, repo: Repo) -> Sequence[str]:
        """Copy into a working copy the hooks that `core.hooksPath` has in the user's tree but not in git.

        Without them git would silently run none there. Returns warnings: hooks that git does not ignore are not
        copied, since they would be taken for work. Raises GitError.
        """
        folder = self._found(repo)
        if self._source is None or folder.is_absolute() or (repo.root / folder).exists():
            return ()
        warnings = copy_ignored(self._source, repo, [str(folder)]) if (self._source / folder).is_dir() else ()
        return [
            f"the hooks in {folder} (core.hooksPath) do not run in working copies: {why}" for why in warnings
        ]

    def _found(self, repo: Repo) -> Path:
        with self._asking:
            if self._folder is None:
                self._folder = Path(repo.line("rev-parse", *HOOKS))
            return self._folder


class Committer:
    """Commits the working tree to the branch that is checked out; a hook has `seconds` to answer.

    A commit that had to be killed leaves `locks`, which are removed.
    """

    def __init__(self, repo: Repo, locks: LockScope, *, seconds: float, hooks: UserHooks) -> None:
        self._repo = repo
        self._locks = locks
        self._seconds = seconds
        self._hooks = hooks
        self.trouble: str | None = None
        """What a hook did wrong after the latest commit."""
        self.stat: DiffStat | None = None
        """How much the latest commit changed, if git said so and no hook changed more."""
        self.may_add = True
        """Whether it may hold new files."""
        self.offered: str | None = None
        """The tree that the latest commit offered to hooks; None if there are none."""
        self._begun: PendingCapture | None = None

    def begin(self) -> None:
        """Begin to stage edits of tracked files, if no hook of the user's runs: `commit` goes on, `drop` undoes it.

        Not in a sparse checkout: git would leave out what is not to be there. Raises GitError.
        """
        self.drop()
        self._hooks.bring(self._repo)
        if self._hooks.is_none_in(self._repo) and not self._repo.inside("info", "sparse-checkout").exists():
            self._begun = begin_commit_of_edits(self._repo, timeout_s=self._seconds)

    def drop(self) -> None:
        """Undo what `begin` began, if it did: git commits nothing without a message."""
        if self._begun is not None:
            begun, self._begun = self._begun, None
            begun()

    def commit(self, status: TreeStatus, message: str, others: Sequence[str] | None = None) -> str:
        """Commit all dirt and return the new tip. A hook that corrected files gets a second chance to agree.

        `others` is what `snapshot.others` lists, if already known.
        """
        self.trouble = self.stat = self.offered = None
        self.may_add = True
        self._hooks.bring(self._repo)
        if not status.only_edits:
            self.drop()
        elif (made := self._commit_edits(message, status.head)) is not None:
            return made
        if not status.exact:
            status, others = self._repo.status(), None
            if not status.dirty:
                return status.head
        self._offer(status, others)
        try:
            tip = self._try_commit(message, status.head)
        except HookHung:
            raise
        except CommitRefused:
            if self._repo.succeeds("diff-files", "--quiet"):
                raise
            self._offer(self._repo.status())
            tip = self._try_commit(message, status.head)
        return self._with_leftovers(message) if self._has_hooks() else tip

    def _offer(self, status: TreeStatus, others: Sequence[str] | None = None) -> None:
        snapshot.stage(self._repo, status, others)
        self.offered = self._repo.line("write-tree") if self._has_hooks() else None

    def took_away(self) -> bool:
        """Whether hooks of the latest commit left the tree without all that they were offered."""
        same = ("diff", "--quiet", "--no-ext-diff", "--ignore-submodules=dirty")
        return self.offered is not None and not self._repo.succeeds(*same, self.offered, "--")

    def _commit_edits(self, message: str, before: str) -> str | None:
        """Commit changes of tracked files in one call; None if hooks have a say, or if that fails."""
        if self._begun is None:
            self.begin()
        if self._begun is None:
            return None
        begun, self._begun = self._begun, None
        done = begun(message.encode())
        if done.cut_short:
            return self._cut_short(done, before, message)
        return self._made(done) if done.code == 0 else None

    def _made(self, done: Captured) -> str:
        tip, said = made_by(self._repo, done)
        self.stat, self.may_add = parse_shortstat(said), may_add(said)
        return tip

    def _try_commit(self, message: str, before: str) -> str:
        done = commit(self._repo, message, timeout_s=self._seconds)
        if done.cut_short:
            return self._cut_short(done, before, message)
        if done.code == 0:
            return self._made(done)
        if self._repo.succeeds(
            "diff-index", "--cached", "--quiet", "--ignore-submodules=dirty", "HEAD", "--"
        ):
            return self._repo.line("rev-parse", "HEAD")
        said = (done.stderr + done.stdout).decode(errors="replace")
        refused = done.code == 1 or "aborted by hook" in said
        # Without a hook nothing can refuse, yet git also exits with 1 when it cannot write trees to a full disk.
        if not refused or not self._has_hooks() or tells_full_disk(said) or _NO_TREES in said:
            raise GitError(("git", "commit"), said, code=done.code)
        # It goes into a rescue's message and the record.
        raise CommitRefused(Secrets.of(os.environ).redact(last_line(said)))

    def _cut_short(self, done: Captured, before: str, message: str) -> str:
        """The commit, if it was made and only a hook after it had to be killed; raises HookHung if not."""
        why = why_cut_short(done, self._seconds)
        clear_the_way(self._repo, self._locks, GitError(("git", "commit"), why, code=-1))
        trailers = message.strip().rpartition("\n\n")[2]
        made = self._repo.git("log", "--max-count=1", "--format=%H%n%B", "HEAD", "--").decode(
            errors="replace"
        )
        tip, _, said = made.partition("\n")
        if tip == before or trailers not in said:
            raise HookStopped(why) if done.ended_by is EndedBy.STOPPED else HookHung(why)
        self.trouble = why
        return tip

    def _with_leftovers(self, message: str) -> str:
        """Commit what hooks changed in the tree while letting the commit pass; they do not run again."""
        status = self._repo.status()
        if status.dirty:
            self.stat, self.may_add = None, True
            snapshot.stage(self._repo, status)
            commit(self._repo, message, hooks=False)
        return self._repo.line("rev-parse", "HEAD") if status.dirty else status.head

    def _has_hooks(self) -> bool:
        return self._hooks.any_for(self._repo)
