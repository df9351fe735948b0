"""The footer of `grind` goes on with its clocks, and draws again what has changed (SPEC 8)."""

from __future__ import annotations

import io
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from rich.text import Text

from pitboss.core.view import Flight
from pitboss.screens.live import LATE_S, Footer, flight_lines, until_next_second_s
from tests.support.values import STARTED

if TYPE_CHECKING:
    from datetime import datetime


class Terminal(io.StringIO):
    """Keeps what is written to it."""

    def isatty(self) -> bool:
        return True


def flight(seq: int, *, started_at: datetime = STARTED, until: datetime | None = None) -> Flight:
    return Flight(seq=seq, prompt="alpha", agent="shell", started_at=started_at, until=until)


def after(seconds: float) -> datetime:
    return STARTED + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("now", "flights", "seconds"),
    [
        (3.25, (flight(1),), 0.75),
        (3.25, (flight(1), flight(2, started_at=after(0.5))), 0.25),
        (3.25, (flight(1, until=after(10.5)),), 0.25),
        (-0.25, (flight(1),), 0.25),
        (3.25, (), 1.0),
    ],
    ids=["one", "the next of two", "what is left", "not begun", "none"],
)
def test_it_rests_until_a_clock_goes_on(now: float, flights: tuple[Flight, ...], seconds: float) -> None:
    assert until_next_second_s(flights, after(now)) == pytest.approx(seconds + LATE_S)


def test_once_a_clock_has_gone_on_its_line_is_another() -> None:
    shown = flight(1, until=after(10.5))
    for now in (3.25, 3.6):
        then = now + until_next_second_s([shown], after(now))
        before, later = (flight_lines(shown, after(seconds))[0].plain for seconds in (now, then))
        assert before != later


def test_what_is_drawn_again_looks_as_if_it_were_drawn_for_the_first_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)  # here, as pytest sets it between fixtures and test
    lines = [Text("● one", style="cyan"), Text(""), Text("two", style="dim"), Text("two", style="dim")]

    def drawn(footer: Footer) -> list[str]:
        terminal.seek(0)
        terminal.truncate()
        footer.draw()
        return terminal.getvalue().rpartition("\x1b[2K")[2].split("\n")

    footer = Footer(lambda: [line.copy() for line in lines])
    first = drawn(footer)
    assert [Text.from_ansi(line).plain for line in first] == ["● one", "", "two", "two"]
    assert "\x1b[36m" in first[0]
    assert drawn(footer) == first
    lines[2:] = [Text("three", style="bold"), Text("two", style="bold")]
    assert drawn(footer) == drawn(Footer(lambda: [line.copy() for line in lines])) != first
    lines.clear()
    assert drawn(footer) == [""]
