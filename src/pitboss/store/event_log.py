"""events.jsonl: what happens in a run, for viewers; recovery never reads it (SPEC 9).

Lines are appended and not synced. Whatever happens to the file, the run goes on: a full disk, or a file that is
deleted or replaced, costs some lines. Past 64 MiB, agents' steps are no longer added; other events are few.
"""

from __future__ import annotations

import os
import time
from functools import cache
from typing import TYPE_CHECKING, cast

import msgspec

from pitboss.core.events import RunEvent, RunStarted, SessionEnded, Step
from pitboss.core.terminal import visible_json
from pitboss.store.codec import UNREADABLE, to_json
from pitboss.store.opening import open_writing, status
from pitboss.store.record_codec import encode_record
from pitboss.typed import decoder_of

if TYPE_CHECKING:
    from datetime import datetime

    from pitboss.core.redact import Secrets
    from pitboss.store.paths import RunPaths

STEPS_END_AT = 64 * 1024 * 1024
"""Size of events.jsonl, in bytes, beyond which no more steps are added."""

_LOOK_AGAIN_S = 1.0
_MOST_HELD = 1000


def encode_event(event: RunEvent) -> bytes:
    """One line of events.jsonl, newline included: `t` in milliseconds, `kind`, and the event's own keys."""
    fields = msgspec.structs.asdict(event)
    del fields["t"]
    line = {"t": event.t and _milliseconds(event.t), "kind": event.__struct_config__.tag}
    if isinstance(event, SessionEnded):
        fields["record"] = msgspec.Raw(encode_record(event.record).rstrip(b"\n"))
    return visible_json(to_json(line | fields)) + b"\n"


def decode_event(line: bytes) -> RunEvent | None:
    """The event in a line; None for a kind that this version does not know or a line that is not an event."""
    try:
        return _decoder().decode(line)
    except UNREADABLE:
        return None


@cache
def _decoder() -> msgspec.json.Decoder[RunEvent]:
    return decoder_of(cast("type[RunEvent]", RunEvent))


class EventLog:
    """The outlet that writes events.jsonl. Events from before the run's start are written after its first line."""

    patience_s = 2.0

    def __init__(self, paths: RunPaths, secrets: Secrets, *, started: bool = False) -> None:
        """`started` says that no start will be reported: the events belong to a run that is over."""
        self._path = paths.events
        self._secrets = secrets
        self._held: list[RunEvent] | None = None if started else []
        self._descriptor = -1
        self._inode: tuple[int, int] | None = None
        self._looked_at = float("-inf")
        self._size = 0
        self._torn = False

    def waits_as(self, event: RunEvent) -> RunEvent:
        """Every event is kept whole until it is written."""
        return event

    def hurry(self) -> None:
        """Nothing to do: a file never keeps its writer waiting."""

    def __call__(self, event: RunEvent) -> None:
        """Append one event, or drop it."""
        if self._held is not None and not isinstance(event, RunStarted):
            self._held = [*self._held, event][:_MOST_HELD]
            return
        due = (event, *(self._held or ()))
        self._held = None
        for each in due:
            self._append(each)

    def _append(self, event: RunEvent) -> None:
        if isinstance(event, Step) and self._size >= STEPS_END_AT:
            return
        line = self._secrets.redact_bytes(encode_event(event))
        try:
            self._look()
            # Half a line left by a full disk must not run into the next one.
            data = b"\n" + line if self._torn else line
            self._torn = True
            written = os.write(self._descriptor, data)
            self._size += written
            self._torn = written < len(data)
        except OSError:
            self._close()

    def _look(self) -> None:
        """Open the file; reopen it if it was deleted or replaced."""
        now = time.monotonic()
        if now < self._looked_at + _LOOK_AGAIN_S:
            if self._descriptor < 0:
                raise OSError
            return
        self._looked_at = now
        there = status(self._path)
        if self._descriptor >= 0 and there is not None and (there.st_dev, there.st_ino) == self._inode:
            return
        self._close()
        self._descriptor = open_writing(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        opened = os.fstat(self._descriptor)
        self._inode, self._size = (opened.st_dev, opened.st_ino), opened.st_size
        self._torn = self._size > 0

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._inode = -1, None


def _milliseconds(moment: datetime) -> str:
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
