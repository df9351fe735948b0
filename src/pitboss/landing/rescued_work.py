"""Rescued work for the user: found by name, shown, and applied to the tree (SPEC 8)."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from pitboss.errors import CommandError, StartError, StorageError
from pitboss.git.errors import GitError
from pitboss.git.locks import LockScope, remove_stale_locks
from pitboss.git.merge import changed_paths, fork_point, merge_trees, no_files
from pitboss.git.switch import Switch
from pitboss.landing.refs import RUN_BRANCHES, run_branch
from pitboss.landing.rescue_refs import list_rescued, why_kept
from pitboss.landing.signed import PersonalCommits
from pitboss.store.applied import applied, note_applied
from pitboss.store.catalogue import readable_log
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import lock_holder
from pitboss.store.log import iter_records
from pitboss.store.opening import is_folder
from pitboss.store.paths import RunPaths, runs_dir

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.git.repo import Repo
    from pitboss.landing.rescue_refs import Rescued

# Every option is spelled out: users may have configured any of them differently.
_LOG = (
    *("log", "--no-color", "--no-decorate", "--no-show-signature", "--no-notes", "--no-abbrev-commit"),
    *("--no-mailmap", "--pretty=medium", "--date=default", "--encoding=UTF-8"),
)
# Plumbing obeys few settings, and recurses only with -r.
_DIFF = (
    "-c",
    "core.quotePath=false",
    "diff-tree",
    "-r",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--stat",
    "--patch",
)


_HALF_APPLIED = "pitboss-apply"
"""In git's own folder of the working tree while work is applied to it: from which commit to which."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What applying a ref changed in the tree, by path; with `conflicts`, nothing was changed at all."""

    changed: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


def find(repo: Repo, name: str) -> Rescued:
    """The rescue ref that a user means: its full name, RUN_ID/session-NNNN, or a unique prefix of that.

    Raises CommandError.
    """
    everything = list_rescued(repo)
    exact = [r for r in everything if name in (r.ref, r.short_name)]
    matching = exact or [r for r in everything if r.short_name.startswith(name) or r.ref.startswith(name)]
    if len(matching) == 1:
        return matching[0]
    if not matching:
        raise CommandError(f"no rescue ref {name}", hint="`pitboss rescue ls` lists them")
    raise CommandError(
        f"{name} may be any of {', '.join(r.short_name for r in matching)}", hint="give the full name"
    )


def show(repo: Repo, rescued: Rescued) -> bytes:
    """The work under a ref, for people to read: its commits, then their changes.

    They begin where they left the run's branch: what other sessions landed before is not theirs. If that branch is
    gone, or holds them all, they begin where they left HEAD.
    """
    base = fork_point(repo, f"refs/heads/{run_branch(rescued.run_id)}", rescued.oid)
    if base is None or base == rescued.oid:
        base = fork_point(repo, "HEAD", rescued.oid)
    base = base or no_files(repo)
    log = repo.git(*_LOG, f"{base}..{rescued.oid}", "--")
    diff = repo.git(*_DIFF, base, rescued.oid, "--")
    return log + b"\n" + diff


def apply(repo: Repo, rescued: Rescued) -> Applied:
    """Bring a ref's changes into the current, clean tree, uncommitted, by three-way merge (SPEC 8).

    All or nothing: on conflict the conflicting paths are returned and the tree is as it was. What a killed one left is
    taken back first. From then on the ref counts as applied. Raises CommandError when the tree is not clean, a run
    works in it, or the work is that of a repository inside.
    """
    _refuse_beside_a_run(repo)
    _refuse_of_another_repository(repo, rescued)
    switch = Switch(repo, repo.inside(_HALF_APPLIED))
    _take_back(repo, switch)
    status = repo.status()
    if status.dirty or status.unborn:
        raise CommandError(
            "the working tree is not clean", hint="commit or stash your changes, then apply again"
        )
    merged = merge_trees(repo, "HEAD", rescued.oid)
    if merged.conflicts:
        return Applied(conflicts=merged.conflicts)
    changed = changed_paths(repo, "HEAD", merged.tree)
    _refuse_overwriting(repo, rescued, merged.tree)
    _bring(repo, switch, rescued, PersonalCommits(repo).scratch(merged.tree, status.head))
    repo.git("read-tree", "-m", "HEAD")
    _note(repo, rescued)
    return Applied(changed=tuple(sorted(changed)))


