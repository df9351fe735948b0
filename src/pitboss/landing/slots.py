"""Parallel sessions: each in a reused working copy, its work merged onto the run branch where it lands (SPEC 6).

A session works and is committed on a branch of its own, by the same `SessionTree` as in the user's tree. Then its
change is merged onto the run branch's tip, on trees alone. All may be repeated after a crash: the session's branch is
there until its record is, and what is on the run branch is known by its trailers.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from pitboss.core.session import Landing, Reason
from pitboss.core.text import rescue_message
from pitboss.git import commits, snapshot
from pitboss.git.committer import Hooks
from pitboss.git.errors import GitError, LostRace
from pitboss.git.hidden import LIMIT
from pitboss.git.ignore_rules import ExcludeFiles
from pitboss.git.incoming import added, changes, is_taken
from pitboss.git.repo import NO_HOOKS
from pitboss.landing import rescue_refs
from pitboss.landing.landed import Commit, commits_beyond, landed_sessions
from pitboss.landing.merging import Merge, merge_onto
from pitboss.landing.rescuer import HIDDEN
from pitboss.landing.run_branch import BranchMoved, RescueWords
from pitboss.landing.session_tree import SessionTree
from pitboss.landing.slot import RELEASED, Slot, copy_ignored
from pitboss.landing.unseen import hidden_work, mark_provisioned
from pitboss.landing.worktree import Settled, clear_name, discard_worktree, remove_worktree, rescue_commit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pitboss.core.config import WorktreeSettings
    from pitboss.core.session import Assignment
    from pitboss.git.repo import Repo
    from pitboss.landing.run_branch import RunBranch
    from pitboss.store.paths import RunPaths

TRIES = 5
TRY_AGAIN = "`pitboss grind --resume` goes on with the run"


class Slots:
    """The pool of working copies. `reserve` is for the loop's thread, the rest for a session's."""

    def __init__(
        self,
        repo: Repo,
        branch: RunBranch,
        paths: RunPaths,
        settings: WorktreeSettings,
        ignored_limit: int = LIMIT,
    ) -> None:
        self._repo = repo
        self._branch = branch
        self._paths = paths
        self._settings = settings
        self._slots: dict[str, Slot] = {}
        self._taken: set[str] = set()
        self._checkouts: dict[int, SessionTree] = {}
        self._opened: dict[int, SessionTree] = {}
        self._settled: dict[int, str] = {}
        self._last_seq = 0
        self._furnished: set[str] = set()
        self._ahead: dict[int, _Ahead] = {}
        self._hooks = Hooks(repo.root)
        self._exclude_files = ExcludeFiles()
        self._ignored_limit = ignored_limit

    def path(self, worktree: str) -> Path:
        """The folder of a slot, given as a session in flight has it: relative to the run directory."""
        return self._paths.root / worktree

    def reserve(self) -> str:
        """Take the first free slot; only a name as yet."""
        nth = 1
        while (name := f"{self._paths.worktrees.name}/slot-{nth}") in self._taken:
            nth += 1
        self._taken.add(name)
        return name

    def prepare(self, session: Assignment) -> bool:
        """Make or move the session's slot: its branch at its base, the tree clean; False until it is furnished."""
        self._last_seq = max(self._last_seq, session.seq)
        slot = self._slot(session)
        if self._move(slot, session):
            self._furnished.discard(slot.name)
        checkout = self._checkout(session)
        if checkout is None:
            raise LostRace(f"{slot.path} was removed while it was made", hint=TRY_AGAIN)
        checkout.begin(session.seq)
        self._checkouts[session.seq] = checkout
        return slot.name in self._furnished

    def _move(self, slot: Slot, session: Assignment) -> bool:
        branch = _branch(session)
        try:
            return slot.prepare(branch, session.base_commit, seq=session.seq)
        except GitError as error:
            if not (error.ref_in_the_way or "").startswith(f"refs/heads/{branch}/"):
                raise
        clear_name(self._repo, self._paths.run_id, session.seq, branch)
        return slot.prepare(branch, session.base_commit, seq=session.seq)

    def furnish(self, session: Assignment) -> Sequence[str]:
        """Copy what `[grind.worktree] copy` names into the session's new slot; returns what to warn of."""
        repo = self._slot(session).opened()
        if repo is None:
            return ()
        return (*self._hooks.bring(repo), *copy_ignored(self._repo.root, repo, self._settings.copy))

    def furnished(self, session: Assignment) -> None:
        """The slot has what sessions need; what its set-up committed, or changed in files git knows, is taken back."""
        slot = self._slot(session)
        repo = slot.opened()
        if repo is not None:
            status = repo.status()
            if status.dirty or (status.head, status.branch) != (session.base_commit, _branch(session)):
                snapshot.put_back(repo, _branch(session), session.base_commit)
                snapshot.clean(repo)
            mark_provisioned(repo, self._ignored_limit)
            self._checkouts[session.seq].begin(session.seq)
        self._furnished.add(slot.name)

    def release(self, session: Assignment) -> None:
        """The session has its record: its branch goes, and its slot is free for another."""
        settled = self._settled.pop(session.seq, session.base_commit)
        begun = self._checkouts.pop(session.seq, None) is not None or self._own_tip(session) is not None
        self._ahead.pop(session.seq, None)
        self._opened.pop(session.seq, None)
        repo = self._slot(session).opened()
        if not begun:
            pass  # its slot is as the session before left it
        elif repo is None:
            self._delete(_branch(session), settled, session.seq)
        elif not _left(repo, _branch(session), settled):
            repo.git(*NO_HOOKS, "update-ref", "--no-deref", "-m", RELEASED.decode(), "HEAD", settled)
            self._delete(_branch(session), settled, session.seq)
        self._taken.discard(str(session.worktree))

    def close(self) -> None:
        """Remove all working copies; what they still hold is rescued first. Raises GitError."""
        settled = Settled(last_seq=self._last_seq, commits=(self._branch.tip,))
        for slot in self._slots.values():
            repo = slot.opened()
            if repo is None or not discard_worktree(repo):
                remove_worktree(
                    self._repo, self._paths.run_id, str(slot.path), seq=slot.used_by, settled=settled
                )
        if self._slots:
            self._repo.git("worktree", "prune")
        self._slots.clear()

    # Landing

    def commit(self, session: Assignment, message: str) -> None:
        """Put all that the session did on its own branch, ahead of its turn: others may do the same meanwhile."""
        landing = self._commit(session, message)
        commits = None
        if landing.commit is not None and self._branch.tip != session.base_commit:
            commits = self._beyond(session, session.base_commit, landing.commit)
        self._ahead[session.seq] = _Ahead(landing=landing, commits=commits)

    def is_behind(self, session: Assignment) -> bool:
        """Whether the run branch has commits that the session's branch has not."""
        if self._branch.tip == session.base_commit:
            return False
        own = self._own_tip(session)
        return own is not None and not self._repo.is_ancestor(self._branch.tip, own)

    def catch_up(self, session: Assignment, message: str) -> bool:
        """Bring what landed meanwhile into the session's tree; False when nothing can be brought there."""
        ahead = self._ahead.pop(session.seq, None)
        landed = ahead.landing if ahead else self._commit(session, message)
        repo = self._slot(session).opened()
        if repo is None or landed.commit is None or landed.reason is not None:
            return False
        merged = self._merge(session, landed.commit, message)
        if merged.commit is None:
            return False
        if is_taken(repo.root, added(changes(repo, landed.commit, merged.commit))):
            self._keep_hidden(session, repo)
        repo.git("read-tree", "-m", "-u", landed.commit, merged.commit)
        repo.git(*NO_HOOKS, "update-ref", "-m", "pitboss: caught up", "HEAD", merged.commit, landed.commit)
        return True

    def _keep_hidden(self, session: Assignment, repo: Repo) -> None:
        """Keep what rules in no commit hide: what others landed takes its place."""
        words = rescue_message(
            prompt=session.prompt, seq=session.seq, run_id=self._paths.run_id, reason=HIDDEN
        )
        for tip in hidden_work(repo, message=words, keep_in=self._paths.set_aside(session.seq)):
            rescue_commit(self._repo, self._paths.run_id, session.seq, tip)

    def land(self, session: Assignment, message: str) -> Landing:
        """Put the session's work on the run branch, merged with what landed meanwhile; a conflict is rescued."""
        landing = self._land(session, message)
        if checkout := self._checkout(session):
            checkout.put_away(session)
        return landing

    def _land(self, session: Assignment, message: str) -> Landing:
        if done := self._landed_by_pitboss(session):
            return self._as_landed(session, done)
        ahead = self._ahead.get(session.seq)
        landed = ahead.landing if ahead else self._commit(session, message)
        if landed.commit is None:
            return landed
        self._settled[session.seq] = landed.commit
        for _ in range(TRIES):
            with suppress(BranchMoved):
                return self._land_on_tip(session, landed, landed.commit, message)
        raise LostRace(f"{self._branch.name} is moved all the time by somebody else", hint=TRY_AGAIN)

    def _land_on_tip(self, session: Assignment, landed: Landing, change: str, message: str) -> Landing:
        words = self._words(session)
        undone = Reason.HEAD_MOVED.because("what others did to the run branch was undone")
        landed = _with_rescued(landed, self._branch.put_right(words), undone)
        moved = Reason.HEAD_MOVED.because("edits in the working tree were in the way")
        if self._landed_by_agent(session, change):
            return _with_rescued(replace(landed, commit=change), self._branch.follow(words), moved)
        merged = self._merge(session, change, message)
        if merged.conflicts:
            reason = Reason.CONFLICT.because(merged.conflicting)
            kept = self._keep(session, change, reason)
            return Landing(rescue=kept, reason=reason, retry=True, hidden=landed.hidden)
        if merged.commit is None:
            there = self._repo.is_ancestor(change, self._branch.tip)
            return replace(landed, commit=change if there else None)
        aside = self._branch.advance(merged.commit, words, tree=merged.tree)
        return _with_rescued(replace(landed, commit=merged.commit), aside, moved)

    def rescue(self, session: Assignment) -> Landing:
        """Keep all of the session's work under rescue refs."""
        own = self._own_tip(session)
        if own is None and session.seq not in self._checkouts:
            return Landing()  # its working copy was never made
        checkout = self._checkout(session)
        if checkout is not None:
            return checkout.rescue(session)
        self._settled[session.seq] = own or session.base_commit
        self._keep(session, own or session.base_commit, str(Reason.HEAD_MOVED))
        return Landing(rescue=self._keep_remains(session))

    def _beyond(self, session: Assignment, tip: str, change: str) -> list[Commit]:
        return commits_beyond(self._repo, tip, change, run_id=self._paths.run_id, seq=session.seq)

    def _commit(self, session: Assignment, message: str) -> Landing:
        """All that the session did as commits on its own branch."""
        own = session.base_commit if session.seq in self._checkouts else self._own_tip(session)
        if own is None:
            return Landing()
        checkout = self._checkout(session)
        if checkout is not None:
            return checkout.land(session, message)
        gone = Reason.HEAD_MOVED.because("its working copy is gone")
        own = self._own_tip(session)
        commit = None if own == session.base_commit else own
        return Landing(commit=commit, rescue=self._keep_remains(session), reason=gone)

    def _landed_by_pitboss(self, session: Assignment) -> str | None:
        """The commit on the run branch by which a dead runner landed the session, if it came that far."""
        tip = self._branch.tip
        if session.seq in self._checkouts or tip == session.base_commit:
            return None
        landed = landed_sessions(self._repo, self._paths.run_id, tip, session.base_commit)
        return landed[session.seq].commit if session.seq in landed else None

    def _as_landed(self, session: Assignment, commit: str) -> Landing:
        """The landing that a dead runner came to; what it rescued on the way has refs that say why."""
        self._settled[session.seq] = self._own_tip(session) or session.base_commit
        self._branch.follow(self._words(session))
        kept = rescue_refs.list_rescued(self._repo, self._paths.run_id, session.seq)
        why = (rescue_refs.why_kept(self._repo, found.ref) or "" for found in kept)
        reason = next((words for words in why if words.partition(":")[0] in list(Reason)), None)
        ahead = self._ahead.get(session.seq)
        hidden = ahead.landing.hidden if ahead else None
        return Landing(commit=commit, rescue=tuple(found.ref for found in kept), reason=reason, hidden=hidden)

    def _landed_by_agent(self, session: Assignment, change: str) -> bool:
        """Whether commits of the agent's own, which say nothing of the session, are on the run branch since a crash."""
        tip = self._branch.tip
        begun_here = session.seq in self._checkouts or tip == session.base_commit
        return not begun_here and self._repo.is_ancestor(change, tip)

    def _merge(self, session: Assignment, change: str, message: str) -> Merge:
        """The commit that brings the run branch from its tip to hold `change` too."""
        tip = self._branch.tip
        if tip == session.base_commit:
            return Merge(commit=change)
        ahead = self._ahead.get(session.seq)
        commits = ahead.commits if ahead else None
        if commits is None or not all(commit.own for commit in commits):
            commits = self._beyond(session, tip, change)
        return merge_onto(self._repo, self._branch, change, commits, message)

    # What is there

    def _slot(self, session: Assignment) -> Slot:
        name = str(session.worktree)
        if name not in self._slots:
            self._slots[name] = Slot(
                self._repo, self._paths.run_id, self.path(name), clean=self._settings.clean
            )
        return self._slots[name]

    def _checkout(self, session: Assignment) -> SessionTree | None:
        """The session's tree as it began here, else opened anew; None where git can use it no more."""
        repo = self._slot(session).opened()
        if repo is None:
            return None
        if session.seq not in self._opened:
            self._opened[session.seq] = SessionTree(
                repo,
                _branch(session),
                paths=self._paths,
                hooks=self._hooks,
                exclude_files=self._exclude_files,
                ignored_limit=self._ignored_limit,
                fleeting=True,
            )
        return self._opened[session.seq]

    def _own_tip(self, session: Assignment) -> str | None:
        return self._repo.commit_id(f"refs/heads/{_branch(session)}")

    def _keep(self, session: Assignment, tip: str, reason: str) -> tuple[str, ...]:
        loose = commits.outside(self._repo, [tip], session.base_commit)
        return rescue_refs.keep(self._repo, self._paths.run_id, session.seq, loose, why=reason)

    def _keep_remains(self, session: Assignment) -> tuple[str, ...]:
        """Rescue what is left of a working copy that git can use no more; returns all rescue refs of the session."""
        run_id, seq = self._paths.run_id, session.seq
        remove_worktree(self._repo, run_id, str(self._slot(session).path), seq=seq)
        return tuple(kept.ref for kept in rescue_refs.list_rescued(self._repo, run_id, seq))

    def _words(self, session: Assignment) -> RescueWords:
        return RescueWords.of(self._paths.run_id, session.seq, session.prompt)

    def _delete(self, branch: str, settled: str, seq: int) -> None:
        """Delete a session's branch; what a hook committed there after the landing is rescued."""
        ref = f"refs/heads/{branch}"
        tip = self._repo.commit_id(ref)
        if tip is None:
            return
        if tip != settled:
            rescue_commit(self._repo, self._paths.run_id, seq, tip)
        self._repo.git(*NO_HOOKS, "update-ref", "-d", ref, tip)


class _Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """What a session put on its own branch before its turn: its commits since its base, where they may matter."""

    landing: Landing
    commits: list[Commit] | None


def _left(repo: Repo, branch: str, settled: str) -> bool:
    """Release a working copy and delete its branch in one call; False when the branch is not at `settled`."""
    orders = (
        *("start", "option no-deref", f"update HEAD {settled}", "commit"),
        *("start", f"delete refs/heads/{branch} {settled}", "commit"),
    )
    stdin = "\n".join(orders).encode() + b"\n"
    return (
        repo.run(*NO_HOOKS, "update-ref", "-m", RELEASED.decode(), "--stdin", stdin=stdin, ok=(0, 128)).code
        == 0
    )


def _with_rescued(landing: Landing, refs: tuple[str, ...], why: str) -> Landing:
    """The landing with what it had to set aside, of which `refs` are all; it is not as good as one that had not."""
    return replace(landing, rescue=refs, reason=landing.reason or why) if refs else landing


def _branch(session: Assignment) -> str:
    if session.branch is None:
        raise AssertionError("a session in a slot has a branch of its own")
    return session.branch
