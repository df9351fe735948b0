"""What a page is about: all runs, one run, or one session; each reads it and says what its parts show (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pitboss.screens.web.all_runs import AllRuns
from pitboss.screens.web.one_run import OneRun
from pitboss.screens.web.pages import Pages
from pitboss.screens.web.showing import FUNCTIONS
from pitboss.store.catalogue import find_run

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

    from markupsafe import Markup

    from pitboss.screens.web.feeds import Parts, Render


class Subject(Protocol):
    """What one page is about."""

    @property
    def key(self) -> Hashable:
        """What tells it from the subjects of other pages."""

    def reader(self) -> Render:
        """A reader of its own, which renders the parts of the page. That raises StorageError."""

    def page(self, version: str, parts: Parts) -> Markup:
        """The page around its parts, which are of that `version`."""


class Subjects:
    """Finds what a page of the repository is about."""

    def __init__(self, repo: Path) -> None:
        self._repo = repo
        self._pages = Pages({**FUNCTIONS, "project": repo.name})

    def find(self, run_id: str | None) -> Subject:
        """The subject of an address. Raises RunNotFound, AmbiguousRun."""
        if run_id is None:
            return AllRuns(self._repo, self._pages)
        return OneRun(self._repo, self._pages, find_run(self._repo, run_id).run_id)

    def problem(self, depth: int, heading: str, text: str, hint: str | None) -> Markup:
        """A page that says what is wrong; `depth` is how many folders its address is below `/`."""
        return self._pages.page(
            "problem",
            {"title": f"{heading} - pitboss"},
            root="../" * depth,
            heading=heading,
            message=text,
            hint=hint,
            crumbs=(),
            stream="",
            version="",
        )
