"""The run of one task that is crashed: `grind -p`, to be worked on twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.chaos.checks import budgets, dispatches, files, projection, records_of
from tests.chaos.scenario import CONFIG, Place, furnish

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.chaos.aftermath import Aftermath

RUNS = 2
TEXT = "Do it."
BEGIN_TASK = ("grind", "-p", TEXT, "--max-iterations", str(RUNS))


def build_task(root: Path) -> Place:
    """Make the repository, which has no prompt."""
    return furnish(Place(root), {}, CONFIG)


def violations(place: Place, crashes: Sequence[Aftermath]) -> list[str]:
    """Everything that does not hold of a run that was killed, and resumed each time; empty when all does."""
    records = records_of(place)
    run = place.repo / f".pitboss/grind/runs/{place.run_id()}"
    state = json.loads((run / "state.json").read_text())
    ended = [(record["prompt"], record["status"]) for record in records if record["status"] != "aborted"]
    found = [wrong for crash in crashes for wrong in crash.wrong]
    if ended != [("task", "ok")] * RUNS:
        found.append(f"sessions that were not cut short: {ended}")
    if len(records) > RUNS + sum(len(crash.cut_short) for crash in crashes):
        found.append(f"{len(records)} sessions after {crashes}")
    if [record["seq"] for record in records] != list(range(1, len(records) + 1)):
        found.append(f"seqs {[record['seq'] for record in records]}")
    if not (run / "task.md").read_text().endswith(f"---\n{TEXT}\n"):
        found.append("the task is not what it was")
    return [
        *found,
        *dispatches(place, records),
        *files(place),
        *budgets(records, state, "completed"),
        *projection(place, records),
    ]
