"""How long `pitboss history` takes over 300 runs of 100 sessions, whose changes are on `main` one way or another."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.measure import PITBOSS, PYTHON, interleave, median, say, time_child
from bench.repositories import CHANGES_NOTHING, git, make_repository
from pitboss.core.session import SessionRecord, SessionStatus, TokenUsage, transcript_name
from pitboss.store.paths import RunPaths
from pitboss.store.record_codec import encode_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNS, SESSIONS = 300, 100
MERGED = 250
"""The first so many runs are on `main`; every fifth session has landed nothing."""

OWN = 200
"""Commits on `main` that people made: a session that is missing there may be one of these."""

ROUNDS = 5
_READ_ONCE = """
import sys
from pathlib import Path
from pitboss.store.log import iter_records
for log in Path(".pitboss/grind/runs").glob("*/sessions.jsonl"):
    for record in iter_records(log):
        pass
"""
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def measure(scratch: Path) -> list[Figure]:
    """The command with what it kept, and after that is deleted, in turn with reading the logs once.

    It is processor time, of git too, so that the figures hold on a machine that does other work.
    """
    say(f"history: {RUNS} runs of {SESSIONS} sessions, {ROUNDS} rounds")
    repository = make_repository(scratch / "history", files=10, agent=CHANGES_NOTHING)
    _fill(repository)
    kept = repository / ".git/pitboss/history"
    command = [PITBOSS, "history"]
    first = time_child(command, repository)

    def without() -> float:
        kept.unlink()
        return time_child(command, repository).cpu_s

    cases = {
        "read": lambda: time_child([PYTHON, "-c", _READ_ONCE], repository).cpu_s,
        "without": without,
        "with": lambda: time_child(command, repository).cpu_s,
    }
    taken = {name: median(times) for name, times in interleave(cases, ROUNDS).items()}
    return [
        Figure("history, 30,000 sessions, processor time", taken["with"], "s", 1.0),
        Figure("history against reading the logs once", taken["with"] / taken["read"], "x", 3.0),
        Figure("history, what it kept deleted, processor time", taken["without"], "s"),
        Figure(
            "history, what it kept deleted, against reading the logs once",
            taken["without"] / taken["read"],
            "x",
        ),
        Figure("history, peak memory", first.peak_mb, "MB"),
    ]


def _fill(repository: Path) -> None:
    """Logs, and the commits that they name, through one `git fast-import`."""
    base = git(repository, "rev-parse", "HEAD").strip()
    stream = "".join(_commits(base))
    marks = repository / ".git/marks"
    subprocess.run(
        ["git", "fast-import", "--quiet", f"--export-marks={marks}"],
        cwd=repository,
        input=stream.encode(),
        check=True,
    )
    oids = dict(line.split() for line in marks.read_text().splitlines())
    for run in range(RUNS):
        paths = RunPaths(repository, _run_id(run))
        paths.root.mkdir(parents=True)
        lines = (
            encode_record(_record(run, seq, oids.get(f":{_mark(run, seq)}")))
            for seq in range(1, SESSIONS + 1)
        )
        paths.log.write_bytes(b"".join(lines))


def _commits(base: str) -> Iterator[str]:
    for run in range(RUNS):
        branch = "refs/heads/main" if run < MERGED else f"refs/heads/pitboss/grind/{_run_id(run)}"
        start = f"from {base}\n" if run in (0, *range(MERGED, RUNS)) else ""
        for seq in range(1, SESSIONS + 1):
            if seq % 5 == 0:
                continue
            trailers = f"Pitboss-Run: {_run_id(run)}\nPitboss-Session: {seq}\nPitboss-Prompt: chore"
            message = f"chore: a change\n\nWhat was done, in a sentence or two.\n\n{trailers}\n"
            yield _commit(
                branch, _mark(run, seq), run * SESSIONS + seq, message, f"run-{run}/{seq}.txt", start
            )
            start = ""
    for number in range(OWN):
        minute = RUNS * SESSIONS + number
        yield _commit("refs/heads/main", 10**6 + number, minute, "People's\n", f"own/{number}.txt", "")


def _commit(branch: str, mark: int, minute: int, message: str, name: str, start: str) -> str:
    when = int((_BEGAN + timedelta(minutes=minute)).timestamp())
    text = f"the content of {name}\n"
    return (
        f"commit {branch}\nmark :{mark}\ncommitter bench <bench@local> {when} +0000\n"
        f"data {len(message)}\n{message}\n{start}M 100644 inline {name}\ndata {len(text)}\n{text}\n"
    )


def _record(run: int, seq: int, commit: str | None) -> SessionRecord:
    began = _BEGAN + timedelta(minutes=run * SESSIONS + seq)
    return SessionRecord(
        seq=seq,
        run_id=_run_id(run),
        prompt=f"chore-{seq % 7}",
        started_at=began,
        ended_at=began + timedelta(seconds=50),
        status=SessionStatus.OK,
        summary="What was done, in a sentence or two.",
        commit=commit,
        tokens=TokenUsage(input=120_000, output=4_000),
        cost_usd=0.25,
        transcript_path=transcript_name(seq),
        rotation=seq,
        agent="claude_code",
        model="sonnet",
    )


def _mark(run: int, seq: int) -> int:
    return run * SESSIONS + seq


def _run_id(run: int) -> str:
    return f"{_BEGAN + timedelta(days=run):%Y%m%dT%H%M%SZ}-{run:04x}"
