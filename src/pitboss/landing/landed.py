"""Which sessions of a run have landed, read from the trailers of the commits on its branch (SPEC 6, 7)."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.acceptance import sessions_named
from pitboss.core.digits import number_in
from pitboss.core.patterns import lazy_pattern
from pitboss.core.session import Landing
from pitboss.git.new_objects import read_new

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pitboss.git.repo import Repo

# Git looks for trailers only in the last paragraph, and a user's hook may have added another.
_TRAILER = lazy_pattern(r"^Pitboss-(Run|Session|Prompt): (.*)$", re.MULTILINE)
_FORMAT = "%H%x1f%P%x1f%ct%x1f%B"
_LOG = ("log", "-z", "--no-show-signature", "--no-color", "--encoding=UTF-8", f"--format={_FORMAT}")


class LandedCommit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that landed a session, and what its trailers say."""

    commit: str
    parent: str | None
    seq: int
    prompt: str
    committed_at: datetime


def landed_sessions(repo: Repo, run_id: str, tip: str | None, since: str | None) -> dict[int, LandedCommit]:
    """The run's landed sessions by seq, newest commit first; empty if the branch is gone.

    `tip` is the branch's tip; `since` is the commit before the first one to look at, None for all.
    """
    if tip is None:
        return {}
    search = ("--fixed-strings", f"--grep=Pitboss-Run: {run_id}")
    exclude = () if since is None or repo.commit_id(since) is None else (f"^{since}",)
    log = repo.git(*_LOG, "--first-parent", *search, tip, *exclude, "--")
    found: dict[int, LandedCommit] = {}
    for entry in _entries(log):
        landed = _parse(entry, run_id)
        if landed is not None:
            found.setdefault(landed.seq, landed)
    return found


def sessions_among(repo: Repo, run_id: str, *revisions: str) -> frozenset[int]:
    """The seqs of the run's sessions that the trailers of these commits name, as `git log` takes them (SPEC 11).

    One commit may name several: of sessions that were squashed, by `land` or by whoever merged a pull request.
    Raises GitError.
    """
    search = ("--fixed-strings", f"--grep=Pitboss-Run: {run_id}")
    entries = _entries(repo.git(*_LOG, *search, *revisions, "--"))
    named = (each for entry in entries for each in sessions_named(entry.split("\x1f", 3)[3]))
    return frozenset(seq for run, seq in named if run == run_id)


def begin_missing(
    repo: Repo, run_id: str, theirs: str, ours: str, left_out: Callable[[], frozenset[int]]
) -> Callable[[], int]:
    """Start to count the commits of the run's branch, at `ours`, that are not on the branch at `theirs`.

    Call the result once to wait for it; that raises GitError. Sessions that are there as other commits do not count,
    nor do those `left_out`, which is asked only if any commit is missing. An agent's own commits belong to the
    session whose commit follows.
    """
    listed = repo.begin_git(*_LOG, "--topo-order", "--reverse", ours, f"^{theirs}", "--")

    def missing() -> int:
        commits = [entry.split("\x1f", 3) for entry in _entries(listed())]
        if not commits:
            return 0
        # If our commits begin at their tip, we have all of their commits.
        is_ahead = any(theirs in parents.split() for _, parents, _, _ in commits)
        settled = left_out() | (frozenset() if is_ahead else sessions_among(repo, run_id, theirs, f"^{ours}"))
        return _unsettled((message for *_, message in commits), run_id, settled)

    return missing


def _unsettled(messages: Iterable[str], run_id: str, settled: frozenset[int]) -> int:
    """How many of a branch's commits, oldest first, belong to a session that is not settled, or to none yet."""
    count = pending = 0
    for message in messages:
        pending += 1
        named = {seq for run, seq in sessions_named(message) if run == run_id}
        if named:
            count += 0 if named <= settled else pending
            pending = 0
    return count + pending


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit with its whole message; `own` says that pitboss made it for the session asked about."""

    oid: str
    parents: tuple[str, ...]
    message: str
    own: bool


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """What a session committed on its own branch before its turn; `commits` since its base, if they may matter."""

    landing: Landing
    commits: list[Commit] | None = None


def commits_beyond(repo: Repo, tip: str, change: str, *, run_id: str, seq: int) -> list[Commit]:
    """What `change` has on top of `tip`, newest first, as session `seq` sees it. Raises GitError."""
    made = read_new(repo, change)
    if made is not None and made.parents == (tip,):
        return [_judged(change, made.parents, made.message, run_id, seq)]
    return _commits(repo, f"{tip}..{change}", run_id=run_id, seq=seq)


def is_own(repo: Repo, commit: str, *, run_id: str, seq: int) -> bool:
    """Whether pitboss itself made a commit for session `seq`, rather than the session's agent."""
    return all(c.own for c in _commits(repo, commit, "--max-count=1", run_id=run_id, seq=seq))


def _commits(repo: Repo, *what: str, run_id: str, seq: int) -> list[Commit]:
    log = repo.git(*_LOG, "--topo-order", *what, "--")
    split = (entry.split("\x1f", 3) for entry in _entries(log))
    return [_judged(oid, tuple(above.split()), said, run_id, seq) for oid, above, _, said in split]


def _entries(log: bytes) -> list[str]:
    return os.fsdecode(log).rstrip("\0").split("\0") if log else []


def _judged(oid: str, parents: tuple[str, ...], message: str, run_id: str, seq: int) -> Commit:
    said = _trailers(message, run_id)
    own = said is not None and int(said["Session"]) == seq
    return Commit(oid=oid, parents=parents, message=message.rstrip("\n") + "\n", own=own)


def _trailers(message: str, run_id: str) -> dict[str, str] | None:
    """The trailers in the message of a commit that landed a session of the run."""
    said = {name: value.strip() for name, value in _TRAILER.findall(message)}
    return said if said.get("Run") == run_id and number_in(said.get("Session", "")) is not None else None


def _parse(entry: str, run_id: str) -> LandedCommit | None:
    commit, parents, made, message = entry.split("\x1f", 3)
    said = _trailers(message, run_id)
    if said is None:
        return None
    return LandedCommit(
        commit=commit,
        parent=parents.split(" ", 1)[0] or None,
        seq=int(said["Session"]),
        prompt=said.get("Prompt", ""),
        committed_at=datetime.fromtimestamp(int(made), tz=UTC),
    )
