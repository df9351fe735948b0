"""What a dead run's sessions left in git: landings, unrescued work, working copies, branches (SPEC 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.chooser import Choice
from pitboss.core.choosers.rotation import dispatched_scheduler
from pitboss.core.recovery import repairs
from pitboss.core.session import NO_SUMMARY, Landing, Reason, SessionRecord, SessionStatus, transcript_name
from pitboss.landing.landed import landed_sessions
from pitboss.landing.lease_refs import drop_leftovers
from pitboss.landing.rescue_refs import list_rescued, why_kept
from pitboss.landing.worktrees import Settled, remove_session_branch, remove_worktree
from pitboss.store.claims import claims_of
from pitboss.store.log import iter_records
from pitboss.store.taking import taken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from pitboss.core.chooser import Chooser
    from pitboss.core.recovery.repairs import Repair
    from pitboss.engine.journal import Journal
    from pitboss.engine.ports import Places
    from pitboss.git.repo import Repo
    from pitboss.landing.landed import LandedCommit


class GitRemains:
    """Finds and clears what sessions left in the run's repository (`engine.recovery.Remains`)."""

    def __init__(
        self,
        repo: Repo,
        places: Places,
        journal: Journal,
        chooser: Chooser,
        now: Callable[[], datetime],
    ) -> None:
        self._repo = repo
        self._places = places
        self._journal = journal
        self._chooser = chooser
        self._now = now
        self._settled: Settled | None = None

    def expect(self, plan: Sequence[Repair]) -> None:
        """Work out which sessions will have their record once `plan` is done, and where their working copies began.

        If state.json or a record was lost, there is no telling whether a working copy holds unrecorded work.
        """
        lost = any(isinstance(repair, repairs.RebuildState | repairs.RestoreRecord) for repair in plan)
        bases = tuple(session.assignment.base_commit for session in self._journal.state.in_flight)
        last_seq = self._journal.next_seq() - 1
        self._settled = None if lost else Settled(last_seq=last_seq, commits=bases)

    def landing(self, seq: int) -> Landing:
        """Where the session's work landed: a commit with its trailers, perhaps rescue refs too."""
        commit = self._landed(self._journal.assignment(seq).base_commit)[seq].commit
        refs = self._rescued(seq)
        return Landing(commit=commit, rescue=refs, reason=why_kept(self._repo, refs[0]) if refs else None)

    def lost_record(self, seq: int) -> SessionRecord:
        """A record for a session whose own is lost: from its commit if it landed, else aborted; cost unknown."""
        run = self._journal.state
        landed = self._landed(run.base_commit).get(seq)
        prompt, rotation, queued = self._queued(seq) or self._picked()
        at = landed.committed_at if landed else self._now()
        return SessionRecord(
            seq=seq,
            run_id=run.run_id,
            prompt=landed.prompt if landed else prompt,
            started_at=at,
            ended_at=at,
            status=SessionStatus.OK if landed else SessionStatus.ABORTED,
            reason=None if landed else Reason.INTERRUPTED.because("its record was lost"),
            summary=NO_SUMMARY,
            commit=landed.commit if landed else None,
            transcript_path=transcript_name(seq),
            rotation=rotation,
            queued=queued,
            cost_known=False,
            rescue=self._rescued(seq),
        )

    def retry_rescue(self, seq: int, *, elsewhere: bool) -> None:
        """Retry rescuing the work a recorded session left in its tree; `elsewhere`: the tree is now another's."""
        self._places.retry_rescue(seq, elsewhere=elsewhere)

    def remove_worktree(self, path: str) -> None:
        """Remove a working copy; what it still holds is rescued first."""
        remove_worktree(self._repo, self._journal.state.run_id, path, settled=self._settled)

    def remove_branch(self, name: str) -> None:
        """Delete a session's branch; what is on no other branch is rescued first."""
        remove_session_branch(self._repo, self._journal.state.run_id, name, settled=self._settled)

    def remove_lease(self, seq: int) -> None:
        """Delete a session's lease and what its worker pushed; what did not land is rescued first."""
        paths = self._journal.rundir.paths
        has_landed = any(record.commit for record in iter_records(paths.log) if record.seq == seq)
        drop_leftovers(self._repo, paths.run_id, seq, has_landed=has_landed)

    def _landed(self, since: str | None) -> Mapping[int, LandedCommit]:
        run = self._journal.state
        tip = self._repo.commit_id(f"refs/heads/{run.branch}")
        return landed_sessions(self._repo, run.run_id, tip, since)

    def _rescued(self, seq: int) -> tuple[str, ...]:
        run_id = self._journal.state.run_id
        return tuple(rescued.ref for rescued in list_rescued(self._repo, run_id, seq))

    def _picked(self) -> tuple[str, int, str | None]:
        """The prompt and rotation to assume for a lost session; never assumes a second turn or a task."""
        state = msgspec.structs.replace(self._journal.state, conflicts=(), queue=())
        choice = self._chooser.next(state, ())
        if isinstance(choice, Choice):
            return choice.prompt, choice.rotation, None
        return "unknown", dispatched_scheduler(state).rotation + 1, None

    def _queued(self, seq: int) -> tuple[str, int, str] | None:
        """The name of the task that a lost session took from the queue, the rotation, and the task's id."""
        paths = self._journal.rundir.paths
        task_id = claims_of(paths.repo, paths.run_id).get(seq)
        doc = None if task_id is None else taken(paths, task_id)
        if task_id is None or doc is None:
            return None
        return doc.meta.name, dispatched_scheduler(self._journal.state).rotation, task_id
