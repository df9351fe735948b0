"""Finds programs on a PATH, without loading `shutil`, which takes longer than the search (SPEC 1.5)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def find_program(name: str, folders: Iterable[str]) -> str | None:
    """The first executable file called `name` in the folders, or the one at that path; None if there is none."""
    places = (name,) if "/" in name else (os.path.join(folder, name) for folder in folders)  # noqa: PTH118
    return next((p for p in places if os.path.isfile(p) and os.access(p, os.X_OK)), None)  # noqa: PTH113
