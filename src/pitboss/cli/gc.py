"""`pitboss gc`: removes what runs at rest no longer need, and says what that frees (SPEC 8, 11)."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from pitboss.cli.shared import completing
from pitboss.cli.shared.declare import argument, command, option
from pitboss.cli.shared.given import age

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from pitboss.git.repo import Repo
    from pitboss.workers.remote_leftovers import RemoteLeftovers


@command()
@argument("run_ids", nargs=-1, metavar="[RUN_ID]...", required=False, shell_complete=completing.run_ids)
@option("--older-than", type=age, metavar="AGE", help="Only runs that ended so long ago: 30d, 12h.")
@option(
    "--refs", is_flag=True, help="Delete run branches and rescue refs too, if other refs hold all of them."
)
@option("--dry-run", is_flag=True, help="Print what would be removed; change nothing.")
@option("--json", "as_json", is_flag=True, help="Print what became of each run as JSON.")
def gc(
    *, run_ids: Sequence[str], older_than: timedelta | None, refs: bool, dry_run: bool, as_json: bool
) -> int:
    """Remove working copies, transcripts and events of runs at rest: of RUN_IDs, or of all.

    Records, summaries, reports and whatever was set aside stay; what a working copy still holds is rescued first. A run
    that can be resumed is left alone for 30 days, or as long as --older-than says, unless you name it. What it left on
    [workers] remote is brought here, then deleted there. --refs with a RUN_ID deletes all of its refs, landed or not.
    On a terminal it asks before it removes what younger runs printed, unless you say which or how old.
    """
    from pathlib import Path

    from pitboss.cli.shared import tidying
    from pitboss.cli.shared.ending import ends_its_children
    from pitboss.cli.shared.extras import has_terminal
    from pitboss.core.garbage import Wish
    from pitboss.git.repo import Repo
    from pitboss.screens.output import write_json
    from pitboss.store.catalogue import find_run, list_runs

    repo = Repo.discover(Path.cwd(), purpose="collecting garbage")
    named = dict.fromkeys(find_run(repo.root, run_id).run_id for run_id in run_ids)
    wish = Wish(older_than=older_than, named=frozenset(named))

    def survey(remote: RemoteLeftovers | None) -> list[tidying.Tidying]:
        runs = [run for run in list_runs(repo.root) if not named or run.run_id in named]
        return tidying.survey(repo, runs, wish, remote, with_refs=refs)

    unasked = dry_run or as_json or named or older_than is not None or not has_terminal()
    if not unasked and not tidying.agreed(survey(None)):
        return 0
    with ends_its_children(), nullcontext() if dry_run else _locked(repo):
        remote = tidying.look_at_remote(repo)
        done = [each if dry_run else tidying.tidied(repo, each, remote) for each in survey(remote)]
    if as_json:
        write_json([tidying.as_json(each, done=not dry_run) for each in done])
    else:
        tidying.say_all(done, dry_run=dry_run)
    return int(not tidying.did_as_asked(done, wish))


def _locked(repo: Repo) -> AbstractContextManager[object]:
    """Hold off runs, where there may be any: a lock would make the folder of a repository that has none."""
    from pitboss.store.git_dir import lock_paths
    from pitboss.store.lock import RunLock
    from pitboss.store.paths import pitboss_dir

    has_runs = pitboss_dir(repo.root).exists()
    return RunLock.acquire(*lock_paths(repo.root), run_id=None) if has_runs else nullcontext()
