"""Listens for signals and letters to a live run in the background (SPEC 5, 10)."""

from __future__ import annotations

import os
import select
import time
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from pitboss.core.stops import StopLevel
from pitboss.store.mail_watch import MailWatch

if TYPE_CHECKING:
    from pitboss.guardian import StopChannel
    from pitboss.store.paths import RunPaths

TOLD_S = 0.8
"""Seconds between two looks at the mailbox where the system reports new files.

A folder may have been replaced, or be on a file system that does not report what other machines do.
"""


class Hearer(Protocol):
    """What takes in requests: `engine.control`."""

    @property
    def look_at(self) -> float:
        """When the next look at the mailbox is due, by `time.monotonic`."""
        ...

    def level(self) -> StopLevel:
        """How urgently the run must end."""
        ...

    def listen(self) -> None:
        """Take in signals and, if a look is due, what is in the mailbox."""
        ...

    def look(self) -> None:
        """Take in everything."""
        ...


class MailboxListener:
    """A thread that lets `control` take in requests soon after they are made."""

    def __init__(self, control: Hearer, channel: StopChannel, paths: RunPaths) -> None:
        self._control = control
        self._signals = channel.fileno()
        self._over_out, self._over_in = os.pipe()
        self._mail = _watch(paths)
        self._may_have_mail = True
        self._thread = Thread(target=self._run, name="control", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        """End the thread."""
        os.write(self._over_in, b"!")
        self._thread.join()
        for descriptor in (self._over_out, self._over_in):
            os.close(descriptor)
        if self._mail is not None:
            self._mail.close()

    def _run(self) -> None:
        while self._over_out not in (ready := self._ready()):
            if self._signals in ready:
                self._control.listen()
            else:
                self._may_have_mail = True
            if self._may_have_mail and time.monotonic() >= self._control.look_at:
                self._look()

    def _ready(self) -> list[int]:
        """Wait until something can be read, and return it; nothing if it is time for a look anyway."""
        poll = select.poll()
        poll.register(self._over_out, select.POLLIN)
        if self._control.level() is not StopLevel.ABORT:  # a closed descriptor is always readable
            poll.register(self._signals, select.POLLIN)
        if self._mail is not None and not self._may_have_mail:
            poll.register(self._mail, select.POLLIN)
        return [descriptor for descriptor, _ in poll.poll(self._patience_s() * 1000)]

    def _patience_s(self) -> float:
        if self._mail is not None and not self._may_have_mail:
            return TOLD_S
        return max(0.0, self._control.look_at - time.monotonic())

    def _look(self) -> None:
        if self._mail is not None:
            self._mail.renew()
            self._mail.forget()
        self._may_have_mail = False
        self._control.look()


def _watch(paths: RunPaths) -> MailWatch | None:
    try:
        return MailWatch(paths)
    except OSError:
        return None
