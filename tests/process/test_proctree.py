"""Facts about processes, asked in two ways, and the ladder that ends whole trees."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import psutil
import pytest

from pitboss import proctree
from pitboss.proctree import ProcSystem, PsutilSystem
from tests.support.cli import wait_until
from tests.support.clock import LeapingClock
from tests.support.processes import FIVE_PROCESSES, alive, pids, script

if TYPE_CHECKING:
    from collections.abc import Iterator

TREE = "cd $1; echo $$ > top; sh -c 'echo $$ > middle; sleep 300 & echo $! > bottom; wait' & wait"
SYSTEMS: list[ProcSystem | PsutilSystem] = [ProcSystem(), PsutilSystem()]


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[dict[str, int]]:
    """Three generations of processes that carry TREE and FOLDER in their environment."""
    env = {**os.environ, "TREE": "yes", "FOLDER": str(tmp_path)}
    with subprocess.Popen(["sh", "-c", TREE, "sh", str(tmp_path)], env=env) as top:
        wait_until(lambda: len(pids(tmp_path)) == 3)
        yield pids(tmp_path)
        proctree.end_tree([top.pid], grace_s=1)


def test_a_start_time_is_in_clock_ticks_and_tells_a_process_from_another_with_its_pid() -> None:
    started = proctree.start_time(os.getpid())
    assert started is not None
    since_boot = psutil.Process().create_time() - psutil.boot_time()
    assert started / os.sysconf("SC_CLK_TCK") == pytest.approx(since_boot, abs=1.1)


def test_a_zombie_is_gone_but_its_facts_can_be_had_until_it_is_reaped() -> None:
    with subprocess.Popen(["true"]) as child:
        wait_until(lambda: proctree.start_time(child.pid) is None)
        facts = proctree.facts(child.pid)
        assert facts is not None
        assert facts.zombie
    assert proctree.facts(child.pid) is None


def test_a_process_whose_main_thread_has_ended_is_alive() -> None:
    source = """
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=(300,)).start()
print("ready", flush=True)
ctypes.CDLL(None).syscall({"x86_64": 60}.get(platform.machine(), 93), 0)
"""
    with script(source) as child:
        wait_until(lambda: "State:\tZ" in Path(f"/proc/{child.pid}/status").read_text())
        assert proctree.start_time(child.pid) is not None
        child.kill()


def test_descendants_come_parents_first(tree: dict[str, int]) -> None:
    assert proctree.descendants(tree["top"]) == [tree["middle"], tree["bottom"]]
    assert proctree.children(tree["top"]) == [tree["middle"]]
    assert proctree.descendants(tree["bottom"]) == []
    assert proctree.descendants(tree["bottom"], tree["middle"], tree["top"]) == [
        tree["bottom"],
        tree["middle"],
    ]
    assert proctree.descendants(tree["top"], at_most=1) == [tree["middle"]]


def test_children_of_a_process_with_more_threads_than_there_are_processes_are_found() -> None:
    threads = Path("/proc").stat().st_nlink + 100
    source = f"""
import subprocess, threading, time
for _ in range({threads}):
    threading.Thread(target=time.sleep, args=(300,), daemon=True).start()
def start():
    print(subprocess.Popen(["sleep", "300"]).pid, subprocess.Popen(["true"]).pid, flush=True)
    time.sleep(300)
