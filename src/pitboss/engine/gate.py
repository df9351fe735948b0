"""What sessions of a run know together: when an agent's usage limit ends, what is being spent now (SPEC 4, 6)."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from pitboss.core import budget
from pitboss.core.retry import Cause, opens_at
from pitboss.core.usage import Usage, add_tokens, add_usd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pitboss.core.agent import Quota
    from pitboss.core.budget import BudgetSnapshot, Caps, Exceeded


_OPEN = (0.0, Cause.LIMIT)


class Gate:
    """Agents that ran into their limit or are out of reach, or are about to be; thread-safe."""

    def __init__(self, pause_at: float | None, quotas: Mapping[str, Quota]) -> None:
        self.closing = False
        """The run will end once those in flight have ended: nobody need wait for hours. Only ever becomes true."""
        self._pause_at = pause_at
        self._closed: dict[str, tuple[float, Cause]] = {}
        self._quotas = dict(quotas)
        self._lock = Lock()

    def close(self, agent: str, until: float, cause: Cause) -> None:
        """Nobody need start `agent` before `until`, epoch seconds, for `cause`: a session has met it."""
        with self._lock:
            self._closed[agent] = max((until, cause), self._closed.get(agent, _OPEN))

    def cause(self, agent: str) -> Cause:
        """Why `agent` is not to be started, if it is not."""
        with self._lock:
            return self._closed.get(agent, _OPEN)[1]

    def noted(self, agent: str, quota: Quota) -> None:
        """What `agent` last said of its quota."""
        with self._lock:
            self._quotas[agent] = quota

    def opens_at(self, agent: str, now: float) -> float | None:
        """When `agent` may be started again, epoch seconds; None for now."""
        with self._lock:
            told, _ = self._closed.get(agent, _OPEN)
            paused = opens_at(self._quotas.get(agent), self._pause_at, now)
        until = max(told, paused or 0.0)
        return until if until > now else None


class Meter:
    """What sessions in flight have used so far, as far as their agents tell; thread-safe."""

    def __init__(self, caps: Caps) -> None:
        self._caps = msgspec.structs.replace(caps, max_iterations=None)
        self._live: dict[int, Usage] = {}
        self._lock = Lock()

    def show(self, seq: int, used: Usage | None) -> None:
        """Session `seq` has used so much by now; None once its usage is counted elsewhere."""
        with self._lock:
            if used is None:
                self._live.pop(seq, None)
            else:
                self._live[seq] = used

    def cost_beside(self, seq: int) -> float:
        """What the sessions in flight other than `seq` have cost so far, in USD."""
        with self._lock:
            return sum((used for other, used in self._live.items() if other != seq), Usage()).cost_usd

    def exceeded(self, recorded: BudgetSnapshot, running: Sequence[int], now: datetime) -> Exceeded | None:
        """The first cap of the run that records and `running` sessions together have reached."""
        with self._lock:
            live = sum((self._live[seq] for seq in running if seq in self._live), Usage())
        used = msgspec.structs.replace(
            recorded,
            tokens_input=add_tokens(recorded.tokens_input, live.input),
            tokens_output=add_tokens(recorded.tokens_output, live.output),
            cost_usd=add_usd(recorded.cost_usd, live.cost_usd),
        )
        return budget.exceeded(self._caps, used, now=now)
