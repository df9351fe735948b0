"""What a command leaves behind is ended with it, however it hides (SPEC 1.4)."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from pitboss.process import Command, run
from tests.support.processes import FIVE_NAMES, FIVE_PROCESSES, alive, finish, pids

if TYPE_CHECKING:
    from pathlib import Path

PRELUDE = """
import os, sys, threading, time
from pathlib import Path
from pitboss import proctree
from pitboss.core.stops import StopRequest
from pitboss.process import Command, run
assert proctree.become_subreaper()
folder = sys.argv[1]
def alive(name):
    return proctree.start_time(int(Path(folder, name).read_text())) is not None
heard = bytearray()
def sh(source, **rules):
    return Command(argv=("sh", "-c", source, "sh", folder), cwd=folder, **rules)
"""

STOPPED = "ready = lambda: StopRequest.ABORT if b'ready' in heard else None\n"


def test_a_stop_ends_a_tree_of_five_with_sessions_and_daemons_of_their_own(tmp_path: Path) -> None:
    source = STOPPED + "print(run(sh(sys.argv[2], grace_s=1), on_output=heard.extend, stop=ready).ended_by)"
    assert finish(PRELUDE + source, tmp_path, FIVE_PROCESSES) == ["stopped"]
    assert sorted(pids(tmp_path)) == FIVE_NAMES
    assert alive(tmp_path) == []


def test_the_end_of_the_leader_ends_its_strays_at_once(tmp_path: Path) -> None:
    agent = FIVE_PROCESSES.replace("while :; do sleep 0.05; done", "exit 6")
    source = "ended = run(sh(sys.argv[2], grace_s=200, pipe_grace_s=200))"
    source += "; print(ended.code, ended.ended_by, ended.seconds < 50, ended.tail)"
    source += "; print(proctree.children(os.getpid()))"
    assert finish(PRELUDE + source, tmp_path, agent) == ["6 exit True b'ready\\n'", "[]"]
    assert sorted(pids(tmp_path)) == FIVE_NAMES
    assert alive(tmp_path) == []


def test_a_stray_deaf_to_term_that_holds_the_pipe_and_scrubbed_its_environment_is_killed(
    tmp_path: Path,
) -> None:
    agent = """
    env -i PATH="$PATH" setsid sh -c 'trap "" TERM; echo $$ > deaf; while :; do sleep 0.02; done' &
    until [ -s deaf ]; do sleep 0.01; done
    """
    source = "ended = run(sh(sys.argv[2], pipe_grace_s=0.6)); print(ended.code, 0.3 <= ended.seconds < 8)"
    assert finish(PRELUDE + source, tmp_path, agent) == ["0 True"]
    assert alive(tmp_path) == []


def test_the_last_words_of_a_stray_are_read(tmp_path: Path) -> None:
    agent = """
    setsid sh -c 'trap "echo bye; exit" TERM; echo $$ > stray; exec 2> /dev/null; while :; do sleep 0.02; done' &
    until [ -s stray ]; do sleep 0.01; done
    """
    assert finish(PRELUDE + "print(run(sh(sys.argv[2])).tail)", tmp_path, agent) == ["b'bye\\n'"]


def test_strays_of_one_command_are_told_from_the_tree_of_another_beside_it(tmp_path: Path) -> None:
    """The first one daemonises and lives on; the second ends with strays of every kind.

    The one that left its session and scrubbed its environment could be either's: it goes with the last of the two.
    """
    source = """
def first():
    agent = "env -i setsid sh -c 'echo $$ > kept; sleep 300' & until [ -e over ]; do sleep 0.02; done; exit 9"
    codes.append(run(sh(agent)).code)
codes = []
thread = threading.Thread(target=first)
thread.start()
kept = Path(folder, "kept")
while not (kept.exists() and kept.read_text()):
    time.sleep(0.01)
