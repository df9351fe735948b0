"""A stop that is announced is asked about when there is a reason to, and not all the time (SPEC 6)."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from pitboss.core.announced_stop import AnnouncedStop
from pitboss.core.stops import StopRequest
from pitboss.engine.bell import Bell
from pitboss.process import Command, EndedBy, Exit, run, supervisor
from tests.support.cli import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

FOR_EVER = "exec sleep 300"
LAST_WORDS = "trap 'echo term; exit 7' TERM; echo ready; exec 2> /dev/null; while :; do sleep 0.02; done"


def sh(source: str, cwd: Path, **rules: object) -> Command:
    return Command(argv=("sh", "-c", source), cwd=str(cwd), **rules)  # type: ignore[arg-type]


class Desk:
    """Asks for a stop once it is told to, and counts how often it was asked about that."""

    def __init__(self) -> None:
        self.bell = Bell()
        self.asked = self.answered = 0
        self.request: StopRequest | None = None

    def why(self) -> StopRequest | None:
        self.asked += 1
        self.answered += self.request is not None
        return self.request

    def stop(self, due_s: Callable[[], float] = lambda: 300.0) -> AnnouncedStop:
        return AnnouncedStop(self.why, self.bell.calling, due_s)


@pytest.fixture
def never_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but what a test is about makes anyone ask."""
    monkeypatch.setattr(supervisor, "BURY_S", 300.0)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def stopped(ended: Exit, request: StopRequest) -> bool:
    return (ended.code, ended.ended_by, ended.stop) == (-signal.SIGTERM, EndedBy.STOPPED, request)


def test_while_a_command_is_silent_nobody_asks_more_than_once_a_second(tmp_path: Path) -> None:
    desk = Desk()
    ended = run(sh("sleep 0.7", tmp_path), stop=desk.stop())
    assert 1 <= desk.asked <= 2 + ended.seconds


def test_one_that_is_not_announced_is_asked_about_every_tenth_of_a_second(
    tmp_path: Path, never_in_between: None
) -> None:
    desk, ready = Desk(), tmp_path / "ready"

    def why() -> StopRequest | None:
        if desk.why() is None and desk.asked == 5:
            ready.touch()
        return None

    run(sh(f"until [ -e {ready} ]; do sleep 0.02; done", tmp_path), stop=why)
    assert desk.asked >= 5


@pytest.mark.usefixtures("never_in_between")
def test_a_call_ends_the_command_at_once(tmp_path: Path) -> None:
    desk = Desk()

    def call() -> None:
        wait_until(lambda: desk.asked == 1)
        desk.request = StopRequest.SKIP
        desk.bell.ring()

    caller = Thread(target=call)
    caller.start()
    ended = run(sh(FOR_EVER, tmp_path), stop=desk.stop())
    caller.join()
    assert stopped(ended, StopRequest.SKIP)
    assert desk.asked == 2


@pytest.mark.usefixtures("never_in_between")
def test_output_is_a_reason_to_ask(tmp_path: Path) -> None:
    desk, go = Desk(), tmp_path / "go"

    def why() -> StopRequest | None:
        desk.why()
        go.touch()
        return desk.request

    def heard(_: bytes) -> None:
        desk.request = StopRequest.COST_CAP

    stop = AnnouncedStop(why, desk.bell.calling)
    source = f"until [ -e {go} ]; do sleep 0.02; done; echo spent; {FOR_EVER}"
    assert stopped(run(sh(source, tmp_path), stop=stop, on_output=heard), StopRequest.COST_CAP)


@pytest.mark.usefixtures("never_in_between")
def test_it_is_asked_about_when_it_is_due(tmp_path: Path) -> None:
    desk = Desk()

    def why() -> StopRequest | None:
        return StopRequest.STALLED if desk.why() is None and desk.asked == 3 else None

    stop = AnnouncedStop(why, desk.bell.calling, lambda: 0.2)
    assert stopped(run(sh(FOR_EVER, tmp_path), stop=stop), StopRequest.STALLED)


def test_calls_during_the_end_of_a_command_change_nothing(tmp_path: Path) -> None:
    desk = Desk()

    def ring(_: bytes) -> None:
        desk.request = StopRequest.ABORT
        desk.bell.ring()

    ended = run(sh(LAST_WORDS, tmp_path), stop=desk.stop(), on_output=ring)
    assert (ended.code, ended.ended_by, ended.tail) == (7, EndedBy.STOPPED, b"ready\nterm\n")
    assert desk.answered == 1


def test_output_after_a_failed_callback_asks_nobody(tmp_path: Path) -> None:
    desk = Desk()

    def fail(_: bytes) -> None:
        desk.request = StopRequest.ABORT
        raise RuntimeError("the listener has failed")

    with pytest.raises(RuntimeError, match="the listener has failed"):
        run(sh(LAST_WORDS, tmp_path), stop=desk.stop(), on_output=fail)
    assert desk.answered == 0


def test_no_descriptor_and_nobody_who_calls_stays_behind(tmp_path: Path) -> None:
    desk, before = Desk(), _descriptors()
    run(sh("echo done", tmp_path), stop=desk.stop())
    desk.bell.ring()
    assert _descriptors() == before


def test_without_a_descriptor_to_spare_it_is_asked_about_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, never_in_between: None
) -> None:
    def none_left(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "eventfd", none_left)
    desk = Desk()

    def why() -> StopRequest | None:
        return StopRequest.ABORT if desk.why() is None and desk.asked == 3 else None

    asked = AnnouncedStop(why, desk.bell.calling)
    assert stopped(run(sh(FOR_EVER, tmp_path), stop=asked), StopRequest.ABORT)
