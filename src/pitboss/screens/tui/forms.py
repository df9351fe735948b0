"""Forms for what a request needs to know: which cap and how high, the text of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import TextArea

from pitboss.core.gauges import Budget
from pitboss.core.measures import duration, money, tokens
from pitboss.screens.output import Ink
from pitboss.screens.tui.boxes import Words
from pitboss.screens.tui.dialogs import hints
from pitboss.screens.tui.pieces import Piece
from pitboss.screens.tui.steering import NewCap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import ComposeResult

    from pitboss.core.gauges import Gauge


_STEPS: Mapping[Budget, tuple[float, ...]] = {
    Budget.SESSIONS: (1, 5, 10, 50),
    Budget.COST: (0.5, 1, 5, 10, 50),
    Budget.TOKENS: (100_000, 500_000, 1_000_000, 5_000_000),
    Budget.TIME: (1800, 3600),
}


def step(budget: Budget, cap: float) -> float:
    """How much a press of + adds: about a tenth of the cap, in round numbers."""
    steps = _STEPS[budget]
    return max((size for size in steps if size <= cap / 8), default=steps[0])


class CapForm(ModalScreen[NewCap | None]):
    """Chooses a cap and how high it is to be."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down,tab", "choose(1)", show=False),
        Binding("k,up,shift+tab", "choose(-1)", show=False),
        Binding("plus,equals_sign,right,l", "change(1)", show=False),
        Binding("minus,left,h", "change(-1)", show=False),
        Binding("0,backspace,delete", "lift", show=False),
        Binding("enter,y", "done", show=False),
        Binding("escape,q,n", "give_up", show=False),
    ]

    def __init__(self, gauges: Sequence[Gauge], *, first: int) -> None:
        super().__init__()
        self._gauges = gauges
        self._caps = [gauge.cap for gauge in gauges]
        self._at = next((n for n, gauge in enumerate(gauges) if gauge.cap is not None), 0)
        self._first = first

    def compose(self) -> ComposeResult:
        """A line for each cap."""
        with Vertical(classes="box"):
            yield Words()

    def on_mount(self) -> None:
        """Show the caps, the first of them already changed by the key that opened this."""
        if self._caps[self._at] is not None:
            self.action_change(self._first)
        self._show()

    def _show(self) -> None:
        rows = [self._row(n) for n in range(len(self._gauges))]
        keys = hints("+ -", "change", "0", "none", "j k", "other", "enter", "ask", "esc", "cancel")
        self.query_one(Words).show([[Piece("Which cap, and how high?", Ink.STRONG)], *rows, [], keys])

    def _row(self, number: int) -> list[Piece]:
        gauge, cap = self._gauges[number], self._caps[number]
        here = number == self._at
        words = f"{amount(gauge.budget, gauge.used)} used, cap {amount(gauge.budget, gauge.cap)}"
        new = f" → {amount(gauge.budget, cap)}" if cap != gauge.cap else ""
        marker = Piece("› " if here else "  ", Ink.NAME)
        return [
            marker,
            Piece(f"{gauge.budget:<10}", Ink.STRONG if here else None),
            Piece(words),
            Piece(new, Ink.NAME),
        ]

    def action_choose(self, by: int) -> None:
        """Move to another cap; this one stays as it is."""
        self._caps[self._at] = self._gauges[self._at].cap
        self._at = (self._at + by) % len(self._gauges)
        self._show()

    def action_change(self, by: int) -> None:
        """Raise or lower the cap by a step; one that was not there begins at what is used."""
        gauge = self._gauges[self._at]
        cap = self._caps[self._at]
        now = gauge.used if cap is None else cap
        size = step(gauge.budget, now)
        self._caps[self._at] = max((now // size + by) * size, size)
        self._show()

    def action_lift(self) -> None:
        """No cap."""
        self._caps[self._at] = None
        self._show()

    def action_done(self) -> None:
        """Ask for the cap that the cursor is on, if it is a new one."""
        gauge, cap = self._gauges[self._at], self._caps[self._at]
        self.dismiss(None if cap == gauge.cap else NewCap(gauge.budget, cap))

    def action_give_up(self) -> None:
        """Leave everything as it is."""
        self.dismiss(None)


def amount(budget: Budget, value: float | None) -> str:
    """A value of a budget in words."""
    if value is None:
        return "none"
    match budget:
        case Budget.SESSIONS:
            return str(int(value))
        case Budget.COST:
            return money(value)
        case Budget.TOKENS:
            return tokens(int(value))
        case Budget.TIME:
            return duration(value)


class TaskForm(ModalScreen[str | None]):
    """Takes the text of a task."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # Not before the field has had its keys: what was typed last is part of the text.
        Binding("ctrl+s,f2", "done", show=False),
        Binding("escape", "give_up", show=False),
    ]

    def compose(self) -> ComposeResult:
        """A field for several lines."""
        with Vertical(classes="box wide"):
            words = Words()
            yield words
            yield TextArea(id="task")
            keys = Words()
            yield keys

    def on_mount(self) -> None:
        """Say what the field is for, and put the cursor in it."""
        words, keys = self.query(Words)
        words.show([[Piece("What should an agent do?", Ink.STRONG)]])
        keys.show([hints("ctrl+s", "queue it", "esc", "cancel")])
        self.query_one(TextArea).focus()

    def action_done(self) -> None:
        """Close with the text, if there is any."""
        self.dismiss(self.query_one(TextArea).text.strip() or None)

    def action_give_up(self) -> None:
        """Close without a task."""
        self.dismiss(None)
