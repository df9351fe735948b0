"""Attacks by family: every module's `ATTACKS` is tried; `tests/sandbox/attack.py` says how to add one."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sandbox.attack import Attack


def families() -> dict[str, dict[str, Attack]]:
    """The attacks of each family, by their names."""
    modules = {module.name: import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)}
    return {name: module.ATTACKS for name, module in sorted(modules.items())}


def all_attacks() -> dict[str, Attack]:
    """Every attack by its name, `family/attack`."""
    return {
        f"{family}/{name}": attack
        for family, members in families().items()
        for name, attack in members.items()
    }
