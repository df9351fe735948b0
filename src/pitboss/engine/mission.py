"""What a run is to do: files and options, resolved, as the engine needs them."""

from __future__ import annotations

import msgspec

from pitboss.core.budget import Caps
from pitboss.core.config import Config, HookSettings
from pitboss.core.prompt import PromptDoc
from pitboss.core.scheduler import Contender
from pitboss.core.selection import Selection


class Mission(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is to do.

    `prompt_names` are those of the rotation, `takers` what takes part in it, `hooks` and `caps` those that count.
    `start_from` is None for where HEAD is.
    """

    run_id: str
    config: Config
    rotation: str
    prompt_names: tuple[str, ...]
    prompts: dict[str, PromptDoc]
    takers: tuple[Contender, ...]
    hooks: HookSettings
    caps: Caps
    max_parallel: int
    selection: Selection = Selection()
    allow_prompt_changes: bool = False
    start_from: str | None = None

    @property
    def in_place(self) -> bool:
        """Whether sessions that run alone work in the user's tree."""
        return self.config.grind.mode == "in-place"
