"""Looks at the tree of a session whose agent has ended, and begins to commit if there is likely to be work (SPEC 6)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.git import attributes
from pitboss.git.access import open_folders
from pitboss.git.coarse_clock import earliest_ns
from pitboss.git.presence import expect_there

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.session import Assignment
    from pitboss.git.committer import Committer
    from pitboss.git.glance import Glances
    from pitboss.git.ignore_rules import Excludes
    from pitboss.git.index_backup import IndexBackup
    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus

_MOST_LOOKS = 4
"""How often git is asked until it says the same twice."""


class TreeLooks:
    """The looks at one tree whose sessions work on `branch`, one session after another.

    `glances` are those of sessions that worked in the tree before; `index_backup` and `committer` are the tree's.
    """

    def __init__(
        self,
        repo: Repo,
        branch: str,
        *,
        index_backup: IndexBackup,
        committer: Committer,
        glances: Glances | None,
    ) -> None:
        self._repo = repo
        self._branch = branch
        self._index_backup = index_backup
        self._committer = committer
        self._glances = glances
        self._looking: Callable[[], TreeStatus] | None = None
        self.only_edits = False
        """Whether the latest look found tracked files edited, and nothing else."""

    def begin(self, base: str, rules: Callable[[], Excludes | None]) -> None:
        """Begin the next look, and staging; until `look` nothing changes the tree. Raises GitError.

        `rules` finds the ignore rules outside the tree, as for `Glances.look`.
        """
        self.stop()
        attributes.remove_pipes(self._repo)
        if self._index_backup.is_sound(base):
            self._index_backup.unmark(base)
            self._begin(base, rules)

    def _begin(self, base: str, rules: Callable[[], Excludes | None]) -> None:
        if self._glances is None:
            from pitboss.git.glance import Glances  # not needed until an agent ends

            self._glances = Glances(self._repo)
        # Sessions in a tree often make the same kind of change. If this one did not, nothing is committed.
        expected = self.only_edits
        if expected:
            self._committer.begin()
        found = rules()
        status = self._glances.look(self._branch, base, found)
        anew = self._index_backup.was_written()
        self._looking = self._glances.let_git_look(found, anew=anew) if status is None else lambda: status
        self.only_edits = status is not None and status.only_edits
        if self.only_edits and not expected:
            self._committer.begin()

    def stop(self) -> None:
        """End what `begin` began, if it will not be used."""
        self._committer.drop()
        if self._looking is not None:
            looked, self._looking = self._looking, None
            looked()

    def look(self, session: Assignment, repo: Repo) -> TreeStatus:
        """The tree's status, in which `repo` is git with the settings of now. Raises GitError.

        A broken index would make files look new, and ignored ones deleted. Of a folder that nobody may read git would
        say nothing.
        """
        base = session.base_commit
        looked, self._looking = self._looking, None
        if looked is None:
            attributes.remove_pipes(repo)
            if not self._index_backup.is_sound(base):
                expect_there(repo)
                if not self._index_backup.is_sound(base):
                    self._index_backup.restore(base)
            self._index_backup.unmark(base)
        status = repo.status(anew=self._index_backup.was_written()) if looked is None else looked()
        if status.closed and open_folders(repo, status.closed, session.started_at):
            with suppress(OSError):
                self._index_backup.date_back(earliest_ns(session.started_at))
            status = repo.status(anew=True)
        status = self._confirmed(status, repo)
        if status.unborn and repo.drop_broken_ref(f"refs/heads/{self._branch}"):
            status = repo.status()
        return status

    def _confirmed(self, status: TreeStatus, repo: Repo) -> TreeStatus:
        """The same if HEAD is where it was, else what git says twice.

        It may have been asked at the moment at which another session's agent moved its folder away.
        """
        for _ in range(_MOST_LOOKS):
            if not self.has_moved(status):
                break
            before, status = status, repo.status()
            if _head(status) == _head(before):
                break
        return status

    def has_moved(self, status: TreeStatus) -> bool:
        """Whether HEAD is no longer on the branch."""
        return status.unborn or status.branch != self._branch


def _head(status: TreeStatus) -> tuple[bool, str | None, str]:
    return status.unborn, status.branch, status.head
