"""The branch that a run's work is landed on: found, checked, and moved along with its checkout (SPEC 11)."""

from __future__ import annotations

import os
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.embed import one_line
from pitboss.core.measures import counted
from pitboss.errors import CommandError, StartError
from pitboss.git.default_branch import likely_names
from pitboss.git.errors import GitError
from pitboss.git.locks import LockScope, remove_stale_locks
from pitboss.git.loose_refs import tip_of
from pitboss.git.rebases import rebased_branches
from pitboss.git.switch import HeadPosition, Switch
from pitboss.landing.listing import registered
from pitboss.landing.refs import RUN_BRANCHES, run_branch
from pitboss.landing.unclean import way_out
from pitboss.store.paths import RunPaths, runs_dir

if TYPE_CHECKING:
    from pitboss.core.run import RunState
    from pitboss.git.repo import Repo

_HEADS = "refs/heads/"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A branch and its tip; `here` says that it is checked out in the user's working tree, which follows it."""

    name: str
    tip: str
    here: bool

    @property
    def ref(self) -> str:
        """Its full name."""
        return f"{_HEADS}{self.name}"


def find_target(repo: Repo, state: RunState, onto: str | None) -> Target:
    """The branch to land on: `onto`, else the one that the run began on. Raises CommandError, GitError."""
    name = (_began_on(repo, state) if onto is None else onto).removeprefix(_HEADS)
    if name == state.branch:
        raise CommandError(f"{name} is the branch of the run itself", hint="land on another branch: --onto")
    tip = repo.commit_id(f"{_HEADS}{name}") if name else None
    if tip is None:
        raise _no_branch(repo, name)
    if repo.succeeds("symbolic-ref", "--quiet", f"{_HEADS}{name}"):
        raise CommandError(
            f"{name} is only another name for a branch", hint="name that branch itself: --onto BRANCH"
        )
    return Target(name=name, tip=tip, here=repo.on_branch() == f"{_HEADS}{name}")


def home_branch(repo: Repo, state: RunState) -> str | None:
    """The branch that a run's work goes to unless somebody says otherwise: the one that it began on.

    None if that is gone, was no branch, or is the branch of another run.
    """
    began = state.original_branch
    if not began or began.startswith(RUN_BRANCHES):
        return None
    return began if tip_of(repo, f"{_HEADS}{began}") else None


def likely_target(repo: Repo, state: RunState) -> str | None:
    """The branch to propose for a run's work: its `home_branch`, else the default branch, else what is checked out.

    None if there is none of these here. Raises GitError.
    """
    return home_branch(repo, state) or _other_branch(repo)


def _other_branch(repo: Repo) -> str | None:
    """The default branch, else what is checked out, unless it is a run's; None if neither is there."""
    here = (repo.on_branch() or "").removeprefix(_HEADS)
    names = (*likely_names(repo), *([] if here.startswith(RUN_BRANCHES) else [here]))
    return next((name for name in names if name and tip_of(repo, f"{_HEADS}{name}")), None)


def _began_on(repo: Repo, state: RunState) -> str:
    home, began = home_branch(repo, state), state.original_branch
    if home is not None:
        return home
    if began is None or repo.commit_id(began) == began:
        why = f"run {state.run_id} began on no branch"
    elif began.startswith(RUN_BRANCHES):
        why = f"run {state.run_id} began on the branch of another run, {began}"
    else:
        why = f"{began}, where run {state.run_id} began, is gone"
    hint = f"say where its work should go: --onto {quote(_other_branch(repo) or 'BRANCH')}"
    raise CommandError(why, hint=hint)


def _no_branch(repo: Repo, name: str) -> CommandError:
    remote = name and repo.commit_id(f"refs/remotes/{name}")
    local = name.partition("/")[2]
    own = f"`git branch {quote(local)} {quote(name)}` makes a local branch of it" if remote else ""
    return CommandError(
        f"there is no branch {one_line(name)}" if name else "--onto names no branch",
        hint=own or "`git branch` lists the branches there are",
    )


