"""Ends what a command has started when the command itself is told to end (SPEC 8, 11)."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from pitboss.cli.shared.failures import ToldToEnd

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ends_its_children() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does: end the git or `gh` that is waited for, before this process ends.

    Under nohup SIGHUP stays ignored.
    """
    heeded = [signum for signum in STOPS if signal.getsignal(signum) != signal.SIG_IGN]
    before = {signum: signal.getsignal(signum) for signum in heeded}
    heed(heeded)
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def heed(signums: Collection[signal.Signals]) -> None:
    """Raise ToldToEnd at the first of these signals, and ignore the rest.

    A second one would leave behind what the first is ending.
    """

    def raise_once(signum: int, _frame: object) -> NoReturn:
        ignore(signums)
        raise ToldToEnd(signum)

    for signum in signums:
        signal.signal(signum, raise_once)


def ignore(signums: Collection[signal.Signals]) -> None:
    """Hear none of these signals any more."""
    for signum in signums:
        signal.signal(signum, signal.SIG_IGN)
