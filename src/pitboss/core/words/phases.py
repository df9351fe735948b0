"""What a session is doing, in words (SPEC 6, 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.embed import one_line
from pitboss.core.events import SET_UP, Phase
from pitboss.core.tone import Tone

if TYPE_CHECKING:
    from pitboss.core.measures import ClockFace
    from pitboss.core.view import Flight

PHASE_WORDS = {
    Phase.HOOK: "running a hook",
    Phase.AGENT: "agent at work",
    Phase.WAIT: "waiting",
    Phase.VERIFY: "running the tests",
    Phase.FIX: "fixing",
    Phase.LAND: "landing",
}
"""What each phase means, in the order in which a session goes through them."""

_SETTING_UP = "setting up"

CUT_SHORT = "cut short"
"""What became of a session in flight whose run is not live any more."""

_DETAIL_WIDTH = 200


def phase_words(phase: Phase | None, detail: str = "") -> str:
    """`running the tests (pytest)`, `agent at work`; `starting` before the first phase."""
    if _is_set_up(phase, detail):
        return _SETTING_UP
    words = "starting" if phase is None else PHASE_WORDS[phase]
    return f"{words} ({one_line(detail, _DETAIL_WIDTH)})" if detail else words


def brief_words(flight: Flight) -> str:
    """Its phase where there is no room for more."""
    if flight.cut_short:
        return CUT_SHORT
    return phase_words(flight.phase, flight.detail if _is_set_up(flight.phase, flight.detail) else "")


def _is_set_up(phase: Phase | None, detail: str) -> bool:
    """Whether it is no hook of the user's: a working copy of its own is made ready."""
    return phase is Phase.HOOK and detail == SET_UP


def flight_tone(flight: Flight) -> Tone:
    """How a session in flight is doing."""
    if flight.cut_short:
        return Tone.BAD
    return Tone.WARN if flight.phase is Phase.WAIT else Tone.ACTIVE


def flight_words(flight: Flight, clock: ClockFace | None = None) -> str:
    """As `phase_words`; a wait says for what and until when: `waiting for codex's usage limit until 03:10`.

    Without a `clock` it does not say until when: a screen that ticks says how long it still takes. Once its run is
    dead, a session does nothing any more.
    """
    if flight.cut_short:
        return CUT_SHORT
    if flight.phase is not Phase.WAIT:
        return phase_words(flight.phase, flight.detail)
    what = f" for {one_line(flight.detail, _DETAIL_WIDTH)}" if flight.detail else ""
    until = f" until {clock(flight.until)}" if flight.until is not None and clock is not None else ""
    return f"waiting{what}{until}"
