"""What people ask of a live run reaches the sessions it is meant for, and those alone."""

from __future__ import annotations

import contextlib
import os
import sys
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.core.events import Aborting, Draining
from pitboss.core.requests import Skip, Stop
from pitboss.core.stops import StopLevel, StopRequest
from pitboss.engine import listening
from pitboss.engine.control import LONGEST_REST_S, Control, next_look
from pitboss.guardian import StopChannel
from pitboss.store.mailbox import send
from pitboss.store.paths import RunPaths
from pitboss.store.rundir import RunDir
from tests.support.cli import wait_until
from tests.support.values import RUN_ID, fresh_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SKIP, ABORT = StopRequest.SKIP, StopRequest.ABORT


class Desk:
    """A run's control with a guardian's line to it, and what it said."""

    def __init__(self, repo: Path) -> None:
        RunDir.create(repo, fresh_run()).close()
        self.paths = RunPaths(repo, RUN_ID)
        self.skip_file = self.paths.skip_file
        self.events: list[Any] = []
        self._requests_out, self._requests_in = os.pipe()
        self.control = self.listen(every_s=0)

    def listen(self, *, every_s: float) -> Control:
        """Another control of the run, which looks at files so often."""
        channel = StopChannel(self._requests_out)
        return Control(channel, self.paths, self.events.append, listen_every_s=every_s)

    @property
    def raised(self) -> list[StopLevel]:
        """How urgently the run said each time that it was asked to end."""
        levels: dict[object, StopLevel] = {Draining: StopLevel.DRAIN, Aborting: StopLevel.ABORT}
        return [levels[type(event)] for event in self.events if type(event) in levels]

    def signal(self) -> None:
        """What the guardian does for each Ctrl-C."""
        os.write(self._requests_in, b"x")

    def stops(self, *seqs: int) -> list[StopRequest | None]:
        self.control.listen()
        return [self.control.stop_session(seq) for seq in seqs]

    def heard(self) -> StopLevel:
        self.control.listen()
        return self.control.level()

    def hang_up(self) -> None:
        """What the end of the guardian does."""
        os.close(self._requests_in)
        self._requests_in = -1

    def close(self) -> None:
        for descriptor in (self._requests_in, self._requests_out):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    with contextlib.closing(desk):
        yield desk


def test_a_session_is_skipped_alone(desk: Desk) -> None:
    for seq in (3, 4):
        desk.control.began(seq)
    send(desk.paths, Skip(seq=3), by="test")
    assert desk.stops(4, 3, 3) == [None, SKIP, SKIP]
    assert not desk.paths.skip(3).exists()
    assert desk.control.level() is StopLevel.NONE
    assert desk.control.abort_session() is None


@pytest.mark.parametrize("by", ["pitboss skip", "the skip file", "both"])
def test_a_skip_of_all_concerns_those_in_flight_and_no_later_session(desk: Desk, by: str) -> None:
    for seq in (3, 4):
        desk.control.began(seq)
    if by != "the skip file":
        send(desk.paths, Skip(), by="test")
    if by != "pitboss skip":
        desk.skip_file.touch()
    desk.control.began(5)
    assert desk.stops(3, 4, 5) == [SKIP, SKIP, None]
    assert not desk.skip_file.exists()
    assert list(desk.paths.control.iterdir()) == []
    desk.control.ended(3)
    assert desk.stops(3, 4) == [None, SKIP]


def test_what_a_session_asked_for_right_before_its_end_is_heard(desk: Desk) -> None:
    control = desk.listen(every_s=3600)
    control.began(1)
    desk.skip_file.touch()
    control.listen()
    assert control.stop_session(1) is None
    assert control.take_last_word(1) is SKIP


def test_what_was_asked_for_before_a_session_began_does_not_concern_it(desk: Desk) -> None:
    desk.skip_file.touch()
    send(desk.paths, Skip(), by="test")
    send(desk.paths, Skip(seq=3), by="test")
    desk.control.began(3)
    assert desk.stops(3) == [None]
    desk.control.ended(3)
    send(desk.paths, Skip(seq=3), by="test")
    desk.control.began(3)
    assert desk.stops(3) == [None]


def test_a_session_that_is_not_in_flight_is_stopped_by_an_abort_alone(desk: Desk) -> None:
    send(desk.paths, Skip(seq=3), by="test")
    assert desk.stops(3) == [None]
    send(desk.paths, Stop(now=True), by="test")
    assert desk.stops(3) == [ABORT]


def test_an_abort_goes_before_a_skip_and_concerns_every_session(desk: Desk) -> None:
    for seq in (3, 4):
        desk.control.began(seq)
    send(desk.paths, Skip(seq=3), by="test")
    send(desk.paths, Stop(now=True), by="test")
    assert desk.stops(3, 4) == [ABORT, ABORT]
    assert desk.control.abort_session() is ABORT
    assert desk.raised == [StopLevel.ABORT]


def test_a_folder_in_the_place_of_the_skip_file_asks_for_nothing(desk: Desk) -> None:
    desk.control.began(3)
    desk.skip_file.mkdir()
    assert desk.stops(3) == [None]


