"""How a prompt stands in its run, in words (SPEC 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pitboss.core.left_out import LeftOut


def left_out_words(each: LeftOut) -> str:
    """`takes no further part: its last 3 sessions landed nothing (max_barren 3)`; the prompt's name goes before it."""
    sessions = "session" if each.streak == 1 else f"{each.streak} sessions"
    return f"takes no further part: its last {sessions} landed nothing (max_barren {each.max_barren})"