class Mover:
    """Moves the target of one run, with the checkout of it; `put_right` finishes what a dead one began."""

    def __init__(self, repo: Repo, run_id: str) -> None:
        self._repo = repo
        self._run_id = run_id
        self._switch = Switch(repo, RunPaths(repo.root, run_id).switch)

    def put_right(self, name: str) -> bool:
        """Bring the checkout to the branch if a landing was killed before it could follow; remove dead locks.

        Returns whether there was something to put right. Raises StartError if a git of the user's is at work,
        CommandError if it still cannot follow, or its files hold more than the landing explains.
        """
        remove_stale_locks(self._repo, LockScope(branch=name, worktrees=runs_dir(self._repo.root)))
        if not self._switch.is_cut_short():
            return False
        was_dirty = self._repo.status().dirty > 0
        try:
            self._switch.undo()
        except GitError as error:
            raise self._cannot_follow(name, self._repo.commit_id(f"{_HEADS}{name}") or "", error) from error
        if was_dirty and self._switch.is_cut_short():
            raise CommandError(
                "an earlier landing was killed before the working tree had followed, and more was changed in it since",
                hint="`git diff HEAD` shows all of it; `git checkout HEAD -- PATH` takes what has landed",
            )
        return was_dirty

    def is_half_done(self) -> bool:
        """Whether the branch has moved, and its checkout has not followed."""
        return self._switch.is_cut_short() and self._repo.status().dirty > 0

    def brings_it_along(self, name: str) -> str:
        """What lets the checkout follow the branch `name` after all."""
        return f"`pitboss land {self._run_id} --onto {quote(name)}` brings it along"

    def check(self, target: Target, new: str) -> None:
        """Raise CommandError if the branch may not move to `new`: somebody works on it."""
        if elsewhere := self._elsewhere(target):
            raise CommandError(
                f"{target.name} is checked out in {elsewhere}",
                hint=f"go there and merge `{run_branch(self._run_id)}`, or check out another branch there;"
                " `git worktree prune` forgets a folder that is gone",
            )
        if tree := rebased_branches(self._repo).get(target.ref):
            raise CommandError(
                f"{target.name} is being rebased in {tree}",
                hint="end that there, by `git rebase --continue` or `git rebase --abort`; then land again",
            )
        if not target.here:
            return
        status = self._repo.status()
        if status.dirty:
            paths = counted(status.dirty, "path")
            raise CommandError(
                f"{target.name} is checked out, and not clean: {paths} changed or untracked",
                hint=way_out(self._repo, status),
            )
        if why := self._switch.obstacle(HeadPosition(commit=new)):
            raise CommandError(f"cannot land on {target.name}: {why}", hint="see to that, then land again")
        if why := self._switch.rehearse(target.tip, new):
            raise CommandError(
                f"cannot land on {target.name}: {why}",
                hint="see to that, then land again; `git ls-files -v` marks files whose changes git overlooks (h, S)",
            )

    def move(self, target: Target, new: str) -> None:
        """Move the branch from its tip to `new`, and the clean checkout of it, if it is checked out.

        Raises CommandError: nothing has changed, unless it says so.
        """
        update = partial(self._update, target, new)
        if not target.here:
            update()
            return
        try:
            self._switch.along(target.tip, new, update)
        except (GitError, StartError) as error:
            raise self._cannot_follow(target.name, new, error) from error

    def _cannot_follow(self, name: str, tip: str, error: GitError | StartError) -> CommandError:
        return CommandError(
            f"{name} is at {tip[:7]} now, but the working tree could not follow: {error.message}",
            hint=f"see to that; then {self.brings_it_along(name)}",
        )

    def _update(self, target: Target, new: str) -> None:
        order = ("update-ref", "-m", f"pitboss land: run {self._run_id}", target.ref, new, target.tip)
        try:
            self._repo.git(*order)
        except GitError as error:
            now = self._repo.commit_id(target.ref)
            why = error.message if now == target.tip else f"it has just moved to {str(now)[:7]}"
            raise CommandError(
                f"cannot move {target.name}: {why}; nothing was changed", hint="land again"
            ) from error

    def _elsewhere(self, target: Target) -> str | None:
        """Where else the branch is checked out."""
        here = os.path.realpath(self._repo.root)
        users = (path for path, known in registered(self._repo).items() if known.branch == target.name)
        return next((path for path in users if os.path.realpath(path) != here), None)
