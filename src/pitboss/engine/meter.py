"""Adds up what the sessions in flight have spent so far, so that a hard budget can count it (SPEC 4)."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from pitboss.core import budget
from pitboss.core.usage import Usage, add_tokens, add_usd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pitboss.core.budget import BudgetSnapshot, Caps, Exceeded


class Meter:
    """What the sessions in flight have used so far, as far as their agents report it; thread-safe."""

    def __init__(self) -> None:
        self._live: dict[int, Usage] = {}
        self._lock = Lock()

    def show(self, seq: int, used: Usage | None) -> None:
        """Note what session `seq` has used so far; None once a record counts it."""
        with self._lock:
            if used is None:
                self._live.pop(seq, None)
            else:
                self._live[seq] = used

    def cost_beside(self, seq: int) -> float:
        """What the sessions in flight other than `seq` have cost so far, in USD."""
        with self._lock:
            return sum((used for other, used in self._live.items() if other != seq), Usage()).cost_usd

    def exceeded(
        self, caps: Caps, recorded: BudgetSnapshot, running: Sequence[int], now: datetime
    ) -> Exceeded | None:
        """The first of a run's `caps`, sessions aside, that records and `running` sessions reach together."""
        with self._lock:
            live = sum((self._live[seq] for seq in running if seq in self._live), Usage())
        used = msgspec.structs.replace(
            recorded,
            tokens_input=add_tokens(recorded.tokens_input, live.input),
            tokens_output=add_tokens(recorded.tokens_output, live.output),
            cost_usd=add_usd(recorded.cost_usd, live.cost_usd),
        )
        return budget.exceeded(msgspec.structs.replace(caps, max_iterations=None), used, now=now)
