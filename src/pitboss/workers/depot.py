"""`[workers] remote`, a repository in which the runner and its workers exchange commits (SPEC 14).

`refs/pitboss/base/RUN` has the commits that sessions begin from, `refs/pitboss/result/RUN` the ones that they made.
Nothing depends on the remote: if it fails, commits travel through the connection, and it is tried again later.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

from pitboss.git.errors import GitError
from pitboss.git.remote import Remote
from pitboss.landing.refs import base_ref, parse_result, result_ref, result_refs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pitboss.git.repo import Repo
    from pitboss.landing.refs import ResultName

REST_S = 60.0
"""Seconds for which a remote that failed is left alone: each try may take until its time-out."""

FETCHED_AT_ONCE = 100
DELETED_AT_ONCE = 50


class Depot:
    """The refs of one run at `url`, as one side sees them; any thread may call any method."""

    def __init__(self, repo: Repo, url: str, run_id: str, *, quiet_s: float) -> None:
        self._repo = repo
        self._remote = Remote(repo, url, quiet_s=quiet_s)
        self._run_id = run_id
        self._lock = Lock()
        self._offering = Lock()
        self._offered: set[str] = set()
        self._done_with: list[str] = []
        self._again_at = float("-inf")
        self.trouble: str | None = None
        """Why the remote was of no use when it was last tried; None if it was."""

    # What sessions begin from

    def offer(self, commit: str, tip: Callable[[], str]) -> str | None:
        """Put a commit there from which sessions begin, and return the ref that reaches it; None if that fails.

        `tip` is the run branch's now, which reaches `commit` and is there from then on: so the ref never goes back.
        """
        ref = base_ref(self._run_id)
        with self._offering:
            if commit not in self._offered:
                newest = tip()
                if not self._attempt(lambda: self._remote.push({ref: newest})):
                    return None
                self._offered |= {commit, newest}
        return ref

    def bring(self, ref: str, commit: str) -> bool:
        """Fetch a commit that a ref there reaches; False if that fails."""
        return self._fetch([ref], [commit])

    # Commits that sessions made

    def leave(self, seq: int, attempt: int, whole: str | None, others: Sequence[str]) -> tuple[str, ...]:
        """Push a session's commits; returns the refs, none if that fails.

        `whole` is its commit, `others` are kept beside it.
        """
        refs = {} if whole is None else {result_ref(self._run_id, seq, attempt): whole}
        for nth, oid in enumerate(others, 1):
            refs[result_ref(self._run_id, seq, attempt, partial=True, nth=nth)] = oid
        return tuple(refs) if refs and self._attempt(lambda: self._remote.push(refs)) else ()

    def collect(self, refs: Collection[str], commits: Collection[str]) -> bool:
        """Fetch a session's commits; False if some did not come."""
        return self._fetch(refs, commits)

    def find(self, seq: int | None = None) -> Mapping[str, tuple[ResultName, str]]:
        """Fetch what sessions of the run, or one of them, left there: by ref, what that says and its commit."""
        pattern = f"{result_refs(self._run_id)}/{'*' if seq is None else f'{seq}-*'}"
        listed: dict[str, str] = {}
        if not self._attempt(lambda: listed.update(self._remote.listed(pattern))):
            return {}
        named = {ref: (name, oid) for ref, oid in listed.items() if (name := parse_result(self._run_id, ref))}
        refs = list(named)
        for at in range(0, len(refs), FETCHED_AT_ONCE):
            some = refs[at : at + FETCHED_AT_ONCE]
            if not self._fetch(some, [named[ref][1] for ref in some]):
                return {}
        return named

    # The end

    def forget(self, refs: Collection[str]) -> None:
        """The commits of these refs are safe at home: delete the refs there, sooner or later."""
        with self._lock:
            self._done_with += refs
            is_due = len(self._done_with) >= DELETED_AT_ONCE
        if is_due:
            self.flush()

    def flush(self) -> None:
        """Delete now all refs that `forget` was given."""
        with self._lock:
            due, self._done_with = self._done_with, []
        if due:
            self._attempt(lambda: self._remote.delete(due))

    def close(self) -> None:
        """The run begins no more sessions: leave nothing there but results that `forget` was never given."""
        with self._lock:
            self._done_with.append(base_ref(self._run_id))
        self.flush()

    def _fetch(self, refs: Collection[str], commits: Collection[str]) -> bool:
        missing = [oid for oid in commits if self._repo.commit_id(oid) is None]
        if not missing:
            return True
        if not self._attempt(lambda: self._remote.fetch(refs)):
            return False
        lacking = next((oid for oid in missing if self._repo.commit_id(oid) is None), None)
        if lacking is not None:
            self.trouble = f"it does not have {lacking}"
        return lacking is None

    def _attempt(self, work: Callable[[], object]) -> bool:
        """Do something with the remote, unless it failed a moment ago; False if that fails."""
        with self._lock:
            if time.monotonic() < self._again_at:
                return False
        try:
            work()
        except (GitError, OSError) as error:
            with self._lock:
                self._again_at = time.monotonic() + REST_S
                self.trouble = _why(error)
            return False
        with self._lock:
            if time.monotonic() >= self._again_at:  # else another thread has failed meanwhile
                self.trouble = None
        return True


def _why(error: GitError | OSError) -> str:
    """What went wrong; for a push, the reason why the ref was refused."""
    if not isinstance(error, GitError):
        return str(error)
    refused = (line.strip(" !") for line in error.stderr.splitlines() if "rejected]" in line)
    return next(refused, error.message)
