"""A repository elsewhere, reached by its URL and with this machine's own credentials (SPEC 14)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.git.repo import NO_HOOKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pitboss.git.repo import Repo

_CAREFUL_PUSH = (*NO_HOOKS, "push", "--quiet", "--progress", "--no-verify", "--no-signed")
_PUSH = (*_CAREFUL_PUSH, "--force")
_FETCH = (*NO_HOOKS, "-c", "gc.auto=0", "-c", "maintenance.auto=0", "fetch", "--quiet", "--progress")
_ALONE = ("--no-tags", "--no-write-fetch-head", "--recurse-submodules=no")


class Remote:
    """What a repository does with another one at `url`, whose silence it bears for `quiet_s` seconds.

    Nobody is asked for a password: every method raises GitError where git would ask.
    """

    def __init__(self, repo: Repo, url: str, *, quiet_s: float) -> None:
        self._repo = repo
        self._url = url
        self._quiet_s = quiet_s

    def push(self, refs: Mapping[str, str]) -> None:
        """Have each of the refs there name a commit that is here, whatever it named before. Raises GitError."""
        self._run(*_PUSH, "--", self._url, *(f"{oid}:{ref}" for ref, oid in refs.items()))

    def fetch(self, refs: Iterable[str]) -> None:
        """Take in what the refs there name; no ref holds it here yet. Raises GitError."""
        self._run(*_FETCH, *_ALONE, "--", self._url, *refs)

    def listed(self, *patterns: str) -> dict[str, str]:
        """The refs there that match, and what they name. Raises GitError."""
        lines = (line.split("\t") for line in self._run("ls-remote", "--", self._url, *patterns).splitlines())
        return {ref: oid for oid, ref in lines}

    def delete(self, refs: Iterable[str]) -> None:
        """Delete refs there; those that are gone do no harm. Raises GitError."""
        self._run(*_PUSH, "--", self._url, *(f":{ref}" for ref in refs))

    def delete_unchanged(self, refs: Mapping[str, str]) -> None:
        """Delete those refs there that still name these objects. Raises GitError if one does not."""
        leases = (f"--force-with-lease={ref}:{oid}" for ref, oid in refs.items())
        self._run(*_CAREFUL_PUSH, *leases, "--", self._url, *(f":{ref}" for ref in refs))

    def _run(self, *args: str) -> str:
        said: list[bytes] = []
        self._repo.transfer(*args, sink=said.append, quiet_s=self._quiet_s)
        return os.fsdecode(b"".join(said))
