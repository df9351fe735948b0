"""`make screens`: grinds a short night with scripted agents, and draws the screens of `watch` and `review`.

What is drawn is the program's own screen of a real run; only the size of the terminal is chosen here.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from night import Night
from picture import FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from pitboss.cli.shared.desk import RepositoryDesk
from pitboss.screens.reviewing import to_review
from pitboss.screens.tui.app import WatchApp
from pitboss.screens.tui.review_app import ReviewApp
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import App

FOLDER = Path(__file__).parent / "screens"
SMALL, LARGE = (80, 24), (160, 44)
DARK = "181a1f e06c75 7eba6e d6b165 61a0e0 be82cd 5cb8c0 abb2bf 5c6370 e06c75 98c379 e5c07b 61afef c678dd 56b6c2 ffffff"
COLORS = [tuple(bytes.fromhex(color)) for color in DARK.split()]
THEME = TerminalTheme(COLORS[0], (201, 205, 214), COLORS[:8], COLORS[8:])
LIVE: Mapping[str, tuple[tuple[int, int], Sequence[str]]] = {
    "watch": (LARGE, ()),
    "run": (SMALL, ()),
    "not-landed": (SMALL, ("tab",)),
    "timeline": (SMALL, ("tab", "tab")),
    "queue": (SMALL, ("tab", "tab", "tab")),
    "session": (SMALL, ("G", "enter")),
    "diff": (SMALL, ("G", "d")),
    "transcript": (SMALL, ("shift+tab", "t")),
    "attempts": (SMALL, ("tab", "G", "enter", "shift+tab")),
    "cap": (SMALL, ("plus",)),
    "stop": (SMALL, ("s",)),
    "help": (SMALL, ("question_mark",)),
}
REVIEW: Mapping[str, tuple[tuple[int, int], Sequence[str]]] = {"review": (SMALL, ())}
AT_REST: Mapping[str, tuple[tuple[int, int], Sequence[str]]] = {
    "at-rest": (SMALL, ()),
    "runs": (SMALL, ("escape",)),
}


def main() -> None:
    """Draw all of them, or those that are named."""
    wanted = sys.argv[1:]
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pitboss-screens-") as folder:
        night = Night(Path(folder))
        with night.grinding():
            night.wait()
            night.pitboss("queue", "add", "Write a README that says how to install calc.")
            draw_all(night, {name: how for name, how in LIVE.items() if name in wanted or not wanted})
        draw_all(night, {name: how for name, how in AT_REST.items() if name in wanted or not wanted})
        for name, (size, keys) in REVIEW.items():
            if name in wanted or not wanted:
                draw(name, reviewing(night), size, keys)


def draw_all(night: Night, pictures: Mapping[str, tuple[tuple[int, int], Sequence[str]]]) -> None:
    """Draw some screens of the night."""
    for name, (size, keys) in pictures.items():
        draw(name, WatchApp(night.root, night.run_id, RepositoryDesk(night.root)), size, keys)


def reviewing(night: Night) -> ReviewApp:
    """The review of the night, before its first mark."""
    desk = RepositoryDesk(night.root)
    found = to_review(night.root, night.run_id, desk)
    return ReviewApp(RunPaths(night.root, night.run_id), found, desk, edit=print)


def draw(name: str, app: App[None], size: tuple[int, int], keys: Sequence[str]) -> None:
    """Draw what the app shows after these keys."""
    (FOLDER / f"{name}.svg").write_text(asyncio.run(picture(name, app, size, keys)), encoding="utf-8")


async def picture(name: str, app: App[None], size: tuple[int, int], keys: Sequence[str]) -> str:
    """One screen as an SVG."""
    async with app.run_test(size=size) as pilot:
        await pilot.pause(1.5)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.7)
        lines = app.screen._compositor.render_strips()  # noqa: SLF001 - textual's own pictures are five times as large
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(width=size[0], height=size[1], record=True, file=nowhere, force_terminal=True)
        for line in lines:
            console.print(Text.assemble(*((piece.text, piece.style or "") for piece in line)), no_wrap=True)
        title = "pitboss review" if name in REVIEW else f"pitboss watch: {name}"
        svg = console.export_svg(title=title, theme=THEME, code_format=FORMAT, unique_id=name)
    svg = svg.replace("<text ", '<text xml:space="preserve" ')
    return re.sub(r"[ \t]+\n", "\n", svg).rstrip() + "\n"


if __name__ == "__main__":
    main()
