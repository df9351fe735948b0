"""A worker's end of one session: carries out the runner's calls until the session is released or lost (SPEC 14)."""

from __future__ import annotations

from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

from pitboss import proctree
from pitboss.core.environment import RUN_ID, SESSION_SEQ
from pitboss.core.redact import Secrets
from pitboss.core.session import Landing
from pitboss.core.stops import StopLevel, StopRequest
from pitboss.errors import PitbossError, StorageError
from pitboss.git.errors import GitError, Kind, NotARepository, RepositoryGone, kind
from pitboss.git.packs import Parcel, extend_boundary, pack, unpack
from pitboss.hosts.surroundings import Surroundings
from pitboss.hosts.this_machine import HOOKS, OnlyThisMachine
from pitboss.landing.fenced_git import FencedGit
from pitboss.landing.git_trouble import GitFailed, Perseverance
from pitboss.workers import messages as say
from pitboss.workers.outgoing import Outgoing
from pitboss.workers.wire import Closed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pitboss.core.agent import AgentEvent, AgentOrder
    from pitboss.core.config import Config
    from pitboss.core.session import Assignment
    from pitboss.workers.run_here import RunHere
    from pitboss.workers.wire import Wire

POLL_S = 1.0
GRACE_S = 2.0
"""Seconds between TERM and KILL for the processes of a lost session: none may be left five seconds later."""
NOTHING = Parcel()


