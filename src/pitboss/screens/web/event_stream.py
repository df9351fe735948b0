"""Server-sent events: one endless answer, which ends with its client, what it tells of, or the server (SPEC 10).

Each event is what changed on a page since the client's last one. `Last-Event-ID` says which that was; a client that
does not say, or that knows an earlier server, gets the whole page. What the client does not read is not kept:
`connection` cuts it off.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import msgspec

from pitboss.errors import PitbossError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from pitboss.screens.web.feeds import Update

HEARTBEAT_S = 15.0
"""Seconds after which a quiet stream says that it is still there; this finds clients that are gone."""

_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8")]
_RETRY_MS = 1000


class EventStream:
    """The answer to whoever watches a page, while it takes one of `places`."""

    def __init__(
        self, updates: AsyncIterator[Update | None], closing: asyncio.Event, places: asyncio.Semaphore
    ) -> None:
        self._updates = updates
        self._closing = closing
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client leaves or the server closes."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if scope["method"] != "HEAD":
            async with self._places:
                await self._until_over(receive, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _until_over(self, receive: Receive, send: Send) -> None:
        tasks = [asyncio.create_task(each) for each in (self._pump(send), _left(receive), self._closed())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(self, send: Send) -> None:
        await send(_body(b"retry: %d\n\n" % _RETRY_MS))
        with contextlib.suppress(PitbossError):  # gone: whoever asks again is told so, with a status
            async for update in self._updates:
                await send(_body(b": still here\n\n" if update is None else encode(update)))

    async def _closed(self) -> None:
        await self._closing.wait()


def encode(update: Update) -> bytes:
    """An update as an event: its version is the id, its parts are JSON, which is one line."""
    return b"id: %b\nevent: parts\ndata: %b\n\n" % (
        update.version.encode(),
        msgspec.json.encode({name: str(text) for name, text in update.parts.items()}),
    )


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _body(data: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": True}
