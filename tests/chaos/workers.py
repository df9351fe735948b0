"""The kill matrix of workers: who is killed or stopped, and when; then the promises are checked (SPEC 1, 14).

    python -m tests.chaos.workers [--only TEXT]

Each cell is a run on two workers of which one session waits, in its agent or in its tests, until the blow has fallen.
Prints each cell and what it breaks; ends with 1 if any does.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pitboss import proctree
from tests.support.cli import Project, wait_until
from tests.support.runs import Gate, configure, the_run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.support.runs import Run

TAG = "PITBOSS_TEST_OF"
STRUCK = 3
"""The session that waits: its worker has finished another one by then."""

LOST_AFTER_S = 4.0
GONE_WITHIN_S = LOST_AFTER_S + 5.0


class Who(StrEnum):
    """Whom the blow hits."""

    WORKER = "worker"
    WORKERS_GUARDIAN = "worker's guardian"
    WORKER_AND_GUARDIAN = "worker and its guardian"
    ALL_WORKERS = "all workers"
    AGENT = "agent"
    RUNNER = "runner"
    GUARDIAN = "guardian"
    RUNNER_AND_GUARDIAN = "runner and guardian"
    STOPPED_WORKER = "worker, stopped for longer than it may be silent"
    PAUSED_WORKER = "worker, stopped for a moment"


class When(StrEnum):
    """Where the session is then."""

    IN_AGENT = "in agent"
    IN_VERIFY = "in verify"


class Cell(NamedTuple):
    """One cell of the matrix."""

    who: Who
    when: When

    def __str__(self) -> str:
        return f"{self.who} x {self.when}"


CELLS = tuple(Cell(who, when) for who in Who for when in When)


class Night:
    """A run on two workers whose session `STRUCK` waits at a gate."""

    def __init__(self, folder: Path, when: When) -> None:
        self.folder = folder
        self.gate = Gate(folder / "gate")
        self.project = Project.create(folder / "project")
        self.project.env |= {TAG: str(folder), "BEGAN": str(folder / "began")}
        waits = f'[ "$PITBOSS_SESSION_SEQ" != {STRUCK} ] || {{ {self.gate.script}; }}'
        tests = waits if when is When.IN_VERIFY else ":"
        more = f"[workers]\nlost_after_s = {LOST_AFTER_S}\n[tests]\ncommand = '''{tests}'''"
        configure(self.project, more=more)
        for name in ("alpha", "beta"):
            script = f'echo "$PITBOSS_SESSION_SEQ" >> "$BEGAN"; echo text > {name}-$PITBOSS_SESSION_SEQ.txt\n'
            script += waits if when is When.IN_AGENT else ""
            self.project.prompt(name, script, parallel_safe=True, verify=True, max_runs=2)

    def workers(self) -> list[dict[str, Any]]:
        """Who is at work."""
        found: list[dict[str, Any]] = self.project.pitboss("workers", "--json").json()
        return found

    def left(self) -> list[int]:
        """All processes of the night."""
        return proctree.carrying({TAG: str(self.folder)}, since=0)


def strike(night: Night, who: Who, process: subprocess.Popen[bytes]) -> None:
    """Let the blow fall."""
    # What a worker says of itself is as old as its last heartbeat.
    wait_until(lambda: any(STRUCK in worker["seqs"] for worker in night.workers()))
    workers = night.workers()
    pid: int = next(worker["pid"] for worker in workers if STRUCK in worker["seqs"])
    above, runner = _parent(pid), proctree.children(process.pid)[0]
    match who:
        case Who.STOPPED_WORKER | Who.PAUSED_WORKER:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(1.0 if who is Who.PAUSED_WORKER else LOST_AFTER_S + 2.0)
            os.kill(pid, signal.SIGCONT)
        case Who.AGENT:
            for agent in proctree.descendants(pid):
                _kill(agent)
        case Who.ALL_WORKERS:
            _kill(*(worker["pid"] for worker in workers))
        case _:
            victims = {
                Who.WORKER: (pid,),
                Who.WORKERS_GUARDIAN: (above,),
                Who.WORKER_AND_GUARDIAN: (above, pid),
                Who.RUNNER: (runner,),
                Who.GUARDIAN: (process.pid,),
                Who.RUNNER_AND_GUARDIAN: (process.pid, runner),
            }
            _kill(*victims[who])


def _kill(*pids: int) -> None:
    for pid in pids:
        proctree.send(pid, signal.SIGKILL)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def try_cell(cell: Cell, folder: Path) -> list[str]:
    """What is broken after the blow, in words; nothing if every promise is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    night = Night(folder, cell.when)
    with night.project.started("grind", "--workers", "local:2") as process:
        night.gate.wait()
        strike(night, cell.who, process)
        night.gate.open()
        wait_until(lambda: process.poll() is not None)
        code = process.returncode
    broken = list(_survivors(night))
    run = the_run(night.project)
    if run.state["status"] in ("active", "aborted"):
        done = night.project.pitboss("grind", "--resume")
        if done.code not in (0, 1):
            broken.append(f"the resume ended with {done.code}: {done.err}")
    elif code not in (0, 1):
        broken.append(f"the run ended with {code}")
    return [*broken, *_survivors(night), *_broken_promises(night, run)]


def _survivors(night: Night) -> Iterator[str]:
    deadline = time.monotonic() + GONE_WITHIN_S
    while left := night.left():
        if time.monotonic() > deadline:
            yield f"{len(left)} processes are left"
            return
        time.sleep(0.1)


def _broken_promises(night: Night, run: Run) -> Iterator[str]:
    seqs = [record["seq"] for record in run.records]
    if sorted(seqs) != list(range(1, len(seqs) + 1)):
        yield f"the log has records of {seqs}"
    began = sorted(map(int, (night.folder / "began").read_text().split()))
    if len(began) != len(set(began)):
        yield f"sessions began twice: {began}"
    kept = set(run.files(run.branch))
    for ref in night.project.git("for-each-ref", "--format=%(refname)", "refs/pitboss/rescue").split():
        kept |= set(run.files(ref))
    for seq in began:
        prompt = next((record["prompt"] for record in run.records if record["seq"] == seq), None)
        if prompt is None:
            yield f"session {seq} began and has no record"
        elif f"{prompt}-{seq}.txt" not in kept:
            yield f"the work of session {seq} is neither on the branch nor rescued"
    landed = [record["prompt"] for record in run.records if record["status"] == "ok"]
    if any(record["status"] == "ok" and not record["commit"] for record in run.records):
        yield f"a session is ok but has no commit: {landed}"
    if left := night.project.git("for-each-ref", "refs/pitboss/lease", "refs/pitboss/result"):
        yield f"refs are left: {left}"


def main() -> int:
    """Try the cells, all or those whose name contains a text; 0 if every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT")
    only = parser.parse_args().only
    failed = 0
    for cell in (cell for cell in CELLS if only in str(cell)):
        with tempfile.TemporaryDirectory(prefix="pitboss-workers-") as folder:
            began = time.monotonic()
            broken = try_cell(cell, Path(folder))
        print(f"{'ok  ' if not broken else 'FAIL'} {time.monotonic() - began:5.1f} s  {cell}", flush=True)
        for what in broken:
            print(f"       {what}", flush=True)
        failed += bool(broken)
    print(f"{failed} cells failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
