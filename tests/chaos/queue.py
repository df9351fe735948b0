"""The run with queued tasks that is crashed: one is named like a prompt, one has its tests and a fixer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.chaos.checks import records_of
from tests.chaos.scenario import REPEATED, Place, build

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = ("a-commit", "f-hook-fails", "g-commit")
TASKS = {
    "task-1": "---\nname: a-commit\n---\nDo it.\n",
    "task-2": "---\nname: e-breaks-tests\nverify: true\n---\nDo it.\n",
    "task-3": "Mend the door.\n",
}
"""What each task in the queue says, by id."""


def build_queue(root: Path) -> Place:
    """Make the repository, with tasks that wait for a run."""
    place = build(root, PROMPTS, repeated=REPEATED)
    folder = place.repo / ".pitboss/grind/queue"
    folder.mkdir()
    for task_id, text in TASKS.items():
        (folder / f"{task_id}.md").write_text(text)
    return place


def mistaken(place: Place) -> list[str]:
    """What does not hold of the tasks: each has one record and one claim, and its file is in the run directory."""
    run = place.repo / f".pitboss/grind/runs/{place.run_id()}"
    taken = [(record["queued"], record["seq"]) for record in records_of(place) if "queued" in record]
    claims = {link.name: link.readlink().name for link in (place.repo / ".git/pitboss/tasks").iterdir()}
    waiting = sorted(file.name for file in (place.repo / ".pitboss/grind/queue").iterdir())
    kept = {file.stem: file.read_text() for file in (run / "queue").iterdir()}
    runs = json.loads((run / "state.json").read_text())["scheduler_state"]["runs_per_prompt"]
    found = [f"tasks {taken}"] if [task_id for task_id, _ in taken] != list(TASKS) else []
    if claims != {task_id: f"{place.run_id()}:{seq}" for task_id, seq in taken}:
        found.append(f"claims {claims}")
    if waiting or kept != TASKS:
        found.append(f"waiting {waiting}, in the run directory {sorted(kept)}")
    if runs != {"a-commit": 2, "f-hook-fails": 1, "g-commit": 2}:
        found.append(f"runs of prompts {runs}")
    return found
