"""Whether the git that is there is new enough (SPEC 5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pitboss.git.whereabouts import OLDEST_GIT
from pitboss.process import capture

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.errors import PitbossError
    from pitboss.git.repo import Repo


ASK_S = 10.0
"""Seconds that git may take to say its version."""


class InstalledGit(NamedTuple):
    """What the git on PATH says of itself; None if there is none that can be run."""

    said: str | None
    is_too_old: bool = False

    @property
    def unfit(self) -> str | None:
        """Why pitboss cannot use it, in a clause about the machine; None if it can."""
        if self.said is None:
            return "it has no git"
        return f"it has {self.said}, older than {_dotted(OLDEST_GIT)}" if self.is_too_old else None


def installed_git(folder: str) -> InstalledGit:
    """Ask the git on PATH for its version, in a folder that exists."""
    answer = capture(("git", "version"), cwd=folder, timeout_s=ASK_S)
    version = _version_in(answer.stdout)
    if answer.code != 0 or not version:
        return InstalledGit(None)
    return InstalledGit(answer.stdout.decode(errors="replace").strip(), version < OLDEST_GIT)


def begin_to_refuse_old(repo: Repo, refusal: type[PitbossError]) -> Callable[[], None]:
    """Start to ask git for its version; call what this returns once, to wait. That raises `refusal`, GitError."""
    said = repo.begin_git("version")

    def refuse_old() -> None:
        version = _version_in(said())
        if version < OLDEST_GIT:
            found, needed = map(_dotted, (version, OLDEST_GIT))
            raise refusal(f"git {found} is too old", hint=f"pitboss needs git {needed} or newer")

    return refuse_old


def _version_in(said: bytes) -> tuple[int, ...]:
    """What `git version` says as numbers, such as (2, 39, 5)."""
    found = re.search(rb"\d+(?:\.\d+)+", said)
    return tuple(int(part) for part in found[0].split(b".")) if found else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
