"""Times child processes and takes the median of many interleaved rounds."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

PYTHON = sys.executable
PITBOSS = os.path.join(os.path.dirname(sys.executable), "pitboss")  # noqa: PTH118, PTH120


class Sample(NamedTuple):
    """One finished child: wall time, peak memory of its biggest process, exit code.

    `cpu_s` is what it and the children that it waited for have computed: on a busy machine that says more.
    """

    seconds: float
    peak_mb: float
    code: int
    cpu_s: float


def time_child(argv: Sequence[str], cwd: Path, *, expect: int = 0) -> Sample:
    """Run a child to its end with its output dropped. Raises RuntimeError unless it exits with `expect`.

    It runs without our Python settings: one of them could keep it from using compiled code, as an installation does.
    """
    started = time.perf_counter()
    child = subprocess.Popen(
        argv,
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert child.stderr is not None
    with child.stderr:
        complaint = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != expect:
        raise RuntimeError(f"{' '.join(argv)} exited with {child.returncode}: {complaint.decode()[-2000:]}")
    return Sample(seconds, usage.ru_maxrss / 1024, child.returncode, usage.ru_utime + usage.ru_stime)


def interleave(cases: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run all cases in turn, `rounds` times over, so that a slow minute of the machine hits all of them."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            taken[name].append(case())
    return taken


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def say(text: str) -> None:
    """Tell the waiting user, on stderr, what is being measured."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
