"""What each landed session of a run changed, read from the run branch commit by commit (SPEC 11)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.session import SessionRecord
from pitboss.git.coarse_clock import earliest_second
from pitboss.landing.landed import landed_sessions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pitboss.git.repo import Repo

_SEPARATOR = "\n"
"""What no field but the last can hold: git ends a name at the end of its line."""

_FIELDS = ("%H", "%P", "%T", "%ct", "%an", "%ae", "%ad", "%B")
_LOG = (
    *("log", "-z", "--first-parent", "--reverse", "--no-show-signature", "--no-color", "--no-mailmap"),
    *("--encoding=UTF-8", "--date=raw", f"--format={'%n'.join(_FIELDS)}"),
)


class Author(msgspec.Struct, frozen=True):
    """Who wrote a commit, and when, in git's raw format."""

    name: str
    mail: str
    date: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What one session changed: the difference between the commits `base` and `commit`, on the run branch."""

    record: SessionRecord
    base: str
    commit: str
    tree: str
    parents: tuple[str, ...]
    author: Author
    message: str

    @property
    def seq(self) -> int:
        """The number of the session."""
        return self.record.seq


class _Commit(msgspec.Struct, frozen=True, kw_only=True):
    oid: str
    parents: tuple[str, ...]
    tree: str
    made_at: int
    author: Author
    message: str


def changes(repo: Repo, records: Sequence[SessionRecord], *, tip: str, since: str) -> tuple[Change, ...]:
    """What the landed sessions among `records` changed between `since` and `tip`, in the order in which they landed.

    A commit that pitboss did not make, such as an agent's, belongs to the session whose commit follows; one that is
    older than that session belongs to none. Sessions whose commits are not on the branch's first-parent line are
    left out. Raises GitError.
    """
    line = list(_line(repo, tip, since))
    return tuple(_split(line, _ends(repo, records, line, tip, since), since))


def _ends(
    repo: Repo, records: Sequence[SessionRecord], line: Iterable[_Commit], tip: str, since: str
) -> dict[str, SessionRecord]:
    """The commit with which each session ends: the recorded one, or after a rebase the one with its trailers."""
    there = {commit.oid for commit in line}
    landed = [record for record in records if record.commit is not None]
    ends = {str(record.commit): record for record in landed if record.commit in there}
    lost = [record for record in landed if record.commit not in there]
    if lost:
        named = landed_sessions(repo, lost[0].run_id, tip, since)
        ends |= {
            named[record.seq].commit: record
            for record in lost
            if record.seq in named and named[record.seq].commit not in ends
        }
    return ends


def _split(line: Sequence[_Commit], ends: dict[str, SessionRecord], since: str) -> Iterator[Change]:
    base = since
    for commit, record in zip(line, _owners(line, ends), strict=True):
        is_end = commit.oid in ends
        if record is not None and is_end:
            yield Change(
                record=record,
                base=base,
                commit=commit.oid,
                tree=commit.tree,
                parents=commit.parents,
                author=commit.author,
                message=commit.message,
            )
        if is_end or record is None or commit.made_at < earliest_second(record.started_at):
            base = commit.oid


def _owners(line: Sequence[_Commit], ends: dict[str, SessionRecord]) -> list[SessionRecord | None]:
    """For each commit the session that it ends, else the next one on the branch; None after the last."""
    owners: list[SessionRecord | None] = []
    owner = None
    for commit in reversed(line):
        owner = ends.get(commit.oid, owner)
        owners.append(owner)
    return owners[::-1]


def _line(repo: Repo, tip: str, since: str) -> Iterator[_Commit]:
    log = os.fsdecode(repo.git(*_LOG, tip, f"^{since}", "--")).rstrip("\0")
    for entry in log.split("\0") if log else []:
        oid, parents, tree, made, name, mail, date, message = entry.split(_SEPARATOR, len(_FIELDS) - 1)
        yield _Commit(
            oid=oid,
            parents=tuple(parents.split()),
            tree=tree,
            made_at=int(made or 0),
            author=Author(name, mail, date),
            message=message,
        )
