"""Where a session's work goes: onto the run branch, or under rescue refs, and never nowhere (SPEC 1.2, 6).

`land` and `rescue` may be repeated after a crash between any two of their git calls. They order their work so
that everything is reachable before anything is overwritten, and what they did before tells them how to go on:
a commit that is on the branch stays, and a session that has rescue refs never commits anything any more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.core.session import Landing, Reason
from pitboss.core.text import rescue_message
from pitboss.errors import StartError
from pitboss.git import nested, rescue, snapshot
from pitboss.git.committer import CommitRefused, Committer
from pitboss.git.index import KeptIndex
from pitboss.git.locks import clear_the_way, remove_stale_locks
from pitboss.git.reflog import Reflog
from pitboss.git.repo import DEFAULT_AUTHOR, OLDEST_GIT, GitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.session import InFlight
    from pitboss.git.repo import Repo, TreeStatus

COMMIT_SECONDS = 600.0


class InPlace:
    """The user's own working tree with the run branch checked out, one session at a time."""

    def __init__(
        self,
        repo: Repo,
        *,
        run_id: str,
        branch: str,
        author: str = DEFAULT_AUTHOR,
        commit_seconds: float = COMMIT_SECONDS,
    ) -> None:
        self.path = str(repo.root)
        self._repo = repo.authored_by(author)
        self._committer = Committer(self._repo, branch, seconds=commit_seconds)
        self._run_id = run_id
        self._branch = branch
        self._reflog = Reflog(repo)
        self._index = KeptIndex(repo)
        self._tip: str | None = None
        self._begun: int | None = None

    # Starting and resuming a run

    def check_ready(self) -> TreeStatus:
        """Refuse to start a run where git or the tree is not ready (SPEC 5); raises StartError.

        The status returned names the commit and branch that the run starts from.
        """
        version = self._repo.version()
        if version < OLDEST_GIT:
            found, needed = (".".join(map(str, v)) for v in (version, OLDEST_GIT))
            raise StartError(f"git {found} is too old", hint=f"pitboss needs git {needed} or newer")
        status = self._repo.status()
        if status.unborn:
            raise StartError(
                "creating run branch: the repository has no commit yet", hint="commit something first"
            )
        self._refuse_unclean(status)
        return status

    def create_branch(self, base: str) -> None:
        """Make the run branch at `base`, the commit checked out, and put HEAD on it; no file changes.

        Raises StartError when another branch is in the way of its name.
        """
        ref = f"refs/heads/{self._branch}"
        try:
            self._repo.git("update-ref", "-m", "pitboss: run branch", ref, base, "")
        except GitError as error:
            if "exists; cannot create" not in error.stderr:
                raise
            raise StartError(
                f"creating run branch: no branch can be named {self._branch} beside one named `pitboss`",
                hint="rename that one: `git branch -m pitboss OTHER-NAME`",
            ) from error
        self._repo.git("symbolic-ref", "-m", f"pitboss: to {self._branch}", "HEAD", ref)
        self._tip = base

    def undo_branch(self, before: TreeStatus) -> None:
        """Take back `create_branch`: the run could not begin."""
        target = f"refs/heads/{before.branch}" if before.branch else before.head
        how = (
            ("symbolic-ref", "HEAD", target)
            if before.branch
            else ("update-ref", "--no-deref", "HEAD", target)
        )
        self._repo.git(*how)
        self._repo.git("update-ref", "-d", f"refs/heads/{self._branch}", before.head)

    def recreate_branch(self, at: str, *, check_out: bool) -> None:
        """Make a lost run branch again at commit `at`; raises StartError when that commit is gone too."""
        if self._repo.commit_id(at) is None:
            raise StartError(
                f"the run branch {self._branch} is gone, and so is commit {at[:7]}",
                hint=f"`git branch {self._branch} COMMIT` puts it back; `git reflog` may know the commit",
            )
        self._repo.git("update-ref", "-m", "pitboss: run branch again", f"refs/heads/{self._branch}", at, "")
        if check_out:
            self._repo.git("checkout", "--quiet", self._branch, "--")

    def branch_tip(self) -> str | None:
        """The commit the run branch is at, None when it is gone."""
        return self._repo.commit_id(f"refs/heads/{self._branch}")

    def remove_stale_locks(self) -> tuple[Path, ...]:
        """Remove lock files of a git that died; raises StartError when a live one works here."""
        return remove_stale_locks(self._repo, self._branch)

    def _refuse_unclean(self, status: TreeStatus) -> None:
        if word := snapshot.operation_underway(self._repo):
            raise StartError(f"a {word} is in progress in the working tree", hint="finish or abort it first")
        if status.dirty:
            paths = "1 path" if status.dirty == 1 else f"{status.dirty} paths"
            raise StartError(
                f"the working tree is not clean: {paths} changed or untracked",
                hint="commit them, or put them away with `git stash -u`",
            )

    # A session

    def begin(self, seq: int) -> str:
        """Return the commit that session `seq` starts from; costs a git call only the first time."""
        if self._tip is None:
            self._tip = self._repo.line("rev-parse", "--verify", f"refs/heads/{self._branch}")
        self._begun = seq
        self._reflog.mark()
        self._index.keep()
        return self._tip

    def land(self, session: InFlight, message: str) -> Landing:
        """Put the session's work on the run branch; what cannot go there is rescued (SPEC 6).

        Raises GitError with the tree as it is when git fails for a reason that is not the session's.
        """
        return self._repeatable(session, lambda again: self._land(session, message, again=again))

    def rescue(self, session: InFlight) -> Landing:
        """Keep all of the session's work under rescue refs and put the tree back to where it started."""
        return self._repeatable(session, lambda again: self._rescue(session, again=again))

    def _repeatable(self, session: InFlight, work: Callable[[bool], Landing]) -> Landing:
        again = self._begun != session.seq
        self._begun = None
        try:
            landing = work(again)
        except GitError as error:
            self._mend(error, session)
            landing = work(True)
        self._index.drop()
        self._tip = landing.commit or session.base_commit
        return landing

    def _mend(self, error: GitError, session: InFlight) -> None:
        """Repair what a killed git of the agent left behind; raises the error when that is not it."""
        if not error.index_is_broken and not error.lock_in_the_way:
            raise error
        clear_the_way(self._repo, self._branch, error)
        if error.index_is_broken:
            self._index.restore(session.base_commit)

    def _look(self, session: InFlight) -> TreeStatus:
        """The tree as it is. Without a whole index files would look new, and ignored ones deleted."""
        if not self._index.is_sound(session.base_commit):
            self._index.restore(session.base_commit)
        return self._repo.status()

    def _land(self, session: InFlight, message: str, *, again: bool) -> Landing:
        status = self._look(session)
        if not again and self._is_untouched(session, status):
            return Landing()
        effort = _Effort(session, status, again=again)
        if again and (kept := rescue.list_rescued(self._repo, self._run_id, session.seq)):
            return self._continue(effort, rescue.why_kept(self._repo, kept[0].ref))
        if status.unborn or status.branch != self._branch:
            where = status.branch or "a detached HEAD"
            return self._set_aside(effort, self._landable(session), Reason.HEAD_MOVED.because(where))
        if not self._repo.is_ancestor(session.base_commit, status.head):
            return self._set_aside(effort, session.base_commit, str(Reason.HISTORY_REWRITTEN))
        if status.unmerged:
            names = ", ".join(status.unmerged)
            return self._set_aside(effort, session.base_commit, Reason.CONFLICT.because(f"unmerged {names}"))
        return self._land_on_branch(effort, message)

    def _rescue(self, session: InFlight, *, again: bool) -> Landing:
        status = self._look(session)
        if not again and self._is_untouched(session, status):
            return Landing()
        return self._set_aside(_Effort(session, status, again=again), session.base_commit, None)

    def _is_untouched(self, session: InFlight, status: TreeStatus) -> bool:
        return (
            not status.dirty
            and status.head == session.base_commit
            and status.branch == self._branch
            and not self._reflog.has_grown()
            and snapshot.operation_underway(self._repo) is None
        )

    def _continue(self, effort: _Effort, reason: str | None) -> Landing:
        """Go on with a landing that was cut short after it had begun to set work aside."""
        moved = reason is not None and reason.startswith(Reason.HEAD_MOVED)
        target = self._landable(effort.session) if moved else effort.session.base_commit
        return self._set_aside(effort, target, reason)

    def _landable(self, session: InFlight) -> str:
        """What the run branch may keep: its tip when that follows the session's base, else the base."""
        tip = self.branch_tip()
        follows = tip is not None and self._repo.is_ancestor(session.base_commit, tip)
        return tip if tip is not None and follows else session.base_commit

    # Landing

    def _land_on_branch(self, effort: _Effort, message: str) -> Landing:
        made = self._made(effort)
        try:
            tip = (
                self._committer.commit(effort.status, message) if effort.status.dirty else effort.status.head
            )
        except CommitRefused as refused:
            effort.status = self._repo.status()
            reason = Reason.COMMIT_REFUSED.because(str(refused))
            return self._set_aside(effort, effort.session.base_commit, reason)
        if effort.again:
            # A commit that died before its ref moved is in the reflog, and was made again.
            made = [oid for oid in made if self._content(oid) != self._content(tip)]
        reason = Reason.HEAD_MOVED.because("commits that are no longer on the run branch")
        dropped = self._keep(effort, made, kept=tip, why=reason)
        inside = Reason.HEAD_MOVED.because("uncommitted changes inside a submodule")
        self._put_back_submodules(effort, tip, inside)
        snapshot.abandon_operations(self._repo)
        return self._landing(effort, tip, reason if dropped else inside)

    def _content(self, commit: str) -> str:
        return self._repo.line("show", "--no-patch", "--no-show-signature", "--format=%T %P %B", commit)

    # Setting aside

    def _made(self, effort: _Effort) -> list[str]:
        """Commits that HEAD or the stash went through since the session began."""
        session = effort.session
        if effort.again:
            return self._reflog.commits_since(session.base_commit, session.started_at)
        return self._reflog.commits_since_mark(session.started_at)

    def _keep(self, effort: _Effort, tips: list[str], *, kept: str, why: str | None) -> tuple[str, ...]:
        """Name by rescue refs those of `tips` that neither `kept` nor a rescue ref contains."""
        session, first = effort.session.seq, not effort.again and not effort.refs
        known = (
            [r.oid for r in rescue.list_rescued(self._repo, self._run_id, session)] if effort.again else []
        )
        loose = rescue.outside(self._repo, tips, kept, *known)
        if not loose and first:
            return ()
        effort.refs = rescue.keep(self._repo, self._run_id, session, loose, why=why or "", first=first)
        return effort.refs

    def _set_aside(self, effort: _Effort, target: str, reason: str | None) -> Landing:
        """Rescue everything that the commit `target` does not contain, then put the tree back to `target`."""
        tips = [*self._keep_worthy(effort), *self._made(effort)]
        dirt = self._snapshot(effort, target, reason)
        self._keep(effort, [*dirt, *tips], kept=target, why=reason)
        snapshot.put_back(self._repo, self._branch, target)
        self._clear(effort, target, reason, saved=dirt)
        return self._landing(effort, target, reason)

    def _landing(self, effort: _Effort, tip: str, reason: str | None) -> Landing:
        """With nothing rescued there is no reason either: the session is as good as one that moved nothing."""
        commit = None if tip == effort.session.base_commit else tip
        return Landing(commit=commit, rescue=effort.refs, reason=reason if effort.refs else None)

    def _keep_worthy(self, effort: _Effort) -> list[str]:
        tip = self.branch_tip()
        heads = [oid for oid in (effort.status.head, tip) if oid]
        return [*heads, *snapshot.autostashes(self._repo)]

    def _snapshot(self, effort: _Effort, target: str, reason: str | None) -> list[str]:
        """A commit of the dirt; none when there is no dirt, or an earlier attempt has kept it already."""
        if not effort.status.dirty:
            return []
        oid = snapshot.snapshot(
            self._repo, effort.status, message=self._message(effort, reason), base=effort.session.base_commit
        )
        if not effort.again:
            return [oid]
        kept = rescue.list_rescued(self._repo, self._run_id, effort.session.seq)
        known = frozenset[bytes]().union(*(snapshot.changes(self._repo, target, r.oid) for r in kept))
        return [] if snapshot.changes(self._repo, target, oid) <= known else [oid]

    def _clear(self, effort: _Effort, target: str, reason: str | None, *, saved: list[str]) -> None:
        """Empty the tree of untracked files; first keep those that only the restored ignore rules reveal."""
        for folder in snapshot.nested_repositories(self._repo):
            if not snapshot.is_linked_worktree(self._repo.root / folder):
                self._put_away(effort, folder, target, reason)
        effort.status = self._repo.status()
        self._put_back_submodules(effort, target, reason)
        if not effort.status.dirty:
            return
        if not snapshot.untracked(self._repo) <= snapshot.paths(self._repo, saved):
            effort.again = True
            self._keep(effort, self._snapshot(effort, target, reason), kept=target, why=reason)
            self._repo.git("read-tree", "--reset", target)
        snapshot.clean(self._repo)

    def _put_away(self, effort: _Effort, folder: str, target: str, reason: str | None) -> None:
        head = nested.fetch_head(self._repo, folder)
        if head is not None:
            self._keep(effort, [head], kept=target, why=reason)
        keep_in = Path(self.path, ".pitboss", "grind", "runs", self._run_id, "nested")
        nested.move_away(self._repo, folder, keep_in / f"session-{effort.session.seq:04}")

    def _put_back_submodules(self, effort: _Effort, target: str, reason: str | None) -> None:
        session = effort.session.seq
        for path in effort.status.submodules:
            work = nested.take_submodule_work(
                self._repo, path, run_id=self._run_id, seq=session, message=self._message(effort, reason)
            )
            if work is None:
                continue
            if work.tip is not None:
                self._keep(effort, [work.tip], kept=target, why=reason)
            nested.put_back_submodule(work)

    def _message(self, effort: _Effort, reason: str | None) -> str:
        session = effort.session
        return rescue_message(prompt=session.prompt, seq=session.seq, run_id=self._run_id, reason=reason)


class _Effort:
    """One attempt at landing or rescuing: the session, the tree as last seen, the refs so far.

    `again` says that an earlier attempt may have got part of the way.
    """

    def __init__(self, session: InFlight, status: TreeStatus, *, again: bool) -> None:
        self.session = session
        self.status = status
        self.again = again
        self.refs: tuple[str, ...] = ()
