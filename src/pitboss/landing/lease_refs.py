"""Leases and results of sessions on workers, as refs of the runner's repository (SPEC 14).

A lease says which attempt at a session may land, and on which worker: a small blob that `refs/pitboss/lease/RUN/SEQ`
names. A result is a commit that a worker made. Git changes a ref only if it still has the value that the caller
expects, so of two runners only one gets a lease. Neither kind of ref lasts: both go once the session has its record.
"""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pitboss.core.leases import Lease
from pitboss.errors import StorageError
from pitboss.git.errors import GitError
from pitboss.git.new_objects import content_of_new
from pitboss.git.ref_changes import change_refs
from pitboss.landing import rescue_refs
from pitboss.landing.refs import LEASE_REFS, lease_ref, parse_lease, parse_result, result_ref, result_refs
from pitboss.typed import from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pitboss.git.repo import Repo

_FIELDS = "--format=%(refname)%00%(objectname)%00%(objecttype)%00%(objectsize)"
_LONGEST = 4096
_TAKEN = ("reference already exists", "cannot lock ref", "is at ")
LEFT = "work of a worker that was lost"
"""Why a result that did not land has a rescue ref."""


class LeaseTaken(StorageError):
    """Another process holds the lease of a session, or has just changed it."""


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that a worker pushed; `partial` if its session had not ended well."""

    ref: str
    oid: str
    seq: int
    attempt: int
    partial: bool


class Made(NamedTuple):
    """A ref that this process made, and the object that it named then."""

    ref: str
    oid: str


def acquire(
    repo: Repo,
    run_id: str,
    seq: int,
    lease: Lease,
    *,
    instead_of: Lease | None = None,
    written: dict[Lease, str] | None = None,
) -> Made:
    """Make `lease` the session's one lease: its first, or instead of another that is still in force.

    `written` are the blobs of leases that were written before: sessions on one worker have equal ones.
    Raises LeaseTaken if it is not the one, GitError if git fails otherwise.
    """
    before = None if written is None else _still_there(repo, written.get(lease))
    made = Made(lease_ref(run_id, seq), before or _blob(repo, lease))
    order = f"create {made.ref} {made.oid}"
    if instead_of is not None:
        order = f"update {made.ref} {made.oid} {_blob(repo, instead_of)}"
    try:
        change_refs(repo, [order])
    except GitError as error:
        if any(words in error.stderr for words in _TAKEN) and read(repo, run_id, seq) != instead_of:
            raise LeaseTaken(
                f"session {seq} of {run_id} is leased to another attempt",
                hint="is the run live somewhere else? `pitboss runs` lists what is",
            ) from None
        raise
    if written is not None:
        written[lease] = made.oid
    return made


def read(repo: Repo, run_id: str, seq: int) -> Lease | None:
    """The lease of one session; None if there is none, or nothing that pitboss wrote. Raises GitError."""
    return _leases(repo, lease_ref(run_id, seq), run_id).get(seq)


def leases(repo: Repo, run_id: str) -> Mapping[int, Lease]:
    """All leases of a run, by session. Raises GitError."""
    return _leases(repo, f"{LEASE_REFS}/{run_id}", run_id)


def results(repo: Repo, run_id: str, seq: int | None = None) -> tuple[Pushed, ...]:
    """What workers pushed for a run, or for one of its sessions, by name. Raises GitError."""
    found = (
        Pushed(ref=ref, oid=oid, seq=named.seq, attempt=named.attempt, partial=named.partial)
        for ref, oid, kind, _ in _listed(repo, result_refs(run_id))
        if kind == "commit" and (named := parse_result(run_id, ref)) is not None
    )
    return tuple(result for result in found if seq in (None, result.seq))


def keep_result(
    repo: Repo, run_id: str, seq: int, attempt: int, tip: str, *, partial: bool = False
) -> Pushed | None:
    """Keep what a worker pushed until it has landed or is rescued: its ref, old or new. Raises GitError.

    An attempt has one result; None if it had another one before. There may be several partial ones.
    """
    for nth in count(1) if partial else (1,):
        ref = result_ref(run_id, seq, attempt, partial=partial, nth=nth)
        if _create(repo, ref, tip):
            return Pushed(ref=ref, oid=tip, seq=seq, attempt=attempt, partial=partial)
    return None


def release(repo: Repo, run_id: str, seq: int, *, landed: Iterable[str] = ()) -> tuple[str, ...]:
    """Drop the lease and the results of a session that has its record, or is about to get it; returns its rescue refs.

    All results but those in `landed` are rescued first, unless the run branch or a rescue ref holds them. May be
    repeated after a crash. Raises GitError; then they stay.
    """
    done, found = frozenset(landed), results(repo, run_id, seq)
    for result in found:
        if result.oid not in done:
            rescue_refs.rescue_commit(repo, run_id, seq, result.oid, why=LEFT)
    held = [(ref, oid) for ref, oid, *_ in _listed(repo, lease_ref(run_id, seq))]
    gone = [*((result.ref, result.oid) for result in found), *held]
    change_refs(repo, [f"delete {ref} {oid}" for ref, oid in gone])
    return tuple(rescued.ref for rescued in rescue_refs.list_rescued(repo, run_id, seq)) if found else ()


def drop(repo: Repo, refs: Iterable[Made]) -> bool:
    """Drop the lease and the results of a session that has its record, if they still are what this process made.

    `release` takes four git processes. False if that is not certain: then all of them stay.
    """
    try:
        change_refs(repo, [f"delete {made.ref} {made.oid}" for made in refs])
    except GitError:
        return False
    return True


def drop_leftovers(repo: Repo, run_id: str, seq: int, *, has_landed: bool) -> None:
    """The same for a session that has had its record for a while: of one that landed, the whole result did.

    Raises GitError.
    """
    whole = (each.oid for each in results(repo, run_id, seq) if not each.partial)
    release(repo, run_id, seq, landed=whole if has_landed else ())


def _leases(repo: Repo, pattern: str, run_id: str) -> dict[int, Lease]:
    listed = [
        (seq, oid)
        for ref, oid, kind, size in _listed(repo, pattern)
        if kind == "blob" and size <= _LONGEST and (seq := parse_lease(run_id, ref)) is not None
    ]
    found = ((seq, _decoded(repo.git("cat-file", "blob", oid))) for seq, oid in listed)
    return {seq: lease for seq, lease in found if lease is not None}


def _decoded(data: bytes) -> Lease | None:
    try:
        return from_json(data, Lease)
    except msgspec.DecodeError:
        return None


def _blob(repo: Repo, lease: Lease) -> str:
    return repo.git("hash-object", "-w", "--stdin", stdin=msgspec.json.encode(lease)).decode().strip()


def _still_there(repo: Repo, blob: str | None) -> str | None:
    """A blob that was written before, unless it may be gone: a git that is kept running would not notice."""
    return blob if blob is not None and content_of_new(repo, blob) else None


def _listed(repo: Repo, *patterns: str) -> list[tuple[str, str, str, int]]:
    lines = os.fsdecode(repo.git("for-each-ref", _FIELDS, *patterns)).split("\n")
    split = (line.split("\0") for line in lines if line)
    return [(ref, oid, kind, int(size or 0)) for ref, oid, kind, size in split]


def _create(repo: Repo, ref: str, tip: str) -> bool:
    """Create a ref; also True if it exists with this commit, False if it has another."""
    try:
        change_refs(repo, [f"create {ref} {tip}"])
    except GitError:
        if (there := repo.commit_id(ref)) is None:
            raise
        return there == tip
    return True
