"""Fetches and rescues what sessions left on workers that came back after the sessions had their records (SPEC 14)."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from threading import Lock, Thread
from typing import TYPE_CHECKING, NamedTuple

from pitboss.core.host import HostLost
from pitboss.core.session import Reason
from pitboss.errors import PitbossError
from pitboss.git.packs import unpack
from pitboss.landing import rescue_refs
from pitboss.landing.git_trouble import GitFailed, Perseverance
from pitboss.store.log import iter_records
from pitboss.store.opening import names_in
from pitboss.store.paths import RunPaths, runs_dir
from pitboss.workers.runner_side import WorkLeft

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from pitboss.git.packs import Parcel
    from pitboss.workers.roster import WorkerInfo
    from pitboss.workers.runner_side import RunnerSide

CLOSING_S = 10.0


class _Piece(NamedTuple):
    """What a worker holds of one attempt."""

    worker: str
    run_id: str
    seq: int
    attempt: int


class LateWork:
    """Fetches what workers say they still hold of the run, each piece in a thread of its own, once.

    It does the same for earlier runs of the same working tree, most of which are never live again.
    """

    def __init__(self, home: RunnerSide, fetch: Callable[[str, WorkLeft], tuple[str, ...] | None]) -> None:
        self._home = home
        self._run_id = home.paths.run_id
        self._fetch_from = fetch
        self._lock = Lock()
        self._asked: dict[_Piece, Thread] = {}
        self._ours = {self._run_id: True}
        self._others: set[_Piece] = set()
        self.landed: set[str] = set()
        """Commits of the run that have landed, and that workers may hold none the less."""

    def look(self, workers: Iterable[WorkerInfo], in_flight: Collection[int]) -> None:
        """Fetch what workers hold, but not of sessions `in_flight`, which fetch it themselves."""
        for worker in workers:
            for run_id, left in (worker.facts.remains if worker.facts else {}).items():
                for seq, attempt in left:
                    if run_id != self._run_id or seq not in in_flight:
                        self._ask(_Piece(worker.name, run_id, seq, attempt))

    def close(self) -> None:
        """Wait a short time for pieces that are on their way."""
        deadline = time.monotonic() + CLOSING_S
        for thread in list(self._asked.values()):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _ask(self, piece: _Piece) -> None:
        with self._lock:
            if not self._may_be_ours(piece):
                return
            known = self._asked.get(piece)
            if known is not None and known.is_alive():
                return
            thread = self._asked[piece] = Thread(target=self._fetch, args=(piece,), daemon=True)
        thread.start()

    def _may_be_ours(self, piece: _Piece) -> bool:
        """Whether it belongs to a run of this working tree: a scheduler may have workers for many repositories."""
        if piece.run_id not in self._ours:
            self._ours[piece.run_id] = piece.run_id in names_in(runs_dir(self._home.paths.repo))
        return self._ours[piece.run_id] and piece not in self._others

    def _is_recorded(self, piece: _Piece) -> bool:
        """Whether the session has its record: if not, its run fetches that when it is resumed."""
        log = RunPaths(self._home.paths.repo, piece.run_id).log
        return any(record.seq == piece.seq for record in iter_records(log))

    def _fetch(self, piece: _Piece) -> None:
        with suppress(HostLost, GitFailed, PitbossError):
            if piece.run_id != self._run_id and not self._is_recorded(piece):
                with self._lock:
                    self._others.add(piece)
                return
            keep = partial(self._keep, piece)
            if refs := self._fetch_from(piece.worker, WorkLeft(piece.run_id, piece.seq, piece.attempt, keep)):
                self._say(piece, refs)

    def _keep(self, piece: _Piece, tips: Sequence[str], beside: Parcel) -> tuple[str, ...]:
        repo, due = self._home.repo, [tip for tip in tips if tip not in self.landed]

        def keep() -> tuple[str, ...]:
            unpack(repo, beside)
            why = str(Reason.INTERRUPTED)
            return rescue_refs.keep(repo, piece.run_id, piece.seq, due, why=why) if due else ()

        return Perseverance(self._home.monitor, piece.seq).attempt(keep)

    def _say(self, piece: _Piece, refs: Sequence[str]) -> None:
        back, kept = f"worker {piece.worker} is back", f"kept under {', '.join(refs)}"
        if piece.run_id == self._run_id:
            self._home.monitor.warn(piece.seq, f"{back}: its work is {kept}")
        else:
            what = f"what session {piece.seq} of {piece.run_id} did"
            self._home.monitor.warn(None, f"{back}: {what} is {kept}")
