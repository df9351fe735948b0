"""Which prompts take part in a run, and on what terms (SPEC 2; the seed's *plan*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.budget import Caps
from pitboss.core.config import Hooks
from pitboss.core.scheduler import Contender

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pitboss.core.prompt import PromptDoc

DEFAULT_ROTATION = "default"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt of a rotation and what the rotation overrides of it."""

    name: str
    weight_override: int | None = None
    every_override: int | None = None
    max_runs_override: int | None = None


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """A rotation file, or the default rotation of all discovered prompts."""

    name: str
    entries: tuple[Entry, ...]
    max_parallel: int | None = None
    hooks: Hooks = Hooks()
    budgets: Caps = Caps()

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """The names that take part, in the rotation's order."""
        return tuple(entry.name for entry in self.entries)


def default_rotation(prompts: Sequence[PromptDoc]) -> Rotation:
    """All discovered prompts on their own terms, under the name `default`."""
    return Rotation(name=DEFAULT_ROTATION, entries=tuple(Entry(name=p.meta.name) for p in prompts))


def contenders(rotation: Rotation, prompts: Mapping[str, PromptDoc]) -> list[Contender]:
    """What the scheduler chooses among: overrides first, then the prompt's own frontmatter."""
    return [_contender(entry, prompts[entry.name]) for entry in rotation.entries]


def _contender(entry: Entry, prompt: PromptDoc) -> Contender:
    meta = prompt.meta
    return Contender(
        name=entry.name,
        weight=meta.weight if entry.weight_override is None else entry.weight_override,
        every=meta.every if entry.every_override is None else entry.every_override,
        max_runs=meta.max_runs if entry.max_runs_override is None else entry.max_runs_override,
    )
