"""Explains why a scheduler cannot be reached: dask reports a time-out, and hides the cause behind it (SPEC 14)."""

from __future__ import annotations

import re
import socket
import ssl
from asyncio import CancelledError
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

T = TypeVar("T")
_TAKEN = re.compile(r"name taken, ([^']*)'")


async def reached(asked: Awaitable[T]) -> T:
    """Await something that may connect. Raises OSError or TimeoutError if the other side is gone, and what it raises.

    One that goes before TLS begins is a ValueError to tornado, and to dask.
    """
    try:
        return await asked
    except ValueError as error:
        if isinstance(error, OSError):  # a certificate that does not fit is both
            raise
        raise ConnectionResetError(str(error)) from error


def why(error: BaseException) -> str:
    """What kept a connection to a scheduler from being made, in a clause about the scheduler."""
    causes = list(_causes(error))
    for cause in causes:
        if (known := _known(cause)) is not None:
            return known
    last = next((str(cause) for cause in reversed(causes) if str(cause)), "")
    return "it does not answer" if isinstance(error, TimeoutError) or not last else last


def _known(cause: BaseException) -> str | None:
    words: str | None = None
    match cause:
        case ssl.SSLCertVerificationError():
            words = (
                f"its certificate is from another authority than ours, or has expired: {cause.verify_message}"
            )
        case ssl.SSLError():
            words = f"it does not speak TLS, or does not accept our certificate: {cause.reason or cause}"
        case socket.gaierror():
            words = f"no such host: {cause.strerror}"
        case ConnectionRefusedError():
            words = "nothing listens there"
        case ConnectionResetError():
            words = "it hung up: it may want TLS, or other certificates"
        case ValueError() if found := _TAKEN.search(str(cause)):
            words = f"it has a worker called {found[1]} already: give each a --name of its own"
    return words


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and the errors that caused it, itself first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if not isinstance(error, CancelledError):
            yield error
        error = error.__cause__ or error.__context__
