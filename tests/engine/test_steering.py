"""What people change about a live run: done in order, answered by an event, kept where it must be (SPEC 10)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.core.budget import CapChanges, Caps
from pitboss.core.choosers.scripted import ScriptedChooser
from pitboss.core.events import CapsChanged, Paused, Skipping, Unpaused, Warned
from pitboss.core.requests import ChangeCaps, Pause, Skip, Unpause
from pitboss.engine.control import Control
from pitboss.engine.journal import Journal
from pitboss.engine.meter import Meter
from pitboss.engine.spending import Spending
from pitboss.engine.steering import Steering
from pitboss.errors import StorageError
from pitboss.guardian import StopChannel
from pitboss.store.catalogue import read_state
from pitboss.store.mailbox import send
from pitboss.store.rundir import RunDir
from tests.support.values import STARTED, fresh_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.core.requests import Request

HELD = Caps(max_iterations=3, max_cost_usd=1.0)


class Wheel:
    """A run's control, steered; what was in force and on disk when each event was emitted is kept with it."""

    def __init__(self, rundir: RunDir, channel: int) -> None:
        self.paths = rundir.paths
        self.events: list[Any] = []
        self.seen: list[tuple[bool, Caps, bool, Caps | None]] = []
        self.journal = Journal(rundir, fresh_run(caps=HELD), ScriptedChooser(()), lambda: STARTED)
        self.spending = Spending(HELD, Meter(), self.journal, lambda: STARTED, hard=False)
        self.control = Control(StopChannel(channel), rundir.paths, self._emit, listen_every_s=0)
        self.steering = Steering(self.spending, self.journal, self._emit)

    def _emit(self, event: object) -> None:
        state = read_state(self.paths)
        self.seen.append((self.control.paused, self.spending.caps, state.paused, state.caps))
        self.events.append(event)

    def asked(self, *requests: Request) -> list[str]:
        """Send the requests, have them taken at one look, and return their ids."""
        ids = [send(self.paths, what, by="test") for what in requests]
        self.control.listen()
        return ids


@pytest.fixture
def wheel(tmp_path: Path) -> Iterator[Wheel]:
    channel, other = os.pipe()
    with RunDir.create(tmp_path, fresh_run(caps=HELD)) as rundir:
        wheel = Wheel(rundir, channel)
        wheel.control.steer_by(wheel.steering)
        yield wheel
    for descriptor in (channel, other):
        os.close(descriptor)


def test_each_letter_is_in_force_and_on_disk_before_it_is_answered(wheel: Wheel) -> None:
    more = Caps(max_iterations=9)
    ids = wheel.asked(Pause(), ChangeCaps(caps=CapChanges(max_iterations=9, max_cost_usd=None)), Unpause())
    assert wheel.events == [
        Paused(by="test", request=ids[0]),
        CapsChanged(caps=more, by="test", request=ids[1]),
        Unpaused(by="test", request=ids[2]),
    ]
    assert wheel.seen == [(True, HELD, True, HELD), (True, more, True, more), (False, more, False, more)]


def test_of_two_changes_to_the_caps_the_second_builds_on_the_first(wheel: Wheel) -> None:
    wheel.asked(ChangeCaps(caps=CapChanges(max_tokens=9)), ChangeCaps(caps=CapChanges(max_iterations=4)))
    assert wheel.spending.caps == Caps(max_iterations=4, max_cost_usd=1.0, max_tokens=9)


def test_who_asks_for_what_is_so_already_is_answered_too(wheel: Wheel) -> None:
    ids = wheel.asked(Pause(), Pause(), Unpause(), Unpause())
    assert [event.request for event in wheel.events] == ids
    assert not wheel.control.paused


def test_letters_wait_until_somebody_steers(wheel: Wheel, tmp_path: Path) -> None:
    channel, other = os.pipe()
    early = Control(StopChannel(channel), wheel.paths, wheel.events.append, listen_every_s=0)
    send(wheel.paths, Pause(), by="test")
    send(wheel.paths, Skip(), by="test")
    early.listen()
    assert wheel.events == [Skipping(seqs=(), request="skip")]
    assert not early.paused
    early.steer_by(wheel.steering)
    early.listen()
    assert early.paused
    for descriptor in (channel, other):
        os.close(descriptor)


def test_what_cannot_be_written_down_counts_all_the_same_and_is_answered(
    wheel: Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageError("no space left")

    monkeypatch.setattr(RunDir, "checkpoint", full)
    ids = wheel.asked(Pause(), ChangeCaps(caps=CapChanges(max_iterations=9)))
    warning = Warned(text="a request could not be written down: no space left")
    caps = Caps(max_iterations=9, max_cost_usd=1.0)
    assert wheel.events == [
        warning,
        Paused(by="test", request=ids[0]),
        warning,
        CapsChanged(caps=caps, by="test", request=ids[1]),
    ]
    assert (wheel.control.paused, wheel.spending.caps) == (True, caps)


def test_a_skip_is_answered_with_the_sessions_that_it_concerns(wheel: Wheel) -> None:
    for seq in (3, 4):
        wheel.control.began(seq)
    wheel.asked(Skip(seq=4), Skip(seq=5))
    wheel.asked(Skip())
    assert sorted(wheel.events[:2], key=lambda event: str(event.request)) == [
        Skipping(seqs=(4,), request="skip-4"),
        Skipping(seqs=(), request="skip-5"),
    ]
    assert wheel.events[2:] == [Skipping(seqs=(3, 4), request="skip")]


def test_what_was_refused_is_warned_about_by_its_name(wheel: Wheel) -> None:
    (wheel.paths.control / "request-nonsense").touch()
    wheel.control.listen()
    (warned,) = wheel.events
    assert (type(warned), warned.request) == (Warned, "request-nonsense")
