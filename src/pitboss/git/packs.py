"""Commits on their way from one repository to another, without a remote: packs, thin where the other side allows it."""

from __future__ import annotations

import os
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from pitboss.errors import StorageError
from pitboss.git.repo import NO_HOOKS
from pitboss.git.small_files import read_file
from pitboss.git.small_packs import small_pack, take_small_pack
from pitboss.store.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import IO

    from pitboss.git.repo import Repo

IN_MEMORY = 1024 * 1024
"""Bytes of a parcel that are not worth a file."""

LIMIT = 64 * 1024**3
"""Bytes; what is larger does not travel."""

_BIG = ("-c", "core.bigFileThreshold=16m", "-c", "pack.windowMemory=128m", "-c", "pack.threads=2")
"""Git holds what is smaller in memory, several at a time, to tell how they differ; the rest it passes through."""

FEW_OBJECTS = 100
"""As many as `git fetch` keeps as single files too: many small packs would make git slower with each."""

_COUNT = slice(8, 12)
"""Where a pack says how many objects it holds."""

QUIET_S = 3600.0
"""Seconds that git may take between two signs of life: it says nothing while it looks for what to pack."""


class Parcel:
    """Bytes on their way: in memory while they are few, else in a file without a name, gone when it is closed."""

    def __init__(self, data: bytes = b"", folder: Path | None = None) -> None:
        """`folder` is where the file would be: on a disk, which the one for temporary files need not be."""
        self._data = bytearray(data)
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._size = len(data)

    def __len__(self) -> int:
        return self._size

    def add(self, chunk: bytes) -> None:
        """Append to it. Raises OSError, StorageError if it grows beyond `LIMIT`."""
        self._size += len(chunk)
        if self._size > LIMIT:
            raise StorageError(f"more than {LIMIT >> 30} GiB of git objects", hint="use [workers] remote")
        if self._file is None and self._size > IN_MEMORY:
            self._file = TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - `close` closes it
            _write(self._file, self._data)
            self._data.clear()
        if self._file is None:
            self._data += chunk
        else:
            _write(self._file, chunk)

    @property
    def data(self) -> bytes:
        """All of a small one; what was added as a file is only in `pieces`."""
        return bytes(self._data)

    @property
    def is_large(self) -> bool:
        """Whether it is in a file."""
        return self._file is not None

    def pieces(self, size: int) -> Iterator[bytes]:
        """All of it, in pieces of at most `size` bytes. Raises OSError."""
        at = 0
        while at < self._size:
            piece = (
                self.data[at : at + size] if self._file is None else os.pread(self._file.fileno(), size, at)
            )
            at += len(piece)
            yield piece

    def opened(self) -> int | None:
        """A descriptor that reads a large one from its beginning; None for a small one. Raises OSError."""
        if self._file is None:
            return None
        self._file.seek(0)
        return self._file.fileno()

    def close(self) -> None:
        """Forget it, and free what it takes on disk."""
        self._data.clear()
        if self._file is not None:
            self._file.close()


def pack(repo: Repo, tips: Iterable[str], known: Iterable[str] = ()) -> Parcel:
    """Everything that `tips` reach and `known`, which the other side has, do not. Raises GitError, StorageError."""
    tips, known = tuple(tips), frozenset(known)
    if known and repo.kept_running is not None and (small := small_pack(repo, tips, known)) is not None:
        return Parcel(small)
    wanted = "\n".join([*tips, *(f"^{oid}" for oid in known), ""])
    parcel = Parcel(folder=repo.common_dir)
    asked = (*_BIG, "pack-objects", "--revs", "--thin", "--stdout", "--quiet", "--delta-base-offset")
    try:
        repo.transfer(*asked, stdin=wanted.encode(), sink=parcel.add, quiet_s=QUIET_S)
    except BaseException:
        parcel.close()
        raise
    return parcel


def unpack(repo: Repo, parcel: Parcel) -> None:
    """Take in what `pack` made; no ref holds it yet. Raises GitError if it builds on what is not there."""
    if not parcel.is_large and take_small_pack(repo, parcel.data):
        return
    few = not parcel.is_large and int.from_bytes(parcel.data[_COUNT]) <= FEW_OBJECTS
    taking = ("unpack-objects", "-q") if few else ("index-pack", "--stdin", "--fix-thin")
    asked, said = (*NO_HOOKS, *_BIG, *taking), parcel.data
    repo.transfer(*asked, source=parcel.opened(), stdin=said, sink=lambda _: None, quiet_s=QUIET_S)


def boundary(repo: Repo) -> tuple[str, ...]:
    """Where a shallow repository ends: the commits whose parents it does not have; none if it is whole."""
    try:
        return tuple(read_file(repo.common_dir / "shallow")[0].decode().split())
    except FileNotFoundError:
        return ()


def extend_boundary(repo: Repo, ends: Iterable[str]) -> None:
    """Have the repository end at these commits too, while others read where it does. Raises StorageError."""
    before = {*boundary(repo)}
    if not before.issuperset(ends := {*ends}):
        lines = "".join(f"{oid}\n" for oid in sorted(before | ends))
        write_atomic(repo.common_dir / "shallow", lines.encode())


def _write(file: IO[bytes], data: bytes | bytearray) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
