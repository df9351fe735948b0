"""Small commands with their whole output in memory: the way git is called."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from pitboss.process import Captured, EndedBy, Leash, begin_capture, capture, supervisor
from tests.support.clock import LeapingClock
from tests.support.processes import finish

if TYPE_CHECKING:
    from pathlib import Path


def test_output_and_errors_come_back_whole_and_apart(tmp_path: Path) -> None:
    text = os.urandom(3_000_000)
    got = capture(["sh", "-c", "tee /dev/stderr; exit 4"], cwd=tmp_path, stdin=text)
    assert got == Captured(code=4, stdout=text, stderr=text)


def test_a_command_begins_before_anybody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    finish_it = begin_capture(["sh", "-c", "echo begun > pipe; echo more"], cwd=tmp_path)
    assert (tmp_path / "pipe").read_text() == "begun\n"
    assert finish_it() == Captured(code=0, stdout=b"more\n", stderr=b"")


@pytest.mark.parametrize("text", [b"", b"text", os.urandom(300_000)], ids=["none", "some", "much"])
def test_a_command_that_has_begun_may_be_told_later(tmp_path: Path, text: bytes) -> None:
    os.mkfifo(tmp_path / "pipe")
    finish_it = begin_capture(["sh", "-c", "echo begun > pipe; exec cat"], cwd=tmp_path, stdin=None)
    assert (tmp_path / "pipe").read_text() == "begun\n"
    assert finish_it(text) == Captured(code=0, stdout=text, stderr=b"")


def test_a_command_that_waits_to_be_told_need_not_listen(tmp_path: Path) -> None:
    finish_it = begin_capture(["sh", "-c", "exec <&-; exit 3"], cwd=tmp_path, stdin=None)
    assert finish_it(os.urandom(300_000)).code == 3


def test_git_is_asked_with_the_environment_given(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org"}
    got = capture(["git", "var", "GIT_AUTHOR_IDENT"], cwd=tmp_path, env=env)
    assert got.stdout.startswith(b"Ada <ada@example.org> ")


def test_a_timeout_ends_the_tree_and_keeps_what_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = LeapingClock(tmp_path, monkeypatch, supervisor)
    # The shell would end by itself, with 0, if it lost its only child before its own signal came.
    source = f"echo begun; sleep 300 & echo $! > pid; {clock.passes(100)}; wait; sleep 300"
    leash = Leash(stop=clock.look, spare_daemons=True)
    got = capture(["sh", "-c", source], cwd=tmp_path, timeout_s=100, leash=leash)
    assert got == Captured(code=-signal.SIGTERM, stdout=b"begun\n", stderr=b"", ended_by=EndedBy.WALL_CLOCK)
    assert proctree.start_time(int((tmp_path / "pid").read_text())) is None


def test_a_missing_program_is_127_with_the_reason(tmp_path: Path) -> None:
    expected = Captured(code=127, stdout=b"", stderr=b"cannot start no-such-git: no such program")
    assert capture(["no-such-git"], cwd=tmp_path) == expected


DAEMON = """
import os, sys
from pathlib import Path
from pitboss import proctree
from pitboss.process import capture
assert proctree.become_subreaper()
got = capture(["sh", "-c", sys.argv[1]], cwd=sys.argv[2])
print(got.code, got.stdout)
print(proctree.start_time(int(Path(sys.argv[2], "daemon").read_text())) is not None)
proctree.end_tree(proctree.children(os.getpid()), grace_s=1)
"""


@pytest.mark.parametrize(
    ("output", "survives"), [("> /dev/null 2>&1", "True"), ("", "False")], ids=["lets go", "holds the output"]
)
def test_a_daemon_survives_exactly_when_it_lets_go_of_the_output(
    tmp_path: Path, output: str, survives: str
) -> None:
    source = f"sh -c 'setsid sleep 300 {output} & echo $! > daemon'; echo done"
    assert finish(DAEMON, source, tmp_path) == ["0 b'done\\n'", survives]


HELD = """
import os, sys, time
from pathlib import Path
from pitboss import proctree
from pitboss.core.stops import StopRequest
from pitboss.process import Leash, capture
assert proctree.become_subreaper()
folder = Path(sys.argv[2])
stop = lambda: StopRequest.ABORT if (folder / "stop").exists() else None
began = time.monotonic()
marker = {"HELD_IN": str(folder)}
leash = Leash(stop=stop, processes=40)
got = capture(["sh", "-c", sys.argv[1]], cwd=folder, env={**os.environ, **marker}, leash=leash)
print(got.ended_by, got.stdout, time.monotonic() - began < 50)
print(proctree.carrying(marker, since=0))
"""


@pytest.mark.parametrize(
    ("source", "ended"),
    [
        ("echo begun; touch stop; trap '' TERM; while :; do sleep 0.02; done", "stopped b'begun\\n' True"),
        ("echo 'sh ./again; :' > again; exec sh ./again", "crowd b'' True"),
        ("sh -c 'setsid sleep 300 > /dev/null 2>&1 &'; echo done", "exit b'done\\n' True"),
    ],
    ids=["stopped at once", "starts itself again without end", "leaves a daemon that let go of the output"],
)
def test_on_a_leash_a_command_ends_at_a_stop_or_in_a_crowd_and_leaves_nothing(
    tmp_path: Path, source: str, ended: str
) -> None:
    assert finish(HELD, source, tmp_path) == [ended, "[]"]
