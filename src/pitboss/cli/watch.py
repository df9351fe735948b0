"""`pitboss watch`: the TUI, a viewer in a process of its own (SPEC 10)."""

from __future__ import annotations

from pitboss.cli.shared import completing
from pitboss.cli.shared.chosen import chosen_run
from pitboss.cli.shared.declare import argument, command
from pitboss.cli.shared.extras import need_screens, need_terminal
from pitboss.cli.shared.project import project_root
from pitboss.store.catalogue import latest_run

_WITHOUT = "`pitboss status` shows the run once, `pitboss events -f` follows it line by line"


@command()
@argument("run_id", required=False, shell_complete=completing.run_ids)
def watch(*, run_id: str | None) -> None:
    """Watch and steer a run on the terminal: RUN_ID (or a prefix of it), else the live run, else the latest.

    Any number of these may look at one run, also over ssh, and at runs at rest. Quitting or killing it never
    touches the run. `?` shows all keys.
    """
    need_screens("watch")
    need_terminal("watch", _WITHOUT)
    repo = project_root()
    first = None if run_id is None and latest_run(repo) is None else chosen_run(repo, run_id)
    from pitboss.cli.shared.desk import RepositoryDesk
    from pitboss.screens.tui.app import WatchApp

    app = WatchApp(repo, first, RepositoryDesk(repo))
    app.show()
    if app.failure is not None:
        raise app.failure
