"""Hostile acts by topic: every module's `ACTS` is tried; `tests/hostile/act.py` says how to add one."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.hostile.act import Act


def all_acts() -> dict[str, Act]:
    """Every act by its name, `topic/act`."""
    modules = {module.name: import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)}
    return {f"{topic}/{name}": act for topic, module in modules.items() for name, act in module.ACTS.items()}
