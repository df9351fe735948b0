"""A worker's own listener for its runners, so that sessions outlive the scheduler (SPEC 14).

Dask closes every connection of a worker whose scheduler has gone, and makes a new worker when that is back.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pitboss.core.cluster import parse_scheduler
from pitboss.workers.heartbeat import Heartbeat
from pitboss.workers.messages import from_runner
from pitboss.workers.tls import security
from pitboss.workers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pitboss.workers.messages import FromRunner


class Reception:
    """Accepts a connection for each session, as long as the process lives."""

    def __init__(self, attend: Callable[[Wire[FromRunner]], object], folder: Path) -> None:
        """`attend` gets each connection; it must not wait for anything. Large parcels are written to `folder`."""
        self._folder = folder
        self._attend = attend
        self._listener: Any = None
        self._heartbeat: Heartbeat | None = None

    @property
    def port(self) -> int:
        """Where it listens, on the address by which the scheduler reaches this worker; 0 before it is open."""
        return 0 if self._listener is None else int(self._listener.get_host_port()[1])

    async def open(self, scheduler: str, tls: str | None) -> None:
        """Listen where the scheduler's side can connect: on loopback alone if it is there. Raises OSError."""
        from distributed.comm import core

        dask_comm: Any = core
        where = parse_scheduler(scheduler)
        safety = security(tls)
        how = {} if safety is None else safety.get_listen_args("worker")
        protocol = "tls" if where.is_encrypted else "tcp"
        host = f"[{where.loopback}]" if where.loopback and ":" in where.loopback else where.loopback or ""
        self._listener = dask_comm.listen(f"{protocol}://{host}:0", self._accept, **how)
        await self._listener.start()

    def close(self) -> None:
        """Accept no more connections."""
        if self._listener is not None:
            self._listener.stop()

    async def _accept(self, comm: Any) -> None:
        try:
            lost_after_s = float(await comm.read())
        except (OSError, ValueError, TypeError):
            comm.abort()
            return
        loop, folder = asyncio.get_running_loop(), self._folder
        self._heartbeat = self._heartbeat or Heartbeat(loop)
        wire = Wire(
            comm, loop, from_runner, lost_after_s=lost_after_s, folder=folder, heartbeat=self._heartbeat
        )
        self._attend(wire)
        await wire.serve()
