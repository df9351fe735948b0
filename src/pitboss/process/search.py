"""Finds programs on a PATH without `shutil`, which takes longer to load than the search (SPEC 1.5)."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def find_program(name: str, folders: Iterable[str]) -> str | None:
    """The first executable file called `name` in the folders, or the one at that path; None if there is none."""
    places = (name,) if "/" in name else (os.path.join(folder, name) for folder in folders)  # noqa: PTH118
    return next((p for p in places if os.path.isfile(p) and os.access(p, os.X_OK)), None)  # noqa: PTH113


def installed(program: str, env: Mapping[str, str]) -> str:
    """Where `program` is, cached to spare each start a search of the whole PATH."""
    return program if "/" in program else _found(program, env.get("PATH", os.defpath))


@cache
def _found(program: str, path: str) -> str:
    """The program found in the absolute entries of PATH; if none has it, its name, or a path that cannot exist."""
    entries = path.split(os.pathsep)
    absolute = [entry for entry in entries if entry.startswith("/")]
    nowhere = program if absolute == entries else os.path.join("/", program)  # noqa: PTH118
    return find_program(program, absolute) or nowhere
