"""Moves commits between the runner and its workers: by the remote if there is one, else beside calls (SPEC 14)."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from pitboss.landing.git_trouble import Perseverance
from pitboss.landing.lease_refs import drop_leftovers, keep_result
from pitboss.store.log import iter_records
from pitboss.workers import messages as say
from pitboss.workers.depot import Depot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pitboss.git.packs import Parcel
    from pitboss.landing.refs import ResultName
    from pitboss.workers.line import WorkerLine
    from pitboss.workers.runner_side import RunnerSide

A = TypeVar("A", say.Ready, say.CaughtUp)


class Carriage:
    """The runner's side; sessions' threads call everything but `close`."""

    def __init__(self, home: RunnerSide) -> None:
        settings = home.config.workers
        self._home = home
        self._run_id = home.paths.run_id
        self._depot = None
        if settings.remote is not None:
            self._depot = Depot(home.repo, settings.remote, self._run_id, quiet_s=settings.lost_after_s)
        self._lock = Lock()
        self._warned: set[str | None] = set()
        self._there: dict[int, set[str]] = {}

    def ask(
        self,
        line: WorkerLine,
        call: say.Prepare | say.CatchUp,
        answer: type[A],
        commit: str,
        packed: Callable[[], Parcel],
    ) -> A:
        """Make a call for which the worker needs `commit`, which is in what `packed` returns.

        Raises what `line.ask` and `packed` raise.
        """
        if self._depot is not None:
            ref = self._depot.offer(commit, lambda: self._home.branch.tip)
            if ref is None:
                self._do_without(None, self._depot.trouble)
            else:
                said, _ = line.ask(replace(call, fetch=ref), answer)
                if said.lacks is None:
                    return said
                self._do_without(line.name, said.lacks)
        return line.ask(call, answer, packed())[0]

    def collect(self, line: WorkerLine, seq: int, done: say.Committed, beside: Parcel) -> Parcel:
        """The part of a worker's commits that is still to be unpacked; it is `beside`, or on the remote.

        Raises what `line.ask` raises.
        """
        if self._depot is None:
            return beside
        if done.trouble is not None:
            self._do_without(line.name, done.trouble)
        if not done.pushed:
            return beside
        self._note(seq, done.pushed)
        commits = (*filter(None, [done.landing.commit]), *done.rescued)
        if self._depot.collect(done.pushed, commits):
            return beside
        self._do_without(None, self._depot.trouble)
        return line.ask(say.Send(commits=commits), say.Sent)[1]

    def mirror(self, seq: int | None = None) -> tuple[int, ...]:
        """Fetch what a session of a lost worker, or any of the run, left on the remote, and keep it as results.

        Returns the sessions. Raises GitFailed.
        """
        found = {} if self._depot is None else self._depot.find(seq)
        for ref, (name, oid) in found.items():
            self._attempt(name.seq, partial(self._keep, name, oid))
            self._note(name.seq, [ref])
        return tuple(sorted({name.seq for name, _ in found.values()}))

    def _keep(self, name: ResultName, oid: str) -> None:
        repo = self._home.repo
        if keep_result(repo, self._run_id, name.seq, name.attempt, oid, partial=name.partial) is None:
            keep_result(repo, self._run_id, name.seq, name.attempt, oid, partial=True)

    def forget(self, seq: int) -> None:
        """The session has its record, and its work is safe here: the remote no longer needs it."""
        with self._lock:
            refs = self._there.pop(seq, set())
        if self._depot is not None and refs:
            self._depot.forget(refs)

    def close(self) -> None:
        """The run is over: keep what is still on the remote of sessions with a record, then delete it there."""
        if self._depot is None:
            return
        self._depot.flush()
        records = {record.seq: record for record in iter_records(self._home.paths.log)}
        for seq in self.mirror():
            if (record := records.get(seq)) is not None:
                self._attempt(seq, partial(self._settle, seq, has_landed=record.commit is not None))
        self._depot.close()

    def _settle(self, seq: int, *, has_landed: bool) -> None:
        drop_leftovers(self._home.repo, self._run_id, seq, has_landed=has_landed)
        self.forget(seq)

    def _attempt(self, seq: int, work: Callable[[], None]) -> None:
        Perseverance(self._home.monitor, seq).attempt(work)

    def _note(self, seq: int, refs: Iterable[str]) -> None:
        with self._lock:
            self._there.setdefault(seq, set()).update(refs)

    def _do_without(self, worker: str | None, why: str | None) -> None:
        """Warn, the first time, that the remote is of no use to a worker, or from here."""
        with self._lock:
            if worker in self._warned:
                return
            self._warned.add(worker)
        who = "from here" if worker is None else f"by worker {worker}"
        self._home.monitor.warn(
            None, f"[workers] remote cannot be used {who}, so commits travel through the connection: {why}"
        )
