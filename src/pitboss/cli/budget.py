"""`pitboss budget`: shows what a run has used, or changes the live run's budgets (SPEC 4, 10)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.cli.shared.capping import cap_changes, cap_options
from pitboss.cli.shared.chosen import chosen_run
from pitboss.cli.shared.declare import command
from pitboss.cli.shared.given import NO_CAP
from pitboss.cli.shared.project import project_root
from pitboss.cli.shared.steering import LiveRun
from pitboss.core.budget import CapChanges
from pitboss.core.gauges import Budget, gauge_words, gauges_of
from pitboss.core.measures import stamp
from pitboss.core.requests import ChangeCaps
from pitboss.errors import CommandError
from pitboss.screens.output import clock, fields
from pitboss.store.follow import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.core.view import View

NO_LIMIT = "no limit"


@command()
@cap_options
def budget(**given: Any) -> None:
    """Show what a run has used of its budgets, or give the live run others.

    Other budgets count from the run's next check on, for the whole run: what it has used so far counts too. `none`
    lifts one; those not given stay. A run that a budget has stopped goes on by `pitboss grind --resume` with a
    larger one.
    """
    changes = cap_changes(given)
    if changes == CapChanges():
        _show()
    else:
        options = " ".join(_options(changes))
        resume = f"`pitboss grind --resume {options}` goes on with the last run"
        LiveRun(resume, options=options).ask(ChangeCaps(caps=changes), by="budget")


def _show() -> None:
    repo = project_root()
    seen = snapshot(repo, chosen_run(repo, None), last=0)
    if seen.state is None:
        raise CommandError(
            f"run {seen.run_id} cannot be read: {seen.problem}", hint="`pitboss status` says more"
        )
    fields([("run", seen.run_id), *_amounts(seen.view, datetime.now(UTC))])


def _amounts(view: View, now: datetime) -> Iterator[tuple[str, str]]:
    """What is used of each budget."""
    for gauge in gauges_of(view, now):
        words = gauge_words(gauge, clock)
        if gauge.cap is None:
            words = NO_LIMIT if gauge.budget is Budget.TIME else f"{words}, {NO_LIMIT}"
        yield gauge.budget, words


def _options(changes: CapChanges) -> Iterator[str]:
    """The options that ask for the changes."""
    for name, value in msgspec.structs.asdict(changes).items():
        if value is not msgspec.UNSET:
            given = NO_CAP if value is None else value
            said = stamp(given) if isinstance(given, datetime) else str(given).removesuffix(".0")
            yield f"--{name.removesuffix('_usd').replace('_', '-')} {said}"
