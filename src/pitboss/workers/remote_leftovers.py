"""Finds what runs at rest left on `[workers] remote`, brings it home, then deletes it there (SPEC 11, 14).

Others may use the same repository: only refs of runs that are asked about are touched, each only if it still names
what was brought home.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.errors import StorageError
from pitboss.git.remote import Remote
from pitboss.landing.lease_refs import drop_leftovers, keep_result
from pitboss.landing.refs import BASE_REFS, RESULT_REFS, base_ref, parse_result, result_refs
from pitboss.workers.depot import FETCHED_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pitboss.git.repo import Repo

Refs = dict[str, str]
"""The refs by name, each with its object."""


class RemoteLeftovers:
    """What the remote at `url` had when this was made. Raises GitError if it cannot be reached."""

    def __init__(self, repo: Repo, url: str, *, quiet_s: float) -> None:
        self._repo = repo
        self._remote = Remote(repo, url, quiet_s=quiet_s)
        self._refs = self._remote.listed(f"{BASE_REFS}/*", f"{RESULT_REFS}/*")

    def of(self, run_id: str) -> Refs:
        """The refs that one run left there."""
        folder = f"{result_refs(run_id)}/"
        return {
            ref: oid
            for ref, oid in self._refs.items()
            if ref == base_ref(run_id) or (ref.startswith(folder) and parse_result(run_id, ref))
        }

    def remove(self, run_id: str, refs: Mapping[str, str], landed: Collection[int]) -> None:
        """Delete these refs of a run there; what is nowhere else is rescued first. `landed` are sessions.

        Raises GitError, and StorageError if something could not be brought home; then it stays there.
        """
        results = [ref for ref in refs if ref != base_ref(run_id)]
        for some in _portions(results):
            self._bring_home({ref: refs[ref] for ref in some})
        for ref in results:
            self._keep(run_id, ref, refs[ref], landed)
        for some in _portions(list(refs)):
            self._remote.delete_unchanged({ref: refs[ref] for ref in some})

    def _bring_home(self, refs: Mapping[str, str]) -> None:
        if all(map(self._repo.commit_id, refs.values())):
            return
        self._remote.fetch(refs)
        lacking = [ref for ref, oid in refs.items() if self._repo.commit_id(oid) is None]
        if lacking:
            raise StorageError(f"{lacking[0]} is no longer what it was on the remote", hint="try again")

    def _keep(self, run_id: str, ref: str, oid: str, landed: Collection[int]) -> None:
        if (name := parse_result(run_id, ref)) is None:
            return
        kept = keep_result(self._repo, run_id, name.seq, name.attempt, oid, partial=name.partial)
        if kept is None:
            keep_result(self._repo, run_id, name.seq, name.attempt, oid, partial=True)
        drop_leftovers(self._repo, run_id, name.seq, has_landed=name.seq in landed)


def _portions(refs: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many at a time as fit into one command line."""
    for at in range(0, len(refs), FETCHED_AT_ONCE):
        yield refs[at : at + FETCHED_AT_ONCE]
