"""`pitboss events`: what happens in a run, one JSON line each, as viewers read it (SPEC 9)."""

from __future__ import annotations

import click

from pitboss.cli import completing
from pitboss.cli.chosen import chosen_run
from pitboss.cli.output import write_line
from pitboss.cli.project import project_root
from pitboss.store.catalogue import live_holder
from pitboss.store.follow import event_lines
from pitboss.store.paths import RunPaths


@click.command()
@click.argument("run_id", required=False, shell_complete=completing.run_ids)
@click.option("-f", "--follow", is_flag=True, help="Wait for more until the run ends.")
def events(*, run_id: str | None, follow: bool) -> None:
    """Print what happened in a run, one JSON line each: in RUN_ID, else in the live run, else in the latest."""
    repo = project_root()
    paths = RunPaths(repo, chosen_run(repo, run_id))

    def ended() -> bool:
        return not follow or live_holder(repo, paths.run_id) is None

    for line in event_lines(paths, ended=ended):
        write_line(line)
