"""The working tree a session works in, and from which its work is landed or rescued (SPEC 1.2, 6).

`land` and `rescue` may be repeated after a crash between any two of their git calls. Everything is reachable before
anything is overwritten, and what an earlier attempt left tells the next one how to go on: a commit on the branch stays,
and a session with rescue refs commits nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from pitboss.core.session import Landing, Reason
from pitboss.core.text import rescue_message
from pitboss.git import attributes, nested, snapshot
from pitboss.git.broken_head import head_is_whole, put_head_back
from pitboss.git.committer import CommitRefused, Committer, HookStopped, UserHooks
from pitboss.git.errors import GitError
from pitboss.git.index_backup import IndexBackup
from pitboss.git.locks import clear_the_way
from pitboss.git.merge import holds_all
from pitboss.git.reflog import Reflog
from pitboss.git.stashes import Stashes
from pitboss.landing import rescue_refs
from pitboss.landing.blocked_refs import makes_way
from pitboss.landing.landed import is_own
from pitboss.landing.refs import SESSION_BRANCH, lock_scope
from pitboss.landing.rescuer import BESIDE, DROPPED, HIDDEN, STASHED, TAKEN_AWAY, Effort, Rescuer
from pitboss.landing.tree_looks import TreeLooks
from pitboss.store.paths import PITBOSS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.diff_stat import DiffStat
    from pitboss.core.session import Assignment
    from pitboss.git.glance import Glances
    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus
    from pitboss.landing.rescuer import RescuePolicy

COMMIT_SECONDS = 600.0
_ATTRIBUTES = ".gitattributes"


class SessionTree:
    """A working tree whose sessions land on `branch`: the run's in the user's tree, a session's own in a slot.

    `hooks` knows where the user's hooks are; each has `commit_seconds` to answer. `glances` are those of sessions that
    worked in the tree before.
    """

    def __init__(
        self,
        repo: Repo,
        branch: str,
        policy: RescuePolicy,
        *,
        hooks: UserHooks | None = None,
        glances: Glances | None = None,
        commit_seconds: float = COMMIT_SECONDS,
    ) -> None:
        self._repo = repo
        self._branch = branch
        self._run_id = policy.paths.run_id
        self._temporary = policy.temporary
        self._locks = lock_scope(repo, branch)
        self._committer = Committer(repo, self._locks, seconds=commit_seconds, hooks=hooks or UserHooks())
        self._rescuer = Rescuer(repo, policy)
        self._reflog = Reflog(repo, branch, private=SESSION_BRANCH)
        self._stashes = Stashes(repo, branch, private=SESSION_BRANCH)
        self._index_backup = IndexBackup(repo)
        self._looks = TreeLooks(
            repo, branch, index_backup=self._index_backup, committer=self._committer, glances=glances
        )
        self._begun: int | None = None
        self.stat: DiffStat | None = None
        """How much the session changed, according to `git commit`; None if its agent or a hook committed part of it."""
        self.may_add = True
        """Whether what landed may hold new files."""

    def begin(self, seq: int) -> None:
        """Remember the tree as session `seq` finds it; without this, `land` and `rescue` assume an earlier attempt."""
        self.stop_looking()
        self._begun = seq
        self.stat, self.may_add = None, True
        self._reflog.mark()
        self._stashes.mark()
        self._index_backup.save()
        self._rescuer.begin(self._index_backup)

    def look_ahead(self, session: Assignment) -> None:
        """Begin the look that `land` and `rescue` start with, and staging; until then nothing changes the tree.

        Raises GitError.
        """
        self._looks.begin(session.base_commit, self._rescuer.rules)

    def stop_looking(self) -> None:
        """End what `look_ahead` began, if it will not be used."""
        self._looks.stop()

    def land(self, session: Assignment, message: str) -> Landing:
        """Put the session's work on the run branch; what cannot go there is rescued (SPEC 6).

        Raises GitError, with the tree left as it is, if git fails for a reason that is not the session's.
        """
        return self._repeatable(session, lambda again: self._land(session, message, again=again))

    def rescue(self, session: Assignment) -> Landing:
        """Keep all of the session's work under rescue refs and put the tree back to where it started.

        If a filter of the user's cannot run, files are kept unfiltered. Attributes set by the session that make git
        fail are left out too, once they have been kept; files whose names git refuses are moved to the run directory.
        """
        whole, off = self._repo, set[str]()
        try:
            while True:
                try:
                    return self._repeatable(session, lambda again: self._rescue(session, again=again))
                except GitError as error:
                    if self._rescuer.move_refused(session, error):
                        continue
                    cause = error.failed_filter or (_ATTRIBUTES if error.senseless_attribute else None)
                    if cause is None or cause in off:
                        raise
                    off.add(cause)
                    self._leave_out(session, cause)
        finally:
            self._repo = whole

    def _leave_out(self, session: Assignment, cause: str) -> None:
        if cause != _ATTRIBUTES:
            self._repo = self._repo.without_filter(cause)
        elif paths := attributes.senseless(self._repo):
            base, seq = session.base_commit, session.seq
            message = rescue_message(prompt=session.prompt, seq=seq, run_id=self._run_id, reason=None)
            made = attributes.commit_of(self._repo, paths, base=base, message=message)
            rescue_refs.keep(self._repo, self._run_id, seq, [made] if made else [], why="")
            attributes.put_back(self._repo, paths, base=base)

    def _repeatable(self, session: Assignment, work: Callable[[bool], Landing]) -> Landing:
        again = self._begun != session.seq
        self._begun = None
        try:
            landing = work(again)
        except GitError as error:
            self._committer.drop()
            self._mend(error, session)
            landing = work(True)
        self._committer.drop()
        self._index_backup.drop()
        self._rescuer.end()
        return landing

    def _mend(self, error: GitError, session: Assignment) -> None:
        """Repair what the agent, or a killed git process of its own, left behind; re-raises any other error."""
        if error.index_is_broken or error.lock_in_the_way:
            clear_the_way(self._repo, self._locks, error)
            if error.index_is_broken:
                self._index_backup.restore(session.base_commit)
        elif makes_way(self._repo, self._run_id, session.seq, self._branch, error):
            return
        elif not put_head_back(self._repo, self._branch, session.base_commit):
            raise error

    def _land(self, session: Assignment, message: str, *, again: bool) -> Landing:
        status = self._look(session)
        if not self._looks.only_edits:
            self._committer.drop()
        if not again and self._is_untouched(session, status):
            return Landing()
        effort = self._rescuer.effort(session, status, again=again)
        if stopped := [why for why in effort.whys if why not in BESIDE]:
            return self._continue(effort, stopped[0] or None)
        if self._looks.has_moved(status):
            where = status.branch or "a detached HEAD"
            return self._set_aside(effort, self._landable(session), Reason.HEAD_MOVED.because(where))
        if not self._repo.is_ancestor(session.base_commit, status.head):
            return self._set_aside(effort, session.base_commit, str(Reason.HISTORY_REWRITTEN))
        if status.unmerged:
            names = ", ".join(status.unmerged)
            return self._set_aside(effort, session.base_commit, Reason.CONFLICT.because(f"unmerged {names}"))
        return self._land_on_branch(effort, message)

    def _rescue(self, session: Assignment, *, again: bool) -> Landing:
        self._committer.drop()
        status = self._look(session)
        status = status if status.exact else self._repo.status()
        if not again and self._is_untouched(session, status):
            return Landing()
        return self._set_aside(self._rescuer.effort(session, status, again=again), session.base_commit, None)

    def _look(self, session: Assignment) -> TreeStatus:
        """The tree's status; commits of its agent's that git cannot read are none, and files count as they are."""
        status, base = self._looks.look(session, self._repo), session.base_commit
        if status.unborn or status.head == base:
            return status
        if head_is_whole(self._repo, self._branch, base=base, head=status.head):
            return status
        self._committer.drop()
        self._index_backup.restore(base)
        return self._looks.look(session, self._repo)

    def _is_untouched(self, session: Assignment, status: TreeStatus) -> bool:
        return (
            not (status.dirty or status.pitboss_staged)
            and status.head == session.base_commit
            and status.branch == self._branch
            and not self._reflog.has_grown()
            and not self._stashes.touched()
            and snapshot.operation_underway(self._repo) is None
            and not (self._temporary and nested.may_hold_work(self._repo, session.base_commit))
            and not self._rescuer.rules_changed()
        )

    def _continue(self, effort: Effort, reason: str | None) -> Landing:
        """Finish a landing that was cut short after it had begun to set work aside."""
        moved = reason is not None and reason.startswith(Reason.HEAD_MOVED)
        target = self._landable(effort.session) if moved else effort.session.base_commit
        return self._set_aside(effort, target, reason)

    def _landable(self, session: Assignment) -> str:
        """What the run branch may keep: its tip if that descends from the session's base, else the base."""
        tip = self._branch_tip()
        follows = tip is not None and self._repo.is_ancestor(session.base_commit, tip)
        return tip if tip is not None and follows else session.base_commit

    # Landing

    def _land_on_branch(self, effort: Effort, message: str) -> Landing:
        made = self._made(effort)
        inner = self._rescuer.inner(effort)
        self._rescuer.keep_inner(effort, inner, kept=effort.status.head)
        hidden = self._rescuer.look_for_hidden(effort, resetting=False)
        if self._temporary:
            self._rescuer.keep_hidden(effort, hidden, kept=effort.status.head)
        try:
            without = self._leave_out_pitboss(effort)
            tip = effort.status.head
            if effort.status.dirty or without:
                tip = self._committer.commit(effort.status, message, effort.others(self._repo))
        except CommitRefused as refused:
            self._keep_offered(effort)
            effort.look_again(self._repo.status())
            kind = Reason.ABORTED if isinstance(refused, HookStopped) else Reason.COMMIT_REFUSED
            reason = kind.because(str(refused))
            return self._set_aside(effort, effort.session.base_commit, reason)
        if effort.status.dirty:
            self._keep_offered(effort, made=tip)
            alone = effort.status.head == effort.session.base_commit
            self.stat = self._committer.stat if alone else None
            self.may_add = not alone or self._committer.may_add
        if effort.again:
            # This remade what an earlier attempt committed, on the branch or just before its ref moved.
            run_id, seq = self._run_id, effort.session.seq
            made = [oid for oid in made if not is_own(self._repo, oid, run_id=run_id, seq=seq)]
        self._rescuer.keep(effort, made, kept=tip, why=DROPPED)
        self._rescuer.keep(effort, self._dropped_stashes(effort, made, tip), kept=tip, why=STASHED)
        self._rescuer.put_back_links(effort, tip, effort.status.submodules)
        snapshot.abandon_operations(self._repo)
        self._rescuer.will_move(inner, hidden)
        landing = self._landing(effort, tip, effort.verdict())
        trouble = self._committer.trouble
        if trouble is None or landing.reason is not None:
            return landing
        return replace(landing, reason=Reason.HOOK_FAILED.because(trouble))

    def _keep_offered(self, effort: Effort, *, made: str | None = None) -> None:
        """Keep what was to be committed if a hook of the user's took it away (`git reset --hard`).

        Where a commit was `made`, and changes anything, the hook has corrected the work, and that counts.
        """
        offered, head = self._committer.offered, effort.status.head
        if offered is None or (made and not self._repo.succeeds("diff-tree", "--quiet", head, made, "--")):
            return
        if self._committer.took_away():
            words = self._rescuer.message(effort, TAKEN_AWAY)
            kept = self._repo.commit_tree(offered, parent=head, message=words)
            self._rescuer.keep(effort, [kept], kept=head, why=TAKEN_AWAY)

    def _leave_out_pitboss(self, effort: Effort) -> bool:
        """Reset pitboss's folder in the index to the base if an agent's `git add -A` added it; returns whether it did.

        These files are the user's: once on a branch, a checkout of another branch would delete them.
        """
        status, base = effort.status, effort.session.base_commit
        ours = ("--", PITBOSS_FOLDER)
        if self._temporary:
            return False
        moved = status.head != base and not self._repo.succeeds(
            "diff-tree", "--quiet", base, status.head, *ours
        )
        if moved or status.pitboss_staged:
            self._repo.git("reset", "--quiet", base, *ours)
            effort.look_again(self._repo.status())
            return True
        return False

    @property
    def is_clear(self) -> bool:
        """Whether `clear_out` would have nothing to do."""
        return self._rescuer.is_clear

    def clear_out(self, session: Assignment) -> None:
        """Move what must not stay in a temporary tree to the run directory, once the session no longer needs it."""
        self._rescuer.clear_out(session)

    def _branch_tip(self) -> str | None:
        return self._repo.commit_id(f"refs/heads/{self._branch}")

    def _dropped_stashes(self, effort: Effort, made: Sequence[str], tip: str) -> list[str]:
        """Stashes neither kept as `made` nor landed whole: an agent that pops one works on from there."""
        session = effort.session
        found = [oid for oid in self._stashes.dropped(session.started_at) if oid not in made]
        landed = (session.base_commit, tip)
        return [
            oid for oid in found if not all(holds_all(self._repo, landed, tree) for tree in self._trees(oid))
        ]

    def _trees(self, stash: str) -> list[str]:
        """A stash's trees: the working tree, the index, and untracked files if it has any."""
        return [stash, *self._repo.line("rev-parse", f"{stash}^@").split()[1:]]

    # Setting aside

    def _made(self, effort: Effort) -> list[str]:
        """Commits that HEAD or the stash went through since the session began."""
        session = effort.session
        if effort.again:
            return self._reflog.commits_since(session.base_commit, session.started_at)
        return self._reflog.commits_since_mark(session.started_at)

    def _set_aside(self, effort: Effort, target: str, reason: str | None) -> Landing:
        """Rescue everything that the commit `target` does not contain, then put the tree back to `target`."""
        self._committer.drop()
        tips = [*self._keep_worthy(effort), *self._made(effort)]
        tips += self._stashes.dropped(effort.session.started_at)
        inner = self._rescuer.inner(effort)
        hidden = self._rescuer.look_for_hidden(effort, resetting=True)
        saved = self._snapshot(effort, target, reason)
        self._rescuer.keep(effort, [*saved, *tips], kept=target, why=reason)
        self._rescuer.keep_inner(effort, inner, kept=target)
        saved += self._rescuer.keep_hidden(effort, hidden, kept=target)
        if hidden.too_much:
            self._rescuer.set_aside(effort, hidden.places if self._temporary else hidden.dropped)
        self._rescuer.move_away(effort, nested.without_place(self._repo, inner, target))
        snapshot.put_back(self._repo, self._branch, target)
        self._clear(effort, target, reason, saved=saved)
        return self._landing(effort, target, reason)

    def _landing(self, effort: Effort, tip: str, reason: str | None) -> Landing:
        """The outcome so far. If nothing had to be rescued, no reason is given either."""
        commit = None if tip == effort.session.base_commit else tip
        counts = any(why != HIDDEN for why in effort.whys)
        words = self._rescuer.hidden_words(effort)
        return Landing(commit=commit, rescue=effort.refs, reason=reason if counts else None, hidden=words)

    def _keep_worthy(self, effort: Effort) -> list[str]:
        heads = [oid for oid in (effort.status.head, self._branch_tip()) if oid]
        return [*heads, *snapshot.autostashes(self._repo)]

    def _snapshot(self, effort: Effort, target: str, reason: str | None) -> list[str]:
        """A commit of uncommitted changes; empty if there are none or an earlier attempt has kept them."""
        if not effort.status.dirty:
            return []
        message, base = self._rescuer.message(effort, reason), effort.session.base_commit
        made = snapshot.work(self._repo, effort.status, message=message, base=base)
        again, seq = effort.again, effort.session.seq
        kept = rescue_refs.list_rescued(self._repo, self._run_id, seq) if again else []
        known = frozenset[bytes]().union(*(snapshot.changes(self._repo, target, r.oid) for r in kept))
        return [oid for oid in made if not again or not snapshot.changes(self._repo, target, oid) <= known]

    def _clear(self, effort: Effort, target: str, reason: str | None, *, saved: list[str]) -> None:
        """Empty the tree of untracked files; first keep those that only the restored ignore rules reveal."""
        effort.look_again(self._repo.status())
        if effort.status.new_folders:
            found = nested.new_ones(self._repo, effort.others(self._repo))
            self._rescuer.keep_inner(effort, found, kept=target)
            self._rescuer.move_away(effort, (inner for inner in found if inner.kind == "plain"))
            self._rescuer.set_aside(effort, self._rescuer.revealed(effort))
            effort.look_again(self._repo.status())
        self._rescuer.put_back_links(effort, target, effort.status.submodules)
        if not effort.status.dirty:
            return
        if not snapshot.untracked(self._repo) <= snapshot.paths(self._repo, saved):
            effort.again = True
            self._rescuer.keep(effort, self._snapshot(effort, target, reason), kept=target, why=reason)
            self._repo.git("read-tree", "--reset", target)
        snapshot.clean(self._repo)
