"""Whether a session costs the runner the same with ten workers as with a thousand, and in how much memory (SPEC 14).

The scheduler, the connections, the runner, its log and its git are real; the workers are simulated, many to a process,
with agents that only sleep: the longer the more workers there are, so that as many sessions end in a second, one after
another from the beginning. Counted is while every worker has a session, so that as many begin as end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.figures import Figure
from bench.measure import say
from bench.parallel import BUDGET_STOP, FILES, paths_of
from bench.repositories import CHANGES_NOTHING, SHARED, grind, make_repository
from bench.workers import await_workers, started_scheduler
from pitboss import proctree
from pitboss.core.session import SessionStatus
from pitboss.store.log import iter_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.store.paths import RunPaths

FEW, MANY = 10, 1000
PROCESSES = 2
SESSIONS_A_SECOND = 25
EARLIEST, LATEST = 100, 600
"""Between which records the runner's processor time begins to count: as soon as every worker is busy."""

COUNTED = 600
"""How many records it then counts for. A crowd takes a while to begin, and counts with those that end there."""

SPARE = 50
BUSY = 0.95
"""Of the workers; some sessions have just ended at any moment."""

FLAT_LIMIT = 1.1
MOST_MB = 300.0
LOOK_S = 0.05
PATIENCE_S = 300.0


class Usage(NamedTuple):
    """What a run's processes have used so far: processor time with their children's, and the largest one's memory."""

    cpu_s: float
    peak_mb: float


def measure(scratch: Path) -> list[Figure]:
    """Runs of sessions that change nothing, on ten workers and on a thousand."""
    costs = {workers: _run(scratch / f"{workers}-workers", workers) for workers in (FEW, MANY)}
    ms = {workers: cost.cpu_s * 1000 for workers, cost in costs.items()}
    return [
        *(Figure(f"{workers} workers: processor time a session", ms[workers], "ms") for workers in ms),
        Figure(
            f"{MANY} workers / {FEW} workers: processor time a session", ms[MANY] / ms[FEW], "x", FLAT_LIMIT
        ),
        Figure(f"{FEW} workers: the runner's peak memory", costs[FEW].peak_mb, "MB"),
        Figure(
            f"{MANY} workers, all of them busy: the runner's peak memory", costs[MANY].peak_mb, "MB", MOST_MB
        ),
    ]


def _run(place: Path, workers: int) -> Usage:
    """One run; returns the processor time of one of its sessions, and the peak of its memory."""
    sessions = LATEST + COUNTED + workers + SPARE
    say(f"{sessions} sessions on {workers} simulated workers")
    repository = make_repository(place / "repository", files=FILES, agent=CHANGES_NOTHING, prompt=SHARED)
    with started_scheduler(place) as (address, start):
        share, agent_s = workers // PROCESSES, workers / SESSIONS_A_SECOND
        for first in range(0, workers, share):
            asked = map(str, (address, first, share, agent_s, SESSIONS_A_SECOND))
            start([sys.executable, "-m", "bench.simulated_workers", *asked])
        await_workers(address, workers)
        command = grind("--max-iterations", str(sessions), "--workers", address)
        run = subprocess.Popen(command, cwd=repository, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _await(run, lambda: _records(repository) >= EARLIEST)
        _await(run, lambda: _in_flight(repository) >= BUSY * workers)
        first, before = _records(repository), _used(run.pid)
        if first > LATEST:
            raise RuntimeError(f"not every worker is busy when {LATEST} sessions have ended")
        _await(run, lambda: _records(repository) >= first + COUNTED)
        last, after = _records(repository), _used(run.pid)
        code = run.wait()
    _check(paths_of(repository), sessions, code)
    return Usage((after.cpu_s - before.cpu_s) / (last - first), after.peak_mb)


def _await(run: subprocess.Popen[bytes], what: Callable[[], bool]) -> None:
    """Wait for something that the run will do. Raises RuntimeError if it ends before that, or takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        if run.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the run does not get so far")
        time.sleep(LOOK_S)


def _records(repository: Path) -> int:
    try:
        return paths_of(repository).log.read_bytes().count(b"\n")
    except (OSError, ValueError):
        return 0


def _in_flight(repository: Path) -> int:
    return len(json.loads(paths_of(repository).state.read_bytes())["in_flight"])


def _used(run: int) -> Usage:
    """What the process `run` and all below it have used."""
    ticks, peak_kb = 0, 0
    for pid in (run, *proctree.descendants(run)):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        ticks += sum(map(int, stat[11:15]))
        peak_kb = max([peak_kb, *(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), peak_kb / 1024)


def _check(paths: RunPaths, sessions: int, code: int) -> None:
    """Raise RuntimeError unless every session ran on a worker and ended well: speed alone proves nothing."""
    well = sum(
        record.status is SessionStatus.OK and record.host is not None for record in iter_records(paths.log)
    )
    if (well, code) != (sessions, BUDGET_STOP):
        raise RuntimeError(f"{well} of {sessions} sessions ended well on a worker; exit code {code}")
