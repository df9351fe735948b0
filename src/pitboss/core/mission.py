"""What a run will do: files and options, resolved into one value (SPEC 2, 4, 5)."""

from __future__ import annotations

import msgspec

from pitboss.core import worker
from pitboss.core.budget import Caps
from pitboss.core.cluster import NO_WORKERS
from pitboss.core.config import Config, HookSettings
from pitboss.core.prompt import PromptDoc
from pitboss.core.rotation import Rotation, contenders
from pitboss.core.selection import Selection
from pitboss.core.worker import SHELL, Worker


class Mission(msgspec.Struct, frozen=True, kw_only=True):
    """What a run will do: overrides applied, budgets and hooks layered.

    `start_from` is None to start from HEAD. `warnings` stop nothing: they come from the configuration, and a few are
    given once, when a run begins.
    """

    config: Config
    rotation: Rotation
    prompts: dict[str, PromptDoc]
    hooks: HookSettings
    caps: Caps
    max_parallel: int
    selection: Selection = Selection()
    allow_prompt_changes: bool = False
    start_from: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def task(self) -> PromptDoc | None:
        """The one prompt of a run that has no other, and whose directory keeps it."""
        if self.selection.task_runs is None:
            return None
        from pitboss.core.task import TASK

        return self.prompts.get(TASK)

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Every agent that a run may start, with each model it would be asked to use; sorted.

        A fixer appears only if it is not the prompt's own agent; fallbacks use their own models.
        """
        config, metas = self.config, [doc.meta for doc in self.prompts.values()]
        implementers = [worker.implementer(config, meta) for meta in metas]
        # The shell agent cannot repair what it breaks.
        fixers = [worker.fixer(config, meta) for meta in metas if meta.verify and meta.agent == SHELL]
        fallbacks = [worker.stand_in(config, name) for name in config.limits.fallback]
        found = {each for each in (*implementers, *fixers, *fallbacks) if each is not None}
        return tuple(sorted({each if each.agent != SHELL else Worker(SHELL) for each in found}, key=str))

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents that may work in sessions, fixers and fallbacks included; sorted."""
        return tuple(sorted({each.agent for each in self.workers}))

    @property
    def is_endless(self) -> bool:
        """Whether some prompt may have another turn however long the run has worked."""
        taking_part = contenders(self.rotation, self.prompts)
        return any(
            each.max_runs is None and self.prompts[each.name].meta.max_barren is None for each in taking_part
        )

    @property
    def workers_address(self) -> str | None:
        """Where the machines are on which sessions work; None if that is this one."""
        address = self.selection.workers or self.config.workers.address
        return None if address == NO_WORKERS else address

    @property
    def needs_copies(self) -> bool:
        """Whether sessions may work in working copies of their own on this machine."""
        return not self.in_place or self.max_parallel > 1

    @property
    def in_place(self) -> bool:
        """Whether sessions that run alone work in the user's tree."""
        return self.config.grind.mode == "in-place"
