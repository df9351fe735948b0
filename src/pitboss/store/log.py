"""Reads sessions.jsonl, the source of truth, in bounded memory, and tells sound lines from damage (SPEC 7).

Every line is either a record of this run with its own seq, or damage. Damage at the very end is what a crash in
the middle of an append leaves: a torn tail, which may be cut because the append never returned. Damage anywhere
else is for a person to judge. Records may be in any order, because parallel sessions end in any order.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.recovery.facts import Damage, LogScan
from pitboss.core.session import SessionRecord
from pitboss.errors import storage_error
from pitboss.store.codec import Malformed
from pitboss.store.opening import open_regular
from pitboss.store.record_codec import decode_glance, decode_head, decode_heads, decode_record
from pitboss.store.tail import LONGEST_LINE, lines_from_end

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from pitboss.store.record_codec import RecordGlance, RecordHead

CHUNK = 1024 * 1024
MOST_DAMAGE_LISTED = 1000


class Line(msgspec.Struct, frozen=True):
    """One raw line. `number` counts from 1; `offset` and `length` (newline included) are in bytes.

    `data` is None when the line is too long to be a record; `whole` says that it ends in a newline.
    """

    number: int
    offset: int
    length: int
    data: bytes | None
    whole: bool


def scan_log(path: Path, run_id: str, *, after_seq: int = 0) -> LogScan:
    """Read the whole log of run `run_id` in bounded memory; only records past `after_seq` are kept.

    Records up to `after_seq` are covered by a checkpoint: only their seq, run and status are read. A missing file
    is an empty log. Raises StorageError when the file cannot be read.
    """
    scanner = LogScanner(run_id, after_seq=after_seq)
    try:
        with open_regular(path) as file:
            covered = scanner.skim(file)
            for line in read_lines(file, number=covered + 1):
                scanner.take(line)
    except FileNotFoundError:
        return LogScan()
    except OSError as error:
        raise storage_error("read", path, error) from error
    return scanner.result()


def iter_records(path: Path) -> Iterator[SessionRecord]:
    """Every readable record, in file order: the lenient reader for observers.

    Lines that are not records are skipped, and so is a last line without a newline, as it is still being written. A
    missing file is an empty log. Raises StorageError when the file cannot be read.
    """
    try:
        with open_regular(path) as file:
            for line in read_lines(file):
                if record := readable_record(line):
                    yield record
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error("read", path, error) from error


def last_records(path: Path, n: int) -> list[SessionRecord]:
    """The last `n` readable records in file order; reads only the end of the file. As lenient as iter_records."""
    found: list[SessionRecord] = []
    try:
        with open_regular(path) as file:
            for line in _whole_lines_from_end(file):
                if len(found) == n:
                    break
                if record := record_in(line):
                    found.append(record)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error("read", path, error) from error
    return found[::-1]


def count_lines(path: Path) -> int:
    """How many whole lines a log has, whatever is in them; none if it cannot be read."""
    with suppress(OSError), open_regular(path) as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(CHUNK), b""))
    return 0


def glance_back(path: Path, n: int) -> list[RecordGlance]:
    """What later sessions are shown of the last `n` lines, in file order; none when the log cannot be read.

    Reads only the end of the file. Lines that are not records are skipped.
    """
    try:
        with open_regular(path) as file:
            lines = list(islice(_whole_lines_from_end(file), n))
    except OSError:
        return []
    found = []
    for line in reversed(lines):
        with suppress(Malformed):
            found.append(decode_glance(line))
    return found


def read_lines(file: BinaryIO, *, number: int = 1, longest: int = LONGEST_LINE) -> Iterator[Line]:
    """The lines from the current position on, the first one numbered `number`.

    The data of a line much longer than `longest` bytes is not kept.
    """
    offset, rest, skipped = file.tell(), b"", 0
    while chunk := file.read(CHUNK):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for data in lines:
            length = skipped + len(data) + 1
            yield Line(number, offset, length, None if skipped else data, True)
            number, offset, skipped = number + 1, offset + length, 0
        if skipped or len(rest) > longest:
            skipped, rest = skipped + len(rest), b""
    if rest or skipped:
        yield Line(number, offset, skipped + len(rest), None if skipped else rest, False)


class LogScanner:
    """Checks the lines of one log in order and sums up what they say."""

    def __init__(self, run_id: str, *, after_seq: int) -> None:
        from pitboss.store.seq_set import SeqSet  # those who only read records need none

        self._run_id = run_id
        self._after_seq = after_seq
        self._seqs = SeqSet()
        self._tail: list[SessionRecord] = []
        self._damage: list[Damage] = []
        self._any_failed = False
        self._size = 0
        # The torn tail, unless something follows: a garbage line, blank lines (counted as one), or both.
        self._suspects: list[tuple[Line, Damage]] = []

    def skim(self, file: BinaryIO) -> int:
        """Take lines in bulk from the start, as long as they are records that the checkpoint covers.

        Returns how many, and leaves the file at the first block that needs a closer look.
        """
        taken = 0
        while heads := self._covered_block(file):
            for head in heads:
                taken += 1
                self._add(taken, head)
        self._size = file.tell()
        return taken

    def take(self, line: Line) -> None:
        """Add the next line to the result."""
        self._size = line.offset + line.length
        try:
            record = self._read(line)
        except Malformed as error:
            self._suspect(line, Damage(line=line.number, detail=str(error)))
            return
        if self._suspects:
            self._settle()
        self._add(line.number, record)

    def accepts(self, line: Line) -> bool:
        """Whether a line is a sound record that repeats no earlier one."""
        try:
            record = self._read(line)
        except Malformed:
            return False
        return self._objection(line.number, record) is None

    def result(self) -> LogScan:
        """The result, as if the lines taken so far were the whole log."""
        return LogScan(
            last_seq=self._seqs.prefix,
            highest_seq=self._seqs.highest,
            tail=tuple(self._tail),
            torn_at=self._suspects[0][0].offset if self._suspects else None,
            damage=tuple(self._damage),
            any_failed=self._any_failed,
            size=self._size,
        )

    def _covered_block(self, file: BinaryIO) -> list[RecordHead]:
        start = file.tell()
        block = file.read(CHUNK)
        block = block[: block.rfind(b"\n") + 1]
        try:
            heads = decode_heads(block)
        except Malformed:
            heads = []
        covered = all(head.seq <= self._after_seq for head in heads)
        file.seek(start + len(block) if heads and covered else start)
        return heads if covered else []

    def _add(self, number: int, record: RecordHead | SessionRecord) -> None:
        damage = self._objection(number, record)
        if damage is not None:
            self._note(damage)
            return
        self._any_failed |= record.status.failed
        if isinstance(record, SessionRecord):
            self._tail.append(record)

    def _objection(self, number: int, record: RecordHead | SessionRecord) -> Damage | None:
        if record.run_id != self._run_id:
            return Damage(line=number, detail=f"belongs to run {record.run_id}")
        if not self._seqs.add(record.seq):
            return Damage(line=number, detail=f"session {record.seq} already has a record")
        return None

    def _read(self, line: Line) -> RecordHead | SessionRecord:
        if line.data is None:
            raise Malformed("$", f"longer than {LONGEST_LINE} bytes")
        if not line.whole:
            raise Malformed("$", "no newline at its end")
        head = decode_head(line.data)
        return head if head.seq <= self._after_seq else decode_record(line.data)

    def _suspect(self, line: Line, damage: Damage) -> None:
        if not _is_blank(line):
            self._settle()
        elif self._suspects and _is_blank(self._suspects[-1][0]):
            return
        self._suspects.append((line, damage))

    def _settle(self) -> None:
        for _, damage in self._suspects:
            self._note(damage)
        self._suspects.clear()

    def _note(self, damage: Damage) -> None:
        if len(self._damage) < MOST_DAMAGE_LISTED:
            self._damage.append(damage)


def _is_blank(line: Line) -> bool:
    return line.data is not None and not line.data.strip()


def readable_record(line: Line) -> SessionRecord | None:
    """The record in a line, for lenient readers: None when it is damaged or unfinished."""
    return record_in(line.data) if line.whole and line.data is not None else None


def record_in(data: bytes) -> SessionRecord | None:
    """The record that a whole line holds, for lenient readers: None when it is damaged."""
    try:
        return decode_record(data)
    except Malformed:
        return None


def _whole_lines_from_end(file: BinaryIO) -> Iterator[bytes]:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 1))
    unfinished = file.read(1) != b"\n"
    return islice(lines_from_end(file), int(unfinished), None)
