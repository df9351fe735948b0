"""How long commands take to print something, as a multiple of `python -c pass` (SPEC 8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.measure import PITBOSS, PYTHON, interleave, median, say, time_child
from bench.repositories import CHANGES_NOTHING, make_repository
from pitboss.core.run import build_state
from pitboss.store.rundir import RunDir

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 41
RUNS = 1000


def measure(scratch: Path) -> list[Figure]:
    """Start each command many times, in turn with a Python that does nothing."""
    say(f"start-up: {ROUNDS} rounds")
    few = make_repository(scratch / "startup", files=10, agent=CHANGES_NOTHING)
    add_runs(few, 1)
    many = make_repository(scratch / "many-runs", files=10, agent=CHANGES_NOTHING)
    add_runs(many, RUNS)
    cases = {
        "python -c pass": ([PYTHON, "-c", "pass"], few),
        "pitboss --version": ([PITBOSS, "--version"], few),
        "pitboss --help": ([PITBOSS, "--help"], few),
        "pitboss status": ([PITBOSS, "status"], few),
        "pitboss prompts ls": ([PITBOSS, "prompts", "ls"], few),
        "pitboss runs": ([PITBOSS, "runs"], few),
        "pitboss grind --dry-run": ([PITBOSS, "grind", "--dry-run"], few),
        f"pitboss runs ({RUNS} runs)": ([PITBOSS, "runs"], many),
        f"pitboss status ({RUNS} runs)": ([PITBOSS, "status"], many),
    }
    for argv, cwd in cases.values():
        time_child(argv, cwd)  # compiles what would be compiled in an installation
    limits = {
        "pitboss --version": 1.9,
        "pitboss --help": 4.0,
        "pitboss status": 5.0,
        "pitboss prompts ls": 5.0,
        "pitboss runs": 6.0,
        "pitboss grind --dry-run": 7.0,
    }
    taken = interleave(
        {
            name: lambda argv=argv, cwd=cwd: time_child(argv, cwd).seconds  # type: ignore[misc]
            for name, (argv, cwd) in cases.items()
        },
        ROUNDS,
    )
    bare = median(taken.pop("python -c pass"))
    ratios = [Figure(name, median(times) / bare, "x", limits.get(name)) for name, times in taken.items()]
    return [Figure("python -c pass", bare * 1000, "ms"), *ratios]


def add_runs(repository: Path, count: int) -> None:
    """Give a repository that many runs, each just begun."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(count):
        now = began + timedelta(minutes=number)
        run_id = f"{now:%Y%m%dT%H%M%SZ}-{number:04x}"
        state = build_state(
            run_id=run_id,
            branch=f"pitboss/grind/{run_id}",
            plan_name="default",
            prompt_names=("chore",),
            now=now,
        )
        RunDir.create(repository, state).close()
