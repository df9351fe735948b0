"""Which prompts take part in a run, and on what terms (SPEC 2; the seed's *plan*)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.core.budget import Caps
from pitboss.core.config import HookSettings
from pitboss.core.fields import (
    MAX_TOKENS,
    Wrong,
    amount,
    argument,
    count,
    moment,
    one_line,
    shown,
    suggestion,
    table,
)
from pitboss.core.scheduler import Contender
from pitboss.core.toml import parse_toml
from pitboss.errors import StartError
from pitboss.typed import from_builtins

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pitboss.core.fields import Table
    from pitboss.core.prompt import PromptDoc

DEFAULT_ROTATION = "default"

# An empty hook is allowed: in a rotation it switches the configured one off.
HOOK_CHECKS = dict.fromkeys(("pre_session", "post_session", "on_failure"), argument)
BUDGET_CHECKS = {
    "max_iterations": count(0),
    "until": moment,
    "max_cost_usd": amount,
    "max_tokens": count(0, MAX_TOKENS),
}


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
    hooks: HookSettings = HookSettings()
    budgets: Caps = Caps()

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """The names that take part, in the rotation's order."""
        return tuple(entry.name for entry in self.entries)


def default_rotation(prompts: Sequence[PromptDoc]) -> Rotation:
    """All discovered prompts on their own terms, under the name `default`."""
    return Rotation(name=DEFAULT_ROTATION, entries=tuple(Entry(name=p.meta.name) for p in prompts))


def contenders(rotation: Rotation, prompts: Mapping[str, PromptDoc]) -> list[Contender]:
    """What the scheduler chooses from; a rotation's overrides beat the prompt's own frontmatter."""
    return [_contender(entry, prompts[entry.name]) for entry in rotation.entries]


def parse_rotation(text: str, *, name: str, path: str, known: Collection[str] | None) -> Rotation:
    """Return the rotation written in `text`, which was read from `path`; its name is the file's stem.

    `known` are the existing prompts; None when some could not be read, so that no name can be ruled out. Raises
    InputError with every problem of the file.
    """
    top = parse_toml(text, path)
    found = top.read(_CHECKS, required=("prompts",))
    entries = _entries(top, known)
    hooks = top.sub("hooks").read(HOOK_CHECKS)
    budgets = top.sub("budgets").read(BUDGET_CHECKS)
    top.document.finish()
    return from_builtins(
        {**found, "name": name, "entries": entries, "hooks": hooks, "budgets": budgets}, Rotation
    )


def select_by_names(rotation: Rotation, names: Collection[str], known: Collection[str]) -> Rotation:
    """The entries of `rotation` with these names; all of them if `names` is empty.

    `known` are the names of all prompts. Raises StartError that names every one that does not take part.
    """
    if not names:
        return rotation
    there_are = rotation.prompt_names
    if missing := [name for name in dict.fromkeys(names) if name not in there_are]:
        raise _not_taking_part(rotation, missing, known)
    entries = tuple(entry for entry in rotation.entries if entry.name in names)
    return msgspec.structs.replace(rotation, entries=entries)


def _not_taking_part(rotation: Rotation, missing: Sequence[str], known: Collection[str]) -> StartError:
    if unknown := [name for name in missing if name not in known]:
        near = next(filter(None, (suggestion(name, known) for name in unknown)), "")
        hint = f"existing prompts: {', '.join(sorted(known))}" if known else "there are no prompts"
        return StartError(f"no prompt is named {' or '.join(map(shown, unknown))}{near}", hint=hint)
    return StartError(
        f"rotation '{rotation.name}' does not contain {' or '.join(map(shown, missing))}",
        hint=f"`--rotation {DEFAULT_ROTATION}` chooses from all prompts",
    )


def select_by_tags(rotation: Rotation, prompts: Mapping[str, PromptDoc], tags: Collection[str]) -> Rotation:
    """The entries of `rotation` whose prompts have any of `tags`; all of them if `tags` is empty.

    Raises StartError when no prompt has one.
    """
    if not tags:
        return rotation
    entries = tuple(
        entry for entry in rotation.entries if not set(tags).isdisjoint(prompts[entry.name].meta.tags)
    )
    if not entries:
        there_are = sorted({tag for name in rotation.prompt_names for tag in prompts[name].meta.tags})
        raise StartError(
            f"no prompt of rotation '{rotation.name}' is tagged {' or '.join(map(shown, tags))}",
            hint=f"existing tags: {', '.join(there_are)}" if there_are else "no prompt has tags",
        )
    return msgspec.structs.replace(rotation, entries=entries)


def _entries(top: Table, known: Collection[str] | None) -> list[dict[str, Any]]:
    first_uses: dict[str, str] = {}
    entries = []
    for position, row in enumerate(top.rows("prompts")):
        entry = row.read(_ENTRY_CHECKS, required=("name",))
        entries.append(entry)
        name = entry.get("name")
        if name in first_uses:
            row.report("name", f"{shown(name)} is already named by {first_uses[name]}")
        elif name is not None:
            first_uses[name] = f"prompts[{position}]"
        if name is not None and known is not None and name not in known:
            row.report("name", f"no prompt is named {shown(name)}{suggestion(name, known)}")
    return entries


def _prompts(value: object) -> object:
    if not isinstance(value, list) or not value:
        raise Wrong(
            f'must be a list such as [{{name = "alpha"}}], not {shown(value) if value else "an empty one"}'
        )
    return value


def _no_name(_value: object) -> object:
    raise Wrong("a rotation is named after its file; remove this key")


_CHECKS = {
    "name": _no_name,
    "prompts": _prompts,
    "max_parallel": count(1),
    "hooks": table,
    "budgets": table,
}
_ENTRY_CHECKS = {
    "name": one_line,
    "weight_override": count(1),
    "every_override": count(1),
    "max_runs_override": count(1),
}


def _contender(entry: Entry, prompt: PromptDoc) -> Contender:
    meta = prompt.meta
    return Contender(
        name=entry.name,
        weight=meta.weight if entry.weight_override is None else entry.weight_override,
        every=meta.every if entry.every_override is None else entry.every_override,
        max_runs=meta.max_runs if entry.max_runs_override is None else entry.max_runs_override,
    )
