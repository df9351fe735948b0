"""When an agent whose usage limit a session has met may be started again (SPEC 6)."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from pitboss.core.retry import Cause, opens_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.agent import Quota


_OPEN = (0.0, Cause.LIMIT)


class Gate:
    """Agents that have met their limit, are out of reach, or are about to be; thread-safe."""

    def __init__(self, pause_at: float | None, quotas: Mapping[str, Quota]) -> None:
        self.closing = False
        """As things stand, the run ends once those in flight have: nobody waits for hours. The loop alone sets it."""
        self._pause_at = pause_at
        self._closed: dict[str, tuple[float, Cause]] = {}
        self._quotas = dict(quotas)
        self._lock = Lock()

    def close(self, agent: str, until: float, cause: Cause) -> None:
        """A session has met `cause`: start `agent` no earlier than `until`, epoch seconds."""
        with self._lock:
            self._closed[agent] = max((until, cause), self._closed.get(agent, _OPEN))

    def cause(self, agent: str) -> Cause:
        """Why `agent` may not start, if it may not."""
        with self._lock:
            return self._closed.get(agent, _OPEN)[1]

    def noted(self, agent: str, quota: Quota) -> None:
        """What `agent` last said of its quota."""
        with self._lock:
            self._quotas[agent] = quota

    def opens_at(self, agent: str, now: float) -> float | None:
        """When `agent` may start again, epoch seconds; None for now."""
        with self._lock:
            told, _ = self._closed.get(agent, _OPEN)
            renewed = opens_at(self._quotas.get(agent), self._pause_at, now)
        until = max(told, renewed or 0.0)
        return until if until > now else None