def test_signals_and_requests_raise_the_level_each_rise_is_told_and_each_request_answered(desk: Desk) -> None:
    send(desk.paths, Stop(), by="test")
    assert [desk.heard(), desk.heard()] == [StopLevel.DRAIN, StopLevel.DRAIN]
    desk.signal()
    assert desk.heard() is StopLevel.DRAIN
    desk.signal()
    assert desk.heard() is StopLevel.ABORT
    send(desk.paths, Stop(), by="test")
    assert desk.heard() is StopLevel.ABORT
    assert desk.raised == [StopLevel.DRAIN, StopLevel.ABORT, StopLevel.ABORT]
    assert [event.request for event in desk.events] == ["drain", "", "drain"]


def test_the_run_itself_may_ask_for_an_abort(desk: Desk) -> None:
    desk.control.began(3)
    desk.control.abort()
    desk.control.abort()
    assert (desk.control.level(), desk.stops(3), desk.raised) == (StopLevel.ABORT, [ABORT], [StopLevel.ABORT])


def test_asking_takes_nothing(desk: Desk) -> None:
    desk.control.began(3)
    send(desk.paths, Stop(), by="test")
    send(desk.paths, Skip(seq=3), by="test")
    desk.skip_file.touch()
    desk.signal()
    asked = (desk.control.level(), desk.control.stop_session(3), desk.control.abort_session())
    assert asked == (StopLevel.NONE, None, None)
    assert sorted(entry.name for entry in desk.paths.control.iterdir()) == ["drain", "skip-3"]
    assert (desk.skip_file.exists(), desk.raised) == (True, [])
    assert (desk.heard(), desk.stops(3), desk.raised) == (StopLevel.DRAIN, [SKIP], [StopLevel.DRAIN] * 2)


def test_requests_are_heard_while_nobody_asks(desk: Desk) -> None:
    desk.control.began(3)
    with desk.control.listening():
        send(desk.paths, Stop(), by="test")
        send(desk.paths, Skip(seq=3), by="test")
        wait_until(lambda: desk.raised == [StopLevel.DRAIN] and not desk.paths.skip(3).exists())
    assert desk.stops(3) == [SKIP]


@pytest.fixture
def told_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks without a reason."""
    monkeypatch.setattr(listening, "TOLD_S", 300.0)


@pytest.mark.usefixtures("told_alone")
def test_a_request_wakes_who_listens(desk: Desk) -> None:
    control = desk.listen(every_s=0.05)
    control.began(3)
    with control.listening():
        for asked in range(1, 4):
            send(desk.paths, Stop(), by="test")
            wait_until(lambda asked=asked: len(desk.raised) == asked)  # type: ignore[misc]
        desk.skip_file.touch()
        wait_until(lambda: control.stop_session(3) is SKIP)


@pytest.mark.usefixtures("told_alone")
def test_a_signal_wakes_who_listens_and_so_does_the_end_of_the_guardian(desk: Desk) -> None:
    with desk.control.listening():
        desk.signal()
        wait_until(lambda: desk.raised == [StopLevel.DRAIN])
        desk.hang_up()
        wait_until(lambda: desk.raised == [StopLevel.DRAIN, StopLevel.ABORT])
        send(desk.paths, Stop(), by="test")
        wait_until(lambda: len(desk.raised) == 3)


def test_where_nobody_tells_of_requests_they_are_looked_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with desk.control.listening():
        monkeypatch.undo()
        send(desk.paths, Stop(), by="test")
        wait_until(lambda: desk.raised == [StopLevel.DRAIN])
        desk.signal()
        desk.signal()
        wait_until(lambda: desk.raised == [StopLevel.DRAIN, StopLevel.ABORT])


def test_the_bell_rings_for_each_request_and_each_rise(desk: Desk) -> None:
    rung: list[StopLevel] = []
    desk.control.began(3)
    with desk.control.bell.calling(lambda: rung.append(desk.control.level())):
        desk.control.listen()
        assert rung == []
        send(desk.paths, Skip(seq=3), by="test")
        desk.control.listen()
        assert rung == [StopLevel.NONE]
        desk.signal()
        desk.control.listen()
        assert rung == [StopLevel.NONE, StopLevel.DRAIN]
        desk.control.abort()
        assert rung == [StopLevel.NONE, StopLevel.DRAIN, StopLevel.ABORT]
    desk.control.bell.ring()
    assert len(rung) == 3


def test_a_run_directory_that_is_gone_asks_for_nothing(desk: Desk) -> None:
    desk.control.began(3)
    desk.paths.control.rmdir()
    assert desk.stops(3) == [None]


def test_sessions_that_ask_at_once_each_hear_what_concerns_them(desk: Desk) -> None:
    """Whoever looks first takes the request away; the session it is meant for hears it all the same."""
    seqs = range(1, 9)
    start = Barrier(len(seqs))
    heard: dict[int, set[StopRequest | None]] = {}

    def session(seq: int) -> None:
        desk.control.began(seq)
        start.wait(30)
        if seq % 2:
            desk.paths.skip(seq).touch()
        heard[seq] = set(desk.stops(*[seq] * 50))
        desk.control.ended(seq)

    threads = [Thread(target=session, args=(seq,)) for seq in seqs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {seq: {SKIP} if seq % 2 else {None} for seq in seqs}


@pytest.mark.parametrize(
    ("every_s", "took_s", "rest_s"),
    [(0.1, 0.001, 0.1), (0.1, 0.02, 0.2), (0.1, 9.0, LONGEST_REST_S), (0.0, 0.02, 0.0)],
)
def test_the_longer_a_look_takes_the_rarer_looks_are(every_s: float, took_s: float, rest_s: float) -> None:
    assert next_look(every_s, 5.0, 5.0 + took_s) == pytest.approx(5.0 + took_s + rest_s)
