"""When an agent may start again after a session has hit its usage limit (SPEC 6)."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from pitboss.core.retry import Cause, opens_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.quota import Quota


_OPEN = (0.0, Cause.LIMIT)


class Gate:
    """Agents at their limit, close to it, or unreachable; thread-safe."""

    def __init__(self, pause_at: float | None, quotas: Mapping[str, Quota]) -> None:
        self.closing = False
        """The run is about to end with the sessions in flight, so none waits for hours. Only the loop sets this."""
        self._pause_at = pause_at
        self._closed: dict[str, tuple[float, Cause]] = {}
        self._quotas = dict(quotas)
        self._lock = Lock()

    def close(self, agent: str, until: float, cause: Cause) -> None:
        """A session has hit `cause`: do not start `agent` before `until`, epoch seconds."""
        with self._lock:
            self._closed[agent] = max((until, cause), self._closed.get(agent, _OPEN))

    def cause(self, agent: str) -> Cause:
        """Why `agent` may not start, if so."""
        with self._lock:
            return self._closed.get(agent, _OPEN)[1]

    def noted(self, agent: str, quota: Quota) -> None:
        """Note what `agent` last said about its quota."""
        with self._lock:
            self._quotas[agent] = quota

    def opens_at(self, agent: str, now: float) -> float | None:
        """When `agent` may start again, epoch seconds; None if it may start now."""
        with self._lock:
            told, _ = self._closed.get(agent, _OPEN)
            renewed = opens_at(self._quotas.get(agent), self._pause_at, now)
        until = max(told, renewed or 0.0)
        return until if until > now else None
