"""`pitboss report`: what came of a night, and what needs a person (SPEC 11)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pitboss.cli.shared import completing
from pitboss.cli.shared.chosen import chosen_run
from pitboss.cli.shared.declare import argument, command, option
from pitboss.cli.shared.given import age, new_file, one_of
from pitboss.cli.shared.project import project_root
from pitboss.core.terminal import visible, visible_json
from pitboss.errors import FULL, CommandError, StartError
from pitboss.screens.output import note, path_in_words, say
from pitboss.screens.program import as_called

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta
    from pathlib import Path

    from pitboss.core.report.morning import MorningReport

_FORMATS = ("text", "html", "md", "json")
_BY_SUFFIX = {".html": "html", ".htm": "html", ".md": "md", ".json": "json", ".txt": "text"}


@command()
@argument("run_id", required=False, shell_complete=completing.run_ids)
@option("--since", type=age, metavar="AGE", help="Join all runs of the last AGE, such as 24h or 7d.")
@option(
    "--format",
    "wanted",
    type=one_of(*_FORMATS),
    help="What to write (default: what FILE ends in, html with --open, else text).",
)
@option(
    "-o", "--output", type=new_file, metavar="FILE", help="Write to FILE instead of standard output (`-`)."
)
@option("--open", "open_it", is_flag=True, help="Open the report in your browser.")
def report(
    *, run_id: str | None, since: timedelta | None, wanted: str | None, output: str | None, open_it: bool
) -> None:
    """Report on a run: RUN_ID (or a prefix of it), else the live run, else the latest.

    A verdict in one line; what needs you, each with its command; what landed, riskiest first; what was rescued and
    why; the money; the timeline; each prompt; every session. No model is asked. Every run writes its report.html and
    report.md when it ends.
    """
    if run_id is not None and since is not None:
        raise StartError("RUN_ID and --since exclude each other", hint="--since joins all runs")
    output = None if output == "-" else output
    form = wanted or _form(output, open_it=open_it)
    if open_it and form != "html":
        raise CommandError("--open shows html", hint="leave out --format, or name a FILE.html")
    from datetime import UTC, datetime

    repo, now = project_root(), datetime.now(UTC)
    begin = None if since is None else now - since
    run_ids = _chosen(repo, run_id, begin)
    found = _report(repo, run_ids, begin, now)
    printed = output is None and not open_it
    written = _rendered(found, form, _as_typed if printed else str)
    if printed:
        _print(written, form)
        return
    place = output or _place(repo, run_ids, joined=since is not None)
    _write(place, written)
    note(f"report: {path_in_words(place)}")
    if open_it:
        _open(place)


def _form(output: str | None, *, open_it: bool) -> str:
    known = _BY_SUFFIX.get(os.path.splitext(output or "")[1].lower())  # noqa: PTH122 - pathlib is slow to load
    return known or ("html" if open_it else "text")


def _chosen(repo: Path, run_id: str | None, since: datetime | None) -> tuple[str, ...]:
    if since is None:
        return (chosen_run(repo, run_id),)
    from pitboss.screens.report.gathering import runs_since

    return runs_since(repo, since)


def _report(repo: Path, run_ids: tuple[str, ...], since: datetime | None, now: datetime) -> MorningReport:
    from pitboss.cli.shared.desk import RepositoryDesk
    from pitboss.screens.report.gathering import report_on

    return report_on(repo, run_ids, RepositoryDesk(repo), now, since=since)


def _rendered(found: MorningReport, form: str, called: Callable[[str], str]) -> str:
    if form == "html":
        from pitboss.screens.report.page import html_page

        return html_page(found)
    if form == "json":
        import msgspec

        from pitboss.screens.report.as_json import report_json

        encoded = msgspec.json.format(msgspec.json.encode(report_json(found)), indent=2)
        return visible_json(encoded).decode() + "\n"
    from pitboss.screens.report.plain import markdown, plain_text

    return markdown(found) if form == "md" else plain_text(found, called)


def _as_typed(command: str) -> str:
    return as_called(command, sys.stdout)


def _print(written: str, form: str) -> None:
    say((written if form == "json" else visible(written)).removesuffix("\n"))


def _place(repo: Path, run_ids: tuple[str, ...], *, joined: bool) -> str:
    """Where a report goes that is only to be looked at."""
    if not joined:
        from pitboss.store.paths import RunPaths

        return str(RunPaths(repo, run_ids[0]).report_html)
    from pitboss.store.paths import grind_dir

    return str(grind_dir(repo) / "report.html")


def _write(place: str, written: str) -> None:
    try:
        with open(place, "w", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            file.write(written)
    except OSError as error:
        if error.errno in FULL:
            error.filename = place
            raise
        raise CommandError(
            f"cannot write {place}: {error.strerror}", hint="-o FILE names another place"
        ) from error


def _open(place: str) -> None:
    """Open the file without waiting for the browser. Raises CommandError if there is none."""
    import pathlib
    import webbrowser

    if not webbrowser.open(pathlib.Path(place).absolute().as_uri()):
        raise CommandError("no browser could be opened", hint="the variable BROWSER may name one")
