"""All runs of the repository, newest first, unreadable ones included (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.embed import one_line
from pitboss.core.measures import counted
from pitboss.errors import PitbossError
from pitboss.screens.output import Ink, path_in_words
from pitboss.screens.program import screen_calls
from pitboss.screens.tui import rows
from pitboss.screens.tui.live_screen import LiveScreen
from pitboss.screens.tui.pieces import Piece
from pitboss.screens.tui.table import RowTable
from pitboss.screens.tui.wishes import OpenRun, RowChosen
from pitboss.store.catalogue import RunListing, list_runs, run_of
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import lock_holder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from textual.app import ComposeResult

    from pitboss.core.measures import ClockFace

_NONE_YET = "no runs yet: `pitboss grind` starts one, `pitboss demo` shows one in a throw-away repository"


class RunsScreen(LiveScreen):
    """The list of runs; enter opens one."""

    look_s = 2.0

    def __init__(self, repo: Path, clock: ClockFace) -> None:
        super().__init__()
        self._repo = repo
        self._clock = clock
        self._now: datetime | None = None
        self._runs: Sequence[RunListing] = ()
        self._live: str | None = None
        self._problem = ""
        self._table: RowTable[RunListing] = RowTable(
            rows.RUNS, self._cells, lambda run: run.run_id, empty=screen_calls(_NONE_YET), id="runs"
        )
        self._table.heads = True
        self._table.add_class("part")

    def body(self) -> ComposeResult:
        """The table."""
        yield self._table

    @property
    def tables(self) -> Sequence[RowTable[RunListing]]:
        """What a filter is for."""
        return (self._table,)

    @property
    def hints(self) -> Sequence[str]:
        """What one does here."""
        return ("open", "filter", "task")

    def look(self) -> bool:
        """List the runs."""
        before = self._runs, self._live, self._problem
        try:
            self._runs = list_runs(self._repo)
            holder = lock_holder(*lock_paths(self._repo))
            self._live = None if holder is None else run_of(self._repo, holder)
            self._problem = ""
        except (PitbossError, OSError) as error:
            self._problem = str(error)
        return before != (self._runs, self._live, self._problem)

    def draw(self, now: datetime) -> None:
        """Show them."""
        self._now = now
        words = f"{counted(len(self._runs), 'run')} of {one_line(path_in_words(self._repo.name))}"
        problem = (
            [[Piece(f"cannot list the runs: {one_line(self._problem)}", Ink.BAD)]] if self._problem else []
        )
        self.show_top([[Piece("pitboss  ", Ink.NAME), Piece(words, Ink.STRONG)], *problem])
        self._table.border_title = " Runs "
        self._table.show(self._runs)

    def on_row_chosen(self, event: RowChosen) -> None:
        """Open the run under the cursor."""
        self.post_message(OpenRun(event.item.run_id))

    def _cells(self, run: RunListing) -> list[Piece]:
        return [] if self._now is None else rows.run_cells(run, self._live, self._now, self._clock)
