"""One end of the connection of one session: sends in order, receives into a queue, and beats (SPEC 14).

Both the runner and the worker use it, each with its own messages. Its coroutines run in an event loop; the thread of
the session puts and takes, and waits. A large parcel beside a message travels in pieces, a few at a time, and goes
to disk as it arrives, so that memory holds only a few pieces, whatever its size.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from queue import Empty, SimpleQueue
from threading import Semaphore
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pitboss.core.leases import is_lost
from pitboss.git.packs import Parcel
from pitboss.workers.heartbeat import Heartbeat
from pitboss.workers.messages import Beat, CargoPiece, Message, PieceTaken, encoded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BEATS = 3
"""How many beats fit into the time after which the other side is given up."""

LONGEST_BEAT_S = 20.0
BEAT = encoded(Beat())
FULL = 64
"""Messages that may wait to be sent, or to be taken, before senders that can wait do so."""

PAUSE_S = 0.01
"""Seconds between two checks whether there is room again."""

LOOK_S = 1.0
"""Seconds between two checks whether the connection is closed while there is no room."""

PIECE = 512 * 1024
WINDOW = 8
"""Pieces on their way at a time."""

M = TypeVar("M", bound=Message)


class Closed(Exception):
    """The other side is gone, or has been silent for too long."""


class Wire(Generic[M]):
    """One end of a connection; `decode` reads what the other side says. `comm` is a connection of dask.

    Large parcels are written to `folder`. Connections that share a `heartbeat` beat together.
    """

    def __init__(
        self,
        comm: Any,
        loop: asyncio.AbstractEventLoop,
        decode: Callable[[bytes], M],
        *,
        lost_after_s: float,
        folder: Path | None = None,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        self._comm = comm
        self._loop = loop
        self._decode = decode
        self._lost_after_s = lost_after_s
        self._out: deque[tuple[bytes, bytes]] = deque()
        self._has_out = asyncio.Event()
        self._in: SimpleQueue[tuple[M, Parcel] | tuple[()] | None] = SimpleQueue()
        self._nudged = False
        self._folder = folder
        self._window = Semaphore(WINDOW)
        self._heartbeat = heartbeat or Heartbeat(loop)
        self.beat_s = min(LONGEST_BEAT_S, lost_after_s / BEATS)
        self._heard = self._said = time.monotonic()
        self._lost = asyncio.Event()
        self._closed = False

    @property
    def is_full(self) -> bool:
        """Whether so much waits to be sent that senders that can wait should."""
        return len(self._out) >= FULL

    @property
    def is_behind(self) -> bool:
        """Whether so much has arrived and was not taken that nothing more is read for now."""
        return self._in.qsize() >= FULL

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any longer."""
        return self._closed

    # In the event loop

    async def serve(self) -> None:
        """Carry messages until either side closes the connection."""
        tasks = [asyncio.ensure_future(work) for work in (self._send(), self._receive(), self._lost.wait())]
        beating = self._heartbeat.add(self)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._heartbeat.remove(beating)
            self._closed = True
            self._in.put(None)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._comm.abort()

    async def _send(self) -> None:
        while True:
            while not self._out:
                self._has_out.clear()
                await self._has_out.wait()
            head, body = self._out.popleft()
            if not head:
                return
            await self._comm.write([head, body])
            self._said = time.monotonic()
            # Dask does not wait for its stream, which takes whatever it gets.
            stream = getattr(self._comm, "stream", None)
            if stream is not None and stream.writing():
                await stream.write(b"")

    async def _receive(self) -> None:
        beside = Parcel(folder=self._folder)
        while True:
            head, body = await self._comm.read()
            self._heard = time.monotonic()
            match said := self._decode(bytes(head)):
                case Beat():  # an answer now costs the other side least: it is taking in many at this moment
                    self._beat(self._heard, self.beat_s / 2)
                case PieceTaken():
                    self._window.release()
                case CargoPiece():
                    await asyncio.to_thread(beside.add, bytes(body))
                    self._send_next((encoded(PieceTaken()), b""))
                case _:
                    if beside:
                        beside.add(bytes(body))
                    else:  # it came in one piece, so it stays in memory
                        beside = Parcel(bytes(body))
                    self._in.put((said, beside))
                    beside = Parcel(folder=self._folder)
                    await self._taken()

    async def _taken(self) -> None:
        """Wait while too much waits to be taken: the other side then has to wait as well, and is not silent."""
        while self.is_behind:
            await asyncio.sleep(PAUSE_S)
            self._heard = time.monotonic()

    def beat_by(self, now: float, early_s: float) -> float | None:
        """Beat if that is due within `early_s`; returns when to call it again, None if it has been given up."""
        if is_lost(now - self._heard, self._lost_after_s):
            self._lost.set()
            return None
        self._beat(now, self.beat_s - early_s)
        return min(self._said + self.beat_s, self._heard + self._lost_after_s)

    def _beat(self, now: float, after_s: float) -> None:
        """Beat unless something was said within `after_s`."""
        if now - self._said >= after_s:
            self._said = now
            self._send_next((BEAT, b""))

    def _send_next(self, item: tuple[bytes, bytes]) -> None:
        self._out.append(item)
        self._has_out.set()

    # In the session's thread

    def put(self, message: Message, beside: bytes | Parcel = b"") -> None:
        """Send a message; a parcel is closed once it is on its way. If the connection is closed, it is lost."""
        parcel = beside if isinstance(beside, Parcel) else Parcel(beside)
        last = parcel.data
        if parcel.is_large:
            for piece in parcel.pieces(PIECE):
                if not self._has_room():
                    break
                self._soon((encoded(CargoPiece()), piece))
        parcel.close()
        self._soon((encoded(message), last))

    def put_in_turn(self, message: Message, beside: bytes = b"") -> None:
        """Send a message once fewer than `FULL` others wait for that: memory holds no more of what keeps coming."""
        while self.is_full and not self._closed:
            time.sleep(PAUSE_S)
        self.put(message, beside)

    def _has_room(self) -> bool:
        """Wait until there is room for another piece; False if the connection is closed."""
        while not self._closed:
            if self._window.acquire(timeout=LOOK_S):
                return True
        return False

    def take(self, wait_s: float) -> tuple[M, Parcel] | None:
        """The next message; None if none comes within that time, or somebody calls `nudge`.

        Raises Closed once there will be no more.
        """
        try:
            found = self._in.get(timeout=wait_s) if wait_s else self._in.get_nowait()
        except Empty:
            return None
        if found is None:
            self._in.put(None)
            raise Closed
        if not found:
            self._nudged = False
            return None
        return found

    def nudge(self) -> None:
        """Have `take` return early; call this in any thread. Several calls before it returns count as one."""
        if not self._nudged:
            self._nudged = True
            self._in.put(())

    def close(self) -> None:
        """Close the connection once everything has been sent."""
        self._soon((b"", b""))

    def _soon(self, item: tuple[bytes, bytes]) -> None:
        if self._closed:
            return
        self._out.append(item)  # at once, so that `is_full` counts it even if the loop is busy
        try:
            self._loop.call_soon_threadsafe(self._has_out.set)
        except RuntimeError:  # the loop is closed
            self._closed = True
