"""Where a command's output goes, chunk by chunk, in bounded memory (SPEC 1.5, 6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from pitboss.errors import storage_error
from pitboss.store.files import open_append

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.redact import Secrets

    Consumer = Callable[[bytes], object]

TAIL_SIZE = 8 * 1024


class Tail:
    """The last 8 KiB of a stream."""

    def __init__(self) -> None:
        self.data = b""

    def add(self, chunk: bytes) -> None:
        """Take in the stream's next bytes."""
        self.data = (self.data + chunk)[-TAIL_SIZE:]


class Clean:
    """A stream's consumers behind a redactor: none of them sees a secret, least of all the files."""

    def __init__(self, secrets: Secrets, consumers: Sequence[Consumer]) -> None:
        self._redactor = secrets.stream()
        self._data = b""
        self.consumers: list[Consumer] = [self._take, *(self._for(each) for each in consumers)]

    def end(self) -> None:
        """Pass on what the redactor still holds once the stream has ended; raises what a consumer raises."""
        _, *waiting = self.consumers
        self._data = self._redactor.finish()
        for consumer in waiting:
            consumer(b"")

    def _take(self, chunk: bytes) -> None:
        self._data = self._redactor.feed(chunk)

    def _for(self, consumer: Consumer) -> Consumer:
        def pass_on(_chunk: bytes) -> None:
            if self._data:
                consumer(self._data)

        return pass_on


class Appender:
    """A file to which raw output is appended, created at once or, when `lazy`, with the first byte.

    Without a path it discards everything. Missing folders of the run are created. Raises StorageError.
    """

    def __init__(self, path: str | None, *, lazy: bool = False) -> None:
        self._path = path
        self._lazy = lazy
        self._fd: int | None = None

    def __enter__(self) -> Self:
        if not self._lazy:
            self.write(b"")
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)

    def write(self, chunk: bytes) -> None:
        """Append all of the chunk."""
        if self._path is None:
            return
        try:
            if self._fd is None:
                self._fd = open_append(self._path, make=True)
            unwritten = memoryview(chunk)
            while unwritten:
                unwritten = unwritten[os.write(self._fd, unwritten) :]
        except OSError as error:
            raise storage_error("write", self._path, error) from error
