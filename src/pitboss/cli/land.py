"""`pitboss land`: brings a run's work onto the branch it began on, all of it or chosen sessions (SPEC 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.cli.shared import completing
from pitboss.cli.shared.declare import argument, command, option
from pitboss.cli.shared.given import seqs
from pitboss.core.measures import counted

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.run import RunState
    from pitboss.core.seq_choice import SeqChoice


@command()
@argument("run_id", required=False, shell_complete=completing.run_ids)
@option("--onto", metavar="BRANCH", help="Land on this branch instead of the one that the run began on.")
@option("--only", type=seqs, metavar="SEQS", help="Land only these sessions, such as 3,5-7.")
@option("--except", "without", type=seqs, metavar="SEQS", help="Land all sessions but these.")
@option("--squash", is_flag=True, help="Land everything as one commit.")
@option("--dry-run", is_flag=True, help="Print what would be landed; change nothing.")
def land(
    *,
    run_id: str | None,
    onto: str | None,
    only: SeqChoice | None,
    without: SeqChoice | None,
    squash: bool,
    dry_run: bool,
) -> None:
    """Bring the work of a run that is over onto a branch: RUN_ID, else the latest run.

    The branch moves in one step, and a clean checkout of it follows. On a conflict nothing changes. Sessions that were
    left out in `pitboss review` stay out. Landing again lands what is missing.
    """
    from pitboss.cli.shared.chosen import chosen_run, require_whole
    from pitboss.cli.shared.ending import ends_its_children
    from pitboss.cli.shared.homecoming import Homecoming, Wishes
    from pitboss.cli.shared.project import project_root
    from pitboss.store.git_dir import lock_paths
    from pitboss.store.lock import RunLock

    root = project_root()
    run = chosen_run(root, run_id)
    state = _state(root, run)
    require_whole(root, run)
    wishes = Wishes(onto=onto, only=only, without=without, squash=squash)
    if dry_run:
        Homecoming(root, state, wishes).preview()
        return
    with ends_its_children(), RunLock.acquire(*lock_paths(root), run_id=run):
        Homecoming(root, _settled(root, run), wishes).land()


def _settled(root: Path, run_id: str) -> RunState:
    """The state of a run with no session in flight. Raises CommandError."""
    from pitboss.errors import CommandError

    state = _state(root, run_id)
    if state.in_flight:
        raise CommandError(
            f"run {run_id} crashed with {counted(len(state.in_flight), 'session')} in flight",
            hint=f"`pitboss repair {run_id}` settles them; then land",
        )
    return state


def _state(root: Path, run_id: str) -> RunState:
    from pitboss.core.recovery.refusals import StateUnreadable
    from pitboss.store.catalogue import find_run

    run = find_run(root, run_id)
    if run.state is None or run.problem is not None:
        raise StateUnreadable(run_id, str(run.problem))
    return run.state
