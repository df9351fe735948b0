"""Checks out another branch in the user's tree, in a way that survives a kill midway (SPEC 7, 8).

The switch is noted in a file before anything moves, and HEAD moves last: a half-switched tree still belongs to the
commit that HEAD names, and `undo` brings it back there. No hook runs, and no file outside the commits is overwritten.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.patterns import lazy_pattern
from pitboss.errors import PitbossError, StartError
from pitboss.git.errors import GitError
from pitboss.git.loose_refs import head_commit, tip_of
from pitboss.git.raw_diff import begin_raw_diff
from pitboss.store.files import read_regular, write_atomic
from pitboss.store.opening import names_in
from pitboss.store.paths import PITBOSS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pitboss.git.raw_diff import Difference
    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus
    from pitboss.process import Captured

_BRANCHES = "refs/heads/"
_NOTE_LIMIT = 200
_LOOKS_CHANGED = b"not uptodate"
_NOT_CLEAN = lazy_pattern(rb"Entry '(.*)' not uptodate")
_DECISIVE = (".gitignore", ".gitattributes", ".gitmodules")
_LINK = "160000"


class HeadPosition(msgspec.Struct, frozen=True, kw_only=True):
    """What is or may be checked out: a commit, through a branch unless HEAD is detached."""

    commit: str
    branch: str | None = None

    @classmethod
    def now(cls, status: TreeStatus) -> HeadPosition:
        """What is checked out."""
        return cls(commit=status.head, branch=status.branch)

    @classmethod
    def of(cls, repo: Repo, revision: str) -> HeadPosition | None:
        """What a user means by a revision; None if there is no such commit."""
        commit = repo.commit_id(revision)
        if commit is None:
            return None
        full = os.fsdecode(repo.git("rev-parse", "--symbolic-full-name", revision, ok=(0, 128))).strip()
        branch = full.removeprefix(_BRANCHES) if full.startswith(_BRANCHES) else None
        return cls(commit=commit, branch=branch)

    @classmethod
    def named(cls, repo: Repo, name: str) -> HeadPosition | None:
        """What state.json names by branch or commit; None if it is gone."""
        tip = tip_of(repo, f"{_BRANCHES}{name}")
        if tip is not None:
            return cls(commit=tip, branch=name)
        commit = repo.commit_id(name)
        return cls(commit=commit) if commit == name else None

    @property
    def name(self) -> str:
        """The branch, or the full commit name, as in state.json."""
        return self.branch or self.commit

    def __str__(self) -> str:
        """The branch, or the commit's short name."""
        return self.branch or self.commit[:7]


class Prospect(msgspec.Struct, frozen=True, kw_only=True):
    """What a switch would meet: why it cannot be made, if so, and whether files that git does not show now may show."""

    obstacle: str | None
    may_reveal: bool


