"""What a session costs compared with a bare loop that starts the same agent and commits (SPEC 1.7).

The bare loop is the least that anyone would write: start the agent, `git add -A`, `git commit`. Each works on its own
repository, in turn; a session's time is from its record's `started_at` to the next one's.
"""

from __future__ import annotations

import os
import subprocess
import time
from itertools import pairwise
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.measure import median, say, time_child
from bench.repositories import CHANGES_A_FILE, CHANGES_NOTHING, grind, make_repository
from pitboss.store.log import iter_records
from pitboss.store.paths import RunPaths, runs_dir

if TYPE_CHECKING:
    from pathlib import Path

BUDGET_STOP = 3
LIMITS = {100: 1.25, 20_000: 1.25}
SHAPES = ((100, 6, 25), (20_000, 4, 12))
LONG_RUN = 10_000
EARLY = 10
TAIL = 40
FLAT_ROUNDS = 6
FLAT_LIMIT = 1.1


def measure(scratch: Path) -> list[Figure]:
    """Sessions against the bare loop, with and without a change, on a small and a large repository."""
    figures: list[Figure] = []
    for files, rounds, sessions in SHAPES:
        for what, agent in (("change", CHANGES_A_FILE), ("no change", CHANGES_NOTHING)):
            say(f"a session, {files} files, {what}: {rounds} rounds of {sessions}")
            name = f"session, {files} files, {what}"
            figures += _beside_bare_loop(scratch / name.replace(" ", "-"), files, agent, rounds, sessions)
    return figures


def measure_flatness(scratch: Path, sessions: int = LONG_RUN) -> list[Figure]:
    """One real run of many sessions; then its next sessions, in turn with the 10th and later ones of new runs."""
    say(f"one run of {sessions} sessions")
    long = make_repository(scratch / "long", files=100, agent=CHANGES_A_FILE)
    whole = time_child(grind("--max-iterations", str(sessions)), long, expect=BUDGET_STOP)
    late: list[float] = []
    early: list[float] = []
    peaks: list[float] = []
    for turn in range(1, FLAT_ROUNDS + 1):
        say(f"sessions past {sessions} against sessions past {EARLY}: round {turn} of {FLAT_ROUNDS}")
        end = sessions + turn * TAIL
        time_child(grind("--resume", "--max-iterations", str(end)), long, expect=BUDGET_STOP)
        late += session_seconds(long)[-TAIL + 1 :]
        new = make_repository(scratch / f"new-{turn}", files=100, agent=CHANGES_A_FILE)
        sample = time_child(grind("--max-iterations", str(EARLY + TAIL)), new, expect=BUDGET_STOP)
        peaks.append(sample.peak_mb)
        early += session_seconds(new)[-TAIL + 1 :]
    return [
        Figure(f"session {EARLY}", median(early) * 1000, "ms"),
        Figure(f"session {sessions}", median(late) * 1000, "ms"),
        Figure(f"session {sessions} / session {EARLY}", median(late) / median(early), "x", FLAT_LIMIT),
        Figure(f"a session of the run of {sessions}, mean", whole.seconds / sessions * 1000, "ms"),
        Figure(f"peak memory, run of {EARLY + TAIL}", max(peaks), "MB"),
        Figure(f"peak memory, run of {sessions}", whole.peak_mb, "MB"),
    ]


def _beside_bare_loop(scratch: Path, files: int, agent: str, rounds: int, sessions: int) -> list[Figure]:
    bare_repo = make_repository(scratch / "bare", files=files, agent=agent)
    repo = make_repository(scratch / "pitboss", files=files, agent=agent)
    bare: list[float] = []
    ours: list[float] = []
    _bare_session(bare_repo)
    for turn in range(1, rounds + 1):
        bare += [_bare_session(bare_repo) for _ in range(sessions)]
        resume = () if turn == 1 else ("--resume",)
        time_child(grind(*resume, "--max-iterations", str(turn * sessions)), repo, expect=BUDGET_STOP)
        ours += session_seconds(repo)[-sessions + 1 :]
    name = f"session, {files} files, {'change' if agent == CHANGES_A_FILE else 'no change'}"
    return [
        Figure(f"{name}: bare loop", median(bare) * 1000, "ms"),
        Figure(f"{name}: pitboss", median(ours) * 1000, "ms"),
        Figure(f"{name}: pitboss / bare loop", median(ours) / median(bare), "x", LIMITS[files]),
    ]


def _bare_session(repository: Path) -> float:
    started = time.perf_counter()
    quiet = {"cwd": repository, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    subprocess.run(["/bin/sh", ".pitboss/agent"], check=True, **quiet)  # type: ignore[call-overload]
    subprocess.run(["git", "add", "-A"], check=True, **quiet)  # type: ignore[call-overload]
    author = ["-c", "user.name=bench", "-c", "user.email=bench@local"]
    subprocess.run(["git", *author, "commit", "-qm", "work"], check=False, **quiet)  # type: ignore[call-overload]
    return time.perf_counter() - started


def session_seconds(repository: Path) -> list[float]:
    """Seconds between the starts of consecutive sessions of the repository's one run."""
    (run_id,) = [n for n in os.listdir(runs_dir(repository)) if not n.startswith(".")]  # noqa: PTH208
    starts = [record.started_at for record in iter_records(RunPaths(repository, run_id).log)]
    return [(later - earlier).total_seconds() for earlier, later in pairwise(starts)]
