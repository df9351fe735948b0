"""Serves the web page until a signal ends it: binds, says where, and closes every connection at once (SPEC 10)."""

from __future__ import annotations

import contextlib
import errno
import secrets
import signal
import socket
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from pitboss.errors import CommandError
from pitboss.screens.web.admission import Door, names_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp
    from uvicorn.config import Config

MOST_CONNECTIONS = 256
LARGEST_HEAD = 16 * 1024
"""Bytes of a request line and its headers."""

_IDLE_S = 15
"""How long a browser may keep a connection open for its next request."""


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens on `host`; port 0 takes any that is free. Raises CommandError."""
    # For text Python loads the rules for international names.
    name = host.encode() if host.isascii() else host
    try:
        family, *_, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise CommandError(f"cannot serve on {host}: {error.strerror}") from error
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as error:
        listening.close()
        raise _cannot_bind(host, port, error) from error
    return listening


def entry(host: str, listening: socket.socket, *, allow_control: bool) -> tuple[Door, str]:
    """The door of a server bound to `host`, with a token of its own, and the address that opens it."""
    port = listening.getsockname()[1]
    own_name = socket.gethostname()
    names, anywhere = names_for(host, own_name)
    door = Door(
        token=secrets.token_urlsafe(32),
        port=port,
        names=names,
        anywhere=anywhere,
        allow_control=allow_control,
    )
    name = own_name if anywhere else f"[{host}]" if ":" in host else host
    return door, f"http://{name}:{port}/?token={door.token}"


def serve(app: ASGIApp, listening: socket.socket, closing: Callable[[], None]) -> None:
    """Answer requests until SIGINT or SIGTERM; `closing` is called then, to end the answers that never end."""
    _load_uvicorn()
    from uvicorn.server import Server

    class UntilSignalled(Server):
        """uvicorn's server, except that a signal ends it and nothing else: it is not raised again afterwards."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            import asyncio

            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self._end)
            yield

        def _end(self) -> None:
            self.should_exit = True
            closing()

    UntilSignalled(_settings(app)).run(sockets=[listening])


def _settings(app: ASGIApp) -> Config:
    """uvicorn with nothing that a page for a few people does not need."""
    import uvicorn.config

    from pitboss.screens.web.connection import Connection

    return uvicorn.config.Config(
        app,
        http=Connection,
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=LARGEST_HEAD,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=1,
    )


def _load_uvicorn() -> None:
    """Load uvicorn without its command line, which nobody uses here and which takes a tenth of the start."""
    if "uvicorn" in sys.modules:
        return
    unused = ModuleType("uvicorn.main")
    unused.Server = unused.main = unused.run = None  # type: ignore[attr-defined]
    sys.modules["uvicorn.main"] = unused
    try:
        import uvicorn  # noqa: F401
    finally:
        del sys.modules["uvicorn.main"]


def _cannot_bind(host: str, port: int, error: OSError) -> CommandError:
    if error.errno == errno.EADDRINUSE:
        return CommandError(
            f"port {port} of {host} is in use",
            hint="choose another with --port, or --port 0 for any that is free",
        )
    hint = "ports below 1024 need special rights" if error.errno == errno.EACCES else None
    return CommandError(f"cannot serve on port {port} of {host}: {error.strerror}", hint=hint)
