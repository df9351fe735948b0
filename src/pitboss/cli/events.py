"""`pitboss events`: what happens in a run, one JSON line each, as viewers read it (SPEC 9)."""

from __future__ import annotations

from pitboss.cli.shared import completing
from pitboss.cli.shared.chosen import chosen_run
from pitboss.cli.shared.declare import argument, command, option
from pitboss.cli.shared.project import project_root
from pitboss.screens.output import note, write_line
from pitboss.store.catalogue import live_holder
from pitboss.store.follow import EventFollower
from pitboss.store.follow import follow as followed
from pitboss.store.opening import status
from pitboss.store.paths import RunPaths


@command()
@argument("run_id", required=False, shell_complete=completing.run_ids)
@option("-f", "--follow", is_flag=True, help="Wait for more until the run ends.")
@option("--json", "as_json", is_flag=True, help="Changes nothing: it prints JSON anyway.")
def events(*, run_id: str | None, follow: bool, as_json: bool) -> None:
    """Print what happened in a run, one JSON line each: RUN_ID, else the live run, else the latest."""
    del as_json  # taken for scripts that ask every command that looks for JSON
    repo = project_root()
    paths = RunPaths(repo, chosen_run(repo, run_id))

    def ended() -> bool:
        return not follow or live_holder(repo, paths.run_id) is None

    if status(paths.events) is None and live_holder(repo, paths.run_id) is None:
        note(f"no events of run {paths.run_id} are kept: `pitboss gc` removes them")
        note(f"hint: `pitboss log {paths.run_id}` lists its sessions")
    for line in followed(EventFollower(paths).new_lines, ended=ended):
        write_line(line)
