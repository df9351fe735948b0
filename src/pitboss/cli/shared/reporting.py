"""Writes report.html and report.md when a run has ended, and never harms the run by it (SPEC 11)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitboss.core.embed import one_line
from pitboss.errors import PitbossError

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.store.paths import RunPaths


def report_at_the_end(root: Path, paths: RunPaths) -> str:
    """Write both files of a run that has ended; returns the line that says where, or why there is none.

    Whatever goes wrong is only said: the run and its exit code are what they are.
    """
    try:
        _write(root, paths)
    except KeyboardInterrupt:
        return _none(paths, "interrupted")
    except PitbossError as error:
        return _none(paths, error.message)
    except Exception as error:
        return _none(paths, f"{type(error).__name__}: {error}")
    return f"report: {paths.report_html}"


def _write(root: Path, paths: RunPaths) -> None:
    from pitboss.cli.shared.desk import RepositoryDesk
    from pitboss.screens.report.gathering import report_on
    from pitboss.screens.report.page import html_page
    from pitboss.screens.report.plain import markdown
    from pitboss.store.reports import write_reports

    report = report_on(root, [paths.run_id], RepositoryDesk(root), datetime.now(UTC), ended=True)
    write_reports(paths, html=html_page(report), markdown=markdown(report))


def _none(paths: RunPaths, why: str) -> str:
    return (
        f"warning: no report was written: {one_line(why, 300)}; `pitboss report {paths.run_id}` tries again"
    )
