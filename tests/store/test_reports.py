"""report.html and report.md: replaced whole, whatever text is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.errors import StorageError
from pitboss.store.paths import RunPaths
from pitboss.store.reports import write_reports

if TYPE_CHECKING:
    from pathlib import Path


def test_both_are_replaced_whole(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path, "rid")
    paths.root.mkdir(parents=True)
    write_reports(paths, html="<p>first, and longer</p>", markdown="first")
    write_reports(paths, html="<p>\ud800</p>", markdown="se\u0301cond")
    assert paths.report_html.read_text(encoding="utf-8") == "<p>?</p>"
    assert paths.report_markdown.read_text(encoding="utf-8") == "se\u0301cond"


def test_a_run_without_a_directory_gets_none(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        write_reports(RunPaths(tmp_path, "rid"), html="", markdown="")
    assert not list(tmp_path.iterdir())
