"""A client that stalls loses its connection to the web page, and costs a bounded amount of memory (SPEC 10)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from pitboss.screens.web import connection
from pitboss.screens.web.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Receive, Scope, Send

PATIENCE_S = 30.0
CHUNK = b"x" * 65536


async def greeting(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


class Endless:
    """An answer without end, and how much of it was sent."""

    def __init__(self) -> None:
        self.sent = 0
        self.over = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        leaving = asyncio.create_task(_left(receive))
        while not leaving.done():
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
            self.sent += len(CHUNK)
            await asyncio.sleep(0)
        self.over.set()


async def _left(receive: Receive) -> None:
    message: Message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called on, whoever stalls is soon dropped; before that, no busy machine stalls for too long."""

    def hurry() -> None:
        monkeypatch.setattr(connection, "HEAD_S", 0.2)
        monkeypatch.setattr(connection, "UNREAD_S", 0.2)

    monkeypatch.setattr(connection, "HEAD_S", 2 * PATIENCE_S)
    monkeypatch.setattr(connection, "UNREAD_S", 2 * PATIENCE_S)
    return hurry


def serving(app: object, scene: Callable[[int], Awaitable[None]]) -> None:
    """Play `scene` with the port of a server that runs `app`."""

    async def played() -> None:
        loop = asyncio.get_running_loop()
        config = Config(app, lifespan="off", ws="none", log_config=None, timeout_keep_alive=60)  # type: ignore[arg-type]
        server = await loop.create_server(lambda: Connection(config, ServerState(), {}, loop), "127.0.0.1", 0)
        async with server, asyncio.timeout(PATIENCE_S):
            await scene(server.sockets[0].getsockname()[1])

    asyncio.run(played())


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a"])
def test_a_request_whose_head_does_not_come_is_dropped(sent: bytes, impatient: Callable[[], None]) -> None:
    impatient()

    async def scene(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            writer.write(sent)
            assert await _rest(reader) == b""

    serving(greeting, scene)


def test_the_second_request_of_a_connection_must_come_whole_as_well(impatient: Callable[[], None]) -> None:
    async def scene(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await reader.readuntil(b"hello") != b""
            impatient()
            writer.write(b"GET / HT")
            assert b"200" not in await _rest(reader)

    serving(greeting, scene)


def test_a_client_that_reads_nothing_is_dropped_and_little_is_kept_for_it(
    impatient: Callable[[], None],
) -> None:
    app = Endless()

    async def scene(port: int) -> None:
        impatient()
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await app.over.wait()

    serving(app, scene)
    assert app.sent < 16 * 1024 * 1024


@pytest.mark.usefixtures("impatient")
def test_a_client_that_reads_is_served() -> None:
    app = Endless()

    async def scene(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        read = 0
        while read < 32 * len(CHUNK):
            read += len(await reader.read(len(CHUNK)))
        assert not app.over.is_set()
        writer.transport.abort()
        await app.over.wait()

    serving(app, scene)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
