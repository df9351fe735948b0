"""The process that sends a round of messages: each to its address, in a thread of its own (SPEC 12).

It reads letters as JSON on stdin and prints of each whether it arrived. Whatever hangs ends with it. What libraries say
about a failure may hold an address, so only what is known to be harmless is taken from it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import sys
import time
from threading import Thread, get_ident
from typing import TYPE_CHECKING

from pitboss.screens.notify.errands import PAUSE_S, TRIES, TRY_S, Letter

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_AGENT = "pitboss"
_STATUS = re.compile(r"\berror=(\d{3})\b")
_NO_CONNECTION = re.compile(r"[Cc]onnection error|Socket Exception|socket", re.ASCII)
_TIMED_OUT = "timed out"
_ANSWER_BYTES = 256 * 1024
"""The longest answer of a service that is of use is a list of a hundred short messages."""


def main() -> None:
    """Send what is on stdin; print one line of JSON a letter, its channel and failure, as soon as that is known."""
    socket.SocketIO = _Answer  # type: ignore[misc]
    letters = [Letter(**letter) for letter in json.loads(sys.stdin.buffer.read())]
    sendings = [Sending(letter) for letter in letters]
    for sending in sendings:
        sending.start()
    for sending in sendings:
        sending.join()
    os._exit(0)


class _Answer(socket.SocketIO):
    """What a service says on one connection, cut off where it becomes long: an endless one would fill the memory.

    HTTP and mail alike read through it, whichever library sends.
    """

    _left = _ANSWER_BYTES

    def readinto(self, buffer: Any) -> int | None:
        """Read what has come; nothing once too much has."""
        if not self._left:
            return 0
        count = super().readinto(memoryview(buffer)[: self._left])
        self._left -= count or 0
        return count


class Sending(Thread):
    """Up to three tries at one address."""

    def __init__(self, letter: Letter) -> None:
        super().__init__(daemon=True)
        self._letter = letter

    def run(self) -> None:
        """Try until it arrives or the tries are used up, and print what came of it."""
        failure = self._tried()
        line = json.dumps([self._letter.channel, failure]).encode() + b"\n"
        os.write(sys.stdout.fileno(), line)  # in one piece, whichever thread it is

    def _tried(self) -> str | None:
        letter = self._letter
        attempt = _told(letter) if letter.title else lambda: _asked(letter)
        if attempt is None:
            return "apprise does not understand the address"
        failure: str | None = None
        for nth in range(TRIES):
            time.sleep(PAUSE_S * nth)
            failure = within(TRY_S, attempt)
            if failure is None:
                break
        return failure


def within(limit_s: float, attempt: Callable[[], str | None]) -> str | None:
    """What `attempt` returns, or that it timed out: it is not waited for any longer."""
    said: list[str | None] = []
    thread = Thread(target=lambda: said.append(attempt()), daemon=True)
    thread.start()
    thread.join(limit_s)
    return said[0] if said else _TIMED_OUT


def _told(letter: Letter) -> Callable[[], str | None] | None:
    """What sends a message through apprise and returns why it failed; None if the address makes no sense."""
    import apprise

    heard = _Heard.installed()
    asset = apprise.AppriseAsset(app_id="pitboss", app_desc="pitboss", async_mode=False)
    service = apprise.Apprise.instantiate(letter.url, asset=asset)
    if service is None:
        return None
    service.notify_format = apprise.NotifyFormat.TEXT  # as HTML, a mail would lose its lines
    service.socket_connect_timeout = service.socket_read_timeout = TRY_S  # apprise waits for 4 s

    def attempt() -> str | None:
        try:
            arrived = service.notify(
                body=letter.body, title=letter.title, body_format=apprise.NotifyFormat.TEXT
            )
        except Exception:  # its words may hold the address
            return "it was not accepted"
        return None if arrived else heard.reason()

    return attempt


class _Heard(logging.Handler):
    """Listens to what apprise logs: the only place where it says why something failed. Prints nothing."""

    _one: _Heard | None = None

    @classmethod
    def installed(cls) -> _Heard:
        if cls._one is None:
            cls._one = cls()
            for name in ("apprise", "urllib3"):
                logger = logging.getLogger(name)
                logger.handlers, logger.propagate = [cls._one], False
            logging.raiseExceptions = False
        return cls._one

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._by_thread: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Note the latest reason of this thread, if the record gives one."""
        said = record.getMessage()
        if status := _STATUS.search(said):
            self._by_thread[get_ident()] = f"it answered {status[1]}"
        elif _NO_CONNECTION.search(said):
            self._by_thread[get_ident()] = "no answer"

    def reason(self) -> str:
        return self._by_thread.pop(get_ident(), "it was not accepted")


def _asked(letter: Letter) -> str | None:
    """Ask for an address; returns why it failed."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    if not letter.url.lower().startswith(("http://", "https://")):
        return "it is not an http or https address"
    try:
        request = Request(letter.url, headers={"User-Agent": _AGENT})  # noqa: S310 - checked above
        with urlopen(request, timeout=TRY_S):  # noqa: S310 - checked above
            return None
    except HTTPError as error:
        return f"it answered {error.code}"
    except TimeoutError:
        return _TIMED_OUT
    except Exception:  # its words may hold the address
        return "no answer"


if __name__ == "__main__":
    main()