class Attending:
    """One session on this worker, from `Begin` on; used by a thread of its own."""

    def __init__(
        self,
        begin: say.Begin,
        run: RunHere,
        wire: Wire[say.FromRunner],
        environ: Mapping[str, str],
        leaving: Callable[[], StopLevel],
    ) -> None:
        session = begin.assignment
        self._begin = begin
        self._session = session
        self._seq = session.seq
        self._run = run
        self._wire = wire
        self._leaving = leaving
        self._place = run.place(session)
        self._host = _host_of(run, environ, begin.config).of(session)
        self._try = Perseverance(run.monitor, session.seq).attempt
        self._files = Outgoing(wire, run.paths, session.seq, Secrets.of(environ))
        self._halted: StopRequest | None = None
        self._lost = False
        self._sent: str | None = None
        """The commit in which all of the session's work went home; None if it did not, or there is more by now."""
        self._calls = 0
        self.rescued: list[str] = []
        """The rescued commits that its answers named."""
        self.is_released = False
        self.found_damage = False
        """Whether git could not read the clone, before anything of the session was there."""

    @property
    def delivered(self) -> list[str]:
        """The commits that are at home: those that it rescued, and the one with all of its work, if that went there."""
        return [*self.rescued, *filter(None, [self._sent])]

    def serve(self) -> None:
        """Answer one call after another until the session is released, or the runner is gone: raises Closed."""
        while not (self.is_released or self._lost or self._leaving()):
            call, parcel = self._wire.take(POLL_S) or (None, NOTHING)
            if isinstance(call, say.Call):
                self._calls += 1
                self._halted = None
                self._answer(call, parcel)

    def _answer(self, call: say.Call, parcel: Parcel) -> None:
        gives_up = False
        answer: say.Message
        beside = NOTHING
        try:
            answer, beside = self._do(call, parcel)
        except GitFailed as failed:
            self.found_damage = gives_up = isinstance(call, say.Prepare) and self._is_damage(failed)
            answer = say.Failed(kind="storage" if gives_up else "git", text=str(failed))
        except StorageError as error:
            gives_up = True  # such as a full disk: another worker may have room
            answer = say.Failed(kind="storage", text=error.message, hint=error.hint)
        except PitbossError as error:
            answer = say.Failed(kind="start", text=error.message, hint=error.hint)
        finally:
            parcel.close()
        if self._lost:
            return  # a call that was cut short has no result; without an answer the runner counts the session as lost
        self._wire.put(answer, beside)
        self._lost = gives_up
        if self.is_released:
            self._wire.close()

    def _is_damage(self, failed: GitFailed) -> bool:
        """Whether it is the clone that made git fail, and the next session gets a new one."""
        why = failed.__cause__
        damaged = isinstance(why, (NotARepository, RepositoryGone)) or (
            isinstance(why, GitError) and (why.objects_are_broken or kind(why) is Kind.GONE)
        )
        return damaged and self._run.suspect()

    def _do(self, call: say.Call, parcel: Parcel) -> tuple[say.Message, Parcel]:
        match call:
            case say.Prepare():
                return self._prepare(call, parcel), NOTHING
            case say.CatchUp():
                return self._catch_up(call, parcel), NOTHING
            case say.CommitWork() | say.Send() | say.Rescue():
                return self._hand_over(call)
            case say.RunAgent() | say.RunHook() | say.FindTests() | say.RunTests():
                return self._run_on_host(call), NOTHING
            case say.Provision() | say.Provisioned() | say.Release():
                return self._see_to_place(call), NOTHING

    def _hand_over(self, call: say.CommitWork | say.Send | say.Rescue) -> tuple[say.Message, Parcel]:
        match call:
            case say.CommitWork(message=message):
                with self._run.cut_short(self._why_end):  # git may run hooks of the user's that hang
                    self._try(lambda: self._place.commit(message))
                return self._committed()
            case say.Send(commits=commits):
                return say.Sent(), self._packed(commits)
            case say.Rescue():
                return self._rescue()

    def _run_on_host(self, call: say.RunAgent | say.RunHook | say.FindTests | say.RunTests) -> say.Message:
        match call:
            case say.RunAgent(order=order):
                return self._run_agent(order)
            case say.RunHook(hook=hook):
                result = self._host.run_hook(hook, stop=partial(self._look, HOOKS))
                self._files.finish(HOOKS)
                return say.HookEnded(result=result)
            case say.FindTests():
                return say.TestsFound(tests=self._host.find_tests(None))
            case say.RunTests(tests=tests, kind=kind):
                tested = self._host.run_tests(tests, kind, stop=partial(self._look, kind))
                self._files.finish(kind)
                return say.Tested(result=tested)

    def _see_to_place(self, call: say.Provision | say.Provisioned | say.Release) -> say.Message:
        match call:
            case say.Provision():
                return say.Provisioning(
                    warnings=tuple(self._try(self._place.provision)), lacks=self._run.lacking()
                )
            case say.Provisioned():
                self._try(self._place.provisioned)
            case say.Release():
                self.release()
        return say.Done()

    # Calls

    def _prepare(self, call: say.Prepare, parcel: Parcel) -> say.Ready:
        repo, base = self._run.repo, self._session.base_commit

        def make() -> bool:
            extend_boundary(repo, call.boundary)
            if parcel:
                unpack(repo, parcel)
            self._run.know(base, is_new=bool(parcel or call.fetch))
            return self._place.prepare()

        lacks = self._fetched(call.fetch, base)
        return say.Ready(ready=False, lacks=lacks) if lacks else say.Ready(ready=self._try(make))

    def _fetched(self, ref: str | None, commit: str) -> str | None:
        """Fetch a commit from the remote if it is there; returns why that failed."""
        depot = self._run.depot
        if ref is None or (depot is not None and depot.bring(ref, commit)):
            return None
        return (None if depot is None else depot.trouble) or f"it does not have {commit}"

    def _run_agent(self, order: AgentOrder) -> say.AgentEnded:
        def started(pid: int, at: int | None) -> None:
            self._wire.put(say.AgentStarted(pid=pid, pid_started=at))

        def stepped(event: AgentEvent) -> None:
            self._wire.put_in_turn(say.Stepped(event=event))
            self._files.look(order.kind)  # an agent that is being ended is no longer asked about

        try:
            outcome = self._host.run_agent(
                order, on_start=started, on_event=stepped, stop=partial(self._look, order.kind)
            )
        finally:
            self._files.finish(order.kind)
        self._files.written(order.kind)
        return say.AgentEnded(outcome=outcome)

    def _look(self, kind: str) -> StopRequest | None:
        """Whether the running process must end; its files go home on the way."""
        self._files.look(kind)
        return self._why_end()

    def _why_end(self) -> StopRequest | None:
        """Why what this call runs must end: the runner wants that or is gone, or this worker leaves."""
        if self._halted is None:
            try:
                asked = self._wire.take(0)
            except Closed:
                self._lose()
            else:
                if asked is not None and isinstance(asked[0], say.Halt) and asked[0].nth == self._calls:
                    self._halted = asked[0].why
        if (level := self._leaving()) is not StopLevel.NONE and not self._lost:
            self._lose(politely=level is not StopLevel.ABORT)
        return self._halted

    def _lose(self, *, politely: bool = False) -> None:
        """The runner no longer waits for an answer: end the running process."""
        self._lost = True
        self._halted = StopRequest.ABORT
        if not politely:
            ending = partial(end_session, self._begin.run_id, self._session.seq)
            Thread(target=ending, daemon=True).start()

    def _committed(self) -> tuple[say.Committed, Parcel]:
        landing = self._place.ahead or Landing()
        rescued = self._named(landing.rescue)
        tips = [*filter(None, [landing.commit]), *rescued]
        depot = self._run.depot if tips else None
        pushed = () if depot is None else depot.leave(self._seq, self._begin.attempt, landing.commit, rescued)
        self._sent = self._place.committed()
        answer = say.Committed(
            landing=landing,
            whole=self._sent is not None,
            rescued=rescued,
            diff=self._place.diff(),
            pushed=pushed,
            trouble=None if depot is None or pushed else depot.trouble,
        )
        return answer, NOTHING if pushed else self._packed(tips)

    def _packed(self, tips: Sequence[str]) -> Parcel:
        return pack(self._run.repo, tips, [self._session.base_commit]) if tips else NOTHING

    def _catch_up(self, call: say.CatchUp, parcel: Parcel) -> say.CaughtUp:
        self._sent = None

        def merge() -> bool:
            if parcel:
                unpack(self._run.repo, parcel)
            self._run.know(call.tip, is_new=True)
            self._place.branch.moved_to(call.tip)
            return self._place.catch_up(call.message)

        lacks = self._fetched(call.fetch, call.tip)
        return say.CaughtUp(merged=False, lacks=lacks) if lacks else say.CaughtUp(merged=self._try(merge))

    def _rescue(self) -> tuple[say.Kept, Parcel]:
        self._sent = None
        landing = self._try(self._place.rescue)
        tips = self._named(landing.rescue)
        return say.Kept(landing=landing, tips=tips), self._packed(tips)

    def _named(self, refs: tuple[str, ...]) -> tuple[str, ...]:
        oids = tuple(oid for ref in refs if (oid := self._run.repo.commit_id(ref)))
        self.rescued += oids
        return oids

    # The end

    def release(self) -> None:
        """Free the slot: all of the session's work is safe elsewhere, or in the refs of this clone."""
        if self._sent is not None:
            self._place.vacate(self._sent)
        self._try(self._place.release)
        self.is_released = True

    def keep_remains(self) -> tuple[str, ...]:
        """The runner is gone: keep the session's work here, and free its slot. Raises GitFailed."""
        self._sent = None
        self._try(self._place.rescue)
        tips = self._run.rescued(self._seq)
        self.release()
        return tips


def end_session(run_id: str, seq: int) -> None:
    """End all processes of a session, also of one that an earlier process of this worker began."""
    marks = {RUN_ID: run_id, SESSION_SEQ: str(seq)}
    # By this machine's clock: the one of the runner's machine may be an hour off.
    proctree.end_tree(proctree.carrying(marks, since=0), grace_s=GRACE_S)


def _host_of(run: RunHere, environ: Mapping[str, str], config: Config) -> OnlyThisMachine:
    """This machine, for the sessions of a run in a clone."""

    def tree(session: Assignment) -> str:
        return str(run.paths.working_copy(session.worktree or "worktrees/none"))

    surroundings = Surroundings(
        run.paths, environ, tree, fenced=config.sandbox.is_fenced, private=run.private
    )
    return OnlyThisMachine(surroundings, config, FencedGit(run.repo, run.paths).of)
