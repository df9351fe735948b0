"""What every page is made from (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.screens.desk import Desk
    from pitboss.screens.web.pages import Pages
    from pitboss.screens.web.watches import Watches


class Supplies(NamedTuple):
    """The repository, its runs as they are read, whom to ask for the rest, and the templates."""

    repo: Path
    watches: Watches
    desk: Desk
    pages: Pages
    allow_control: bool = False
