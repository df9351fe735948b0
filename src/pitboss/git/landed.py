"""Which sessions of a run have landed, read from the trailers of the commits on its branch (SPEC 6, 7)."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pitboss.git.repo import Repo

_TRAILERS = ("Pitboss-Run", "Pitboss-Session", "Pitboss-Prompt")
_FORMAT = "%x1e%H%x1f%P%x1f%ct" + "".join(
    f"%x1f%(trailers:key={key},valueonly,separator=%x00)" for key in _TRAILERS
)
# Users may have set any of it otherwise.
_LOG = (
    *("-c", "trailer.separators=:"),
    *("log", "--no-show-signature", "--no-color", "--encoding=UTF-8"),
)


class LandedCommit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that landed a session, and what its trailers say."""

    commit: str
    parent: str | None
    seq: int
    prompt: str
    committed_at: datetime


def landed_sessions(repo: Repo, run_id: str, tip: str | None, since: str | None) -> dict[int, LandedCommit]:
    """The run's landed sessions by seq, newest commit first; empty when the branch is gone.

    `tip` is the branch's tip and `since` the commit before the first one to look at, None for all.
    """
    if tip is None:
        return {}
    search = ("--fixed-strings", f"--grep=Pitboss-Run: {run_id}")
    exclude = () if since is None or repo.commit_id(since) is None else (f"^{since}",)
    log = repo.git(*_LOG, "--first-parent", *search, f"--format={_FORMAT}", tip, *exclude, "--")
    found: dict[int, LandedCommit] = {}
    for entry in os.fsdecode(log).split("\x1e")[1:]:
        landed = _parse(entry.rstrip("\n"), run_id)
        if landed is not None:
            found.setdefault(landed.seq, landed)
    return found


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit with its whole message; `own` says that pitboss made it for the session asked about."""

    oid: str
    parents: tuple[str, ...]
    message: str
    own: bool


def commits_beyond(repo: Repo, tip: str, change: str, *, run_id: str, seq: int) -> list[Commit]:
    """What `change` has on top of `tip`, newest first, as session `seq` sees it."""
    return _commits(repo, f"{tip}..{change}", run_id=run_id, seq=seq)


def is_own(repo: Repo, commit: str, *, run_id: str, seq: int) -> bool:
    """Whether pitboss itself made a commit for session `seq`, rather than the session's agent."""
    return all(c.own for c in _commits(repo, commit, "--max-count=1", run_id=run_id, seq=seq))


def _commits(repo: Repo, *what: str, run_id: str, seq: int) -> list[Commit]:
    log = os.fsdecode(repo.git(*_LOG, "--topo-order", f"--format={_FORMAT}%x1f%B", *what, "--"))
    entries = (entry.rsplit("\x1f", 1) for entry in log.split("\x1e")[1:])
    return [_judged(facts, message, run_id, seq) for facts, message in entries]


def _judged(facts: str, message: str, run_id: str, seq: int) -> Commit:
    oid, parents, *_ = facts.split("\x1f")
    landed = _parse(facts, run_id)
    own = landed is not None and landed.seq == seq
    return Commit(oid=oid, parents=tuple(parents.split()), message=message.rstrip("\n") + "\n", own=own)


def _parse(entry: str, run_id: str) -> LandedCommit | None:
    commit, parents, made, run, seq, prompt = entry.split("\x1f")
    if run != run_id or not seq.isdecimal():
        return None
    return LandedCommit(
        commit=commit,
        parent=parents.split(" ", 1)[0] or None,
        seq=int(seq),
        prompt=prompt,
        committed_at=datetime.fromtimestamp(int(made), tz=UTC),
    )
