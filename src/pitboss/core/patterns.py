"""Regular expressions that are compiled when they are first used: all of them would take longer than most commands."""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Lazy:
    """Stands in for a pattern: what is asked of it is asked of the compiled one."""

    def __init__(self, pattern: Any, flags: int) -> None:
        self._pattern = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> object:
        found: object = getattr(re.compile(self._pattern, self._flags), name)
        setattr(self, name, found)  # so that Python finds it there from now on
        return found


def lazy_pattern(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As `re.compile`, but a mistake in the pattern shows only when it is used. Not for functions of `re` itself."""
    return cast("re.Pattern[AnyStr]", _Lazy(pattern, flags))
