"""Notices that a prompt file has changed, by one stat; an unchanged file is not read again (SPEC 10)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.core.prompt import PromptSource, parse_prompt
from pitboss.errors import InputError
from pitboss.store.stamps import Stamp, users_stamp
from pitboss.store.user_text import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.prompt import PromptDoc
    from pitboss.core.prompt_edit import Edit

FRESH_S = 5.0
"""A file that changed so recently before the watch began may have changed after it was read: it is read once more."""
_NO_FILE = Stamp(-1, 0, 0, 0, 0)


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
        before = users_stamp(file)
        if before == self._looks[name]:
            return None
        from pitboss.core.prompt_edit import Rewritten

        edit = _read(file, doc)
        if users_stamp(file) != before:
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


def _settled(file: Path) -> Stamp | None:
    """Its stamp; one that no file has if it may have changed since it was read."""
    stamp = users_stamp(file)
    latest_ns = time.time_ns() if stamp is None else max(stamp.modified_ns, stamp.changed_ns)
    return _NO_FILE if latest_ns > time.time_ns() - int(FRESH_S * 1e9) else stamp