time.sleep(0.03)  # start times count in hundredths of a second
mark = {"SESSION": "2"}
agent = sys.argv[2].replace("while :; do sleep 0.05; done", "exit 6")
codes.append(run(sh(agent, env={**os.environ, **mark}, marker=mark, pipe_grace_s=0.5)).code)
print([name for name in ("child", "daemon", "kept", "leader", "own_session") if alive(name)])
Path(folder, "over").touch()
thread.join()
print([name for name in sorted(os.listdir(folder)) if name != "over" and alive(name)], codes)
"""
    assert finish(PRELUDE + source, tmp_path, FIVE_PROCESSES) == ["['kept']", "[] [6, 9]"]


def test_strays_of_commands_that_many_threads_started_are_ended(tmp_path: Path) -> None:
    """Each leaves one that left its session and scrubbed its environment: only its parent tells whose it is."""
    agent = (
        "env -i setsid sh -c 'echo $$ > stray-'$1'; sleep 300' & until [ -s stray-$1 ]; do sleep 0.02; done"
    )
    source = """
def start(nth):
    command = Command(argv=("sh", "-c", sys.argv[2], "sh", str(nth)), cwd=folder, pipe_grace_s=0.5)
    codes.append(run(command).code)
codes = []
threads = [threading.Thread(target=start, args=(nth,)) for nth in range(8)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(codes, sorted(name for name in os.listdir(folder) if alive(name)), proctree.children(os.getpid()))
"""
    assert finish(PRELUDE + source, tmp_path, agent) == ["[0, 0, 0, 0, 0, 0, 0, 0] [] []"]
    assert len(pids(tmp_path)) == 8


def test_dead_orphans_are_reaped_while_their_leader_lives(tmp_path: Path) -> None:
    agent = "for i in 1 2 3 4 5 6 7 8 9; do sh -c 'true & true & true &'; done; echo ready; sleep 300"
    source = """
def stop():
    most.append(len(proctree.children(os.getpid())))
    return StopRequest.ABORT if b"ready" in heard and most[-1] == 1 else None
most = []
ended = run(sh(sys.argv[2], max_seconds=20), on_output=heard.extend, stop=stop)
print(ended.ended_by, max(most) > 1)
"""
    assert finish(PRELUDE + source, tmp_path, agent) == ["stopped True"]


def test_a_direct_child_that_did_not_come_through_the_door_is_left_alone(tmp_path: Path) -> None:
    source = """
import subprocess
own = subprocess.Popen(["sleep", "300"])
run(sh("echo hello"))
print(own.poll())
own.kill(); own.wait()
"""
    assert finish(PRELUDE + source, tmp_path) == ["None"]


@pytest.fixture
def marker(tmp_path: Path) -> dict[str, str]:
    return {"PITBOSS_RUN_ID": tmp_path.name, "PITBOSS_SESSION_SEQ": "1"}


def test_without_a_subreaper_the_marker_finds_the_strays(tmp_path: Path, marker: dict[str, str]) -> None:
    assert not proctree.is_subreaper()
    source = "sh -c 'setsid sleep 300 & echo $! > daemon'; setsid sleep 300 & echo $! > own_session"
    ended = run(
        Command(argv=("sh", "-c", source), cwd=str(tmp_path), env={**os.environ, **marker}, marker=marker)
    )
    assert (ended.code, sorted(pids(tmp_path)), alive(tmp_path)) == (0, ["daemon", "own_session"], [])


def test_a_grandchild_that_keeps_the_pipe_and_cannot_be_found_is_waited_for_in_bounds(tmp_path: Path) -> None:
    source = "setsid sleep 300 & echo $! > unfound; echo done"
    began = time.monotonic()
    ended = run(Command(argv=("sh", "-c", source), cwd=str(tmp_path), pipe_grace_s=0.4))
    took = time.monotonic() - began
    proctree.end_tree(pids(tmp_path).values(), grace_s=1)
    assert (ended.code, ended.tail) == (0, b"done\n")
    assert 0.4 <= took < 50
