"""The settings and readers that every page is made from (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pitboss.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pitboss.screens.desk import Desk
    from pitboss.screens.web.pages import Pages
    from pitboss.screens.web.watches import Watches


class NoSession(CommandError):
    """The run has no session of that number, or the session no such file."""


class Supplies(NamedTuple):
    """The repository, its runs as they are read, whom to ask for the rest (when somebody has to), the templates."""

    repo: Path
    watches: Watches
    desk: Callable[[], Desk]
    pages: Pages
    allow_control: bool = False
