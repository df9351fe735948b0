"""Which prompt a run that is not live would continue with, according to its files (SPEC 3, 8)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pitboss.core.chooser import upcoming
from pitboss.core.choosers.for_run import chooser_for
from pitboss.core.left_out import limited
from pitboss.core.run import counted
from pitboss.core.selection import Selection
from pitboss.errors import PitbossError
from pitboss.store.kept_prompts import kept_prompts
from pitboss.store.library import load_inputs
from pitboss.store.log import iter_records
from pitboss.store.paths import RunPaths
from pitboss.store.queue import with_queue
from pitboss.store.task import kept_inputs

if TYPE_CHECKING:
    from pitboss.core.run import RunState
    from pitboss.store.library import Inputs


class AtRest(NamedTuple):
    """What a resume would find."""

    first: str | None = None
    """The prompt or task of its first session; None if there is none, or if the resume would be refused."""
    used_up: bool = False
    """Whether nothing is left: no prompt has a turn, no task waits, and no session is to be settled."""


def at_rest(repo: Path, state: RunState) -> AtRest:
    """What a resume of a run that is not live would find."""
    choice = state.selection or Selection()
    inputs = _inputs(repo, state, choice)
    if inputs is None or sorted(inputs.rotation.prompt_names) != sorted(state.prompt_names):
        return AtRest()
    rotation, grind = inputs.rotation, inputs.config.grind
    most = choice.side_by_side(rotation, grind)
    chooser = chooser_for(rotation, inputs.library.prompts, grind, max_parallel=most)
    state = counted(with_queue(repo, state), iter_records(RunPaths(repo, state.run_id).log))
    state = limited(state, rotation, inputs.library.prompts)
    first = next(upcoming(chooser, state), None)
    if first is None:
        return AtRest(used_up=not state.in_flight and not state.unrescued)
    return AtRest(first=first.prompt)


def _inputs(repo: Path, state: RunState, choice: Selection) -> Inputs | None:
    """The rotation and prompts that the run chose; None if they can no longer be read."""
    try:
        if choice.task_runs is not None:
            return kept_inputs(repo, state, choice.task_runs)
        kept = kept_prompts(RunPaths(repo, state.run_id))
        return load_inputs(repo, home=Path.home(), choice=choice, rotation=state.plan_name, kept=kept)
    except PitbossError:
        return None
