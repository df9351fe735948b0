"""`pitboss log`: a run's sessions, one line each, as they end (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.cli.shared import completing
from pitboss.cli.shared.chosen import chosen_run, damage_of
from pitboss.cli.shared.declare import argument, command, option
from pitboss.cli.shared.project import project_root
from pitboss.screens.lines import log_lines
from pitboss.screens.output import note, say_now, write_line
from pitboss.store.catalogue import live_holder, readable_log
from pitboss.store.follow import LogFollower
from pitboss.store.follow import follow as followed
from pitboss.store.log import iter_records
from pitboss.store.paths import RunPaths
from pitboss.store.record_codec import encode_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.core.session import SessionRecord


@command()
@argument("run_id", required=False, shell_complete=completing.run_ids)
@option("-f", "--follow", is_flag=True, help="Wait for more until the run ends.")
@option("--json", "as_json", is_flag=True, help="Print each record as its JSON line.")
def log(*, run_id: str | None, follow: bool, as_json: bool) -> None:
    """Print the sessions of a run, one line each: RUN_ID, else the live run, else the latest."""
    repo = project_root()
    run_id = chosen_run(repo, run_id)
    for record in _records(repo, run_id, follow=follow):
        if as_json:
            write_line(encode_record(record))
        else:
            say_now("\n".join(log_lines(record)))
    if (damage := damage_of(repo, run_id)) is not None:
        note(f"warning: {damage}; `pitboss repair {run_id}` restores it")


def _records(repo: Path, run_id: str, *, follow: bool) -> Iterator[SessionRecord]:
    paths = RunPaths(repo, run_id)
    if not follow:
        return iter_records(readable_log(repo, run_id))
    return followed(LogFollower(paths.log).new_records, ended=lambda: live_holder(repo, run_id) is None)
