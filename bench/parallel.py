"""What parallel sessions gain: wall time against the ideal, memory, and whether landing stays flat (SPEC 1.7, 6).

With agents that sleep, all time beyond the ideal is pitboss's and git's: start-up, slots made and removed, landing.
Bare shell loops with the same agents tell how much of it is git's. Every session changes one file, never the same as
a session running alongside.
"""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

from bench import bare_slots
from bench.figures import Figure
from bench.measure import say, time_child
from bench.repositories import SHARED, git, grind, make_repository
from pitboss.store.log import iter_records
from pitboss.store.paths import RunPaths, runs_dir

if TYPE_CHECKING:
    from pathlib import Path

    from bench.measure import Sample

BUDGET_STOP = 3
FILES = 100
SESSIONS = 64
SLOTS = (1, 2, 4, 8, 16)
LEAST = {4: 0.95, 16: 0.85}
MOST_CPU_MS = {1: 45.0, 4: 60.0, 16: 60.0}
MOST_MB = 80.0
WRITES_ITS_OWN = (
    f"nth=$(printf %06d $((PITBOSS_SESSION_SEQ % {FILES - 1})))\n"
    'echo "$PITBOSS_SESSION_SEQ $$" > "folder-0000/file-$nth.txt"\n'
)
SLEEPS = f"sleep 1\n{WRITES_ITS_OWN}"

LONG_RUN = 1000
LONG_SLOTS = 4
SKIPPED = 20
TAIL = 60
ROUNDS = 4
FLAT_LIMIT = 1.1


def measure(scratch: Path) -> list[Figure]:
    """Sessions that sleep a second, in more and more slots; then one long run against new ones."""
    figures: list[Figure] = []
    for slots in SLOTS:
        say(f"{SESSIONS} sessions of 1 s in {slots} slots")
        figures += _beside_ideal(scratch / f"slots-{slots}", slots)
        if slots in LEAST:
            figures.append(_bare(scratch / f"bare-{slots}", slots))
    return figures + _flatness(scratch)


def _beside_ideal(place: Path, slots: int) -> list[Figure]:
    repository = make_repository(place, files=FILES, agent=SLEEPS, prompt=SHARED)
    cpu = _cpu_of_children()
    sample = _grind(repository, SESSIONS, slots)
    cpu = _cpu_of_children() - cpu
    check_landed(repository, SESSIONS)
    name = f"{SESSIONS} sessions of 1 s, {slots} slots"
    return [
        Figure(name, sample.seconds, "s"),
        Figure(f"{name}: ideal / measured", SESSIONS / slots / sample.seconds, "x", LEAST.get(slots), True),
        Figure(f"{name}: CPU a session", cpu / SESSIONS * 1000, "ms", MOST_CPU_MS.get(slots)),
        Figure(f"{name}: peak memory", sample.peak_mb, "MB", MOST_MB),
    ]


def _bare(place: Path, slots: int) -> Figure:
    repository = make_repository(place, files=FILES, agent=SLEEPS)
    seconds = bare_slots.seconds(repository, SESSIONS, slots)
    return Figure(
        f"{SESSIONS} sessions of 1 s, {slots} bare loops: ideal / measured", SESSIONS / slots / seconds, "x"
    )


def _flatness(scratch: Path) -> list[Figure]:
    """Sessions past the long run's end, in turn with early sessions of new runs."""
    say(f"one run of {LONG_RUN} sessions in {LONG_SLOTS} slots")
    long = make_repository(scratch / "long", files=FILES, agent=WRITES_ITS_OWN, prompt=SHARED)
    whole = _grind(long, LONG_RUN, LONG_SLOTS)
    late: list[float] = []
    early: list[float] = []
    for turn in range(1, ROUNDS + 1):
        say(f"sessions past {LONG_RUN} against sessions past {SKIPPED}: round {turn} of {ROUNDS}")
        _grind(long, LONG_RUN + turn * (SKIPPED + TAIL), LONG_SLOTS, "--resume")
        late.append(_seconds_a_session(long))
        new = make_repository(scratch / f"new-{turn}", files=FILES, agent=WRITES_ITS_OWN, prompt=SHARED)
        _grind(new, SKIPPED + TAIL, LONG_SLOTS)
        early.append(_seconds_a_session(new))
    check_landed(long, LONG_RUN + ROUNDS * (SKIPPED + TAIL))
    name = f"{LONG_SLOTS} slots, a short session"
    return [
        Figure(f"{name}: mean of {LONG_RUN}", whole.seconds / LONG_RUN * 1000, "ms"),
        Figure(f"{name}: past {SKIPPED}", min(early) * 1000, "ms"),
        Figure(f"{name}: past {LONG_RUN}", min(late) * 1000, "ms"),
        Figure(f"{name}: past {LONG_RUN} / past {SKIPPED}", min(late) / min(early), "x", FLAT_LIMIT),
    ]


def _grind(repository: Path, sessions: int, slots: int, *options: str) -> Sample:
    command = grind(*options, "--max-iterations", str(sessions), "--max-parallel", str(slots))
    return time_child(command, repository, expect=BUDGET_STOP)


def _seconds_a_session(repository: Path) -> float:
    """The mean time between records of the run's last sessions: what one costs when they queue to land."""
    ends = sorted(record.ended_at for record in iter_records(paths_of(repository).log))[-TAIL:]
    return (ends[-1] - ends[0]).total_seconds() / (TAIL - 1)


def check_landed(repository: Path, sessions: int) -> None:
    """Raise RuntimeError unless every session has its own commit on the run branch: speed alone proves nothing."""
    landed = {record.commit for record in iter_records(paths_of(repository).log)}
    branch = f"main..pitboss/grind/{paths_of(repository).run_id}"
    on_branch = set(git(repository, "rev-list", branch).split())
    if len(landed) != sessions or landed != on_branch:
        raise RuntimeError(f"{len(landed & on_branch)} of {sessions} sessions landed in {repository}")


def paths_of(repository: Path) -> RunPaths:
    (run_id,) = [n for n in os.listdir(runs_dir(repository)) if not n.startswith(".")]  # noqa: PTH208
    return RunPaths(repository, run_id)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
