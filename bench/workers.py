"""What a session costs more on a worker than at home, and how well workers keep their slots busy (SPEC 14)."""

from __future__ import annotations

import contextlib
import itertools
import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.measure import PITBOSS, say, time_child
from bench.parallel import BUDGET_STOP, FILES, WRITES_ITS_OWN, check_landed, paths_of
from bench.repositories import SHARED, grind, make_repository
from pitboss.store.log import iter_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SESSIONS = 40
SKIPPED = 5
MOST_MS = 150.0

WORKERS = 4
SLOTS = 4
BUSY_SESSIONS = 128
"""Eight for each slot: the first ones make the clones and slots, which is then no longer the most of it."""

AGENT_S = 2.0
LEAST = 0.9
START_S = 120.0


def measure(scratch: Path) -> list[Figure]:
    """Short sessions one after another, at home and on a worker; then long ones on four workers with four slots."""
    say(f"{SESSIONS} sessions, one after another, at home and on a worker")
    home = _a_session_ms(scratch / "home", "--max-parallel", "1")
    away = _a_session_ms(scratch / "away", "--workers", "local:1")
    return [
        Figure("a session in a slot at home", home, "ms"),
        Figure("a session on a worker", away, "ms"),
        Figure("a session on a worker: overhead", away - home, "ms", MOST_MS),
        *_busy(scratch),
    ]


def _a_session_ms(place: Path, *options: str) -> float:
    """The time from a session's start to its record, in the middle of a run."""
    repository = make_repository(place, files=FILES, agent=WRITES_ITS_OWN, prompt=SHARED)
    config = repository / ".pitboss" / "config.toml"
    config.write_text(config.read_text() + 'mode = "worktree"\n')
    command = grind("--max-iterations", str(SESSIONS), *options)
    time_child(command, repository, expect=BUDGET_STOP)
    check_landed(repository, SESSIONS)
    starts = [record.started_at for record in iter_records(paths_of(repository).log)][SKIPPED:]
    gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(starts)]
    return statistics.median(gaps) * 1000


def _busy(scratch: Path) -> list[Figure]:
    name = f"{WORKERS} workers, {SLOTS} slots each, agents of {AGENT_S:g} s"
    say(f"{BUSY_SESSIONS} sessions: {name}")
    agent = f"sleep {AGENT_S}\n{WRITES_ITS_OWN}"
    repository = make_repository(scratch / "busy", files=FILES, agent=agent, prompt=SHARED)
    with _cluster(scratch) as address:
        command = grind("--max-iterations", str(BUSY_SESSIONS), "--workers", address)
        sample = time_child(command, repository, expect=BUDGET_STOP)
    check_landed(repository, BUSY_SESSIONS)
    records = list(iter_records(paths_of(repository).log))
    span = max(r.ended_at for r in records) - min(r.started_at for r in records)
    ideal = BUSY_SESSIONS / (WORKERS * SLOTS) * AGENT_S
    return [
        Figure(f"{name}: ideal / measured", ideal / span.total_seconds(), "x", LEAST, True),
        Figure(f"{name}: the runner's peak memory", sample.peak_mb, "MB"),
    ]


@contextlib.contextmanager
def _cluster(scratch: Path) -> Iterator[str]:
    """A scheduler and its workers, ready; ended afterwards."""
    with started_scheduler(scratch) as (address, start):
        for nth in range(WORKERS):
            folder = str(scratch / f"worker-{nth}")
            start([PITBOSS, "worker", address, "--name", f"w{nth}", "--slots", str(SLOTS), "--dir", folder])
        await_workers(address, WORKERS)
        yield address


@contextlib.contextmanager
def started_scheduler(scratch: Path) -> Iterator[tuple[str, Callable[[list[str]], None]]]:
    """The address of a scheduler, and what starts a process beside it; all are ended afterwards."""
    file = scratch / "scheduler.json"
    scheduler = [sys.executable, "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0"]
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((scratch / "cluster.log").open("ab"))

        def start(argv: list[str]) -> None:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)

        start([*scheduler, "--no-dashboard", "--scheduler-file", str(file)])
        _await(lambda: file.exists() and file.read_text().endswith("}"))
        address: str = json.loads(file.read_text())["address"]
        yield address, start


def await_workers(address: str, number: int) -> None:
    """Wait until so many workers are there. Raises RuntimeError after a while."""
    _await(lambda: _ready(address) == number)


def _ready(address: str) -> int:
    said = subprocess.run([PITBOSS, "workers", address, "--json"], check=True, capture_output=True).stdout
    return len(json.loads(said))


def _await(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_S
    while not what():
        if time.monotonic() > deadline:
            raise RuntimeError("the workers do not get ready")
        time.sleep(0.1)
