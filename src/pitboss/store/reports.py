"""report.html and report.md in a run's directory: made from its records, so they can be made again (SPEC 2, 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.store.files import write_atomic

if TYPE_CHECKING:
    from pitboss.store.paths import RunPaths


def write_reports(paths: RunPaths, *, html: str, markdown: str) -> None:
    """Replace both files. Raises StorageError, RunDirectoryGone."""
    write_atomic(paths.report_html, html.encode(errors="replace"), durable=False)
    write_atomic(paths.report_markdown, markdown.encode(errors="replace"), durable=False)
