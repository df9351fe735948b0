"""A parallel session's place: a slot, a branch of its own, and from there onto the run branch (SPEC 6).

A session works and is committed on its own branch, by the same `SessionTree` as in the user's tree. Then its change
is merged onto the run branch's tip, on trees alone. Any step may be repeated after a crash: the session's branch
stays until its record is written, and what is on the run branch is known from its trailers.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pitboss.core.session import Landing, Reason
from pitboss.core.text import rescue_message
from pitboss.git import commits, snapshot
from pitboss.git.errors import GitError, LostRace
from pitboss.git.ignored_files import copy_ignored
from pitboss.git.ref_changes import drop_if_symbolic
from pitboss.git.repo import NO_HOOKS
from pitboss.git.tree_changes import added, changes, is_taken
from pitboss.landing import rescue_refs
from pitboss.landing.blocked_refs import makes_way
from pitboss.landing.finished import FinishedBranch
from pitboss.landing.landed import Ahead, commits_beyond, landed_sessions
from pitboss.landing.merging import Merge, merge_onto
from pitboss.landing.rescue_refs import rescue_commit
from pitboss.landing.rescuer import HIDDEN
from pitboss.landing.run_branch import BranchMoved
from pitboss.landing.unseen import keep_hidden, mark_provisioned
from pitboss.landing.user_checkout import RescueLabel
from pitboss.landing.worktrees import remove_worktree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.core.diff_stat import DiffStat
    from pitboss.core.session import Assignment
    from pitboss.git.repo import Repo
    from pitboss.landing.landed import Commit
    from pitboss.landing.run_branch import RunBranch
    from pitboss.landing.session_tree import SessionTree
    from pitboss.landing.site import Site
    from pitboss.landing.slots import SlotPool

TRIES = 5
_IN_THE_WAY = Reason.HEAD_MOVED.because("edits in the working tree were in the way")
TRY_AGAIN = "`pitboss grind --resume` goes on with the run"


class SlotPlace:
    """A session's place in a slot of the `pool` (`engine.ports.Place`), used by the session's own thread."""

    def __init__(self, site: Site, pool: SlotPool, session: Assignment) -> None:
        if session.worktree is None or session.branch is None:
            raise AssertionError("a session in a slot has a working copy and a branch of its own")
        self._site = site
        self._repo = site.repo
        self._run_branch = site.branch
        self._run_id = site.run_id
        self._pool = pool
        self._session = session
        self._seq = session.seq
        self._base = session.base_commit
        self._branch = session.branch
        self._worktree = session.worktree
        self._slot = pool.slot(session.worktree)
        self._opened: SessionTree | None = None
        self._begun: SessionTree | None = None
        self._settled: str | None = None
        self._ahead: Ahead | None = None
        self._vacated_at: str | None = None
        self._is_new = self._is_looking = False

    @property
    def path(self) -> str:
        """The root of the working copy."""
        return str(self._slot.path)

    def bring_back(self) -> str | None:
        """Put a working copy that was moved away back in its place; returns a warning if so. Raises OSError."""
        return None if self._vacated_at else self._slot.bring_back(self._branch, seq=self._seq)

    # Before the session works

    def prepare(self) -> bool:
        """Make or move the slot: the session's branch at its base, the tree clean; False until provisioned.

        Raises GitError, LostRace, and StartError if a live git holds a lock there.
        """
        self._pool.used_for(self._seq)
        if self._move() or self._site.worktree.clean == "all":  # then copies and set-up are gone as well
            self._slot.provisioned = False
        tree = self._tree()
        if tree is None:
            raise LostRace(f"{self._slot.path} was removed while it was made", hint=TRY_AGAIN)
        tree.begin(self._seq)
        self._begun = tree
        return self._slot.provisioned

    def _move(self) -> bool:
        drop_if_symbolic(self._repo, f"refs/heads/{self._branch}")
        try:
            return self._slot.prepare(self._branch, self._base, seq=self._seq)
        except GitError as error:
            if not makes_way(self._repo, self._run_id, self._seq, self._branch, error):
                raise
        return self._slot.prepare(self._branch, self._base, seq=self._seq)

    def provision(self) -> Sequence[str]:
        """Copy what `[grind.worktree] copy` names into the new slot; returns what to warn of. Raises GitError."""
        repo = self._slot.opened()
        if repo is None:
            return ()
        source = self._site.copied_from or self._repo.root
        return (*self._pool.hooks.bring(repo), *copy_ignored(source, repo, self._site.worktree.copy))

    def provisioned(self) -> None:
        """Undo what the set-up committed or changed in tracked files; from now on the slot is provisioned."""
        repo = self._slot.opened()
        if repo is not None:
            if self._site.worktree.setup:
                snapshot.undo(repo, self._branch, self._base)
            mark_provisioned(repo, self._site.ignored_limit)
            if self._begun is not None:
                self._begun.begin(self._seq)
        self._slot.provisioned = True

    # Landing

    def look_ahead(self) -> None:
        """Begin to look at the tree, and to commit what it holds. Raises GitError."""
        if self._begun is not None:
            self._is_looking = True
            self._begun.look_ahead(self._session)

    def commit(self, message: str) -> None:
        """Commit everything on the session's own branch, ahead of its turn: others may do so at the same time."""
        landing = self._commit(message)
        may_merge = landing.commit is not None and self._run_branch.tip != self._base
        beyond = self._beyond(self._base, str(landing.commit)) if may_merge else None
        self._ahead = Ahead(landing=landing, commits=beyond)

    @property
    def branch(self) -> RunBranch:
        """The run branch, as this place sees it."""
        return self._run_branch

    @property
    def ahead(self) -> Landing | None:
        """What `commit` or `arrived` brought onto the session's own branch; None before, and once it has caught up."""
        return None if self._ahead is None else self._ahead.landing

    def arrived(self, landing: Landing, *, just_now: bool = False) -> None:
        """The session worked in another repository, from which all that it committed has come here.

        `just_now`: so nothing of it can have landed before.
        """
        self._is_new = just_now
        self._vacated_at = landing.commit or self._base
        self._ahead = Ahead(landing=landing)

    def committed(self) -> str | None:
        """The commit that holds all of the session's work; None if some of it is elsewhere."""
        ahead, tree = self._ahead, self._opened
        if ahead is None or tree is None or not tree.is_clear:
            return None
        whole = ahead.landing == Landing(commit=ahead.landing.commit)
        return ahead.landing.commit or self._base if whole else None

    def vacate(self, committed: str) -> None:
        """Free the slot for another session; also in a new process after a crash, where it is already another's."""
        self._vacated_at = committed
        if self._begun is not None:
            self._slot.leave(self._branch, committed)
            self._pool.free(self._worktree)
        else:
            self._ahead = Ahead(landing=Landing(commit=None if committed == self._base else committed))

    def is_behind(self) -> bool:
        """Whether the run branch has commits that the session's branch lacks."""
        if self._run_branch.tip == self._base or self._vacated_at is not None:
            return False
        own = self._own_tip()
        return own is not None and not self._repo.is_ancestor(self._run_branch.tip, own)

    def catch_up(self, message: str) -> bool:
        """Merge what has landed since into the session's tree; False if that is not possible."""
        ahead, self._ahead = self._ahead, None
        landed = ahead.landing if ahead else self._commit(message)
        repo = self._slot.opened()
        if repo is None or landed.commit is None or landed.reason is not None:
            return False
        merged = self._merge(landed.commit, message)
        if merged.commit is None:
            return False
        if is_taken(repo.root, added(changes(repo, landed.commit, merged.commit))):
            self._keep_hidden(repo)
        repo.git("read-tree", "-m", "-u", landed.commit, merged.commit)
        repo.git(*NO_HOOKS, "update-ref", "-m", "pitboss: caught up", "HEAD", merged.commit, landed.commit)
        return True

    def _keep_hidden(self, repo: Repo) -> None:
        """Keep files that uncommitted ignore rules hide and that others' landed work would overwrite."""
        seq = self._seq
        words = rescue_message(prompt=self._session.prompt, seq=seq, run_id=self._run_id, reason=HIDDEN)
        for tip in keep_hidden(repo, message=words, keep_in=self._site.paths.set_aside(seq)):
            rescue_commit(self._repo, self._run_id, seq, tip)

    def land(self, message: str) -> Landing:
        """Merge the session's work onto the run branch; work that conflicts is rescued. Raises GitError, LostRace."""
        landing = self._land(message)
        if self._vacated_at is None and (tree := self._tree()):
            tree.clear_out(self._session)
        return landing

    def _land(self, message: str) -> Landing:
        if done := self._landed_by_pitboss():
            return self._as_landed(done)
        landed = self._ahead.landing if self._ahead else self._commit(message)
        if landed.commit is None:
            return landed
        self._settled = landed.commit
        for _ in range(TRIES):
            with suppress(BranchMoved):
                return self._land_on_tip(landed, landed.commit, message)
        raise LostRace(f"{self._run_branch.name} keeps being moved by someone else", hint=TRY_AGAIN)

    def _land_on_tip(self, landed: Landing, change: str, message: str) -> Landing:
        label = self._label()
        undone = Reason.HEAD_MOVED.because("what others did to the run branch was undone")
        landed = landed.with_rescued(self._run_branch.reconcile(label), undone)
        if self._landed_by_agent(change):
            return landed.with_rescued(self._run_branch.resume_checkout(label), _IN_THE_WAY)
        merged = self._merge(change, message)
        if merged.conflicts:
            reason = Reason.CONFLICT.because(merged.conflicting)
            return Landing(rescue=self._keep(change, reason), reason=reason, retry=True, hidden=landed.hidden)
        if merged.commit is None:
            is_there = self._repo.is_ancestor(change, self._run_branch.tip)
            return landed if is_there else replace(landed, commit=None)
        adds = self._opened is None or self._opened.may_add
        self._run_branch.advance(merged.commit, self._seq, adds=adds)
        return replace(landed, commit=merged.commit)

    def follow(self, landing: Landing) -> Landing:
        """Bring the user's checkout along, needing no turn; what was in the way is rescued. Raises GitError."""
        return landing.with_rescued(self._run_branch.follow(self._label()), _IN_THE_WAY)

    def _beyond(self, tip: str, change: str) -> list[Commit]:
        return commits_beyond(self._repo, tip, change, run_id=self._run_id, seq=self._seq)

    def _commit(self, message: str) -> Landing:
        """Commit everything that the session did on its own branch."""
        if self._begun is None and self._own_tip() is None:
            return Landing()
        tree = self._tree()
        if tree is not None:
            if not self._is_looking:
                self.look_ahead()
            return tree.land(self._session, message)
        if self._begun is not None:
            self._begun.stop_looking()
        gone = Reason.HEAD_MOVED.because("its working copy is gone")
        own = self._own_tip()
        commit = None if own == self._base else own
        return Landing(commit=commit, rescue=self._keep_remains(), reason=gone)

    def _landed_by_pitboss(self) -> str | None:
        """The commit on the run branch by which a dead runner landed the session, if it got that far."""
        tip = self._run_branch.tip
        if self._begun is not None or self._is_new or tip == self._base:
            return None
        landed = landed_sessions(self._repo, self._run_id, tip, self._base)
        return landed[self._seq].commit if self._seq in landed else None

    def _as_landed(self, commit: str) -> Landing:
        """The landing that a dead runner reached; refs of what it rescued on the way say why."""
        self._settled = self._own_tip() or self._base
        self._run_branch.resume_checkout(self._label())
        kept = rescue_refs.list_rescued(self._repo, self._run_id, self._seq)
        why = (rescue_refs.why_kept(self._repo, found.ref) or "" for found in kept)
        reason = next((words for words in why if words.partition(":")[0] in list(Reason)), None)
        hidden = self._ahead.landing.hidden if self._ahead else None
        return Landing(commit=commit, rescue=tuple(found.ref for found in kept), reason=reason, hidden=hidden)

    def _landed_by_agent(self, change: str) -> bool:
        """Whether the agent's own commits, which have no trailers, reached the run branch before a crash."""
        tip = self._run_branch.tip
        begun_here = self._begun is not None or self._is_new or tip == self._base
        return not begun_here and self._repo.is_ancestor(change, tip)

    def _merge(self, change: str, message: str) -> Merge:
        """Merge `change` with the tip of the run branch."""
        tip = self._run_branch.tip
        if tip == self._base:
            return Merge(commit=change)
        beyond = (self._ahead.commits if self._ahead else None) or self._beyond(self._base, change)
        if not all(commit.own for commit in beyond):
            beyond = self._beyond(tip, change)
        return merge_onto(self._repo, self._run_branch, change, beyond, message)

    def diff(self) -> DiffStat | None:
        """How much the session changed, as far as this process committed it."""
        return None if self._opened is None else self._opened.stat

    # Rescue

    def rescue(self) -> Landing:
        """Keep all of the session's work under rescue refs. Raises GitError."""
        if self._vacated_at is not None:
            self._settled = self._vacated_at
            return Landing(rescue=self._keep(self._vacated_at, ""))
        own, repo = self._own_tip(), self._slot.opened()
        is_made = self._begun or own or (repo and repo.on_branch() == f"refs/heads/{self._branch}")
        if not is_made:
            return Landing()
        tree = self._tree()
        if tree is not None:
            return tree.rescue(self._session)
        self._settled = own or self._base
        self._keep(own or self._base, str(Reason.HEAD_MOVED))
        return Landing(rescue=self._keep_remains())

    def rescue_late(self) -> Landing:
        """Like `rescue`, for a session that has its record: no other session works in its tree. Raises GitError."""
        return self.rescue()

    def rescue_commits(self) -> Sequence[str]:
        """Rescue what the session committed on its branch, without looking at the tree. Raises GitError."""
        own = self._own_tip()
        if own is None:
            return ()
        self._settled = own
        return self._keep(own, str(Reason.INTERRUPTED))

    def _keep(self, tip: str, reason: str) -> tuple[str, ...]:
        loose = commits.outside(self._repo, [tip], self._base)
        return rescue_refs.keep(self._repo, self._run_id, self._seq, loose, why=reason)

    def _keep_remains(self) -> tuple[str, ...]:
        """Rescue what is left of a working copy that git can no longer use; returns all rescue refs of the session."""
        remove_worktree(self._repo, self._run_id, str(self._slot.path), seq=self._seq)
        return tuple(kept.ref for kept in rescue_refs.list_rescued(self._repo, self._run_id, self._seq))

    # Afterwards

    def release(self) -> None:
        """The session has its record: free its slot, and have its branch deleted later. Raises GitError."""
        slot, branch = self._slot, self._branch
        finished = FinishedBranch(
            seq=self._seq,
            branch=branch,
            settled=self._settled or self._vacated_at or self._base,
            is_free=lambda: slot.branch != branch,
        )
        if self._begun is None:
            self._release_late(finished)
            return
        self._run_branch.finished.add(finished)
        if self._vacated_at is None:
            self._slot.leave(self._branch, finished.settled)
            self._pool.free(self._worktree)

    def _release_late(self, finished: FinishedBranch) -> None:
        """The same for a session that began before a crash: recovery removes what is not another session's by now."""
        tip = None if self._is_new else self._branch_tip()
        if tip is None:
            return  # its slot is as the previous session left it
        if self._vacated_at is None:
            self._slot.leave(self._branch, finished.settled)
            self._slot.let_go()
            self._run_branch.finished.delete(finished)
        elif tip != finished.settled:
            rescue_commit(self._repo, self._run_id, self._seq, tip)

    # Looking

    def _tree(self) -> SessionTree | None:
        """The session's tree, opened if need be; None if git can no longer use it."""
        repo = self._slot.opened()
        if repo is None:
            return None
        if self._opened is None:
            self._opened = self._pool.tree(self._slot, repo, self._branch)
        return self._opened

    def _own_tip(self) -> str | None:
        """The session's own last commit; once it has vacated its slot, whatever its branch says."""
        return self._vacated_at or self._branch_tip()

    def _branch_tip(self) -> str | None:
        return self._repo.commit_id(f"refs/heads/{self._branch}")

    def _label(self) -> RescueLabel:
        return RescueLabel.of(self._run_id, self._seq, self._session.prompt)
