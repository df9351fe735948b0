"""Runs an event loop for dask in a thread of its own: everything else in the runner blocks (SPEC 14)."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

END_S = 5.0
T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines for threads that wait for them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="workers", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], *, timeout_s: float | None = None) -> T:
        """Run a coroutine to its end and return its result. Raises TimeoutError, and whatever it raises."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise

    def soon(self, call: Callable[..., object], *args: object) -> None:
        """Call a function in the loop, in order, without waiting for it."""
        self._loop.call_soon_threadsafe(call, *args)

    def close(self) -> None:
        """End the loop and everything that still runs in it."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        self._thread.join(END_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _end(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._loop.stop()
