"""What a sandbox is built on: facts about the machine, the repository and the agent. All paths are absolute."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

import msgspec


class PathKind(Enum):
    """What is at a path."""

    FOLDER = auto()
    FILE = auto()


class Access(Enum):
    """What becomes of a path. A folder that is EMPTY can be written, and is gone afterwards; a HIDDEN one cannot."""

    READ = auto()
    WRITE = auto()
    EMPTY = auto()
    HIDDEN = auto()


class Spot(msgspec.Struct, frozen=True):
    """Something that exists: its path with all links resolved, and its kind."""

    path: str
    kind: PathKind


Look = Callable[[str], Spot | None]
"""Finds what is at a path; None for nothing."""


class GitGround(msgspec.Struct, frozen=True, kw_only=True):
    """A session's git: the folder of its own working tree, the one that all trees share, and its branch.

    The two folders are the same for a repository's main working tree. `branch` has no `refs/heads/` before it. What is
    `kept` can only be read, although it is in a writable folder: branches beside the session's own, and hooks in the
    tree, which git runs outside.
    """

    own: str
    common: str
    branch: str
    kept: tuple[str, ...] = ()

    @property
    def is_linked(self) -> bool:
        """Whether the working tree is one of several that share a repository."""
        return self.own != self.common


class AgentFolders(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent's CLI keeps for itself: `sessions` and `logins` are writable, what is `kept` is not.

    `sessions` are folders, which the CLI would make if they were missing. Settings, hooks, plugins and lists of servers
    decide what the CLI does in later sessions and for its user: they need be `kept` only where a folder around them is
    writable. `made` are files without which the CLI does not start, as it would make them itself; they can only be
    read.
    """

    sessions: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    made: tuple[str, ...] = ()


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sandbox stands.

    `sockets` lead to programs outside, by the session's environment. `temporary` are folders that become empty and
    private, and `needed` what must stay visible even inside them.
    `private` are folders that are hidden, but for what is `needed` of them, and `pitboss` is the one that is hidden but
    for `lent`, which is writable, and `shown`, which may be read.
    """

    home: str
    tree: str
    git: GitGround | None = None
    sockets: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    pitboss: str | None = None
    lent: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    agent: AgentFolders = AgentFolders()
