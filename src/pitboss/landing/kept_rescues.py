"""Puts back the rescue refs of a run that an agent deletes or moves: the work of others hangs on them (SPEC 1.2).

What they hold is noted in the run directory, so that a later process of the run knows it too. Whoever drops one on
purpose says so first, in git's own folder, which all working trees share.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from pitboss.errors import StorageError
from pitboss.git.errors import GitError
from pitboss.git.small_files import text_of
from pitboss.landing.refs import RESCUE_REFS
from pitboss.landing.rescue_refs import Rescued, list_rescued, put_back, why_kept
from pitboss.landing.shared_refs import changed_at
from pitboss.store.files import append_durable, make_directory, read_regular, write_atomic
from pitboss.store.stamps import users_stamp
from pitboss.typed import from_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.git.repo import Repo
    from pitboss.store.stamps import Stamp

    Look = tuple[dict[str, str], Stamp | None]
    """What the files of refs hold, and which `packed-refs` there is."""

_DROPPED = "pitboss/dropped-rescues"
_MOST_BYTES = 16 * 1024 * 1024


class HeldRef(msgspec.Struct, frozen=True):
    """A rescue ref as it was, and the reason that its log gave."""

    rescued: Rescued
    why: str


class KeptRescues:
    """The rescue refs of the run `run_id`; the file `note` says what they held."""

    def __init__(self, repo: Repo, run_id: str, note: Path) -> None:
        self._repo = repo
        self._run_id = run_id
        self._note = note
        self._folder = repo.common_dir / RESCUE_REFS / run_id
        self._packed = repo.common_dir / "packed-refs"
        self._kept: dict[str, HeldRef] = {}
        self._seen: Look | None = None

    def resume(self, gone_at: float) -> None:
        """Go on from what an earlier process noted, unless somebody has changed these refs since.

        `gone_at` is when the run's last process was gone, in seconds since the epoch: later changes are the user's.
        """
        _, packed = self._look()
        places = [self._folder] if packed is None else [self._folder, self._packed]
        if max(map(changed_at, places)) > gone_at:
            return
        content = read_regular(self._note, _MOST_BYTES)
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            self._kept = {} if content is None else from_json(content, dict[str, HeldRef])

    def check(self) -> Iterator[str]:
        """Put back what was deleted or moved since the last call, and note what is new; yields warnings.

        Asks git only if its files have changed; if it fails, the next call tries again.
        """
        look = self._look()
        if look == self._seen or not (look[0] or self._kept):
            self._seen = look
            return
        with suppress(GitError):
            found = self._listed()
            for ref, kept in self._kept.items():
                yield from self._put_back(kept, found.get(ref))
            self._note_as_kept(self._listed())
            self._seen = look

    def _listed(self) -> dict[str, Rescued]:
        return {each.ref: each for each in list_rescued(self._repo, self._run_id)}

    def _put_back(self, kept: HeldRef, now: Rescued | None) -> Iterator[str]:
        was = kept.rescued
        if now == was or (now is None and self._is_dropped(was)):
            return
        done = "deleted" if now is None else f"moved to {now.oid}"
        if self._repo.commit_id(was.oid) is None:
            yield f"{was.ref} had been {done}, and git no longer has the commit {was.oid} that it kept"
            return
        put_back(self._repo, was, why=kept.why, now=None if now is None else now.oid)
        yield f"{was.ref}, which keeps a session's work, had been {done}, and was put back"

    def _note_as_kept(self, found: dict[str, Rescued]) -> None:
        before, self._kept = self._kept, {}
        for ref, rescued in found.items():
            known = before.get(ref)
            if known is None or known.rescued != rescued:
                known = HeldRef(rescued, why_kept(self._repo, ref) or "")
            self._kept[ref] = known
        make_directory(self._note.parent)  # an agent may have removed the run directory
        write_atomic(self._note, msgspec.json.encode(self._kept), durable=True)

    def _look(self) -> Look:
        loose: dict[str, str] = {}
        with suppress(OSError), os.scandir(self._folder) as entries:
            loose = {entry.name: text_of(self._folder / entry.name) for entry in entries}
        return loose, users_stamp(self._packed)

    def _is_dropped(self, rescued: Rescued) -> bool:
        return _line(rescued) in text_of(self._repo.common_dir / _DROPPED).splitlines()


def note_dropped(repo: Repo, rescued: Rescued) -> None:
    """Say that a ref is about to be deleted on purpose: a run that is live then leaves it alone."""
    place = repo.common_dir / _DROPPED
    with suppress(StorageError):
        make_directory(place.parent)
        append_durable(place, f"{_line(rescued)}\n".encode())


def _line(rescued: Rescued) -> str:
    return f"{rescued.ref} {rescued.oid}"