def _bring(repo: Repo, switch: Switch, rescued: Rescued, made: str) -> None:
    """Bring index and files of the clean tree to the commit `made`. Raises CommandError or KeyboardInterrupt."""
    try:
        switch.bring(repo.line("rev-parse", "HEAD"), made)
    except (GitError, StartError, KeyboardInterrupt) as error:
        with suppress(GitError, StartError):
            _take_back(repo, switch)
        if isinstance(error, KeyboardInterrupt):
            raise
        left = "some of it is in the working tree" if switch.is_cut_short() else "nothing was changed"
        raise CommandError(
            f"cannot apply {rescued.short_name}: {error.message}; {left}",
            hint="see to what git complains about, then apply again",
        ) from error


def _take_back(repo: Repo, switch: Switch) -> None:
    """Take back what was applied in part. Raises GitError, or StartError if a git of the user's is at work."""
    if switch.is_cut_short():
        branch = (repo.on_branch() or "").removeprefix("refs/heads/")
        remove_stale_locks(repo, LockScope(branch=branch, worktrees=runs_dir(repo.root)))
        switch.undo()


def applied_refs(repo: Repo, found: Iterable[Rescued]) -> frozenset[str]:
    """Those of the refs whose work, as it is now, has been applied in this working tree."""
    refs = tuple(found)
    noted = {run_id: applied(RunPaths(repo.root, run_id)) for run_id in {each.run_id for each in refs}}
    return frozenset(each.ref for each in refs if noted[each.run_id].get(each.last_name) == each.oid)


def _note(repo: Repo, rescued: Rescued) -> None:
    """Note that the work was applied, if the run's directory still exists."""
    paths = RunPaths(repo.root, rescued.run_id)
    if is_folder(paths.root):
        with suppress(StorageError):  # the work is in the tree anyway
            note_applied(paths, rescued.last_name, rescued.oid)


def reasons(repo: Repo, found: tuple[Rescued, ...]) -> dict[str, str | None]:
    """Why each was rescued: from the ref's reflog, else the reason why its session did not land."""
    runs = {rescued.run_id for rescued in found}
    ended = {
        (run_id, record.seq): record.reason
        for run_id in runs
        for record in iter_records(readable_log(repo.root, run_id))
    }
    return {
        rescued.ref: why_kept(repo, rescued.ref) or ended.get((rescued.run_id, rescued.seq or 0))
        for rescued in found
    }


def _refuse_beside_a_run(repo: Repo) -> None:
    """Refuse while a run works in this tree: its session would commit what is applied as its own."""
    on_run_branch = (repo.on_branch() or "").startswith(f"refs/heads/{RUN_BRANCHES}")
    if on_run_branch and lock_holder(*lock_paths(repo.root)) is not None:
        raise CommandError(
            "a run is live, and works in this tree",
            hint="apply it once the run is over; `pitboss stop` lets the sessions in flight finish",
        )


def _refuse_of_another_repository(repo: Repo, rescued: Rescued) -> None:
    """Refuse what a repository inside held: its files would be brought to the top of this tree."""
    from pitboss.landing.rescuer import HISTORY, INSIDE

    if why_kept(repo, rescued.ref) in (HISTORY, INSIDE) and fork_point(repo, "HEAD", rescued.oid) is None:
        where, ref = shlex.quote(str(repo.root)), rescued.ref
        raise CommandError(
            f"{rescued.short_name} is the work of a repository or submodule inside this tree",
            hint=f"`git fetch {where} {ref}` in that repository brings it there as FETCH_HEAD; "
            f"`git worktree add --detach DIR {ref}` puts its files into a folder of their own",
        )


def _refuse_overwriting(repo: Repo, rescued: Rescued, tree: str) -> None:
    """Refuse to overwrite ignored files, as git itself would."""
    for path in changed_paths(repo, "HEAD", tree, only="A"):
        if os.path.lexists(repo.root / path):
            raise CommandError(
                f"cannot apply {rescued.short_name}: {path} would be overwritten", hint="move it away first"
            )
