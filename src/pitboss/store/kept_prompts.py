"""The prompts whose old text a live run holds on to, because their files were spoilt (SPEC 10).

Each is kept in the run's directory before the run goes on with it, so that the run can be killed and resumed: otherwise
the spoilt file would be in the way of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.prompt import PromptDoc
from pitboss.store.codec import UNREADABLE
from pitboss.store.files import make_directory, read_regular, write_atomic
from pitboss.store.opening import names_in, remove
from pitboss.store.user_text import MAX_BYTES
from pitboss.typed import from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.store.paths import RunPaths

_LARGEST = 8 * MAX_BYTES
"""What a prompt of the largest size can take up as JSON, whatever its characters."""


def keep_prompt(paths: RunPaths, doc: PromptDoc) -> None:
    """Keep the text that the run goes on with, durably. Raises StorageError."""
    make_directory(paths.kept_prompts)
    write_atomic(paths.kept_prompts / f"{doc.meta.name}.json", msgspec.json.encode(doc))


def kept_prompts(paths: RunPaths) -> dict[str, PromptDoc]:
    """The texts that a run holds on to, by the file that each came from; what cannot be read is left out."""
    found = {}
    for name in sorted(names_in(paths.kept_prompts)):
        data = read_regular(paths.kept_prompts / name, _LARGEST)
        try:
            doc = from_json(data or b"", PromptDoc)
        except UNREADABLE:
            continue
        found[doc.source_path] = doc
    return found


def drop_kept(paths: RunPaths, prompts: Mapping[str, PromptDoc]) -> None:
    """Forget the texts that a resumed run no longer needs, as it has read others. Raises OSError."""
    for doc in kept_prompts(paths).values():
        if prompts.get(doc.meta.name) != doc:
            remove(paths.kept_prompts / f"{doc.meta.name}.json")
