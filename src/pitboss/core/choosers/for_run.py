"""Which chooser a run has; live runs, dry runs and forecasts for a run at rest all ask here (SPEC 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.choosers.queue import QueueChooser
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
    """The chooser of a run of `rotation`, queued tasks first, with at most `max_parallel` sessions side by side."""
    room = Room.of(prompts, max_parallel=max_parallel, mode=grind.mode)
    return QueueChooser(RotationChooser.of(rotation, prompts, room), room)
