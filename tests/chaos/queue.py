"""The runs with queued tasks that are crashed: one after the other, and side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.chaos.checks import budgets, dispatches, files, left_over, projection, records_of
from tests.chaos.scenario import CONFIG, REPEATED, Place, build, furnish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.chaos.aftermath import Aftermath

PROMPTS = ("a-commit", "f-hook-fails", "g-commit")
TASKS = {
    "task-1": "---\nname: a-commit\n---\nDo it.\n",
    "task-2": "---\nname: e-breaks-tests\nverify: true\n---\nDo it.\n",
    "task-3": "Mend the door.\n",
}
"""What each task in the queue says, by id: one is named like a prompt, one has its tests and a fixer."""

SHARED = "---\nname: task\nparallel_safe: true\n---\nDo it.\n"
SIDE_BY_SIDE = {
    "task-1": SHARED,
    "task-2": SHARED,
    "task-3": "---\nname: task\n---\nDo it.\n",
    "task-4": SHARED,
}
"""The third holds the others back, since it runs alone; all are named like the prompt, which shares."""


def build_queue(root: Path) -> Place:
    """Make the repository, with tasks that wait for a run."""
    return _queued(build(root, PROMPTS, repeated=REPEATED), TASKS)


def build_side_by_side(root: Path) -> Place:
    """The same for sessions side by side, each of which writes a file of its own."""
    config = CONFIG.replace("[grind]\n", "[grind]\nmax_parallel = 3\n")
    return _queued(furnish(Place(root), {"task": "max_runs: 3\nparallel_safe: true\n"}, config), SIDE_BY_SIDE)


def _queued(place: Place, tasks: Mapping[str, str]) -> Place:
    folder = place.repo / ".pitboss/grind/queue"
    folder.mkdir()
    for task_id, text in tasks.items():
        (folder / f"{task_id}.md").write_text(text)
    return place


def mistaken(place: Place, tasks: Mapping[str, str], runs: Mapping[str, int]) -> list[str]:
    """What does not hold of the tasks: each has one record and one claim, and its file is in the run directory.

    `runs` are the sessions that prompts had as turns of the rotation.
    """
    run = place.repo / f".pitboss/grind/runs/{place.run_id()}"
    taken = [(record["queued"], record["seq"]) for record in records_of(place) if "queued" in record]
    claims = {link.name: link.readlink().name for link in (place.repo / ".git/pitboss/tasks").iterdir()}
    waiting = sorted(file.name for file in (place.repo / ".pitboss/grind/queue").iterdir())
    kept = {file.stem: file.read_text() for file in (run / "queue").iterdir()}
    had = json.loads((run / "state.json").read_text())["scheduler_state"]["runs_per_prompt"]
    in_order = [task_id for task_id, _ in sorted(taken, key=lambda each: each[1])]
    found = [f"tasks {taken}"] if in_order != list(tasks) else []
    if claims != {task_id: f"{place.run_id()}:{seq}" for task_id, seq in taken}:
        found.append(f"claims {claims}")
    if waiting or kept != tasks:
        found.append(f"waiting {waiting}, in the run directory {sorted(kept)}")
    if had != runs:
        found.append(f"runs of prompts {had}")
    return found


def wrong_side_by_side(place: Place, crashes: Sequence[Aftermath]) -> list[str]:
    """What does not hold of a run side by side that came to its end after these crashes."""
    records = records_of(place)
    state = json.loads((place.repo / f".pitboss/grind/runs/{place.run_id()}/state.json").read_text())
    cut_short = {seq for crash in crashes for seq in crash.cut_short}
    failed = [r["seq"] for r in records if r["status"] != "ok" and r["seq"] not in cut_short]
    found = [sentence for crash in crashes for sentence in crash.wrong]
    if sorted(r["seq"] for r in records) != list(range(1, len(SIDE_BY_SIDE) + 4)):
        found.append(f"seqs {[r['seq'] for r in records]}")
    if failed:
        found.append(f"sessions that were not cut short and failed: {failed}")
    return [
        *found,
        *mistaken(place, SIDE_BY_SIDE, {"task": 3}),
        *dispatches(place, records),
        *files(place),
        *budgets(records, state, "completed"),
        *projection(place, records),
        *left_over(place, state),
    ]
