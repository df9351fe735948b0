"""Which chooser a run has: a live run, a dry run and a forecast for a run at rest ask for it here (SPEC 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.choosers.room import Room
from pitboss.core.choosers.rotation import RotationChooser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.chooser import Chooser
    from pitboss.core.config import GrindSettings
    from pitboss.core.prompt import PromptDoc
    from pitboss.core.rotation import Rotation


def chooser_for(
    rotation: Rotation, prompts: Mapping[str, PromptDoc], grind: GrindSettings, *, max_parallel: int
) -> Chooser:
    """The chooser of a run of `rotation`, with `max_parallel` sessions side by side at most."""
    return RotationChooser.of(rotation, prompts, Room.of(prompts, max_parallel=max_parallel, mode=grind.mode))
