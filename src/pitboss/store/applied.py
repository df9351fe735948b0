"""Notes which rescued work a person has applied, by a file for each ref in `applied/` of the run directory (SPEC 8).

The file is named as the ref is and holds the commit that was applied: a ref that has moved since counts as new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.store.files import read_regular, write_atomic
from pitboss.store.opening import names_in

if TYPE_CHECKING:
    from pitboss.store.paths import RunPaths

_LONGEST_ID = 64
"""Characters of a commit's id, in repositories with SHA-256."""


def note_applied(paths: RunPaths, name: str, oid: str) -> None:
    """Note that the commit `oid` of a ref was applied; `name` is the ref's last part. Raises StorageError."""
    write_atomic(paths.applied / name, oid.encode(), make=True)


def applied(paths: RunPaths) -> dict[str, str]:
    """The commits that were applied, by the last part of their ref; none if nobody noted any."""
    found = {name: read_regular(paths.applied / name, _LONGEST_ID) for name in names_in(paths.applied)}
    return {name: oid.decode(errors="replace") for name, oid in found.items() if oid}
