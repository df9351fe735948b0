"""Builds the notices of a run from its configuration, or none (SPEC 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pitboss.core.config import Config
    from pitboss.core.events import Observer, Outlet


class Notified(Protocol):
    """What a run that begins does for those who are to be told of it. `warnings` say what is in the way of that."""

    warnings: tuple[str, ...]

    def outlets(self) -> Sequence[Outlet[Any]]:
        """What hears of the live run; make it in the runner."""
        ...

    def warn_by(self, emit: Observer) -> None:
        """Where the live run's warnings go."""
        ...


class Nobody:
    """Nobody is to be told."""

    warnings: tuple[str, ...] = ()

    def outlets(self) -> Sequence[Outlet[Any]]:
        """None."""
        return ()

    def warn_by(self, emit: Observer) -> None:
        """There will be none."""


def notified(root: Path, run_id: str, config: Config) -> Notified:
    """Whoever is told of a run about to begin; they hear the last of it when this process ends.

    Call it before the fork. Nothing is loaded for a run that tells nobody.
    """
    settings = config.notify
    if settings.is_unset:
        return Nobody()
    from pitboss.cli.shared.afterwards import afterwards
    from pitboss.cli.shared.errands import RealErrands
    from pitboss.cli.shared.notifying import Notices

    errands = RealErrands(root, settings.command, config.grind.hook_env_passthrough)
    notices = Notices(root, run_id, settings, errands)
    afterwards(notices.afterwards)
    return notices
