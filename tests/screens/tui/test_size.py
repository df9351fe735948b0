"""However much there is, only what is in sight is read and drawn."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App

from pitboss.screens import tui
from pitboss.screens.columns import Column
from pitboss.screens.tui.output_pane import OutputPane
from pitboss.screens.tui.pieces import Piece
from pitboss.screens.tui.table import RowTable
from tests.screens.tui.a_night import shown

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

HUGE = 200 * 1024 * 1024
EDGE = 256 * 1024


class Alone(App[None]):
    """One widget and nothing else."""

    CSS_PATH = Path(tui.__file__).with_name("watch.tcss")

    def __init__(self, widget: Widget) -> None:
        super().__init__(ansi_color=True)
        self._widget = widget

    def compose(self) -> ComposeResult:
        yield self._widget


def lines(word: str) -> bytes:
    """Numbered lines, about EDGE bytes of them."""
    return b"".join(f"{word} {number:06}\n".encode() for number in range(EDGE // 12))


def test_a_transcript_of_200_mb_opens_at_its_end_and_is_read_by_windows(tmp_path: Path) -> None:
    path = tmp_path / "session-0001.log"
    with path.open("wb") as file:
        file.write(lines("head"))
        file.truncate(HUGE)
        file.seek(HUGE - EDGE)
        file.write(lines("tail"))
    pane = OutputPane()

    async def read() -> None:
        app = Alone(pane)
        async with app.run_test(size=(80, 24)) as pilot:
            pane.open(path, lambda window: window.lines)
            pane.focus()
            await pilot.pause()
            assert shown(app).rstrip().endswith(f"tail {EDGE // 12 - 1:06}")
            for _ in range(30):
                pane.action_page(-9)
            assert len(pane._windows) <= 6
            await pilot.press("g")
            assert shown(app).startswith("head 000000\n")
            await pilot.press("G")
            with path.open("ab") as file:
                file.write(b"one more\n")
            assert pane.grown()
            pane.follow()
            await pilot.pause()
            assert shown(app).rstrip().endswith("one more")
            await pilot.press("k", "k")
            with path.open("ab") as file:
                file.write(b"unseen\n")
            pane.follow()
            await pilot.pause()
            assert "unseen" not in shown(app)

    asyncio.run(read())


def test_paging_down_from_the_beginning_never_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "session-0001.log"
    path.write_bytes(lines("head") + lines("tail"))
    pane = OutputPane()

    async def read() -> None:
        app = Alone(pane)
        async with app.run_test(size=(80, 24)) as pilot:
            pane.open(path, lambda window: window.lines)
            pane.focus()
            await pilot.press("g")
            seen = list[str]()
            while not pane.at_end:
                seen.append(pane._rows[pane.top_row][0].text)
                pane.action_page(1)
            await pilot.pause()
            assert shown(app).rstrip().endswith(f"tail {EDGE // 12 - 1:06}")
            assert seen == sorted(set(seen))

    asyncio.run(read())


def test_a_line_that_is_not_whole_yet_waits_until_it_is(tmp_path: Path) -> None:
    path = tmp_path / "session-0001.log"
    path.write_bytes(b"whole\nhal")
    pane = OutputPane()

    async def read() -> None:
        app = Alone(pane)
        async with app.run_test(size=(80, 24)) as pilot:
            pane.open(path, lambda window: window.lines)
            await pilot.pause()
            assert shown(app).strip() == "whole"
            pane.follow()
            assert not pane.grown()
            path.write_bytes(b"whole\nhalf\n")
            pane.follow()
            await pilot.pause()
            assert shown(app).split() == ["whole", "half"]

    asyncio.run(read())


def test_of_three_thousand_rows_only_those_in_sight_are_made() -> None:
    made = list[int]()

    def cells(item: int) -> list[Piece]:
        made.append(item)
        return [Piece(f"row {item}")]

    table = RowTable((Column("row", 8, 20),), cells, lambda item: item)

    async def scroll() -> None:
        app = Alone(table)
        async with app.run_test(size=(80, 24)) as pilot:
            table.show(range(3000))
            table.focus()
            await pilot.pause()
            made.clear()
            await pilot.press("G")
            assert shown(app).rstrip().endswith("row 2999")
            assert len(made) <= 100
            table.show([-1, *range(3000)])
            await pilot.pause()
            assert table.item == 2999
            assert "row 2999" in shown(app)
            table.filter("ROW 299")
            await pilot.pause()
            assert [*table.items] == [299, 1299, 2299, *range(2990, 3000)]

    asyncio.run(scroll())
