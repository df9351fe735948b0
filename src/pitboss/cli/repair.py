"""`pitboss repair`: bring a crashed run's files in order, without starting anything new (SPEC 7)."""

from __future__ import annotations

from pathlib import Path

import click

from pitboss.cli.output import say


@click.command()
@click.argument("run_id")
@click.option("--dry-run", is_flag=True, help="Print what would be done and change nothing.")
@click.option("--force", is_flag=True, help="Set damaged lines of the log aside; write lost records anew.")
def repair(*, run_id: str, dry_run: bool, force: bool) -> int:
    """Do what `grind --resume` does before it starts: mend the run's files and settle its sessions."""
    from pitboss import app
    from pitboss.cli.guarded import run_guarded
    from pitboss.git.repo import Repo
    from pitboss.plan import Options, load_plan
    from pitboss.store.rundir import find_run

    repo = Repo.discover(Path.cwd(), purpose="repairing")
    run = find_run(repo.root, run_id)
    if dry_run:
        repairs = app.plan_repair(repo, run.run_id, force=force)
        for line in [step.describe() for step in repairs] or ["nothing to repair"]:
            say(line)
        return 0
    plan = load_plan(repo.root, Options(), rotation=run.state.plan_name if run.state else None)
    return run_guarded(
        repo.root,
        run.run_id,
        plan.warnings,
        as_json=False,
        body=lambda channel, emit: app.Run(plan, repo, run.run_id, channel, emit).repair(force=force),
    )
