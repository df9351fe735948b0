"""Titles of parts; where parts take turns, the title of the one in sight names the others too; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAMES = {
    "needs": "Needs you",
    "flights": "In flight",
    "landed": "Landed",
    "missed": "Not landed",
    "lanes": "Timeline",
    "queue": "Queue",
    "notes": "Scratchpad",
}

FRAME = 2
"""Cells of a line that a frame takes from its title."""

SESSION_PAGES = {
    "summary": "Summary",
    "diff": "Diff",
    "transcript": "Transcript",
    "tests": "Tests",
    "hooks": "Hooks",
    "attempts": "Attempts",
}


def title(name: str, count: int | None) -> Content:
    """`Landed 12`."""
    return Content(f" {(NAMES | SESSION_PAGES)[name]}{f' {count}' if count else ''} ")


def page_titles(pages: Mapping[str, int | None], shown: str, room: int) -> Content:
    """`Landed 12 · Not landed 3 · Timeline`: the one in sight as the frame has it, the others faint.

    Where they do not fit in `room` cells, those before it give way: it is always in sight.
    """
    words = [
        Content(f"[{title(name, count).plain}]")
        if name == shown
        else title(name, count).stylize("dim not bold")
        for name, count in pages.items()
    ]
    at = list(pages).index(shown)
    begin = next(
        (n for n in range(at) if _length(words[n:]) <= room or _length(words[n : at + 1]) < room), at
    )
    return Content("·").join(words[begin:])


def _length(words: Sequence[Content]) -> int:
    return sum(word.cell_length + 1 for word in words) - 1
