"""A test that is killed leaves no scheduler and no worker behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pitboss import proctree
from tests.support.cli import wait_until
from tests.support.leftovers import ended_if_killed

KILLED = """
import os, subprocess, sys, time
from pathlib import Path
from tests.support.leftovers import ended_if_killed
with ended_if_killed(Path(sys.argv[1])) as mark:
    subprocess.Popen(["sleep", "1000"], env={**os.environ, **mark}, start_new_session=True)
    print("started", flush=True)
    time.sleep(1000)
"""


def test_what_a_killed_test_started_is_ended(tmp_path: Path) -> None:
    with ended_if_killed(tmp_path) as mark:
        pass
    argv = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(argv, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE) as test:
        assert test.stdout is not None
        try:
            assert test.stdout.readline() == b"started\n"
            wait_until(lambda: proctree.carrying(mark, since=0))
        finally:
            test.kill()
    wait_until(lambda: not proctree.carrying(mark, since=0))


def test_what_is_marked_lives_on_where_its_test_goes_on(tmp_path: Path) -> None:
    with ended_if_killed(tmp_path) as mark:
        pass
    with subprocess.Popen(["sleep", "1000"], env={**os.environ, **mark}) as process:
        try:
            with ended_if_killed(tmp_path):
                pass
            assert process.poll() is None
        finally:
            process.kill()
