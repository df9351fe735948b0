"""Commands inside a sandbox: how they start, end, hear signals, and leave nothing behind (SPEC 6, 13)."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from pitboss.core.sandbox.fence import Fence, bwrap_fence, wrapper_fence
from pitboss.core.sandbox.ground import Access, PathKind
from pitboss.core.sandbox.policy import Mount
from pitboss.core.stops import StopRequest
from pitboss.process import Command, EndedBy, Exit, run
from pitboss.process.confine import confine, judged
from tests.support.processes import FIVE_NAMES, FIVE_PROCESSES
from tests.support.sandboxes import needs_bwrap

if TYPE_CHECKING:
    from pathlib import Path

OUTSIDE = Fence(argv=("env",))


def fence(folder: Path) -> Fence:
    return bwrap_fence("bwrap", (Mount(str(folder), Access.WRITE),), network=True)


def sh(source: str, folder: Path, **rules: object) -> Command:
    return Command(argv=("sh", "-c", source), cwd=str(folder), fence=fence(folder), **rules)  # type: ignore[arg-type]


class Heard:
    """Collects output, and asks for a stop once a word was heard."""

    def __init__(self, word: bytes) -> None:
        self.word = word
        self.output = b""

    def listen(self, chunk: bytes) -> None:
        self.output += chunk

    def stop(self) -> StopRequest | None:
        return StopRequest.ABORT if self.word in self.output else None


@needs_bwrap
def test_it_works_in_its_folder_with_its_input_output_and_exit_code(tmp_path: Path) -> None:
    ended = run(sh("pwd; cat; echo kept > file; exit 7", tmp_path, stdin=b"given\n"))
    assert (ended.code, ended.tail) == (7, f"{tmp_path}\ngiven\n".encode())
    assert (tmp_path / "file").read_text() == "kept\n"


@needs_bwrap
def test_what_it_may_not_write_stays(tmp_path: Path) -> None:
    (inside := tmp_path / "inside").mkdir()
    mounts = (Mount(str(tmp_path), Access.READ), Mount(str(inside), Access.WRITE))
    fenced = bwrap_fence("bwrap", mounts, network=True)
    ended = run(Command(argv=("sh", "-c", "echo no > ../outside"), cwd=str(inside), fence=fenced))
    assert (ended.code != 0, (tmp_path / "outside").exists()) == (True, False)


@needs_bwrap
def test_what_is_gone_when_it_starts_needs_no_guard(tmp_path: Path) -> None:
    """Such as the branch of a session beside it, which has just landed."""
    gone = Mount(str(tmp_path / "gone"), Access.READ, PathKind.FILE)
    guarded = bwrap_fence("bwrap", (Mount(str(tmp_path), Access.WRITE), gone), network=True)
    ended = run(Command(argv=("true",), cwd=str(tmp_path), fence=guarded))
    assert (ended.code, ended.error, [*tmp_path.iterdir()]) == (0, None, [])


@needs_bwrap
def test_a_polite_signal_reaches_the_program_itself(tmp_path: Path) -> None:
    heard = Heard(b"ready")
    script = "exec 2> /dev/null; trap 'echo polite; exit 3' INT; echo ready; while :; do sleep 0.02; done"
    ended = run(sh(script, tmp_path, polite_signal=signal.SIGINT), on_output=heard.listen, stop=heard.stop)
    assert (ended.code, ended.ended_by, heard.output) == (3, EndedBy.STOPPED, b"ready\npolite\n")


@needs_bwrap
def test_term_reaches_the_program_and_leaves_it_time(tmp_path: Path) -> None:
    heard = Heard(b"ready")
    script = "exec 2> /dev/null; trap 'echo tidied; exit 4' TERM; echo ready; while :; do sleep 0.02; done"
    ended = run(sh(script, tmp_path), on_output=heard.listen, stop=heard.stop)
    assert (ended.code, ended.ended_by, heard.output) == (4, EndedBy.STOPPED, b"ready\ntidied\n")


@needs_bwrap
def test_one_that_ignores_term_is_killed(tmp_path: Path) -> None:
    heard = Heard(b"ready")
    script = "trap '' TERM; echo ready; while :; do sleep 0.02; done"
    ended = run(sh(script, tmp_path, grace_s=0.1), on_output=heard.listen, stop=heard.stop)
    # bubblewrap passes on how its command ended if that is killed before itself
    assert ended.code in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert ended.ended_by is EndedBy.STOPPED


@needs_bwrap
def test_nothing_outlives_it_however_it_was_detached(tmp_path: Path) -> None:
    marker = {"PITBOSS_RUN_ID": f"run-{tmp_path}", "PITBOSS_SESSION_SEQ": "1"}
    seen: list[int] = []
    heard = Heard(b"ready")

    def stop() -> StopRequest | None:
        found = proctree.carrying(marker, since=0)
        seen[:] = found if len(found) > len(seen) else seen
        return heard.stop()

    command = Command(
        argv=("sh", "-c", FIVE_PROCESSES, "sh", str(tmp_path)),
        cwd=str(tmp_path),
        env={"PATH": "/usr/bin:/bin", **marker},
        marker=marker,
        fence=fence(tmp_path),
    )
    ended = run(command, on_output=heard.listen, stop=stop)
    assert ended.ended_by is EndedBy.STOPPED
    assert sorted(file.name for file in tmp_path.iterdir()) == FIVE_NAMES
    assert len(seen) >= len(FIVE_NAMES)  # the marker can be read from outside
    assert proctree.alive(seen) == []


@needs_bwrap
def test_what_it_leaves_when_it_ends_by_itself_ends_too(tmp_path: Path) -> None:
    marker = {"PITBOSS_RUN_ID": f"run-{tmp_path}", "PITBOSS_SESSION_SEQ": "2"}
    env = {"PATH": "/usr/bin:/bin", **marker}
    ended = run(sh("setsid sleep 300 & echo started", tmp_path, env=env, marker=marker))
    assert (ended.code, ended.tail) == (0, b"started\n")
    assert proctree.carrying(marker, since=0) == []


@needs_bwrap
def test_a_sandbox_that_cannot_be_made_is_a_command_that_did_not_start(tmp_path: Path) -> None:
    missing = Fence(argv=("bwrap", "--bind", str(tmp_path / "gone"), "/"), layers=2)
    for merge_stderr in (True, False):
        command = Command(argv=("true",), cwd=str(tmp_path), fence=missing, merge_stderr=merge_stderr)
        ended = run(command)
        assert (ended.code, ended.ended_by) == (None, EndedBy.SPAWN_FAILED)
        assert ended.error is not None
        assert ended.error.startswith("the sandbox could not be made: Can't find source path")


def test_without_the_program_that_makes_it_nothing_starts(tmp_path: Path) -> None:
    fence = Fence(argv=("no-such-bwrap",), layers=2)
    ended = run(Command(argv=("touch", "made"), cwd=str(tmp_path), fence=fence))
    assert (ended.ended_by, ended.error) == (
        EndedBy.SPAWN_FAILED,
        "cannot start no-such-bwrap: no such program",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("program", ["no-such-agent", "./no-such-agent"])
def test_a_program_that_does_not_exist_is_reported_as_without_a_sandbox(tmp_path: Path, program: str) -> None:
    ended = run(Command(argv=(program,), cwd=str(tmp_path), fence=fence(tmp_path)))
    assert ended.error == f"cannot start {program}: no such program"


def test_a_folder_that_does_not_exist_is_reported_as_without_a_sandbox(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    ended = run(Command(argv=("true",), cwd=str(gone), fence=fence(tmp_path)))
    assert ended.error == f"cannot start true: cannot work in {gone}: No such file or directory"


def test_a_wrapper_of_the_users_own_gets_the_whole_command_line(tmp_path: Path) -> None:
    values = dict.fromkeys(("worktree", "home", "git", "session"), str(tmp_path))
    wrapper = wrapper_fence(("env", "WHERE={worktree}"), values)
    ended = run(Command(argv=("sh", "-c", "echo $WHERE $0", "one"), cwd="/", fence=wrapper))
    assert (ended.code, ended.tail) == (0, f"{tmp_path} one\n".encode())


def test_only_what_bubblewrap_says_alone_counts_as_its_refusal(tmp_path: Path) -> None:
    refused = Exit(code=1, ended_by=EndedBy.EXIT)
    inside = confine(Command(argv=("true",), cwd=str(tmp_path), fence=Fence(argv=("bwrap",), layers=2)))
    assert judged(inside, refused, (b"", b"bwrap: no\n")).error == "the sandbox could not be made: no"
    for said in ((b"out\n", b"bwrap: no\n"), (b"", b"other\n"), (b"", b"")):
        assert judged(inside, refused, said) == refused
    outside = confine(Command(argv=("true",), cwd=str(tmp_path), fence=OUTSIDE))
    assert judged(outside, refused, (b"", b"bwrap: no\n")) == refused
