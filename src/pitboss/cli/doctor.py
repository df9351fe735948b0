"""`pitboss doctor`: everything that could keep a run from starting or ending well, looked at in advance (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pitboss.cli.checkup import Check, Health, examine
from pitboss.cli.output import Ink, paint, say, write_json
from pitboss.cli.project import project_root

if TYPE_CHECKING:
    from collections.abc import Sequence

_INK = {Health.OK: Ink.GOOD, Health.WARNING: Ink.WARN, Health.PROBLEM: Ink.BAD}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(*, as_json: bool) -> int:
    """Check git, the repository, agents, configuration, prompts, lock and disk; exit 1 if something is wrong."""
    checks = list(examine(project_root()))
    healthy = all(check.health is not Health.PROBLEM for check in checks)
    if as_json:
        write_json({"ok": healthy, "checks": checks})
    else:
        _print(checks)
    return 0 if healthy else 1


def _print(checks: Sequence[Check]) -> None:
    for check in checks:
        say(f"{paint(f'{check.health:<7}', _INK[check.health])}  {check.subject:<10}  {check.finding}")
        if check.hint is not None:
            say(f"{'':<21}{paint('hint:', Ink.NAME)} {check.hint}")
