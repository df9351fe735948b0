"""Which prompts take no further part in a run, because their sessions land nothing again and again (SPEC 11).

A limit is read when a session is about to start, so an edit of `max_barren` counts at once, and a replay of the log
asks nobody: records say what was chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.barren import streaks_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pitboss.core.barren import Streaks
    from pitboss.core.prompt import PromptDoc
    from pitboss.core.rotation import Rotation
    from pitboss.core.run import RunState


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt that takes no further part: its last `streak` sessions landed nothing, and `max_barren` are allowed."""

    prompt: str
    streak: int
    max_barren: int


def current_streaks(run: RunState) -> Streaks:
    """The streaks of a run, including records that wait for an earlier one to be folded."""
    streaks = run.barren_per_prompt or {}
    for record in run.early:
        streaks = streaks_after(streaks, record)
    return streaks


def left_out(run: RunState) -> tuple[LeftOut, ...]:
    """The prompts that have reached their limit, by name."""
    if not run.max_barren:
        return ()
    streaks = current_streaks(run)
    return tuple(
        LeftOut(prompt=name, streak=streaks[name], max_barren=limit)
        for name, limit in sorted(run.max_barren.items())
        if streaks.get(name, 0) >= limit
    )


def limits(names: Iterable[str], prompts: Mapping[str, PromptDoc]) -> dict[str, int]:
    """The limit of each prompt among `names` that has one."""
    found = ((name, prompts[name].meta.max_barren) for name in names if name in prompts)
    return {name: limit for name, limit in found if limit is not None}


def limited(run: RunState, rotation: Rotation, prompts: Mapping[str, PromptDoc]) -> RunState:
    """`run` with the limits that its prompts have now."""
    return msgspec.structs.replace(run, max_barren=limits(rotation.prompt_names, prompts))