class Switch:
    """Switches one working tree; `note` is the file that records a switch in progress."""

    def __init__(self, repo: Repo, note: Path) -> None:
        self._repo = repo
        self._note = note

    def obstacle(self, position: HeadPosition) -> str | None:
        """Why the checkout cannot move to `position`, given a clean tree; None if it can. Raises GitError."""
        return self.begin_look(position)().obstacle

    def begin_look(self, position: HeadPosition) -> Callable[[], Prospect]:
        """Start to look what a switch to `position` would meet in a clean tree.

        Whoever gets what this returns calls it once, and then waits. Both raise GitError.
        """
        compared = begin_raw_diff(self._repo, head_commit(self._repo), position.commit)

        def looked() -> Prospect:
            differences = compared()
            return Prospect(
                obstacle=self._obstacle(position, [each.path for each in differences if each.letter == "A"]),
                may_reveal=any(map(_may_reveal, differences))
                or self._hold_repositories([each.path for each in differences if each.letter == "D"]),
            )

        return looked

    def _obstacle(self, position: HeadPosition, added: Sequence[str]) -> str | None:
        from pitboss.git import snapshot

        if word := snapshot.operation_underway(self._repo):
            return f"a {word} is in progress"
        if position.branch and (elsewhere := self._worktree_of(position.branch)):
            return f"{position.branch} is checked out in {elsewhere}"
        if hidden := self._ignored_in_the_way(added):
            return f"{hidden}, which git ignores, would be overwritten"
        return None

    def _hold_repositories(self, paths: Sequence[str]) -> bool:
        """Whether a folder around one of these files is a repository inside the tree: it stays when the file goes."""
        folders = {path[:at] for path in paths for at, letter in enumerate(path) if letter == "/"}
        return any(os.path.lexists(self._repo.root / folder / ".git") for folder in folders)

    def rehearse(self, old: str, new: str) -> str | None:
        """What keeps git from bringing the clean tree from `old` to `new`; None if nothing does. Moves nothing.

        Files can have changes that `git status` does not show.
        """
        done = self._try_to_move(old, new, "--dry-run")
        return None if done.code == 0 else _words(done)

    def to(self, position: HeadPosition) -> bool:
        """Check out `position`; False if git complained of something, such as a file that it could not remove.

        Raises StartError if files are in the way, or GitError, leaving the tree as it was.
        """
        old, silent = head_commit(self._repo), True
        try:
            if old != position.commit:
                write_atomic(self._note, f"{old} {position.commit}\n".encode())
                silent = self._move_files(old, position.commit)
            self._move_head(position)
        except (GitError, StartError):
            with suppress(GitError):
                self.undo()
            raise
        self._note.unlink(missing_ok=True)
        return silent

    def along(self, old: str, new: str, move: Callable[[], None]) -> None:
        """Bring the tree from `old` to `new` while `move` moves the branch that is checked out there.

        The branch moves first: from then on, `undo` brings the tree to where the branch is. Raises what `move`
        raises, which leaves the tree at `old`, and StartError or GitError, which leave it on its way.
        """
        write_atomic(self._note, f"{old} {new}\n".encode())
        try:
            move()
        except PitbossError:
            self._note.unlink(missing_ok=True)
            raise
        self._move_files(old, new)
        self._note.unlink(missing_ok=True)

    def bring(self, old: str, new: str) -> None:
        """Bring index and files of a clean tree from `old`, where HEAD stays, to `new`.

        Raises StartError, in git's words, or GitError; until it has returned, `undo` takes back what was brought.
        """
        write_atomic(self._note, f"{old} {new}\n".encode())
        done = self._try_to_move(old, new)
        if done.code != 0:
            raise StartError(_words(done))
        self._note.unlink(missing_ok=True)

    def is_cut_short(self) -> bool:
        """Whether a switch may have been cut short."""
        return os.path.lexists(self._note)

    def explains(self) -> bool:
        """Whether all dirt comes from the two commits of a switch that was cut short."""
        from pitboss.git import snapshot
        from pitboss.git.merge import changed_paths

        noted = self._noted()
        head = self._repo.commit_id("HEAD")
        if noted is None or head not in noted:
            return False
        tree = snapshot.tree_of(self._repo, self._repo.root, base=noted[0])
        foreign = frozenset.intersection(*(changed_paths(self._repo, commit, tree) for commit in noted))
        return all(path.partition("/")[0] == PITBOSS_FOLDER or self._is_half(path, noted) for path in foreign)

    def undo(self) -> None:
        """Bring the tree back to the commit that HEAD names, unless someone has changed more in it. Repeatable."""
        if self._repo.status().dirty:
            noted, head = self._noted(), self._repo.commit_id("HEAD")
            if noted is None or not self.explains():
                return
            self._write(next(commit for commit in noted if commit != head), str(head))
        self._note.unlink(missing_ok=True)

    def _noted(self) -> tuple[str, str] | None:
        words = (read_regular(self._note, _NOTE_LIMIT) or b"").decode(errors="replace").split()
        known = len(words) == 2 and words[0] != words[1] and all(map(self._repo.commit_id, words))
        return (words[0], words[1]) if known else None

    def _move_files(self, old: str, new: str) -> bool:
        """Bring index and files from one commit to another; returns whether git did so in silence."""
        done = self._try_to_move(old, new)
        if done.code != 0:
            raise StartError(
                f"cannot check out {new[:7]}: {_words(done)}", hint="move those files away, then try again"
            )
        return not done.stderr

    def _try_to_move(self, old: str, new: str, *options: str) -> Captured:
        order = ("read-tree", "-m", "-u", *options, old, new)
        done = self._repo.run(*order, ok=(0, 128))
        if done.code != 0 and _LOOKS_CHANGED in done.stderr:
            # Nothing has moved yet, and a file may only look changed: one that was written again as it was, say.
            self._repo.git("update-index", "-q", "--refresh", ok=(0, 1))
            done = self._repo.run(*order, ok=(0, 128))
        return done

    def _move_head(self, position: HeadPosition) -> None:
        words = ("-m", f"pitboss: to {position}", *(() if position.branch else ("--no-deref",)), "HEAD")
        if position.branch:
            self._repo.git("symbolic-ref", *words, f"{_BRANCHES}{position.branch}")
        else:
            self._repo.git("update-ref", *words, position.commit)

    def _write(self, other: str, head: str) -> None:
        """Write and delete the files that differ between two commits, as `head` has them."""
        from pitboss.git.merge import changed_paths

        for path in changed_paths(self._repo, other, head, only="D"):
            with suppress(OSError):
                (self._repo.root / path).unlink()
                os.removedirs((self._repo.root / path).parent)
        self._repo.git("read-tree", "--reset", head)
        changed = b"".join(os.fsencode(p) + b"\0" for p in changed_paths(self._repo, other, head, only="d"))
        self._repo.git("checkout-index", "-f", "-u", "-q", "-z", "--stdin", stdin=changed)
        self._repo.git("update-index", "-q", "--refresh", ok=(0, 1))

    def _is_half(self, path: str, commits: tuple[str, str]) -> bool:
        """Whether a file holds the beginning of what one of the commits has there: git was killed while writing it.

        It is gone if git was killed in between: it removes a file before it writes the new one.
        """
        try:
            held = (self._repo.root / path).read_bytes()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        whole = (self._repo.run("cat-file", "blob", f"{commit}:{path}", ok=(0, 128)) for commit in commits)
        return any(done.code == 0 and done.stdout.startswith(held) for done in whole)

    def _worktree_of(self, branch: str) -> str | None:
        """Where else the branch is checked out; git is not asked if it has no other working tree."""
        if not names_in(self._repo.common_dir / "worktrees"):
            return None
        listed = os.fsdecode(
            self._repo.git("for-each-ref", "--format=%(worktreepath)", f"{_BRANCHES}{branch}")
        )
        path = listed.strip()
        return path if path and os.path.realpath(path) != os.path.realpath(self._repo.root) else None

    def _ignored_in_the_way(self, added: Sequence[str]) -> str | None:
        """A file in no commit where a file or folder is to be: since it is ignored, git would overwrite it."""
        return next((found for path in sorted(added) if (found := self._unknown_at(path))), None)

    def _unknown_at(self, path: str) -> str | None:
        """An untracked file at `path`, inside it, or where one of its parent folders must go."""
        steps = path.split("/")
        for n in range(1, len(steps) + 1):
            name = "/".join(steps[:n])
            place = self._repo.root / name
            if not os.path.lexists(place):
                return None
            if n == len(steps) or place.is_symlink() or not place.is_dir():
                listed = self._repo.git("--literal-pathspecs", "ls-files", "-z", "--others", "--", name)
                return os.fsdecode(listed).split("\0")[0] or None
        return None


def _words(done: Captured) -> str:
    """What git said, on one line; clearer where it has only a word of its own."""
    if found := _NOT_CLEAN.search(done.stderr):
        return f"changes in {os.fsdecode(found[1])} would be overwritten"
    return " ".join(done.stderr.decode(errors="replace").split())


def _may_reveal(difference: Difference) -> bool:
    """Whether git may take other files differently because of this one, or leaves a folder where it was.

    The folder is a submodule, which git does not remove with its link.
    """
    return difference.path.rpartition("/")[2] in _DECISIVE or _LINK in difference.modes
