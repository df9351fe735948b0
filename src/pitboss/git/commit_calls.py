"""The calls of `git commit`, and what it answers: a refusal is an answer, not an error (SPEC 6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.git.repo import GIT_SECONDS, UTF_8
from pitboss.process import begin_capture, capture

if TYPE_CHECKING:
    from pitboss.git.repo import Repo
    from pitboss.process import Captured, PendingCapture

_NO_BACKGROUND_GC = ("-c", "gc.auto=0", "-c", "maintenance.auto=0")
_COMMIT = (
    *_NO_BACKGROUND_GC,
    *("-c", "core.abbrev=no", *UTF_8),
    *("commit", "--no-gpg-sign", "--cleanup=whitespace", "--file=-"),
)
_EMPTY_TOO = "--allow-empty-message"
_EDITS = ("-c", "core.safecrlf=false", *_COMMIT, "--all")
_MADE = lazy_pattern(rb"^\[.* ([0-9a-f]{40,64})\] ", re.MULTILINE)


def commit(repo: Repo, message: str, *, hooks: bool = True, timeout_s: float = GIT_SECONDS) -> Captured:
    """Commit the index; the user's hooks, if they may run, do so in the user's locale."""
    argv = ("git", *_COMMIT, _EMPTY_TOO, *(() if hooks else ("--no-verify",)))
    text, env = message.encode(), repo.environment_of_hooks()
    return capture(argv, cwd=repo.root, env=env, stdin=text, timeout_s=timeout_s, leash=repo.leash)


def begin_commit_of_edits(repo: Repo, *, timeout_s: float = GIT_SECONDS) -> PendingCapture:
    """Stage what changed in tracked files, and commit it, in the same call, once the message is there.

    Without one, git lets go of the index as it was. For trees in which no hook of the user's runs: hooks would see
    another index than after `git add`.
    """
    argv, env = ("git", *_EDITS), repo.pinned
    return begin_capture(argv, cwd=repo.root, env=env, stdin=None, timeout_s=timeout_s, leash=repo.leash)


def made_by(repo: Repo, done: Captured) -> tuple[str, str]:
    """The commit that a successful call made, and what git said of its changes. Raises GitError."""
    found = _MADE.search(done.stdout)
    if found is None:
        return repo.line("rev-parse", "HEAD"), ""
    return found[1].decode(), done.stdout[found.end() :].decode(errors="replace")
