"""What viewers ask for that they may not do themselves: diffs, rescues, what an agent's output means (SPEC 10).

Screens import `core` and `store` alone. Whatever needs git or knows an agent comes through this port, which the command
that starts a screen hands to it. Requests to a live run need no desk: `store.asking` takes them.
`cli.shared.desk` is the real one, `screens.scripted_desk` plays one.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.needs import InGit
    from pitboss.core.run import RunState
    from pitboss.core.session import SessionRecord
    from pitboss.core.touched import TouchedFile

MOST_LINES = 20_000
"""Changed lines of a diff that are shown in all; of files beyond that only the names and counts are."""

MOST_OF_A_FILE = 5_000


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """What changed in one file: lines added and removed, None for a binary file.

    `lines` are git's, from `diff --git` on, harmless to show; empty if `left_out` because there are too many.
    """

    path: str
    added: int | None = None
    removed: int | None = None
    lines: tuple[str, ...] = ()
    left_out: bool = False


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The work of one session: what landed, or what was rescued. `note` says if there is none, or more elsewhere."""

    files: tuple[FileChange, ...] = ()
    note: str = ""


class RescuedWork(msgspec.Struct, frozen=True, kw_only=True):
    """Work that did not land: its ref, the name that commands take, its session, when and why it was kept."""

    ref: str
    name: str
    seq: int | None
    made_at: datetime
    why: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What became of something a person asked for; `hint` says what to do next, or instead."""

    done: bool
    text: str
    hint: str = ""


class Desk(Protocol):
    """What a screen may ask for. Nothing here raises; each call may take a while, so ask in another thread."""

    def changes(self, record: SessionRecord, landed_before: str | None) -> Changes:
        """The diff of a recorded session: what it landed, else what was rescued.

        `landed_before` is the commit that landed before it; None means the run's base commit.
        """
        ...

    def rescued_changes(self, ref: str) -> Changes:
        """The diff of rescued work since it left what is checked out."""
        ...

    def rescued(self, run_id: str) -> tuple[RescuedWork, ...]:
        """The work of a run that is still kept under rescue refs, by name."""
        ...

    def apply_rescue(self, ref: str) -> Reply:
        """Bring rescued work into the working tree, uncommitted; a conflict changes nothing."""
        ...

    def queue_task(self, text: str) -> Reply:
        """Queue a one-off task for an agent, as `pitboss queue add TEXT` does; the reply says which run takes it."""
        ...

    def in_git(self, state: RunState) -> InGit:
        """What git knows of a run's work, as `core.needs` asks for it."""
        ...

    def begin_in_git(self, state: RunState) -> Callable[[], InGit]:
        """Begin to ask the same; call what this returns once, to wait for the answer."""
        ...

    def touched(self, records: Sequence[SessionRecord]) -> dict[int, tuple[TouchedFile, ...]]:
        """The files that each session of one run changed which landed, by seq; those whose commit is gone are left out.

        All of them together take one or two calls to git.
        """
        ...

    def readable(self, agent: str | None, raw: bytes) -> tuple[str, ...]:
        """Whole lines of an agent's output as people read them: for a CLI that prints JSON, what it said and did.

        Its JSON lines that say neither are left out; all other lines are as they are, made harmless.
        """
        ...
