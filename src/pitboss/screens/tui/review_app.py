"""`pitboss review` on a terminal: one landed session after the other, riskiest first (SPEC 11)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from pitboss.core.embed import one_line
from pitboss.core.review import Mark
from pitboss.core.tone import Tone
from pitboss.errors import PitbossError
from pitboss.screens.program import screen_calls
from pitboss.screens.tones import TONE_INK
from pitboss.screens.tui.bars import Lines
from pitboss.screens.tui.orderly_app import OrderlyApp
from pitboss.screens.tui.pager import Pager
from pitboss.screens.tui.pieces import Piece
from pitboss.screens.tui.review_texts import files_at, headline, key_line, keys_page, page, tests_page
from pitboss.store.review import read_marks, set_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from pitboss.screens.desk import Changes, Desk
    from pitboss.screens.reviewing import Reviewed
    from pitboss.store.paths import RunPaths


class ReviewApp(OrderlyApp):
    """Goes through sessions, and marks them durably as soon as a key says so; `edit` opens a text in an editor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "mark('accept')", show=False),
        Binding("n", "mark('leave')", show=False),
        Binding("u", "undo", show=False),
        Binding("d", "page('diff')", show=False),
        Binding("t", "page('tests')", show=False),
        Binding("question_mark", "page('keys')", show=False),
        Binding("o", "edit", show=False),
        Binding("right_square_bracket,tab", "file(1)", show=False),
        Binding("left_square_bracket,shift+tab", "file(-1)", show=False),
        Binding("right,l", "go(1)", show=False),
        Binding("left,h", "go(-1)", show=False),
        Binding("escape", "page('')", show=False),
        Binding("q", "leave", show=False),
    ]

    def __init__(
        self, paths: RunPaths, found: Sequence[Reviewed], desk: Desk, edit: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._paths = paths
        self._found = found
        self._desk = desk
        self._edit = edit
        self._marks = read_marks(paths)
        self._undo: list[tuple[int, Mark | None]] = []
        self._changes: dict[int, Changes] = {}
        self._at = next((n for n, each in enumerate(found) if each.seq not in self._marks), 0)
        self._page = ""

    @property
    def _on(self) -> Reviewed:
        return self._found[self._at]

    def compose(self) -> ComposeResult:
        """The session's head, its text, the last answer, and the keys."""
        yield Lines(id="top")
        text = Pager(id="text")
        text.add_class("part")
        yield text
        yield Lines(id="answer")
        yield Lines(id="keys")

    def on_mount(self) -> None:
        """Begin with the first session without a mark."""
        self.query_one("#keys", Lines).show([key_line()])
        self.query_one(Pager).focus()
        self._draw(to_top=True)

    def _draw(self, *, to_top: bool) -> None:
        """Show the session; its diff is read in the background the first time."""
        on = self._on
        self.query_one("#top", Lines).show(
            headline(self._paths.run_id, on, self._at, len(self._found), self._marks)
        )
        pager = self.query_one(Pager)
        pager.show(self._rows())
        if to_top:
            pager.to_row(0)
        if on.seq not in self._changes:
            self.run_worker(self._read(on))

    def _rows(self) -> Sequence[Sequence[Piece]]:
        match self._page:
            case "keys":
                return keys_page()
            case "tests":
                return tests_page(self._paths, self._on)
            case name:
                return page(self._on, self._changes.get(self._on.seq), whole=name == "diff")

    async def _read(self, on: Reviewed) -> None:
        self._changes[on.seq] = await asyncio.to_thread(self._desk.changes, on.record, on.landed_before)
        if on is self._on:
            self._draw(to_top=False)

    def _say(self, text: str, tone: Tone) -> None:
        self.query_one("#answer", Lines).show(
            [[Piece(screen_calls(one_line(text)), TONE_INK[tone])]] if text else []
        )

    def _set(self, seq: int, mark: Mark | None) -> bool:
        """Give a session a mark; whether that worked."""
        try:
            self._marks = set_mark(self._paths, seq, mark)
        except PitbossError as error:
            self._say(f"{error.message}; {error.hint}", Tone.BAD)
            return False
        return True

    def action_mark(self, word: str) -> None:
        """Mark the session and go on to the next one without a mark."""
        seq = self._on.seq
        before = self._marks.get(seq)
        if not self._set(seq, Mark(word)):
            return
        self._undo.append((seq, before))
        following = [*range(self._at + 1, len(self._found)), *range(self._at)]
        self._at = next((n for n in following if self._found[n].seq not in self._marks), self._at)
        self._page = ""
        done = all(each.seq in self._marks for each in self._found)
        self._say("every session has its mark; q quits, then `pitboss land`" if done else "", Tone.OK)
        self._draw(to_top=True)

    def action_undo(self) -> None:
        """Take back the last mark of this sitting, else that of this session, and go there."""
        seq, before = self._undo[-1] if self._undo else (self._on.seq, None)
        if self._set(seq, before):
            self._undo = self._undo[:-1]
            self._at = next(n for n, each in enumerate(self._found) if each.seq == seq)
            self._say(f"session {seq} is as it was before", Tone.WARN)
            self._draw(to_top=True)

    def action_go(self, by: int) -> None:
        """To the next session or the one before."""
        self._at = min(max(self._at + by, 0), len(self._found) - 1)
        self._page = ""
        self._say("", Tone.OK)
        self._draw(to_top=True)

    def action_page(self, name: str) -> None:
        """Show a page, or the usual one again."""
        self._page = "" if self._page == name else name
        self._draw(to_top=True)

    def action_file(self, by: int) -> None:
        """To the next file of the diff or the one before."""
        pager = self.query_one(Pager)
        starts = files_at(self._rows())
        ahead = [row for row in starts if (row > pager.top_row if by > 0 else row < pager.top_row)]
        if ahead:
            pager.to_row(ahead[0] if by > 0 else ahead[-1])

    def action_edit(self) -> None:
        """Open the whole diff in the user's editor."""
        changes = self._changes.get(self._on.seq)
        if changes is None:
            return
        text = "\n".join(line for file in changes.files for line in file.lines) + "\n"
        failure = ""
        with self.suspend():
            try:
                self._edit(text)
            except Exception as error:  # if `suspend` met it, nobody would take the terminal back
                failure = f"the editor failed: {error}"
        self._say(failure, Tone.BAD)
        self.refresh()
