"""Compiles regular expressions on first use: compiling all of them takes longer than most commands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, AnyStr, cast

if TYPE_CHECKING:
    from types import ModuleType


class _Lazy:
    """Stands in for a pattern: what is asked of it is asked of the compiled one."""

    def __init__(self, pattern: Any, flags: int) -> None:
        self._pattern = pattern
        self._flags = flags

    def compiled(self) -> Any:
        return re.compile(self._pattern, self._flags)  # which keeps it

    def __getattr__(self, name: str) -> object:
        found: object = getattr(self.compiled(), name)
        setattr(self, name, found)  # so that Python finds it there from now on
        return found


def lazy_pattern(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As `re.compile`, but a mistake in the pattern shows only when it is used. Not for functions of `re` itself."""
    return cast("re.Pattern[AnyStr]", _Lazy(pattern, flags))


def compile_now(*modules: ModuleType) -> None:
    """Compile the patterns of these modules, for whoever has time now and none when they are used."""
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, _Lazy):
                value.compiled()
