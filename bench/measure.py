"""Times child processes and takes the median of many interleaved rounds."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
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
    A small process starts it, because the kernel counts the starting process's memory as the child's.
    """
    done = subprocess.run(
        [PYTHON, "-IS", "-c", _START, *argv],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    seconds, peak_kb, status, cpu_s = map(float, done.stdout.split())
    code = os.waitstatus_to_exitcode(int(status))
    if code != expect:
        raise RuntimeError(f"{' '.join(argv)} exited with {code}: {done.stderr.decode()[-2000:]}")
    return Sample(seconds, peak_kb / 1024, code, cpu_s)


_START = """
import os, sys, time
null = os.open(os.devnull, os.O_WRONLY)
began = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
_, status, used = os.wait4(pid, 0)
print(time.perf_counter() - began, used.ru_maxrss, status, used.ru_utime + used.ru_stime)
"""
"""Starts a program and prints seconds, KiB at its peak, wait status and seconds of processor time."""


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
