"""`pitboss repair`: repairs the files of a crashed run without starting anything new (SPEC 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.cli.shared import completing
from pitboss.cli.shared.declare import argument, command, option
from pitboss.cli.shared.given import folder
from pitboss.screens.output import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pitboss.core.events import Outlet
    from pitboss.git.repo import Repo
    from pitboss.guardian import StopChannel


@command()
@argument("run_id", shell_complete=completing.run_ids)
@option("--dry-run", is_flag=True, help="Print what would be done; change nothing.")
@option("--force", is_flag=True, help="Set damaged lines of the log aside; rewrite lost records.")
@option(
    "--rotation",
    metavar="NAME",
    shell_complete=completing.rotations,
    help="The run's rotation, if state.json is lost.",
)
@option("--prompts-dir", type=folder, help="Where the run's prompts are.")
def repair(*, run_id: str, dry_run: bool, force: bool, rotation: str | None, prompts_dir: Path | None) -> int:
    """Do what `grind --resume` does before it starts: repair the run's files and settle its sessions."""
    from pitboss import app
    from pitboss.cli.shared.guarded import run_guarded
    from pitboss.cli.shared.project import project_root
    from pitboss.cli.shared.repository import begin_to_find
    from pitboss.resolve import Options, mission_to_repair
    from pitboss.store.backup import restore_lost
    from pitboss.store.catalogue import find_run

    root = project_root()
    if dry_run and (gone := _gone(root, run_id)):
        say(gone)
        return 0
    restored = restore_lost(root, run_id)
    repo, warnings = begin_to_find(root, run_id, purpose="repairing")()
    run = find_run(repo.root, run_id)
    if dry_run:
        return _print_plan(repo, run.run_id, force=force)
    restored += _restored(repo, run.run_id, force=force)
    run = find_run(repo.root, run.run_id)
    mission = mission_to_repair(repo.root, Options(rotation=rotation, prompts_dir=prompts_dir), run.state)

    def body(channel: StopChannel, outlets: Callable[[], Sequence[Outlet[Any]]]) -> int:
        with app.observed(outlets, (*restored, *mission.warnings, *warnings)) as emit:
            return app.build_run(mission, repo, run.run_id, channel, emit).repair(
                force=force, restored=bool(restored)
            )

    return run_guarded(repo, run.run_id, as_json=False, starts=False, body=body)


def _gone(root: Path, run_id: str) -> str | None:
    """What must be done first, if the run's directory is gone."""
    from pitboss.store.backup import Backup

    backup = Backup(root)
    return next(
        (f"restore run {name} from {backup.place}, then look again" for name in backup.find(run_id)), None
    )


def _restored(repo: Repo, run_id: str, *, force: bool) -> list[str]:
    """Before anything is read, restore what the run has lost from the copy in the git directory. Raises LockHeld."""
    from pitboss import app
    from pitboss.store.git_dir import lock_paths
    from pitboss.store.lock import RunLock

    with RunLock.acquire(*lock_paths(repo.root), run_id=run_id):
        return app.restore_files(repo, run_id, force=force)


def _print_plan(repo: Repo, run_id: str, *, force: bool) -> int:
    """Print what a repair would do, under the lock, because a live run keeps changing."""
    from pitboss import app
    from pitboss.store.git_dir import lock_paths
    from pitboss.store.lock import RunLock

    with RunLock.acquire(*lock_paths(repo.root), run_id=run_id):
        lost = app.lost_files(repo, run_id, force=force)
        repairs = () if lost else app.plan_repair(repo, run_id, force=force)
    for line in [step.describe() for step in (*lost, *repairs)] or ["nothing to repair"]:
        say(line)
    if lost:
        say("then look again")
    return 0
