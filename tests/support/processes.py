"""Real process trees for tests: scripted agents, and scripts run on their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pitboss import proctree
from tests.support.cli import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]

FIVE_PROCESSES = """
cd "$1"
echo $$ > leader
sleep 300 &
echo $! > child
setsid sleep 300 &
echo $! > own_session
sh -c 'setsid sleep 300 & echo $! > daemon'
env -i PATH="$PATH" sh -c 'setsid sleep 300 & echo $! > scrubbed_daemon'
echo ready
while :; do sleep 0.05; done
"""
"""An agent as bad as the real ones: five processes, of which a killed process group would leave three."""

FIVE_NAMES = ["child", "daemon", "leader", "own_session", "scrubbed_daemon"]


def pids(folder: Path) -> dict[str, int]:
    """The pids that an agent has noted in files, by file name."""
    noted = {file.name: file.read_text().strip() for file in sorted(folder.iterdir())}
    return {name: int(pid) for name, pid in noted.items() if pid}


def alive(folder: Path) -> list[str]:
    """Names of the noted processes that live."""
    return [name for name, pid in pids(folder).items() if proctree.start_time(pid) is not None]


_left: set[int] = set()


def leave_out_children() -> None:
    """Leave the children of this moment out of `living_children`: what earlier tests dropped ends at some time."""
    _left.clear()
    _left.update(living_children())


def living_children() -> list[int]:
    """The children of this process that have not ended."""
    mine = proctree.children(os.getpid())
    return [pid for pid in mine if pid not in _left and (facts := proctree.facts(pid)) and not facts.zombie]


def script(source: str, *args: str | Path) -> subprocess.Popen[str]:
    """Start Python source as a process of its own, stdout and stderr in pipes."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", source, *map(str, args)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(source: str, *args: str | Path) -> list[str]:
    """Run Python source that must succeed in silence on stderr; return the lines it printed."""
    child = script(source, *args)
    out, err = child.communicate(timeout=PATIENCE_S)
    assert (err, child.returncode) == ("", 0)
    return out.splitlines()
