"""Whether the git that is there is new enough (SPEC 5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitboss.git.whereabouts import OLDEST_GIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.errors import PitbossError
    from pitboss.git.repo import Repo


def begin_to_refuse_old(repo: Repo, refusal: type[PitbossError]) -> Callable[[], None]:
    """Start to ask git for its version; call what this returns once, to wait. That raises `refusal`, GitError."""
    said = repo.begin_git("version")

    def refuse_old() -> None:
        version = _version_in(said())
        if version < OLDEST_GIT:
            found, needed = (".".join(map(str, numbers)) for numbers in (version, OLDEST_GIT))
            raise refusal(f"git {found} is too old", hint=f"pitboss needs git {needed} or newer")

    return refuse_old


def _version_in(said: bytes) -> tuple[int, ...]:
    """What `git version` says as numbers, such as (2, 39, 5)."""
    found = re.search(rb"\d+(?:\.\d+)+", said)
    return tuple(int(part) for part in found[0].split(b".")) if found else ()
