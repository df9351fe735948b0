"""Limits, stop requests and the ladder that follows: polite signal, TERM, KILL (SPEC 6)."""

from __future__ import annotations

import signal
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from pitboss.core.stops import StopRequest
from pitboss.process import Command, EndedBy, Exit, run, supervisor
from tests.support.clock import LeapingClock

if TYPE_CHECKING:
    from pathlib import Path

FOREVER = "exec 2> /dev/null; while :; do sleep 0.02; done"  # a shell says there which children were killed


def sh(source: str, cwd: Path, **rules: object) -> Command:
    return Command(argv=("sh", "-c", source), cwd=str(cwd), **rules)  # type: ignore[arg-type]


def verdict(ended: Exit) -> tuple[int | None, EndedBy, StopRequest | None, bytes]:
    return ended.code, ended.ended_by, ended.stop, ended.tail


class Heard:
    """Collects output and asks for a stop once a word was heard."""

    def __init__(self, word: bytes, request: StopRequest = StopRequest.ABORT) -> None:
        self.output = b""
        self.word = word
        self.request = request

    def listen(self, chunk: bytes) -> None:
        self.output += chunk

    def stop(self) -> StopRequest | None:
        return self.request if self.word in self.output else None


def test_the_wall_clock_ends_a_command_that_talks_all_the_time(tmp_path: Path) -> None:
    ended = run(Command(argv=("yes",), cwd=str(tmp_path), max_seconds=0.3))
    assert (ended.code, ended.ended_by) == (-signal.SIGTERM, EndedBy.WALL_CLOCK)
    assert 0.3 <= ended.seconds < 30


@pytest.mark.parametrize("request_", list(StopRequest))
def test_a_stop_request_is_part_of_the_exit(tmp_path: Path, request_: StopRequest) -> None:
    heard = Heard(b"ready", request_)
    ended = run(sh(f"echo ready; {FOREVER}", tmp_path), on_output=heard.listen, stop=heard.stop)
    assert verdict(ended) == (-signal.SIGTERM, EndedBy.STOPPED, request_, b"ready\n")


def test_stop_is_asked_every_tenth_of_a_second_even_under_constant_output(tmp_path: Path) -> None:
    asked: list[float] = []

    def gaps() -> list[float]:
        return [later - earlier for earlier, later in pairwise(asked)]

    def stop() -> StopRequest | None:
        asked.append(time.monotonic())
        enough = len(asked) > 5 and (min(gaps()) < 0.15 or len(asked) > 100)
        return StopRequest.ABORT if enough else None

    run(Command(argv=("yes",), cwd=str(tmp_path)), stop=stop)
    assert 0.09 <= min(gaps()) < 0.15, "the shortest, as the machine may be busy"


def test_the_polite_signal_lets_an_agent_print_its_result_and_exit_cleanly(tmp_path: Path) -> None:
    heard = Heard(b"ready")
    source = f"trap 'echo result; exit 0' INT; echo ready; {FOREVER}"
    ended = run(sh(source, tmp_path, polite_signal=signal.SIGINT), on_output=heard.listen, stop=heard.stop)
    assert verdict(ended) == (0, EndedBy.STOPPED, StopRequest.ABORT, b"ready\nresult\n")


def test_a_limit_uses_the_polite_signal_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = LeapingClock(tmp_path, monkeypatch, supervisor)
    source = f"trap 'echo result; exit 0' INT; echo ready; {clock.passes(100)}; {FOREVER}"
    ended = run(sh(source, tmp_path, polite_signal=signal.SIGINT, max_seconds=100), stop=clock.look)
    assert verdict(ended) == (0, EndedBy.WALL_CLOCK, None, b"ready\nresult\n")


def test_an_agent_deaf_to_the_polite_signal_gets_term_after_its_grace(tmp_path: Path) -> None:
    heard = Heard(b"ready")
    source = f"trap '' INT; trap 'echo term; exit 7' TERM; echo ready; {FOREVER}"
    command = sh(source, tmp_path, polite_signal=signal.SIGINT, polite_grace_s=0.2)
    ended = run(command, on_output=heard.listen, stop=heard.stop)
    assert verdict(ended) == (7, EndedBy.STOPPED, StopRequest.ABORT, b"ready\nterm\n")


def test_an_agent_deaf_to_everything_is_killed_and_read_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, heard = LeapingClock(tmp_path, monkeypatch, proctree), Heard(b"ready")

    def listen(chunk: bytes) -> None:
        heard.listen(chunk)
        if b"no" in chunk:
            clock.leap(100)

    source = f"trap '' INT; trap 'echo no' TERM; echo ready; {FOREVER}"
    command = sh(source, tmp_path, polite_signal=signal.SIGINT, polite_grace_s=0.1, grace_s=100)
    ended = run(command, on_output=listen, stop=heard.stop)
    assert verdict(ended) == (-signal.SIGKILL, EndedBy.STOPPED, StopRequest.ABORT, b"ready\nno\n")


def test_a_command_that_ended_by_itself_is_not_called_stopped(tmp_path: Path) -> None:
    ended = run(sh("echo done", tmp_path), stop=lambda: StopRequest.ABORT)
    assert verdict(ended) == (0, EndedBy.EXIT, None, b"done\n")


def test_a_second_exception_while_ending_kills_at_once(tmp_path: Path) -> None:
    """As a second Ctrl-C would; here both come from signal handlers in the middle of the loop."""
    leaders: list[int] = []

    def interrupt(*_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            run(sh(f"trap '' TERM; {FOREVER}", tmp_path), on_start=lambda pid, _: leaders.append(pid))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(leaders) == 1
    assert proctree.alive(leaders) == []
