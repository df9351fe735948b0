"""Titles of parts; where parts take turns, the title of the one in sight names the others too; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = {
    "needs": "Needs you",
    "flights": "In flight",
    "landed": "Landed",
    "missed": "Not landed",
    "lanes": "Timeline",
    "queue": "Queue",
    "notes": "Scratchpad",
}

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


def page_titles(pages: Mapping[str, int | None], shown: str) -> Content:
    """`Landed 12 · Not landed 3 · Timeline`: the one in sight as the frame has it, the others faint."""
    words = [
        Content(f"[{title(name, count).plain}]")
        if name == shown
        else title(name, count).stylize("dim not bold")
        for name, count in pages.items()
    ]
    return Content("·").join(words)
