"""One working tree with a branch checked out, in which a session works and lands, or is rescued (SPEC 1.2, 6).

`land` and `rescue` may be repeated after a crash between any two of their git calls. They order their work so that
everything is reachable before anything is overwritten, and what they did before tells them how to go on:
a commit that is on the branch stays, and a session that has rescue refs never commits anything any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from pitboss.core.session import Landing, Reason
from pitboss.core.text import rescue_message
from pitboss.git import nested, rescue, snapshot
from pitboss.git.committer import CommitRefused, Committer, Hooks, HookStopped
from pitboss.git.errors import GitError
from pitboss.git.index import KeptIndex
from pitboss.git.landed import is_own
from pitboss.git.locks import clear_the_way
from pitboss.git.reflog import Reflog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pitboss.core.session import InFlight
    from pitboss.git.nested import Inner
    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus

COMMIT_SECONDS = 600.0
_DROPPED = Reason.HEAD_MOVED.because("commits that are no longer on the run branch")
_INSIDE = Reason.HEAD_MOVED.because("work in a repository or submodule inside")
_HISTORY = "the history of a repository inside"
_BESIDE = (_INSIDE, _HISTORY)
"""Why a session has refs although it lands."""


class Checkout:
    """A working tree whose sessions land on `branch`: the run's in the user's tree, a session's own in a slot.

    A `fleeting` tree is deleted some day, with the repositories that an agent made inside it.
    `aside` is the folder to which repositories that an agent made inside the tree are moved; `hooks` knows where
    the user's are.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, each a plain fact about the tree
        self,
        repo: Repo,
        branch: str,
        *,
        run_id: str,
        aside: Path,
        commit_seconds: float = COMMIT_SECONDS,
        hooks: Hooks | None = None,
        fleeting: bool = False,
    ) -> None:
        self._repo = repo
        self._fleeting = fleeting
        self._committer = Committer(repo, branch, seconds=commit_seconds, hooks=hooks or Hooks())
        self._run_id = run_id
        self._branch = branch
        self._aside = aside
        self._reflog = Reflog(repo, branch)
        self._index = KeptIndex(repo)
        self._begun: int | None = None
        self._to_put_away: list[Inner] = []

    def begin(self, seq: int) -> None:
        """Remember the tree as session `seq` finds it; without this, what is done for it counts as done again."""
        self._begun = seq
        self._reflog.mark()
        self._index.keep()

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
        effort = self._effort(session, status, again=again)
        if stopped := [why for why in effort.whys if why not in _BESIDE]:
            return self._continue(effort, stopped[0] or None)
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
        return self._set_aside(self._effort(session, status, again=again), session.base_commit, None)

    def _effort(self, session: InFlight, status: TreeStatus, *, again: bool) -> _Effort:
        effort = _Effort(session, status, again=again)
        if again:
            effort.refs = tuple(r.ref for r in rescue.list_rescued(self._repo, self._run_id, session.seq))
            effort.whys = [rescue.why_kept(self._repo, ref) or "" for ref in effort.refs]
        return effort

    def _is_untouched(self, session: InFlight, status: TreeStatus) -> bool:
        return (
            not status.dirty
            and status.head == session.base_commit
            and status.branch == self._branch
            and not self._reflog.has_grown()
            and snapshot.operation_underway(self._repo) is None
            and not (self._fleeting and nested.has_submodules(self._repo))
        )

    def _continue(self, effort: _Effort, reason: str | None) -> Landing:
        """Go on with a landing that was cut short after it had begun to set work aside."""
        moved = reason is not None and reason.startswith(Reason.HEAD_MOVED)
        target = self._landable(effort.session) if moved else effort.session.base_commit
        return self._set_aside(effort, target, reason)

    def _landable(self, session: InFlight) -> str:
        """What the run branch may keep: its tip when that follows the session's base, else the base."""
        tip = self._branch_tip()
        follows = tip is not None and self._repo.is_ancestor(session.base_commit, tip)
        return tip if tip is not None and follows else session.base_commit

    # Landing

    def _land_on_branch(self, effort: _Effort, message: str) -> Landing:
        made = self._made(effort)
        inner = self._inner(effort)
        self._keep_inner(effort, inner, kept=effort.status.head)
        try:
            tip = (
                self._committer.commit(effort.status, message) if effort.status.dirty else effort.status.head
            )
        except CommitRefused as refused:
            effort.status = self._repo.status()
            kind = Reason.ABORTED if isinstance(refused, HookStopped) else Reason.COMMIT_REFUSED
            reason = kind.because(str(refused))
            return self._set_aside(effort, effort.session.base_commit, reason)
        if effort.again:
            # What an earlier attempt committed, on the branch or just before its ref moved, was made again.
            made = [oid for oid in made if not self._is_own(effort, oid)]
        self._keep(effort, made, kept=tip, why=_DROPPED)
        self._put_back_links(effort, tip, effort.status.submodules)
        snapshot.abandon_operations(self._repo)
        links = [each for each in inner if each.kind == "link"]
        self._to_put_away = [*nested.outermost(links), *(each for each in inner if each.kind == "plain")]
        landing = self._landing(effort, tip, effort.verdict())
        trouble = self._committer.trouble
        if trouble is None or landing.reason is not None:
            return landing
        return replace(landing, reason=Reason.HOOK_FAILED.because(trouble))

    def put_away(self, session: InFlight) -> None:
        """Once the session needs its tree no more: move repositories inside a fleeting one to where they stay."""
        left, self._to_put_away = self._to_put_away, []
        for inner in left if self._fleeting else []:
            nested.put_away(self._repo, inner, self._aside_for(session))

    # Repositories inside

    def _inner(self, effort: _Effort) -> list[Inner]:
        """Repositories inside that may hold work, outermost first."""
        base = effort.session.base_commit
        found = nested.linked_ones(self._repo, effort.status, base, everywhere=self._fleeting)
        found += nested.new_ones(self._repo, effort.status)
        if self._fleeting and effort.again:
            found += nested.below(self._repo, ".")  # what landed before a crash looks like any other folder
        return nested.unique(found)

    def _keep_inner(self, effort: _Effort, found: list[Inner], *, kept: str) -> None:
        """Name by rescue refs what repositories inside hold; files that land as the outer one's need none."""
        known = [r.oid for r in rescue.list_rescued(self._repo, self._run_id)] if found else []
        for inner in found:
            if inner.path in effort.kept_inside:
                continue
            effort.kept_inside.add(inner.path)
            everything = self._fleeting or inner.recorded is None
            message = self._message(effort, f"work in a repository inside, {inner.shown}")
            tip = nested.work_in(self._repo, inner, everything=everything, message=message, known=known)
            stays = inner.kind in ("plain", "bare") and not self._fleeting
            held = tip is None or nested.is_held(self._repo, tip, inner.recorded, known, again=effort.again)
            self._keep(effort, [] if held else [str(tip)], kept=kept, why=_HISTORY if stays else _INSIDE)

    def _put_back_links(self, effort: _Effort, target: str, paths: Iterable[str]) -> None:
        """Have submodules and gitlinks as their outer repository records them; what they hold is kept first."""
        for path in paths:
            recorded = self._repo.line("ls-files", "--stage", "--", f":(top,literal){path}").split()
            inner = nested.at(self._repo, path)
            if inner is not None and len(recorded) > 1:
                self._keep_inner(effort, [replace(inner, kind="link", recorded=recorded[1])], kept=target)
                nested.put_back(self._repo, inner, recorded[1])

    def _aside_for(self, session: InFlight) -> Path:
        return self._aside / f"session-{session.seq:04}"

    def _branch_tip(self) -> str | None:
        return self._repo.commit_id(f"refs/heads/{self._branch}")

    def _is_own(self, effort: _Effort, commit: str) -> bool:
        return is_own(self._repo, commit, run_id=self._run_id, seq=effort.session.seq)

    # Setting aside

    def _made(self, effort: _Effort) -> list[str]:
        """Commits that HEAD or the stash went through since the session began."""
        session = effort.session
        if effort.again:
            return self._reflog.commits_since(session.base_commit, session.started_at)
        return self._reflog.commits_since_mark(session.started_at)

    def _keep(self, effort: _Effort, tips: list[str], *, kept: str, why: str | None) -> None:
        """Name by rescue refs those of `tips` that neither `kept` nor a rescue ref contains."""
        session, first = effort.session.seq, not effort.again and not effort.refs
        known = (
            [r.oid for r in rescue.list_rescued(self._repo, self._run_id, session)] if effort.again else []
        )
        if loose := rescue.outside(self._repo, tips, kept, *known):
            effort.refs = rescue.keep(self._repo, self._run_id, session, loose, why=why or "", first=first)
            effort.whys.append(why or "")

    def _set_aside(self, effort: _Effort, target: str, reason: str | None) -> Landing:
        """Rescue everything that the commit `target` does not contain, then put the tree back to `target`."""
        tips = [*self._keep_worthy(effort), *self._made(effort)]
        inner = self._inner(effort)
        dirt = self._snapshot(effort, target, reason)
        self._keep(effort, [*dirt, *tips], kept=target, why=reason)
        self._keep_inner(effort, inner, kept=target)
        for each in nested.outermost(nested.without_place(self._repo, inner, target)):
            nested.move_away(self._repo, each, self._aside_for(effort.session))
        snapshot.put_back(self._repo, self._branch, target)
        self._clear(effort, target, reason, saved=dirt)
        return self._landing(effort, target, reason)

    def _landing(self, effort: _Effort, tip: str, reason: str | None) -> Landing:
        """With nothing rescued there is no reason either: the session is as good as one that moved nothing."""
        commit = None if tip == effort.session.base_commit else tip
        return Landing(commit=commit, rescue=effort.refs, reason=reason if effort.refs else None)

    def _keep_worthy(self, effort: _Effort) -> list[str]:
        tip = self._branch_tip()
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
        effort.status = self._repo.status()
        if effort.status.new_folders:
            self._move_away_new_ones(effort, target)
            effort.status = self._repo.status()
        self._put_back_links(effort, target, effort.status.submodules)
        if not effort.status.dirty:
            return
        if not snapshot.untracked(self._repo) <= snapshot.paths(self._repo, saved):
            effort.again = True
            self._keep(effort, self._snapshot(effort, target, reason), kept=target, why=reason)
            self._repo.git("read-tree", "--reset", target)
        snapshot.clean(self._repo)

    def _move_away_new_ones(self, effort: _Effort, target: str) -> None:
        found = nested.new_ones(self._repo, effort.status)
        self._keep_inner(effort, found, kept=target)
        for inner in nested.outermost(found):
            if inner.kind == "plain":
                nested.move_away(self._repo, inner, self._aside_for(effort.session))

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
        self.whys: list[str] = []
        self.kept_inside: set[str] = set()

    def verdict(self) -> str | None:
        """Why a session that has landed is not as good as one that had to keep nothing elsewhere."""
        reasons = [why for why in self.whys if why.partition(":")[0] in list(Reason)]
        return next((why for why in reasons if why != _INSIDE), reasons[0] if reasons else None)
