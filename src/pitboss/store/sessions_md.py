"""sessions.md, the log for people, written from sessions.jsonl (SPEC 2, 7)."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from pitboss.store.files import append_durable, write_atomic
from pitboss.store.log import iter_records
from pitboss.store.opening import is_plain

if TYPE_CHECKING:
    from pitboss.core.session import SessionRecord
    from pitboss.store.paths import RunPaths


def append(paths: RunPaths, record: SessionRecord) -> None:
    """Append a record's entry, or rebuild the file from the log if it is gone. Raises StorageError."""
    from pitboss.core.text.sessions import sessions_md_entry

    if is_plain(paths.markdown):
        append_durable(paths.markdown, _utf8(sessions_md_entry(record)), durable=False)
    else:
        rewrite(paths)


def rewrite(paths: RunPaths) -> None:
    """Rebuild the whole file from the log. Raises StorageError."""
    from pitboss.core.text.sessions import HEADER, sessions_md_entry

    entries = map(sessions_md_entry, iter_records(paths.log))
    write_atomic(paths.markdown, map(_utf8, chain([HEADER], entries)))


def _utf8(text: str) -> bytes:
    """Text as UTF-8, with `?` for lone surrogates."""
    return text.encode(errors="replace")
