"""Which sessions may run side by side: the rule that every chooser follows (SPEC 3)."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pitboss.core.prompt import PromptDoc
    from pitboss.core.run import WaitingTask
    from pitboss.core.session import Assignment


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """Room for `max_parallel` sessions of the `parallel_safe` prompts, or for one of any other.

    Tasks from the queue say themselves whether they are `parallel_safe`.

    Sessions that have vacated their place take no room, but nothing starts while `max_parallel` of them wait to land.

    `own_copies`: every session has its own working copy, even one that runs alone.
    """

    max_parallel: int = 1
    parallel_safe: frozenset[str] = frozenset()
    own_copies: bool = False

    @classmethod
    def of(cls, prompts: Mapping[str, PromptDoc], *, max_parallel: int, mode: str) -> Room:
        """The room of a run with these prompts; `mode` is the one from `[grind]`."""
        safe = frozenset(name for name, doc in prompts.items() if doc.meta.parallel_safe)
        return cls(max_parallel=max_parallel, parallel_safe=safe, own_copies=mode == "worktree")

    def in_slot(self, wants: str | WaitingTask) -> bool:
        """Whether a session of that prompt or task gets a working copy of its own."""
        return self.own_copies or self._shares(wants)

    def is_free(
        self,
        wants: str | WaitingTask,
        running: Sequence[Assignment],
        landing: Sequence[Assignment] = (),
    ) -> bool:
        """Whether a session of that prompt or task may start beside those in `running` and those waiting to land."""
        if not running and not landing:
            return True
        if max(len(running), len(landing)) >= self.max_parallel or not self._shares(wants):
            return False
        others = chain(running, landing)
        # In one pass: a task says itself whether it shares, a prompt is looked up.
        kinds = {each.prompt if each.queued is None else each.parallel_safe for each in others}
        return kinds <= {*self.parallel_safe, True}

    def _shares(self, wants: str | WaitingTask) -> bool:
        safe = wants in self.parallel_safe if isinstance(wants, str) else wants.parallel_safe
        return self.max_parallel > 1 and safe
