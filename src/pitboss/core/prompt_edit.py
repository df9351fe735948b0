"""A prompt file that changes while its run is live: what was found, and whether the run can take it (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.prompt import PromptDoc
from pitboss.core.prompt_template import unedited
from pitboss.core.worker import fixer, implementer

if TYPE_CHECKING:
    from pitboss.core.mission import Mission

TURNS = ("weight", "every", "max_runs", "parallel_safe")
"""What decides about turns; the run's chooser has it from the start."""


class Rewritten(msgspec.Struct, frozen=True):
    """The file holds another prompt than before."""

    doc: PromptDoc


class Unreadable(msgspec.Struct, frozen=True):
    """The file holds no prompt any more; `reason` names it."""

    reason: str


Edit = Rewritten | Unreadable


def unfit(doc: PromptDoc, name: str, mission: Mission) -> str | None:
    """Why the run cannot take this text for its prompt `name`; None if it can.

    Agents are checked, and perhaps tried, when a run starts. So an edit cannot bring in one that has no part in it.
    """
    if doc.meta.name != name:
        return f"it is now called {doc.meta.name}, and the set of prompts changes only when a run is resumed"
    if problem := unedited(doc):
        return problem.reason
    workers = (
        implementer(mission.config, doc.meta),
        fixer(mission.config, doc.meta) if doc.meta.verify else None,
    )
    new = [worker.agent for worker in workers if worker is not None and worker.agent not in mission.agents]
    return f"the run was started without the agent {new[0]}" if new else None


def turns_differ(old: PromptDoc, new: PromptDoc) -> bool:
    """Whether the texts disagree about turns, which count from the next resume on."""
    return any(getattr(old.meta, key) != getattr(new.meta, key) for key in TURNS)
