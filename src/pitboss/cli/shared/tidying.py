"""What `pitboss gc` does with each run, and how it says so: in lines, or as JSON (SPEC 11)."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.cli.shared.extras import answered_yes
from pitboss.core.embed import one_line
from pitboss.core.garbage import RESUMABLE_DAYS, RunFate, Wish, fate, is_young
from pitboss.core.measures import size
from pitboss.errors import PitbossError
from pitboss.landing.garbage import Garbage, Refs, garbage, recorded_as_landed, remove
from pitboss.screens.output import note, say
from pitboss.store.catalogue import RunListing, live_holder
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pitboss.git.repo import Repo
    from pitboss.workers.remote_leftovers import RemoteLeftovers

LOOKING_S = 20.0
"""How many seconds to spend on sizes."""

_MOST_NAMED = 5


class Tidying(msgspec.Struct, frozen=True, kw_only=True):
    """A run, what is to become of it, and what can be removed: None if it is left alone.

    `is_young`: people may still want to look at what it printed. `problem` says why that could not be removed.
    """

    run_id: str
    fate: RunFate
    is_young: bool = False
    garbage: Garbage | None = None
    problem: str | None = None

    @property
    def removable(self) -> bool:
        """Whether there is something to remove, and nothing went wrong with it."""
        return self.garbage is not None and self.problem is None and not self.garbage.is_empty


def look_at_remote(repo: Repo) -> RemoteLeftovers | None:
    """What runs left on `[workers] remote`; None if there is none, or with a note if it cannot be looked at."""
    from pitboss.store.config import load_config

    try:
        settings = load_config(repo.root).workers
        if settings.remote is None:
            return None
        from pitboss.workers.remote_leftovers import RemoteLeftovers

        return RemoteLeftovers(repo, settings.remote, quiet_s=settings.lost_after_s)
    except PitbossError as error:
        note(f"what runs left on [workers] remote stays, as that cannot be looked at: {error.message}")
        return None


def survey(
    repo: Repo, runs: Sequence[RunListing], wish: Wish, remote: RemoteLeftovers | None, *, with_refs: bool
) -> list[Tidying]:
    """What is to become of each run; sizes are looked up for `LOOKING_S`. Raises GitError, StorageError."""
    refs, until, now = Refs(repo), time.monotonic() + LOOKING_S, datetime.now(UTC)
    found = []
    for run in runs:
        live = live_holder(repo.root, run.run_id) is not None
        what, named = fate(run.run_id, run.state, wish, live=live, now=now), run.run_id in wish.named
        removable = None
        if what is RunFate.TIDY:
            removable = garbage(repo, run.run_id, refs, with_refs=with_refs, named=named, until=until)
            if remote is not None:
                removable = msgspec.structs.replace(removable, remote=remote.of(run.run_id))
        young = run.state is not None and is_young(run.state, now)
        found.append(Tidying(run_id=run.run_id, fate=what, is_young=young, garbage=removable))
    return found


def agreed(found: Sequence[Tidying]) -> bool:
    """Ask, if what runs of the last days printed would go, and say first what else would; no answer means no."""
    if not any(each.is_young and each.garbage is not None and each.garbage.files for each in found):
        return True
    say_all(found, dry_run=True)
    sys.stdout.flush()
    note(
        f"`pitboss gc --older-than {RESUMABLE_DAYS}d` leaves the runs of the last {RESUMABLE_DAYS} days alone"
    )
    return answered_yes("Remove all of it?")


def tidied(repo: Repo, each: Tidying, remote: RemoteLeftovers | None) -> Tidying:
    """Remove what was found of a run; `problem` in what is returned says what went wrong."""
    from pitboss.workers.tidying import local_folders, tidy_local

    try:
        if each.garbage is not None:
            remove(repo, each.garbage)
            tidy_local(local_folders(RunPaths(repo.root, each.run_id).root), repo)
            if remote is not None and each.garbage.remote:
                remote.remove(each.run_id, each.garbage.remote, recorded_as_landed(repo, each.run_id))
    except PitbossError as error:
        return msgspec.structs.replace(each, problem=error.message)
    return each


def did_as_asked(done: Sequence[Tidying], wish: Wish) -> bool:
    """Whether nothing went wrong, and no run that was named had to be left alone."""
    failed = any(each.problem is not None for each in done)
    left_alone = any(each.garbage is None and each.run_id in wish.named for each in done)
    return not failed and not left_alone


def say_all(found: Sequence[Tidying], *, dry_run: bool) -> None:
    """Say of each run what was removed, or why it stays, and what that comes to."""
    for each in found:
        if each.problem is not None:
            note(f"{one_line(each.run_id)}: {each.problem}")
        elif each.garbage is None:
            note(f"{one_line(each.run_id)} {_why(each)}")
        else:
            for line in _lines(each.garbage, dry_run=dry_run):
                say(line)
    removed = [each.garbage for each in found if each.garbage is not None and each.removable]
    if not removed:
        say("nothing to remove")
    elif len(removed) > 1:
        say(f"{'would free' if dry_run else 'freed'} {_size(removed)} of {len(removed)} runs")


def as_json(each: Tidying, *, done: bool) -> dict[str, object]:
    """A run of `gc --json` (docs/reference/json.md); `done`: this is no dry run."""
    found = each.garbage or Garbage(run_id=each.run_id, worktrees={}, files={})
    return {
        "run_id": each.run_id,
        "fate": each.fate,
        "removed": done and each.removable,
        "bytes": found.size,
        "worktrees": sorted(found.worktrees),
        "files": sorted(found.files),
        "branches": found.session_branches,
        "remote": [{"ref": ref, "commit": oid} for ref, oid in found.remote.items()],
        "refs": [{"ref": ref, "commit": oid} for ref, oid in found.refs.items()],
        "staying": found.staying,
        "problem": each.problem if each.garbage is not None else _why(each),
    }


def _why(each: Tidying) -> str:
    run_id = one_line(each.run_id)
    match each.fate:
        case RunFate.LIVE:
            return "is live"
        case RunFate.BROKEN:
            return f"has to be repaired first: `pitboss repair {run_id}`"
        case RunFate.RESUMABLE:
            return f"can be resumed; `pitboss gc {run_id}` tidies it all the same"
        case RunFate.YOUNG | RunFate.TIDY:
            return "is younger than that"


def _lines(found: Garbage, *, dry_run: bool) -> Iterator[str]:
    run_id = one_line(found.run_id)
    if not found.is_empty:
        copies = len(found.worktrees)
        what = ["1 working copy" if copies == 1 else f"{copies} working copies"] if copies else []
        what += [
            *found.files,
            *found.session_branches,
            *(f"the lease of session {seq}" for seq in found.leased),
            *_on_remote(found),
            *(f"{_short(ref)} (was {oid[:12]})" for ref, oid in found.refs.items()),
        ]
        yield f"{run_id}  {'would free' if dry_run else 'freed'} {_size([found])}: {one_line(', '.join(what))}"
    for ref in found.staying:
        why = "it is checked out or being rebased, or no other ref holds its commits"
        yield f"{run_id}  {one_line(_short(ref))} stays: {why}"


def _on_remote(found: Garbage) -> list[str]:
    named = [f"{_short(ref)} on the remote" for ref in sorted(found.remote)]
    shown, more = named[:_MOST_NAMED], len(named) - _MOST_NAMED
    return [*shown, f"{more} more refs there"] if more > 0 else shown


def _size(found: Sequence[Garbage]) -> str:
    whole = all(use.whole for each in found for use in (*each.worktrees.values(), *each.files.values()))
    text = size(sum(each.size for each in found))
    return text if whole else f"at least {text}"


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")
