"""Whether a session costs the runner the same with ten workers as with a thousand, and in how much memory (SPEC 14).

The scheduler, the connections, the runner, its log and its git are real; the workers are simulated, many to a process,
with agents that only sleep: the longer the more workers there are, so that as many sessions end in a second, one after
another from the beginning. Both runs are counted side by side, so that a slow moment of the machine, and what the
simulated workers leave of its caches, affects both; and while every worker has a session, so that as many begin as end.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.figures import Figure
from bench.measure import PITBOSS, say
from bench.parallel import FILES, paths_of
from bench.repositories import CHANGES_NOTHING, SHARED, grind, make_repository
from bench.workers import await_workers, started_scheduler
from pitboss import proctree
from pitboss.core.session import SessionStatus
from pitboss.store.log import iter_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FEW, MANY = 10, 1000
PROCESSES = 2
SESSIONS_A_SECOND = 25
WARM = 100
"""Records of a run before it is counted."""

BUSY = 0.98
"""Of the workers; some sessions have just ended at any moment."""

STILL_BUSY = 0.95
"""Of the workers, at the end: by chance a few more of them may just have ended."""

COUNTED_S = 60.0
ALIKE = 0.1
"""By how much the numbers of sessions in that time may differ: some costs are a second's, not a session's."""

NO_END = 1_000_000
"""More sessions than a run gets to: it is stopped."""

STOPPED = 0
"""The exit code of a run that was stopped in good order."""

FLAT_LIMIT = 1.1
MOST_MB = 300.0
LOOK_S = 0.05
PATIENCE_S = 300.0


class Usage(NamedTuple):
    """What a run's processes have used so far: processor time with their children's, and the largest one's memory."""

    cpu_s: float
    peak_mb: float


class Run:
    """A run of sessions that change nothing, on so many simulated `workers`."""

    def __init__(self, place: Path, address: str, workers: int) -> None:
        self.workers = workers
        self._repository = make_repository(place, files=FILES, agent=CHANGES_NOTHING, prompt=SHARED)
        command = grind("--max-iterations", str(NO_END), "--workers", address)
        null = subprocess.DEVNULL
        self._process = subprocess.Popen(command, cwd=self._repository, stdout=null, stderr=null)

    def await_busy(self) -> None:
        """Wait until every worker has a session. Raises RuntimeError if the run ends before that or takes too long."""
        self._await(lambda: self.records() >= WARM)
        self._await(lambda: self._in_flight() >= BUSY * self.workers)

    def check_busy(self) -> None:
        """Raise RuntimeError unless all but a few workers have a session."""
        if (busy := self._in_flight()) < STILL_BUSY * self.workers:
            raise RuntimeError(f"only {busy} of {self.workers} workers are busy")

    def records(self) -> int:
        """How many sessions have a record."""
        try:
            return paths_of(self._repository).log.read_bytes().count(b"\n")
        except (OSError, ValueError):
            return 0

    def used(self) -> Usage:
        """What the run has used so far."""
        ticks, peak_kb = 0, 0
        for pid in (self._process.pid, *proctree.descendants(self._process.pid)):
            try:
                stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            ticks += sum(map(int, stat[11:15]))
            peak_kb = max(
                [peak_kb, *(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)]
            )
        return Usage(ticks / os.sysconf("SC_CLK_TCK"), peak_kb / 1024)

    def close(self) -> None:
        """End the run at once, if it has not ended."""
        self._process.terminate()
        self._process.wait(PATIENCE_S)

    def stop(self) -> None:
        """Ask the run to end, once the sessions in flight have."""
        subprocess.run([PITBOSS, "stop"], cwd=self._repository, check=True, capture_output=True)

    def check(self) -> None:
        """Raise RuntimeError unless every session ran on a worker and ended well: speed alone proves nothing."""
        code = self._process.wait(PATIENCE_S)
        ended = [
            record.status is SessionStatus.OK and record.host is not None
            for record in iter_records(paths_of(self._repository).log)
        ]
        if (sum(ended), code) != (len(ended), STOPPED):
            raise RuntimeError(
                f"{sum(ended)} of {len(ended)} sessions ended well on a worker; exit code {code}"
            )

    def _in_flight(self) -> int:
        return len(json.loads(paths_of(self._repository).state.read_bytes())["in_flight"])

    def _await(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not what():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the run does not get so far")
            time.sleep(LOOK_S)


def measure(scratch: Path) -> list[Figure]:
    """Runs of sessions that change nothing, on ten workers and on a thousand."""
    with contextlib.ExitStack() as stack:
        addresses = {workers: stack.enter_context(_simulated(scratch, workers)) for workers in (FEW, MANY)}
        many, few = runs = [
            stack.enter_context(contextlib.closing(Run(scratch / f"{workers}", addresses[workers], workers)))
            for workers in (MANY, FEW)
        ]
        many.await_busy()
        few.await_busy()
        say(f"{COUNTED_S:g} s of sessions, on {FEW} and on {MANY} simulated workers")
        before = {run.workers: (run.records(), run.used()) for run in runs}
        time.sleep(COUNTED_S)
        after = {run.workers: (run.records(), run.used()) for run in runs}
        many.check_busy()
        for run in runs:
            run.stop()
        for run in runs:
            run.check()
    sessions = {workers: after[workers][0] - before[workers][0] for workers in (FEW, MANY)}
    if abs(sessions[MANY] - sessions[FEW]) > ALIKE * sessions[MANY]:
        raise RuntimeError(f"the runs had {sessions[FEW]} and {sessions[MANY]} sessions in the same time")
    ms = {workers: _ms_a_session(before[workers], after[workers]) for workers in (FEW, MANY)}
    peak_mb = {workers: after[workers][1].peak_mb for workers in (FEW, MANY)}
    return [
        *(
            Figure(f"{workers} workers: sessions a second", each / COUNTED_S, "")
            for workers, each in sessions.items()
        ),
        *(Figure(f"{workers} workers: processor time a session", ms[workers], "ms") for workers in ms),
        Figure(
            f"{MANY} workers / {FEW} workers: processor time a session", ms[MANY] / ms[FEW], "x", FLAT_LIMIT
        ),
        Figure(f"{FEW} workers: the runner's peak memory", peak_mb[FEW], "MB"),
        Figure(f"{MANY} workers, all of them busy: the runner's peak memory", peak_mb[MANY], "MB", MOST_MB),
    ]


def _ms_a_session(before: tuple[int, Usage], after: tuple[int, Usage]) -> float:
    return (after[1].cpu_s - before[1].cpu_s) * 1000 / (after[0] - before[0])


@contextlib.contextmanager
def _simulated(scratch: Path, workers: int) -> Iterator[str]:
    """The address of a scheduler that has so many simulated workers."""
    place = scratch / f"{workers}-workers"
    place.mkdir()
    with started_scheduler(place) as (address, start):
        share, agent_s = workers // PROCESSES, workers / SESSIONS_A_SECOND
        for first in range(0, workers, share):
            asked = map(str, (address, first, share, agent_s, SESSIONS_A_SECOND))
            start([sys.executable, "-m", "bench.simulated_workers", *asked])
        await_workers(address, workers)
        yield address
