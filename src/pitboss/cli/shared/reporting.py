"""Writes report.html and report.md when a run has ended, and never harms the run by it (SPEC 11)."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitboss.core.embed import one_line
from pitboss.errors import PitbossError

if TYPE_CHECKING:
    from pitboss.git.repo import Repo
    from pitboss.store.paths import RunPaths


def get_ready(paths: RunPaths) -> None:
    """Load what reads a run and renders its report, and make what is made on first use.

    Of the run only its state is read: how long its records are should not matter here.
    """
    import hashlib  # noqa: F401 - for commits

    from pitboss.cli.shared import desk  # noqa: F401
    from pitboss.core import acceptance, needs, summary, touched
    from pitboss.core.patterns import compile_now
    from pitboss.core.words import endings
    from pitboss.git import new_objects, touched_files
    from pitboss.screens.report import gathering, page, plain  # noqa: F401
    from pitboss.store import reports, run_watch  # noqa: F401
    from pitboss.store.codec import Malformed
    from pitboss.store.event_log import decode_event
    from pitboss.store.record_codec import decode_record

    compile_now(acceptance, endings, needs, new_objects, plain, run_watch, summary, touched, touched_files)
    decode_event(b"")
    with suppress(Malformed):
        decode_record(b"")
    with suppress(PitbossError):
        run_watch.RunWatch(paths.repo, paths.run_id)


def report_at_the_end(repo: Repo, paths: RunPaths) -> str:
    """Write both files of a run that has ended; returns the line that says where, or why there is none.

    Whatever goes wrong is only said: the run and its exit code are what they are.
    """
    try:
        _write(repo, paths)
    except KeyboardInterrupt:
        return _none(paths, "interrupted")
    except PitbossError as error:
        return _none(paths, error.message)
    except Exception as error:
        return _none(paths, f"{type(error).__name__}: {error}")
    return f"report: {paths.report_html}"


def _write(repo: Repo, paths: RunPaths) -> None:
    from pitboss.cli.shared.desk import RepositoryDesk
    from pitboss.screens.report.gathering import report_on
    from pitboss.screens.report.page import html_page
    from pitboss.screens.report.plain import markdown
    from pitboss.store.reports import write_reports

    desk = RepositoryDesk(repo.root, repo)
    report = report_on(repo.root, [paths.run_id], desk, datetime.now(UTC), ended=True)
    write_reports(paths, html=html_page(report), markdown=markdown(report))


def _none(paths: RunPaths, why: str) -> str:
    return (
        f"warning: no report was written: {one_line(why, 300)}; `pitboss report {paths.run_id}` tries again"
    )
