"""What sessions left on workers that came back after the sessions had their records: fetched, rescued (SPEC 14)."""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING

from pitboss.core.host import HostLost
from pitboss.core.session import Reason
from pitboss.git.packs import unpack
from pitboss.landing import rescue_refs
from pitboss.landing.git_trouble import GitFailed, Perseverance
from pitboss.workers.runner_side import WorkLeft

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from pitboss.git.packs import Parcel
    from pitboss.workers.roster import WorkerInfo
    from pitboss.workers.runner_side import RunnerSide

CLOSING_S = 10.0


class LateWork:
    """Fetches what workers say they still hold of the run, each piece in a thread of its own, once."""

    def __init__(self, home: RunnerSide, fetch: Callable[[str, WorkLeft], tuple[str, ...] | None]) -> None:
        self._home = home
        self._fetch_from = fetch
        self._lock = Lock()
        self._asked: dict[tuple[str, int, int], Thread] = {}

    def look(self, workers: Iterable[WorkerInfo], in_flight: Collection[int]) -> None:
        """Fetch what is there, but nothing of sessions `in_flight`: they see to that themselves."""
        for worker in workers:
            facts = worker.facts
            for seq, attempt in facts.remains.get(self._home.paths.run_id, ()) if facts else ():
                if seq not in in_flight:
                    self._ask(worker.name, seq, attempt)

    def close(self) -> None:
        """Wait for what is on its way, though not for long."""
        deadline = time.monotonic() + CLOSING_S
        for thread in list(self._asked.values()):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _ask(self, name: str, seq: int, attempt: int) -> None:
        key = (name, seq, attempt)
        with self._lock:
            known = self._asked.get(key)
            if known is not None and known.is_alive():
                return
            thread = self._asked[key] = Thread(target=self._fetch, args=key, daemon=True)
        thread.start()

    def _fetch(self, name: str, seq: int, attempt: int) -> None:
        home = self._home

        def take(tips: Sequence[str], beside: Parcel) -> tuple[str, ...]:
            def keep() -> tuple[str, ...]:
                unpack(home.repo, beside)
                return rescue_refs.keep(home.repo, home.paths.run_id, seq, tips, why=str(Reason.INTERRUPTED))

            return Perseverance(home.monitor, seq).attempt(keep)

        with suppress(HostLost, GitFailed):
            if refs := self._fetch_from(name, WorkLeft(seq, attempt, take)):
                home.monitor.warn(seq, f"worker {name} is back: its work is kept under {', '.join(refs)}")
