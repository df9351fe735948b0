"""Notices that a prompt file has changed, by one stat; an unchanged file is not read again (SPEC 10)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.core.prompt import PromptSource, parse_prompt
from pitboss.errors import InputError
from pitboss.store.user_text import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.prompt import PromptDoc
    from pitboss.core.prompt_edit import Edit

FRESH_S = 5.0
"""A file that changed so recently before the watch began may have changed after it was read: it is read once more."""

_Look = tuple[int, int, int, int] | None
"""What tells one content of a file from another; None if there is no file."""


class PromptWatch:
    """Watches the files of a run's prompts. A task is not watched: the run has a copy of its own."""

    def __init__(self, prompts: Mapping[str, PromptDoc]) -> None:
        """`prompts` have just been read."""
        self._known = {name: doc for name, doc in prompts.items() if doc.source_kind is not PromptSource.TASK}
        self._looks = {name: _settled(Path(doc.source_path)) for name, doc in self._known.items()}

    def look(self, name: str) -> Edit | None:
        """What became of the prompt's file since the last look; None if it says what it said."""
        doc = self._known.get(name)
        if doc is None:
            return None
        file = Path(doc.source_path)
        before = _look(file)
        if before == self._looks[name]:
            return None
        from pitboss.core.prompt_edit import Rewritten

        edit = _read(file, doc)
        if _look(file) != before:
            return None  # somebody is writing it right now
        self._looks[name] = before
        if isinstance(edit, Rewritten):
            if edit.doc == doc:
                return None
            self._known[name] = edit.doc
        return edit


def _read(file: Path, doc: PromptDoc) -> Edit:
    from pitboss.core.prompt_edit import Rewritten, Unreadable

    try:
        return Rewritten(parse_prompt(read_text(file), path=doc.source_path, source=doc.source_kind))
    except InputError as error:
        return Unreadable("; ".join(map(str, error.problems)))


def _look(file: Path) -> _Look:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _settled(file: Path) -> _Look:
    """How the file looks; something that no file looks like if it may have changed since it was read."""
    look = _look(file)
    fresh = look is None or max(look[2:]) > time.time_ns() - int(FRESH_S * 1e9)
    return (-1, 0, 0, 0) if fresh else look
