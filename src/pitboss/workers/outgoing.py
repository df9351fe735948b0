"""Sends what a session's processes write on a worker to the runner, piece by piece and in bounded memory (SPEC 14)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pitboss.store.files import read_regular
from pitboss.store.opening import open_regular, status
from pitboss.workers.messages import Grown, SkipAsked, Written

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.redact import Secrets
    from pitboss.store.paths import RunPaths
    from pitboss.workers.messages import FromRunner
    from pitboss.workers.wire import Wire

PIECE = 256 * 1024
PIECES = 16
"""The most pieces to send at one look."""

LOOK_S = 0.2
"""Seconds between two looks at the files."""

LIMIT = 16 * 1024 * 1024
"""Bytes; anything larger is not a note by an agent."""


class Outgoing:
    """The files of session `seq`, without the `secrets` of this machine; transcripts are written without them."""

    def __init__(self, wire: Wire[FromRunner], paths: RunPaths, seq: int, secrets: Secrets) -> None:
        self._wire = wire
        self._secrets = secrets
        self._paths = paths
        self._seq = seq
        self._sent: dict[str, int] = {}
        self._known: dict[str, bytes] = {}
        self._skip_sent = False
        self._next_look = 0.0

    def look(self, kind: str) -> None:
        """Send the new part of a transcript, unless that was done a moment ago or too much waits to be sent."""
        if (now := time.monotonic()) < self._next_look or self._wire.is_full:
            return
        self._next_look = now + LOOK_S
        for _ in range(PIECES):
            if not self._send_piece(kind) or self._wire.is_full:
                break
        self._send_skip()

    def finish(self, kind: str) -> None:
        """Send all the rest of a transcript; one that is empty is at home too."""
        while self._send_piece(kind) and not self._wire.is_closed:
            pass
        if kind not in self._sent and status(self._paths.transcript(self._seq, kind)) is not None:
            self._wire.put_in_turn(Grown(kind=kind))

    def written(self, kind: str) -> None:
        """Send the session's summary, notes and usage if they have changed."""
        self._send_skip()
        paths, seq = self._paths, self._seq
        self._send_file(Written(name="summary"), paths.summary(seq))
        self._send_file(Written(name="notes"), paths.notes(seq))
        self._send_file(Written(name="usage", kind=kind), paths.usage(seq, kind))

    def _send_skip(self) -> None:
        if not self._skip_sent and status(self._paths.skip(self._seq)) is not None:
            self._skip_sent = True
            self._wire.put(SkipAsked())

    def _send_piece(self, kind: str) -> bool:
        at = self._sent.get(kind, 0)
        try:
            with open_regular(self._paths.transcript(self._seq, kind)) as file:
                file.seek(at)
                piece = file.read(PIECE)
        except OSError:
            return False
        if piece:
            self._sent[kind] = at + len(piece)
            self._wire.put_in_turn(Grown(kind=kind), piece)
        return bool(piece)

    def _send_file(self, message: Written, path: Path) -> None:
        held = read_regular(path, LIMIT)
        name = f"{message.name}{message.kind}"
        if held is not None and self._known.get(name) != held:
            self._known[name] = held
            redactor = self._secrets.stream()
            self._wire.put(message, redactor.feed(held) + redactor.finish())
