"""Pushes a run's branch, and has `gh` open a pull request or update the existing one (SPEC 11).

In the repository it changes only what git notes about the remote, so it needs no lock: a live run may land more
while its branch is pushed, and the next call pushes that too.
"""

from __future__ import annotations

import json
import os
from shlex import quote
from typing import TYPE_CHECKING

import msgspec

from pitboss.core import forge
from pitboss.core.embed import one_line
from pitboss.core.redact import Secrets, without_userinfo
from pitboss.core.text.pull_request import pull_request_body, pull_request_title, without_calls
from pitboss.errors import CommandError
from pitboss.git.environment import of_the_user
from pitboss.git.errors import GitError
from pitboss.process import NOT_STARTED, capture

if TYPE_CHECKING:
    from pitboss.core.config import PullRequestSettings
    from pitboss.core.run import RunState
    from pitboss.git.repo import Repo

PUSH_S = 300.0
GH_S = 120.0
_NOT_LOGGED_IN = 4
"""`gh`'s exit code when it has no login."""

_QUIET = {"GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "NO_COLOR": "1"}
_PUSH = (
    *("-c", "push.followTags=false", "-c", "push.gpgSign=false"),
    *("push", "--quiet", "--porcelain", "--recurse-submodules=no"),
)
_GH_RESOLVED = r"^remote\..*\.gh-resolved$"
_FETCH = " (fetch)"
_SAYS_WHY = ("! [", "!\t", "fatal:", "error:", "remote: error")


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Its address, and whether it existed before."""

    url: str
    updated: bool


def publish(
    repo: Repo, run: RunState, text: str, settings: PullRequestSettings, *, base: str | None = None
) -> PullRequest:
    """Push the run branch and open a pull request with the body `text`, or bring the open one up to date.

    `base` is the branch to merge into, by default the one that the run began on. Raises CommandError, which says what
    is missing and how to get it; whatever was done until then does no harm.
    """
    asking = _Asking(repo, run, settings)
    base = base or run.original_branch
    asking.check(base)
    known = asking.find()
    asking.push()
    body = pull_request_body(without_calls(asking.secrets.redact(text)))
    if known is not None:
        asking.gh("edit", known, "--title", asking.title, "--body-file", "-", body=body)
        return PullRequest(url=known, updated=True)
    draft = ("--draft",) if settings.draft else ()
    where = ("--head", asking.head(), "--base", str(base))
    said = asking.gh("create", "--title", asking.title, "--body-file", "-", *where, *draft, body=body)
    if (url := _url(said)) is None:
        raise CommandError(
            "`gh pr create` did not say what it opened",
            hint=f"`gh pr list --head {quote(run.branch)}` shows it",
        )
    return PullRequest(url=url, updated=False)


class _Asking:
    """One pull request in the making."""

    def __init__(self, repo: Repo, run: RunState, settings: PullRequestSettings) -> None:
        self._repo = repo
        self._run = run
        self._remote = settings.remote
        self._again = f"then `pitboss pr {run.run_id}`"
        self.secrets = Secrets.of(os.environ)
        self.title = pull_request_title(run.plan_name, run.run_id)

    def check(self, base: str | None) -> None:
        """Raise CommandError without anything to push, a remote to push to, or a branch to merge into."""
        run, tip = self._run, self._repo.commit_id(f"refs/heads/{self._run.branch}")
        if tip is None:
            raise CommandError(
                f"the run branch {run.branch} is gone",
                hint=f"`pitboss repair {run.run_id}` makes it again, {self._again}",
            )
        if run.base_commit is not None and self._repo.is_ancestor(tip, run.base_commit):
            raise CommandError(
                f"nothing of run {run.run_id} has landed, so there is nothing to open a pull request for",
                hint=f"`pitboss log {run.run_id}` shows what became of its sessions",
            )
        if base is None:
            raise CommandError(
                f"run {run.run_id} began on no branch, so there is none to merge it into",
                hint=f"name one: `pitboss pr {run.run_id} --base main`",
            )
        if self._repo.run("remote", "get-url", self._remote, ok=(0, 2, 128)).code != 0:
            raise CommandError(
                f"there is no remote called {one_line(self._remote)}",
                hint=f"`git remote add {quote(self._remote)} URL`, or name another as [git] remote in"
                f" .pitboss/config.toml; {self._again}",
            )

    def find(self) -> str | None:
        """The open pull request of the run branch; None if there is none."""
        said = self.gh("list", "--head", self._run.branch, "--state", "open", "--json", "url")
        try:
            return next((str(found["url"]) for found in json.loads(said or "[]")), None)
        except (ValueError, TypeError, KeyError):
            raise CommandError(
                f"`gh pr list` said what is not understood: {self._shown(said)}",
                hint=f"update gh, {self._again}",
            ) from None

    def head(self) -> str:
        """The run branch as `gh` is to name it. Raises GitError."""
        listed = os.fsdecode(self._repo.git("remote", "-v")).splitlines()
        fetched = (line.removesuffix(_FETCH).split("\t") for line in listed if line.endswith(_FETCH))
        noted = os.fsdecode(self._repo.git("config", "-z", "--get-regexp", _GH_RESOLVED, ok=(0, 1)))
        told = (entry.split("\n") for entry in noted.split("\0") if entry)
        return forge.head(
            self._run.branch,
            self._remote,
            dict(fetched),
            {key.split(".", 1)[1].rpartition(".")[0]: word for key, word in told},
        )

    def push(self) -> None:
        """Push the run branch under its own name, never by force."""
        ref = f"refs/heads/{self._run.branch}"
        try:
            done = self._repo.run(
                *_PUSH, "--", self._remote, f"{ref}:{ref}", ok=(0, 1, 128), timeout_s=PUSH_S
            )
            why = (done.stdout + b"\n" + done.stderr).decode(errors="replace") if done.code else None
        except GitError as error:
            why = error.stderr
        if why is not None:
            raise CommandError(
                f"git push to {one_line(self._remote)} failed: {self._shown(_reason(why))}",
                hint=f"see what `git push {quote(self._remote)} {quote(self._run.branch)}` says, {self._again}",
            )

    def gh(self, what: str, *args: str, body: str = "") -> str:
        """What `gh pr WHAT ARGS` prints; `body` is its input. Raises CommandError."""
        done = capture(
            ("gh", "pr", what, *args),
            cwd=self._repo.root,
            env={**of_the_user(os.environ), **_QUIET},
            stdin=body.encode(errors="replace"),
            timeout_s=GH_S,
        )
        said = (done.stderr or done.stdout).decode(errors="replace")
        if done.code == NOT_STARTED:
            raise CommandError(
                "gh, GitHub's command line, is not installed",
                hint=f"install it from https://cli.github.com, then `gh auth login`, {self._again}",
            )
        if done.code == _NOT_LOGGED_IN or "gh auth login" in said:
            raise CommandError("gh is not logged in to GitHub", hint=f"`gh auth login`, {self._again}")
        if done.cut_short:
            raise CommandError(f"`gh pr {what}` took longer than {GH_S:.0f} s", hint=self._again)
        if done.code != 0:
            raise CommandError(
                f"`gh pr {what}` failed: {self._shown(_reason(said)) or f'exit code {done.code}'}",
                hint=f"put that right, {self._again}; `--base BRANCH` names another branch to merge into",
            )
        return done.stdout.decode(errors="replace")

    def _shown(self, text: str) -> str:
        """What another program said, on one line and without secrets."""
        return one_line(without_userinfo(self.secrets.redact(text)), 300)


def _reason(said: str) -> str:
    """The line that says why, of all that a program said."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith(_SAYS_WHY)), lines[-1] if lines else "")


def _url(said: str) -> str | None:
    """The address in what `gh pr create` printed: the last line with one."""
    return next((line.strip() for line in reversed(said.splitlines()) if "://" in line), None)