threading.Thread(target=start, daemon=True).start()
time.sleep(300)
"""
    with script(source) as parent:
        assert parent.stdout is not None
        sleeper, zombie = map(int, parent.stdout.readline().split())
        wait_until(lambda: not proctree.alive([zombie]))
        assert set(proctree.children(parent.pid)) == {sleeper, zombie}
        parent.kill()
        proctree.end_tree([sleeper], grace_s=0)


@pytest.mark.parametrize(
    ("extra", "found"), [({}, True), ({"MORE": "pairs"}, False), ({"TREE": "ye"}, False)]
)
def test_carrying_wants_every_pair_whole(
    tree: dict[str, int], tmp_path: Path, extra: dict[str, str], found: bool
) -> None:
    marker = {"TREE": "yes", "FOLDER": str(tmp_path), **extra}
    assert sorted(proctree.carrying(marker, since=0)) == (sorted(tree.values()) if found else [])
    assert proctree.carries(tree["bottom"], marker) is found


def test_whoever_asks_is_not_found_by_its_own_marker_nor_are_those_who_started_it(tmp_path: Path) -> None:
    """A shell that an agent left open carries its run's marker; a resume that is typed there must not end it."""
    ask = "from pitboss import proctree; print(proctree.carrying({'WHO': 'asks'}, since=0), proctree.ancestors())"
    source = 'sleep 60 > /dev/null & echo $!; sh -c \'echo $$; "$@"; true\' sh "$@"; kill $!'
    done = subprocess.run(
        ["sh", "-c", source, "sh", sys.executable, "-c", ask],
        env={**os.environ, "WHO": "asks"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    beside, shell, answer = done.stdout.splitlines()
    assert answer.startswith(f"[{beside}] [{shell}, ")
    assert f", {os.getpid()}, " in answer


def test_who_was_started_before_then_is_not_looked_for(tree: dict[str, int], tmp_path: Path) -> None:
    marker = {"TREE": "yes", "FOLDER": str(tmp_path)}
    youngest = max(proctree.start_time(pid) or 0 for pid in tree.values())
    assert proctree.carrying(marker, since=youngest + 1) == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_moment_by_the_clock_is_the_start_time_of_who_begins_then(
    system: ProcSystem | PsutilSystem,
) -> None:
    before = system.ticks(time.time())
    with subprocess.Popen(["sleep", "60"]) as child:
        started = system.facts(child.pid)
        child.kill()
    assert started is not None
    second = 100 + 2  # psutil knows the time of the last start of the machine by whole seconds
    assert before - second <= started.started <= system.ticks(time.time()) + second


def test_an_empty_marker_marks_nobody() -> None:
    assert proctree.carrying({}, since=0) == []
    assert not proctree.carries(os.getpid(), {})


def test_psutil_gives_the_answers_that_proc_gives(tree: dict[str, int]) -> None:
    answers = [
        (
            [system.children(pid) for pid in tree.values()],
            tree["top"] in system.inherited(),
            [system.environ(pid) for pid in tree.values()],
            [
                (facts.zombie, facts.parent, facts.session)
                for pid in tree.values()
                if (facts := system.facts(pid))
            ],
            set(tree.values()) <= set(system.own_pids()),
        )
        for system in SYSTEMS
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_process_that_is_not_there_has_no_facts(system: ProcSystem | PsutilSystem) -> None:
    nobody = 4_000_000  # above every pid_max in use
    assert (system.facts(nobody), system.children(nobody), system.environ(nobody)) == (None, [], set())


def test_end_tree_ends_a_tree_on_term_without_waiting_for_the_grace(tree: dict[str, int]) -> None:
    began = time.monotonic()
    proctree.end_tree([tree["top"]], grace_s=200)
    assert time.monotonic() - began < 50
    assert proctree.alive(tree.values()) == []


def test_end_tree_kills_the_deaf_and_follows_those_whose_parent_dies_first(tmp_path: Path) -> None:
    deaf = "trap '' TERM; echo $$ > deaf; while :; do sleep 0.02; done"
    source = f'cd $1; setsid sh -c "{deaf.replace("$", chr(92) + "$")}" & sleep 300'
    with subprocess.Popen(["sh", "-c", source, "sh", str(tmp_path)]) as top:
        wait_until(lambda: pids(tmp_path))
        proctree.end_tree([top.pid], grace_s=0.3)
        # Whether the shell or the sleep that it waits for is met first is up to the system.
        assert top.poll() in (-15, 128 + 15)
        assert alive(tmp_path) == []


def test_end_tree_overtakes_a_tree_that_has_children_while_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = LeapingClock(tmp_path, monkeypatch, proctree)
    tree = tmp_path / "tree"
    tree.mkdir()

    def leap_once_it_has_a_child() -> None:
        wait_until(lambda: len(pids(tree)) == 2)
        clock.leap(100)

    source = "cd $1; trap 'sleep 300 & echo $! > $!' TERM; echo $$ > top; while :; do sleep 0.01; done"
    with subprocess.Popen(["sh", "-c", source, "sh", str(tree)], stderr=subprocess.DEVNULL) as top:
        wait_until(lambda: pids(tree))
        leaps = Thread(target=leap_once_it_has_a_child)
        leaps.start()
        proctree.end_tree([top.pid], grace_s=100)
        leaps.join()
    assert alive(tree) == []


def test_end_tree_of_a_process_that_is_gone_does_nothing() -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    proctree.end_tree([gone.pid], grace_s=0)


def test_only_the_process_that_asked_is_a_subreaper() -> None:
    source = """
import os
from pitboss import proctree
assert not proctree.is_subreaper()
assert proctree.become_subreaper() and proctree.is_subreaper()
if os.fork() == 0:
    os._exit(proctree.is_subreaper())
assert os.wait()[1] == 0
"""
    with script(source) as child:
        assert child.communicate() == ("", "")


def test_five_processes_are_five(tmp_path: Path) -> None:
    """The agent that the other tests rely on really has a tree that a process group does not cover."""
    with subprocess.Popen(
        ["sh", "-c", FIVE_PROCESSES, "sh", str(tmp_path)], start_new_session=True, stdout=subprocess.DEVNULL
    ) as leader:
        outside = ("daemon", "own_session", "scrubbed_daemon")
        wait_until(lambda: len(pids(tmp_path)) == 5)
        wait_until(lambda: all(os.getpgid(pids(tmp_path)[name]) != leader.pid for name in outside))
        os.killpg(leader.pid, 9)
        leader.wait()
        wait_until(lambda: "child" not in alive(tmp_path))
        left = alive(tmp_path)
        proctree.end_tree(pids(tmp_path).values(), grace_s=1)
    assert left == ["daemon", "own_session", "scrubbed_daemon"]
