"""Questions that come before anything changes, and the pages that lie over a screen (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from pitboss.screens.output import Ink
from pitboss.screens.tui.boxes import Words
from pitboss.screens.tui.keys import KEYS, Group
from pitboss.screens.tui.pieces import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.app import ComposeResult

_KEY_WIDTH = 12
_ROOM_FOR_GROUPS = 32


def hints(*pairs: str) -> list[Piece]:
    """`y yes   n no`: keys and what they do, in turn."""
    pieces: list[Piece] = []
    for key, words in zip(pairs[::2], pairs[1::2], strict=True):
        pieces += [Piece(key, Ink.STRONG), Piece(f" {words}   ", Ink.FAINT)]
    return pieces


class YesOrNo(ModalScreen[bool]):
    """Asks before something is done. Only `y` and enter mean yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", show=False),
        Binding("n,escape,q", "answer(False)", show=False),
    ]

    def __init__(self, asked: str, details: Sequence[str] = ()) -> None:
        super().__init__()
        self._asked = asked
        self._details = details

    def compose(self) -> ComposeResult:
        """The question, what it means, and the keys that answer it."""
        with Vertical(classes="box"):
            yield Words()

    def on_mount(self) -> None:
        """Say what is asked."""
        details = [[Piece(line)] for line in self._details]
        asked = [[Piece(self._asked, Ink.STRONG)], *details]
        self.query_one(Words).show([*asked, [], hints("y", "yes", "n", "no")])

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)


class Help(ModalScreen[None]):
    """All keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter,space", "close", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
    ]

    def compose(self) -> ComposeResult:
        """The keys, by what they are for."""
        with Vertical(classes="box"):
            yield Words(hang=_KEY_WIDTH)

    def on_mount(self) -> None:
        """Fill the page; where rows are scarce, without blank lines."""
        groups = self.app.size.height >= _ROOM_FOR_GROUPS
        self.query_one(Words).show([*_help(groups=groups), hints("esc", "back")])

    def action_scroll(self, by: int) -> None:
        """Show what has no room in a small terminal."""
        self.query_one(".box").scroll_relative(y=by, animate=False, immediate=True)

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss(None)


def _help(*, groups: bool) -> Iterator[list[Piece]]:
    for group in Group:
        if groups:
            yield [Piece(group.value, Ink.FAINT)]
        for key in KEYS:
            if key.group is group:
                yield [Piece(f"{key.shown:<{_KEY_WIDTH}}", Ink.STRONG), Piece(key.words)]
        if groups:
            yield []
