"""Which sessions' changes are in use: on the default branch in some form, and not reverted since (SPEC 11).

A change may arrive as it was, rebased, picked or squashed. Trailers in a commit's message tell, the commit itself does,
and so does a patch that is the same. Whatever came last counts: the change, or a commit that took it back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.digits import number_in
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pitboss.core.history import PastSession, SessionId

# `git merge --squash` indents the messages of the commits that it sums up; hosting sites list them one after another.
_TRAILER = lazy_pattern(r"^[ \t]*Pitboss-(Run|Session): *(\S+)[ \t]*$", re.MULTILINE)
_REVERTS = lazy_pattern(
    r"^[ \t]*This reverts commit ([0-9a-f]{40,64})(?:, reversing\s+changes made to ([0-9a-f]{40,64}))?",
    re.MULTILINE,
)


class Arrival(msgspec.Struct, frozen=True, array_like=True):
    """A commit of the default branch: the sessions that its trailers name, and the commits that it takes back.

    `is_plain`: it has one parent, so that its patch can be compared with others.
    """

    oid: str
    sessions: tuple[tuple[str, int], ...] = ()
    undoes: tuple[str, ...] = ()
    is_plain: bool = True


class Revert(msgspec.Struct, frozen=True):
    """A commit that a message says it takes back: of a merge, all that came with it besides `mainline`."""

    oid: str
    mainline: str | None = None


def sessions_named(message: str) -> tuple[SessionId, ...]:
    """The sessions in a commit's trailers; a squashed commit has those of many."""
    found: dict[SessionId, None] = {}
    run_id: str | None = None
    for name, value in _TRAILER.findall(message):
        if name == "Run":
            run_id = value
        elif run_id is not None and (seq := number_in(value)) is not None:
            found[run_id, seq] = None
    return tuple(found)


def reverts_named(message: str) -> tuple[Revert, ...]:
    """The commits that a commit says it reverts."""
    return tuple(Revert(oid, mainline or None) for oid, mainline in _REVERTS.findall(message))


def brought_by(revert: Revert, parents: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The commits that a revert takes back, as far as `parents` knows them: one commit, or all that a merge brought."""
    if revert.mainline is None:
        return (revert.oid,)
    kept = _reachable(revert.mainline, parents, frozenset())
    return tuple(sorted(_reachable(revert.oid, parents, kept)))


class Arrivals:
    """The commits of the default branch, newest first, and which landed sessions each of them carries."""

    def __init__(self, arrivals: Sequence[Arrival], sessions: Iterable[PastSession]) -> None:
        """Of `sessions`, those that landed nothing are left out."""
        self._arrivals = arrivals
        self._landed = {each.id: each for each in sessions if each.commit is not None}
        self._of_commit: dict[str, set[SessionId]] = {}
        for each in self._landed.values():
            self._of_commit.setdefault(str(each.commit), set()).add(each.id)
        self._carried = {each.oid: self._carried_by(each) for each in arrivals}

    def missing(self) -> list[PastSession]:
        """The landed sessions of which neither trailers nor commits tell; their patches may."""
        arrived = {session for sessions in self._carried.values() for session in sessions}
        return [each for each in self._landed.values() if each.id not in arrived]

    def unexplained(self) -> list[str]:
        """The commits that neither carry a session nor take anything back: people's own, or a session's patch."""
        plain = (each for each in self._arrivals if each.is_plain and not each.undoes)
        return [each.oid for each in plain if not self._carried[each.oid]]

    def accepted(self, same_patch: Mapping[str, Iterable[SessionId]]) -> frozenset[SessionId]:
        """The sessions whose change is in use; `same_patch` names sessions by a commit here that has their patch."""
        carried = {oid: sessions.union(same_patch.get(oid, ())) for oid, sessions in self._carried.items()}
        in_use: dict[SessionId, bool] = {}
        undone: set[str] = set()
        for each in self._arrivals:
            for oid in () if each.oid in undone else each.undoes:
                undone.add(oid)
                for session in carried.get(oid, set()) | self._of_commit.get(oid, set()):
                    in_use.setdefault(session, False)
            for session in carried[each.oid]:
                in_use.setdefault(session, True)
        return frozenset(session for session, is_used in in_use.items() if is_used)

    def _carried_by(self, each: Arrival) -> set[SessionId]:
        named = {session for session in each.sessions if session in self._landed}
        return named | self._of_commit.get(each.oid, set())


def _reachable(oid: str, parents: Mapping[str, Sequence[str]], kept: frozenset[str]) -> frozenset[str]:
    found: set[str] = set()
    ahead = [oid]
    while ahead:
        each = ahead.pop()
        if each not in found and each not in kept:
            found.add(each)
            ahead += parents.get(each, ())
    return frozenset(found)
