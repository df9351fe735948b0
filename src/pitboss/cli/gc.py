"""`pitboss gc`: removes what runs at rest no longer need, and says what that frees (SPEC 8, 11)."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from pitboss.cli.shared import completing
from pitboss.cli.shared.declare import argument, command, option
from pitboss.cli.shared.given import age

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from pitboss.core.garbage import Wish
    from pitboss.git.repo import Repo
    from pitboss.landing.garbage import Garbage
    from pitboss.store.catalogue import RunListing

LOOKING_S = 20.0
"""How many seconds to spend on sizes."""


@command()
@argument("run_ids", nargs=-1, metavar="[RUN_ID]...", required=False, shell_complete=completing.run_ids)
@option("--older-than", type=age, metavar="AGE", help="Only runs that ended so long ago: 30d, 12h.")
@option(
    "--refs", is_flag=True, help="Delete run branches and rescue refs too, if other refs hold all of them."
)
@option("--dry-run", is_flag=True, help="Print what would be removed; change nothing.")
def gc(*, run_ids: Sequence[str], older_than: timedelta | None, refs: bool, dry_run: bool) -> int:
    """Remove working copies, transcripts and events of runs at rest: of RUN_IDs, or of all.

    Records, summaries, reports and whatever was set aside stay; what a working copy still holds is rescued first. A run
    that can be resumed is left alone for 30 days, or as long as --older-than says, unless you name it. --refs with a
    RUN_ID deletes all of its refs, landed or not.
    """
    from pathlib import Path

    from pitboss.core.garbage import Wish
    from pitboss.git.repo import Repo
    from pitboss.store.catalogue import find_run, list_runs
    from pitboss.store.git_dir import lock_paths
    from pitboss.store.lock import RunLock

    repo = Repo.discover(Path.cwd(), purpose="collecting garbage")
    named = dict.fromkeys(find_run(repo.root, run_id).run_id for run_id in run_ids)
    wish = Wish(older_than=older_than, named=frozenset(named))
    with nullcontext() if dry_run else RunLock.acquire(*lock_paths(repo.root), run_id=None):
        runs = [run for run in list_runs(repo.root) if not named or run.run_id in named]
        found = _survey(repo, runs, wish, with_refs=refs)
        done = [each for each in found if _tidied(repo, each, dry_run=dry_run)]
    _sum_up(done, dry_run=dry_run)
    return int(len(done) < len(found) or not wish.named <= {each.run_id for each in found})


def _survey(repo: Repo, runs: Sequence[RunListing], wish: Wish, *, with_refs: bool) -> list[Garbage]:
    """What can be removed, run by run; says of the others why they stay."""
    import time
    from datetime import UTC, datetime

    from pitboss.core.garbage import RunFate, fate
    from pitboss.landing.garbage import Refs, garbage
    from pitboss.store.catalogue import live_holder

    refs, until, now = Refs(repo), time.monotonic() + LOOKING_S, datetime.now(UTC)
    found = []
    for run in runs:
        live = live_holder(repo.root, run.run_id) is not None
        what = fate(run.run_id, run.state, wish, live=live, now=now)
        if what is RunFate.TIDY:
            named = run.run_id in wish.named
            found.append(garbage(repo, run.run_id, refs, with_refs=with_refs, named=named, until=until))
        else:
            _say_why(run, what)
    return found


def _say_why(run: RunListing, what: str) -> None:
    from pitboss.core.embed import one_line
    from pitboss.core.garbage import RunFate
    from pitboss.screens.output import note

    run_id = one_line(run.run_id)
    why = {
        RunFate.LIVE: "is live",
        RunFate.BROKEN: f"has to be repaired first: `pitboss repair {run_id}`",
        RunFate.RESUMABLE: f"can be resumed; `pitboss gc {run_id}` tidies it all the same",
        RunFate.YOUNG: "is younger than that",
    }
    note(f"{run_id} {why[RunFate(what)]}")


def _tidied(repo: Repo, found: Garbage, *, dry_run: bool) -> bool:
    """Remove what was found of a run, unless it is a dry run, and say so; False if that failed."""
    from pitboss.errors import PitbossError
    from pitboss.landing.garbage import remove
    from pitboss.screens.output import note, say

    if not dry_run:
        try:
            remove(repo, found)
        except PitbossError as error:
            note(f"{found.run_id}: {error.message}")
            return False
    for line in _lines(found, dry_run=dry_run):
        say(line)
    return True


def _lines(found: Garbage, *, dry_run: bool) -> Iterator[str]:
    from pitboss.core.embed import one_line

    run_id = one_line(found.run_id)
    if not found.is_empty:
        copies = len(found.worktrees)
        what = ["1 working copy" if copies == 1 else f"{copies} working copies"] if copies else []
        what += [
            *found.files,
            *found.session_branches,
            *(f"{_short(ref)} (was {oid[:12]})" for ref, oid in found.refs.items()),
        ]
        yield f"{run_id}  {'would free' if dry_run else 'freed'} {_size([found])}: {one_line(', '.join(what))}"
    for ref in found.staying:
        yield f"{run_id}  {one_line(_short(ref))} stays: it is checked out, or no other ref holds its commits"


def _sum_up(found: Sequence[Garbage], *, dry_run: bool) -> None:
    from pitboss.screens.output import say

    tidied = [each for each in found if not each.is_empty]
    if not tidied:
        say("nothing to remove")
    elif len(tidied) > 1:
        say(f"{'would free' if dry_run else 'freed'} {_size(tidied)} of {len(tidied)} runs")


def _size(found: Sequence[Garbage]) -> str:
    from pitboss.core.measures import size

    whole = all(use.whole for each in found for use in (*each.worktrees.values(), *each.files.values()))
    return (
        size(sum(each.size for each in found))
        if whole
        else f"at least {size(sum(each.size for each in found))}"
    )


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")
