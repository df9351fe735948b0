"""What a page is about: all runs, one run, or one session; each reads it and says what its parts show (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable

    from markupsafe import Markup

    from pitboss.screens.web.feeds import Render
    from pitboss.screens.web.pages import Parts
    from pitboss.screens.web.supplies import Supplies


class Subject(Protocol):
    """What one page is about."""

    @property
    def key(self) -> Hashable:
        """What tells it from the subjects of other pages."""

    def reader(self) -> Render:
        """What renders the parts of the page, again and again. That raises PitbossError."""

    def page(self, version: str, parts: Parts) -> Markup:
        """The page around its parts, which are of that `version`."""


def subject_of(supplies: Supplies, run_id: str | None, seq: int | None) -> Subject:
    """The subject of an address, loaded when it is asked for. Raises RunNotFound, AmbiguousRun."""
    if run_id is None:
        from pitboss.screens.web.all_runs import AllRuns

        return AllRuns(supplies)
    from pitboss.screens.web.one_run import OneRun
    from pitboss.screens.web.one_session import OneSession
    from pitboss.store.catalogue import find_run

    whole_id = find_run(supplies.repo, run_id).run_id
    return OneRun(supplies, whole_id) if seq is None else OneSession(supplies, whole_id, seq)
