"""The user's branches and stash, compared after each session: what agents did to them is told, and kept (SPEC 1.6).

Nothing is put back, since somebody who works in the repository meanwhile may have done it. What a person does to a
branch in a working tree of theirs is in the log of its HEAD, and is not told.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from pitboss.git.errors import GitError
from pitboss.git.reflog_entries import entries_of, size_of
from pitboss.git.working_trees import working_trees
from pitboss.landing import rescue_refs
from pitboss.landing.refs import RUN_BRANCHES
from pitboss.store.paths import runs_dir
from pitboss.store.stamps import users_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.git.reflog_entries import ReflogEntry
    from pitboss.git.repo import Repo
    from pitboss.store.stamps import Stamp

    Names = dict[str, str]
    """The commit by the name of its branch, or what a stash says of itself by its commit."""

WHY = "what a branch or the stash no longer holds"
_HEADS = "refs/heads/"
_STASH_LOG = "logs/refs/stash"
_FILES = (_STASH_LOG, "packed-refs")
_LISTED = ("for-each-ref", "--format=%(objectname) %(refname)", _HEADS)
_MOST_TOLD = 5


class UsersRefs:
    """Branches, other than those of runs, and stashes that were there when the run began.

    Agents work in the user's tree too, unless they work `apart`.
    """

    def __init__(self, repo: Repo, run_id: str, *, apart: bool) -> None:
        self._repo = repo
        self._run_id = run_id
        self._apart = apart
        self._runs = f"{runs_dir(repo.root)}/"
        self._heads = str(repo.common_dir / _HEADS)
        self._files = tuple(str(repo.common_dir / name) for name in _FILES)
        self._folders: tuple[str, ...] = ()
        self._seen: list[Stamp | None] | None = None
        self._branches: Names = {}
        self._stash: Names = {}
        self._logged: dict[Path, int] = {}
        """How long the log of HEAD was in the user's working trees."""

    def begin(self) -> None:
        """Take them as they are now to be the user's."""
        self._seen = None
        with suppress(GitError):
            self._find_folders()
            seen = self._look()
            self._branches, self._stash = self._read()
            self._moved_by_users()
            self._seen = seen

    def check(self, seq: int) -> Iterator[str]:
        """What has changed since the last call, as warnings; commits that no ref holds are kept for session `seq`.

        Asks git only if its files have changed; if it fails, the next call tries again.
        """
        if self._seen is None or self._look() == self._seen:
            return
        with suppress(GitError):
            self._find_folders()
            seen = self._look()
            branches, stash = self._read()
            told = [*self._of_branches(seq, branches), *self._of_stash(seq, stash)]
            self._branches = {name: branches[name] for name in self._branches if name in branches}
            self._stash = {oid: words for oid, words in self._stash.items() if oid in stash}
            self._seen = seen
            yield from told[:_MOST_TOLD]
            if len(told) > _MOST_TOLD:
                yield f"{len(told) - _MOST_TOLD} more branches or stashes were deleted or moved"

    # What there is

    def _find_folders(self) -> None:
        """Find the folders of branches: git replaces the file of a ref, which changes its folder."""
        found = []
        for place, folders, _ in os.walk(self._heads):
            found.append(place)
            folders[:] = [name for name in folders if f"{place}/{name}/" != f"{self._heads}/{RUN_BRANCHES}"]
        self._folders = tuple(found)

    def _look(self) -> list[Stamp | None]:
        return [users_stamp(place) for place in (*self._folders, *self._files)]

    def _read(self) -> tuple[Names, Names]:
        """The branches, and the stashes."""
        lines = os.fsdecode(self._repo.git(*_LISTED)).splitlines()
        refs = {ref.removeprefix(_HEADS): oid for oid, _, ref in (line.partition(" ") for line in lines)}
        branches = {name: oid for name, oid in refs.items() if not name.startswith(RUN_BRANCHES)}
        entries = _entries(self._repo.common_dir / _STASH_LOG)
        return branches, {entry.commit: os.fsdecode(entry.what) for entry in entries}

    # What became of it

    def _of_branches(self, seq: int, now: Names) -> Iterator[str]:
        from shlex import quote  # mostly nothing has become of them

        changed = {name: was for name, was in self._branches.items() if now.get(name) != was}
        by_users = self._moved_by_users()
        for name, was in changed.items():
            tip = now.get(name)
            if tip is not None and tip in by_users:
                continue
            kept = self._kept(seq, was)
            done, back = ("deleted", "branch") if tip is None else (f"moved to {tip[:7]}", "branch -f")
            yield f"the branch {name} was {done}: `git {back} {quote(name)} {was[:7]}` puts it back{kept}"

    def _of_stash(self, seq: int, now: Names) -> Iterator[str]:
        for was, words in self._stash.items():
            if was not in now:
                kept = self._kept(seq, was)
                yield f"the stash lost `{words}`: `git stash store {was[:7]}` brings it back{kept}"

    def _kept(self, seq: int, commit: str) -> str:
        """Keep a commit that no ref holds; says where, to be added to a warning."""
        if self._repo.commit_id(commit) is None:
            return ", but git no longer has that commit"
        if self._repo.git("for-each-ref", "--count=1", f"--contains={commit}"):
            return ""
        refs = rescue_refs.keep(self._repo, self._run_id, seq, [commit], why=WHY)
        return f"; kept as {refs[-1]}"

    def _moved_by_users(self) -> frozenset[str]:
        """The commits that HEAD has come to since the last call in working trees where no agent works."""
        first = 0 if self._apart else 1
        trees = islice(working_trees(self._repo), first, None)
        logs = [git_dir / "logs/HEAD" for root, git_dir in trees if not root.startswith(self._runs)]
        before, self._logged = self._logged, {log: size_of(log) for log in logs}
        new = (entry for log in logs for entry in _entries(log, min(before.get(log, 0), self._logged[log])))
        return frozenset(entry.commit for entry in new if not entry.what.startswith(b"checkout:"))


def _entries(log: Path, offset: int = 0) -> list[ReflogEntry]:
    """What a log says from a byte on; nothing if it cannot be read."""
    try:
        return list(entries_of(log, offset))
    except OSError:
        return []
