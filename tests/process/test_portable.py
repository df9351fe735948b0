"""Where there is neither /proc nor pidfd nor subreaper, psutil, polling and the marker do the same work."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from pitboss import proctree
from tests.support.cli import PATIENCE_S, wait_until
from tests.support.processes import FIVE_NAMES, FIVE_PROCESSES, alive, finish, pids, script

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = """
import os, selectors, subprocess, sys
import psutil
sys.platform = "darwin"  # what our modules see when they are imported next
from pitboss import proctree
from pitboss.errors import RunnerKilled
from pitboss.guardian import guard
from pitboss.core.stops import StopRequest
from pitboss.process import Command, capture, run
assert not proctree.become_subreaper()
folder, heard = sys.argv[1], bytearray()
marker = {"PITBOSS_RUN_ID": folder}
command = Command(argv=("sh", "-c", sys.argv[2], "sh", folder), cwd=folder,
    env={**os.environ, **marker}, marker=marker, grace_s=1)
"""

WITHOUT_SCRUBBING = FIVE_PROCESSES.replace('env -i PATH="$PATH" ', "")


def test_a_stop_ends_the_whole_tree_that_carries_the_marker(tmp_path: Path) -> None:
    source = "ready = lambda: StopRequest.SKIP if b'ready' in heard else None\n"
    source += (
        "ended = run(command, on_output=heard.extend, stop=ready); print(ended.ended_by, ended.tail[:6])"
    )
    assert finish(ELSEWHERE + source, tmp_path, WITHOUT_SCRUBBING) == ["stopped b'ready\\n'"]
    assert (sorted(pids(tmp_path)), alive(tmp_path)) == (FIVE_NAMES, [])


def test_a_leader_that_ends_by_itself_takes_its_strays_along(tmp_path: Path) -> None:
    agent = WITHOUT_SCRUBBING.replace("while :; do sleep 0.05; done", "exit 6")
    source = "ended = run(command); print(ended.code, ended.tail, capture(['echo', 'hi'], cwd=folder).stdout)"
    assert finish(ELSEWHERE + source, tmp_path, agent) == ["6 b'ready\\n' b'hi\\n'"]
    assert (sorted(pids(tmp_path)), alive(tmp_path)) == (FIVE_NAMES, [])


def test_the_guardian_finds_the_tree_of_a_killed_runner_by_the_marker(tmp_path: Path) -> None:
    source = """
def body(channel):
    return run(command, on_start=lambda *_: print(os.getpid(), flush=True)).code
try:
    sys.exit(guard(body, marker=marker))
except RunnerKilled as error:
    sys.exit(error.exit_code)
"""
    with script(ELSEWHERE + source, tmp_path, WITHOUT_SCRUBBING) as guardian:
        wait_until(lambda: sorted(pids(tmp_path)) == FIVE_NAMES)
        assert guardian.stdout is not None
        proctree.send(int(guardian.stdout.readline()), signal.SIGKILL)
        assert guardian.wait(timeout=PATIENCE_S) == 70
    assert alive(tmp_path) == []
