"""How long a run with a long log takes to resume, and how much memory that needs (SPEC 1.7, 7)."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from bench.figures import Figure
from bench.measure import PYTHON, interleave, median, say, time_child
from bench.repositories import CHANGES_NOTHING, git, grind, make_repository
from pitboss.core.run import RunState, build_state, fold
from pitboss.core.session import SessionRecord, SessionStatus, TokenUsage, transcript_name
from pitboss.core.stops import RunStatus
from pitboss.core.usage import RoleTokens
from pitboss.store.paths import RunPaths
from pitboss.store.record_codec import encode_record
from pitboss.store.rundir import RunDir
from pitboss.store.state_codec import encode_state

if TYPE_CHECKING:
    from pathlib import Path

BUDGET_STOP = 3
RUN_ID = "20260101T000000Z-beef"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SHORT = 10
SHORT_LIMIT = 6.0
SHORT_ROUNDS = 21
SIZES = ((100_000, 7, 1.0), (1_000_000, 3, 6.0))
MOST_MB = 100.0


def measure(scratch: Path) -> list[Figure]:
    """Resume runs of many records with no budget left, so that only the resume is measured."""
    figures = [_short(scratch)]
    for records, rounds, seconds in SIZES:
        say(f"resume with {records} records: {rounds} rounds")
        repository = make_repository(scratch / f"resume-{records}", files=100, agent=CHANGES_NOTHING)
        write_run(repository, records)
        command = grind("--resume", "--max-iterations", str(records))
        samples = [time_child(command, repository, expect=BUDGET_STOP) for _ in range(rounds)]
        figures += [
            Figure(f"resume, {records} records", median([s.seconds for s in samples]), "s", seconds),
            Figure(f"resume, {records} records: peak memory", max(s.peak_mb for s in samples), "MB", MOST_MB),
        ]
    return figures


def _short(scratch: Path) -> Figure:
    """A short run's time as a multiple of one `git status` plus a Python that does nothing."""
    repository = make_repository(scratch / "resume-short", files=100, agent=CHANGES_NOTHING)
    write_run(repository, SHORT)
    commands = {
        "resume": (grind("--resume", "--max-iterations", str(SHORT)), BUDGET_STOP),
        "status": (["git", "status"], 0),
        "pass": ([PYTHON, "-c", "pass"], 0),
    }
    taken = interleave(
        {
            name: lambda argv=argv, code=code: time_child(argv, repository, expect=code).seconds  # type: ignore[misc]
            for name, (argv, code) in commands.items()
        },
        SHORT_ROUNDS,
    )
    middle = {name: median(times) for name, times in taken.items()}
    ratio = middle["resume"] / (middle["status"] + middle["pass"])
    return Figure(f"resume, {SHORT} records", ratio, "x", SHORT_LIMIT)


def write_run(repository: Path, records: int) -> None:
    """A run at rest with so many records; its branch is checked out."""
    branch = f"pitboss/grind/{RUN_ID}"
    git(repository, "checkout", "--quiet", "-b", branch)
    state = build_state(
        run_id=RUN_ID,
        branch=branch,
        plan_name="default",
        prompt_names=("chore",),
        now=BEGAN,
        base_commit=git(repository, "rev-parse", "HEAD").strip(),
        original_branch="main",
    )
    RunDir.create(repository, state).close()
    paths = RunPaths(repository, RUN_ID)
    with paths.log.open("wb", buffering=1 << 20) as log:
        for seq in range(1, records + 1):
            record = record_of(seq)
            log.write(encode_record(record))
            state = fold(state, record)
    _paused(paths, state)


def _paused(paths: RunPaths, state: RunState) -> None:
    paused = msgspec.structs.replace(
        state, status=RunStatus.ABORTED, stop_reason="max-iterations reached", last_updated_at=BEGAN
    )
    paths.state.write_bytes(encode_state(paused))
    os.sync()


def record_of(seq: int) -> SessionRecord:
    """The record of a session that did next to nothing."""
    tokens = RoleTokens(input=1200 + seq % 7, output=80)
    return SessionRecord(
        seq=seq,
        run_id=RUN_ID,
        prompt="chore",
        started_at=BEGAN + timedelta(seconds=seq),
        ended_at=BEGAN + timedelta(seconds=seq, milliseconds=700),
        status=SessionStatus.OK,
        summary=f"Did next to nothing, and said so in a sentence of usual length ({seq}).",
        tokens=TokenUsage(input=tokens.input, output=tokens.output, by_role={"implementer": tokens}),
        cost_usd=0.01,
        transcript_path=transcript_name(seq),
        rotation=seq,
        agent="command",
    )
