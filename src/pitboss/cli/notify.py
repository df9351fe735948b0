"""`pitboss notify`: try the notices that tell people of a run (SPEC 12)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.cli.shared.declare import DeclaredGroup, option
from pitboss.cli.shared.project import project_root
from pitboss.errors import CommandError
from pitboss.screens.output import say, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.config import Config

notify = DeclaredGroup("notify", "Test the notices that tell you of a run.")


@notify.command("test")
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def try_notices(as_json: bool) -> int:
    """Send a test notice to each address and to the command, and ask for the heartbeat's address.

    It says of each whether that worked; exit code 1 if one did not. The address for the end of a run is left alone, as
    a request would mean that a run has ended.

    JSON: {"tried": [{"to", "failure"}]}, `failure` null where it worked.
    """
    from pitboss.cli.shared.ending import ends_its_children
    from pitboss.cli.shared.notifying import TrialNotice
    from pitboss.store.config import load_config

    root = project_root()
    config = load_config(root)
    if config.notify.is_unset:
        raise CommandError(
            "no notices are set up: config.toml has no [notify]",
            hint="add `[notify]` with `urls` or `command` to .pitboss/config.toml",
        )
    _require_trust(root, config)
    with ends_its_children():
        results = TrialNotice(root, config, os.environ).results()
    if as_json:
        write_json({"tried": [{"to": to, "failure": failure} for to, failure in results.items()]})
    else:
        for to, failure in results.items():
            say(f"ok      {to}" if failure is None else f"failed  {to}: {failure}")
    return 1 if any(results.values()) else 0


def _require_trust(root: Path, config: Config) -> None:
    """Refuse to send anything, or run the command, for a repository that was never used here. Raises CommandError."""
    from pitboss.trust import GRANT, NOTIFY, look

    trust = look(root, config, os.environ)
    if withheld := trust.withheld(NOTIFY):
        listed = ", ".join(map(str, withheld))
        raise CommandError(f"nothing is sent, because {trust.reason}: {listed}", hint=GRANT)
