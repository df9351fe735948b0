"""The prompt with which a run that is not live would continue, according to its files (SPEC 3, 8)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.core.chooser import upcoming
from pitboss.core.choosers.rotation import RotationChooser
from pitboss.core.selection import Selection
from pitboss.errors import PitbossError
from pitboss.store.library import load_inputs

if TYPE_CHECKING:
    from pitboss.core.run import RunState
    from pitboss.store.library import Inputs


def next_at_rest(repo: Path, state: RunState) -> str | None:
    """The prompt of the first session after a resume; None if there is none or the resume would be refused."""
    inputs = _inputs(repo, state)
    if inputs is None or sorted(inputs.rotation.prompt_names) != sorted(state.prompt_names):
        return None
    chooser = RotationChooser.of(inputs.rotation, inputs.library.prompts)
    choice = next(upcoming(chooser, state), None)
    return choice.prompt if choice else None


def _inputs(repo: Path, state: RunState) -> Inputs | None:
    """The rotation and prompts that the run chose; None if they can no longer be read."""
    choice = state.selection or Selection()
    folder = None if choice.prompts_dir is None else repo / choice.prompts_dir
    try:
        return load_inputs(
            repo, home=Path.home(), prompts_dir=folder, rotation=state.plan_name, tags=choice.tags
        )
    except PitbossError:
        return None
