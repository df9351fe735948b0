"""Refs that keep work that did not land: created and listed, each with its reason (SPEC 1.2, 2)."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from pitboss.git import commits
from pitboss.git.errors import GitError
from pitboss.git.ref_changes import ITSELF
from pitboss.git.repo import NO_HOOKS
from pitboss.git.small_files import read_file
from pitboss.landing.refs import RESCUE_REFS, parse_rescue, rescue_ref, run_branch
from pitboss.store.opening import is_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pitboss.git.repo import Repo

_FIELDS = ("refname", "objectname", "committerdate:unix", "contents:subject")
_FORMAT = "--format=" + "%00".join(f"%({field})" for field in _FIELDS)
_WHY = "pitboss rescue"
WORDS_LIMIT = 1000
"""Characters of the reason stored with a ref: on Linux a program's argument may have 128 KiB."""


class Rescued(msgspec.Struct, frozen=True, kw_only=True):
    """One rescue ref: where it points, the first line of that commit, and when it was made."""

    ref: str
    oid: str
    subject: str
    made_at: datetime

    @property
    def short_name(self) -> str:
        """The ref as users type it: RUN_ID/session-NNNN."""
        return self.ref.removeprefix(f"{RESCUE_REFS}/")

    @property
    def last_name(self) -> str:
        """The last part of the ref: session-NNNN."""
        return self.short_name.rpartition("/")[2]

    @property
    def run_id(self) -> str:
        """The run that made it."""
        return self.short_name.partition("/")[0]

    @property
    def seq(self) -> int | None:
        """The session whose work it is; None if the name does not say."""
        return parse_rescue(self.ref)


def list_rescued(repo: Repo, run_id: str | None = None, seq: int | None = None) -> tuple[Rescued, ...]:
    """Rescue refs of one session, of one run, or all, by name. Raises GitError."""
    return begin_to_list(repo, run_id, seq)()


def begin_to_list(
    repo: Repo, run_id: str | None = None, seq: int | None = None
) -> Callable[[], tuple[Rescued, ...]]:
    """Start to look for the same; whoever gets what this returns calls it once, and then waits."""
    patterns = [RESCUE_REFS if run_id is None else f"{RESCUE_REFS}/{run_id}"]
    if run_id is not None and seq is not None:
        whole = rescue_ref(run_id, seq, 1)
        patterns = [whole, f"{whole}-*"]
    printed = repo.begin_git("for-each-ref", _FORMAT, *patterns)

    def listed() -> tuple[Rescued, ...]:
        # Agents write the subjects: these may hold anything Python takes for a line end, except this one.
        return tuple(_parse(line) for line in os.fsdecode(printed()).split("\n") if line)

    return listed


def may_have_any(repo: Repo, run_id: str) -> bool:
    """Whether a run has rescue refs that git has not packed yet, as it does at most now and then."""
    return is_folder(repo.common_dir / RESCUE_REFS / run_id)


def keep(
    repo: Repo, run_id: str, seq: int, tips: Iterable[str], *, why: str, first: bool = False
) -> tuple[str, ...]:
    """Create rescue refs for a session's commits, after any it has; `why` is stored with each ref.

    Returns the session's refs, old and new. A commit that already has a ref gets no second one. `first` says
    that the session has none, which spares git a look at the other sessions' refs.
    """
    existing = () if first else list_rescued(repo, run_id, seq)
    known = {rescued.oid for rescued in existing}
    names = [rescued.ref for rescued in existing]
    for tip in dict.fromkeys(tips):
        if tip not in known:
            free = (rescue_ref(run_id, seq, nth) for nth in count(1))
            names.append(next(ref for ref in free if ref not in names and _create(repo, ref, tip, why)))
    return tuple(names)


def put_back(repo: Repo, rescued: Rescued, *, why: str, now: str | None) -> None:
    """Have a ref hold again what it did, although it is gone or holds `now`, which is kept too. Raises GitError."""
    if now is None:
        if _create(repo, rescued.ref, rescued.oid, why):
            return
        now = repo.commit_id(rescued.ref)  # what was in the way has got that name
    repo.git(*NO_HOOKS, "update-ref", ITSELF, "-d", rescued.ref)
    _create(repo, rescued.ref, rescued.oid, why)
    if now is not None and rescued.seq is not None:
        keep(repo, rescued.run_id, rescued.seq, [now], why=f"{rescued.short_name} had been moved to it")


def drop(repo: Repo, rescued: Rescued) -> None:
    """Delete a ref, if it still points where it did. Raises GitError."""
    repo.git(*NO_HOOKS, "update-ref", ITSELF, "-d", rescued.ref, rescued.oid)


def _create(repo: Repo, ref: str, tip: str, why: str) -> bool:
    """Create a ref; False if one of that name exists, or has just been made for what was in the way."""
    log = ("--create-reflog", "-m", f"{_WHY}: {why[:WORDS_LIMIT]}")
    made = (*NO_HOOKS, "update-ref", ITSELF, *log, ref, tip, "")
    try:
        repo.git(*made)
    except GitError as error:
        if "reference already exists" in error.stderr:
            return False
        blocking = error.ref_in_the_way
        if blocking is None:
            raise
        return not blocking.startswith(f"{ref}/") and _create_instead(repo, ref, tip, why, blocking=blocking)
    return True


def _create_instead(repo: Repo, ref: str, tip: str, why: str, *, blocking: str) -> bool:
    """Create a ref although an agent's ref has the name of one of our folders; work that only it held is kept."""
    held = repo.commit_id(blocking)
    repo.git(*NO_HOOKS, "update-ref", ITSELF, "-d", blocking)
    if held is None or repo.is_ancestor(held, tip):
        return _create(repo, ref, tip, why)
    _create(repo, ref, held, f"{blocking} was in the way")
    return False


def rescue_commit(repo: Repo, run_id: str, seq: int, tip: str, *, why: str = "left over") -> None:
    """Create a rescue ref for `tip`, with the reason, unless the run branch or a rescue ref contains it."""
    run_tip = repo.commit_id(f"refs/heads/{run_branch(run_id)}")
    known = [r.oid for r in list_rescued(repo, run_id)]
    loose = commits.outside(repo, [tip], *([run_tip] if run_tip else []), *known)
    keep(repo, run_id, seq, loose, why=why)


def why_kept(repo: Repo, ref: str) -> str | None:
    """The reason that `keep` was given when it created the ref."""
    said = _last_logged(repo, ref)
    if said is None:
        said = os.fsdecode(
            repo.git("log", "-g", "-1", "--no-show-signature", "--format=%gs", ref, "--")
        ).strip()
    return said.removeprefix(_WHY).removeprefix(":").strip() or None if said.startswith(_WHY) else None


def _last_logged(repo: Repo, ref: str) -> str | None:
    """The last entry in the file of a ref's log: one read instead of a git process; None without such a file."""
    try:
        logged = read_file(repo.common_dir / "logs" / ref)[0]
    except OSError:
        return None
    return os.fsdecode(logged.rstrip(b"\n").rpartition(b"\n")[2].partition(b"\t")[2]).strip()


def _parse(line: str) -> Rescued:
    ref, oid, made, subject = line.split("\0", 3)
    return Rescued(ref=ref, oid=oid, subject=subject, made_at=_moment(int(made or 0)))


def _moment(seconds: int) -> datetime:
    """A commit's time; an agent may have set one beyond any calendar."""
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, tz=UTC)
