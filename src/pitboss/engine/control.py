"""Takes in people's requests to a live run, by signal or through the mailbox (SPEC 5, 6, 10)."""

from __future__ import annotations

import time
from math import inf
from threading import RLock
from typing import TYPE_CHECKING

from pitboss.core.announced_stop import AnnouncedStop
from pitboss.core.events import Aborting, Draining, Skipping, Warned
from pitboss.core.requests import Skip, Stop
from pitboss.core.stops import StopBy, StopLevel, StopRequest
from pitboss.engine.bell import Bell
from pitboss.store.mailbox import take_mail

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pitboss.core.announced_stop import WhyStop
    from pitboss.core.events import Observer
    from pitboss.core.requests import Received
    from pitboss.engine.steering import Steering
    from pitboss.guardian import StopChannel
    from pitboss.store.paths import RunPaths

LISTEN_S = 0.1
"""Seconds between two looks at the request files, however many sessions listen."""

LOOK_SHARE = 0.1
"""The largest share of a thread's time that looks may take: a folder full of rubbish is read less often."""

LONGEST_REST_S = 0.8
"""The longest time between two looks, in seconds: no request waits for longer."""


class Control:
    """Gathers the requests to one run and to each of its sessions; safe to call from every session's thread.

    `listen`, `look`, `began` and `take_last_word` take in requests, and answer each by an event; all other methods
    only report. `bell` rings once a request has been taken in. A request to skip is for the sessions in flight when
    it is taken in, and for no later one. Letters stay in the mailbox until something can carry them out.
    """

    def __init__(
        self, channel: StopChannel, paths: RunPaths, emit: Observer, *, listen_every_s: float = LISTEN_S
    ) -> None:
        self._channel = channel
        self._paths = paths
        self._emit = emit
        self._level = StopLevel.NONE
        self._abandoned = False
        self._listen_every_s = listen_every_s
        self._look_at = float("-inf")
        self.bell = Bell()
        self._in_flight: set[int] = set()
        self._skipped: set[int] = set()
        self._steering: Steering | None = None
        self._lock = RLock()

    def steer_by(self, steering: Steering) -> None:
        """From now on, take in letters too; `steering` carries them out."""
        with self._lock:
            self._steering = steering

    @property
    def paused(self) -> bool:
        """Whether no new session may start for now."""
        return self._steering is not None and self._steering.paused

    def level(self) -> StopLevel:
        """How urgently the run must end; never goes down."""
        return self._level

    @property
    def abandoned(self) -> bool:
        """Whether the run must end because its guardian is gone, and not because somebody asked."""
        return self._abandoned

    def listen(self) -> None:
        """Take in requests made by signal, and by file unless the files were read a moment ago."""
        with self._lock:
            self._take_signals()
            if time.monotonic() >= self._look_at:
                self._take_files()

    @property
    def look_at(self) -> float:
        """When the next look at the request files is due, by `time.monotonic`."""
        return self._look_at

    def look(self) -> None:
        """Take in requests made by signal and by file, whenever the files were last read."""
        with self._lock:
            self._take_signals()
            self._take_files()

    def abort(self) -> None:
        """Abort on the run's own initiative, for example after an internal error."""
        with self._lock:
            self._raise_to(StopLevel.ABORT, StopBy.PITBOSS)

    def listening(self) -> AbstractContextManager[None]:
        """Listen in the background when no other thread does, for example during a commit with slow git hooks."""
        from pitboss.engine.listening import MailboxListener

        return MailboxListener(self, self._channel, self._paths)

    def announced(self, ask: WhyStop, due_s: Callable[[], float] = lambda: inf) -> AnnouncedStop:
        """`ask`, marked as a stop that announces itself: a command asks only when the bell rings or a look is due."""
        return AnnouncedStop(ask, self.bell.calling, due_s)

    def began(self, seq: int) -> None:
        """From now on requests apply to session `seq` too; call this before viewers can see it in flight."""
        with self._lock:
            self._take_files()
            self._in_flight.add(seq)

    def ended(self, seq: int) -> None:
        """From now on requests do not apply to session `seq`."""
        with self._lock:
            self._in_flight.discard(seq)
            self._skipped.discard(seq)

    def abort_session(self) -> StopRequest | None:
        """Why running work must stop, if it must; for work that cannot be skipped."""
        return StopRequest.ABORT if self._level is StopLevel.ABORT else None

    def stop_session(self, seq: int) -> StopRequest | None:
        """Why session `seq` must stop, if it must."""
        with self._lock:
            return self.abort_session() or (StopRequest.SKIP if seq in self._skipped else None)

    def take_last_word(self, seq: int) -> StopRequest | None:
        """Take in every request made so far, however recent, and answer like `stop_session`."""
        with self._lock:
            self.look()
            return self.stop_session(seq)

    def _take_signals(self) -> None:
        level = self._channel.level()
        self._abandoned = self._abandoned or (self._channel.alone and self._level is not StopLevel.ABORT)
        self._raise_to(level, StopBy.PITBOSS if self._abandoned else StopBy.SIGNAL)

    def _take_files(self) -> None:
        began = time.monotonic()
        mail = take_mail(self._paths, letters=self._steering is not None)
        self._look_at = next_look(self._listen_every_s, began, time.monotonic())
        for received in mail.received:
            self._do(received)
        for refused in mail.refused:
            self._emit(Warned(text=refused.why, request=refused.id))

    def _do(self, received: Received) -> None:
        match received.what:
            case Stop(now=now):
                self._raise_to(StopLevel.ABORT if now else StopLevel.DRAIN, StopBy.REQUEST)
                self._announce(StopBy.REQUEST, received.id)
            case Skip(seq=seq):
                seqs = self._in_flight if seq is None else self._in_flight & {seq}
                self._skipped |= seqs
                self._emit(Skipping(seqs=tuple(sorted(seqs)), request=received.id))
            case letter:
                if self._steering is None:
                    raise AssertionError("a letter was taken with nobody to do what it says")
                self._steering.do(letter, received)
        self.bell.ring()

    def _raise_to(self, level: StopLevel, by: StopBy) -> None:
        if level > self._level:
            self._level = level
            self.bell.ring()
            if by is not StopBy.REQUEST:
                self._announce(by)

    def _announce(self, by: StopBy, request: str = "") -> None:
        """Tell observers how urgently the run has been asked to end."""
        if self._level is StopLevel.ABORT:
            self._emit(Aborting(by=by, request=request))
        else:
            self._emit(Draining(by=by, in_flight=tuple(sorted(self._in_flight)), request=request))


def next_look(every_s: float, began: float, ended: float) -> float:
    """When to look again; with `every_s` 0 at every call."""
    rest_s = min((ended - began) / LOOK_SHARE, LONGEST_REST_S)
    return ended + (every_s and max(every_s, rest_s))
