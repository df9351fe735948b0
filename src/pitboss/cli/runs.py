"""`pitboss runs`: every run, newest first, unreadable ones included (SPEC 8)."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitboss.cli.shared.chosen import run_json
from pitboss.cli.shared.declare import command, option
from pitboss.cli.shared.project import project_root
from pitboss.core.condition import condition
from pitboss.core.embed import one_line, up_to_a_word
from pitboss.core.gauges import Used
from pitboss.core.measures import size, tokens
from pitboss.core.tone import CONDITION_TONES
from pitboss.core.words.endings import why, word
from pitboss.screens.lines import cost_in_words
from pitboss.screens.output import Ink, clock, columns, paint, say, when, width_of, write_json
from pitboss.screens.tones import paint_tone
from pitboss.store.catalogue import RunListing, list_runs, run_of
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import lock_holder

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.store.disk_use import DiskUse

_HEADER = ("RUN", "STATE", "SESSIONS", "TOKENS", "COST", "DISK", "UPDATED", "ROTATION", "WHY")
_MAY_SAY_NOTHING = {"TOKENS": "", "COST": "", "DISK": "", "ROTATION": "default"}
_WIDE = 200
_LEAST_WHY = 24
LOOKING_S = 10.0
"""How many seconds to spend on sizes."""


@command()
@option("--disk", is_flag=True, help="Show how much disk each run takes.")
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def runs(*, disk: bool, as_json: bool) -> None:
    """List every run, newest first."""
    repo = project_root()
    listings, live = list_runs(repo), _live_run_id(repo)
    sizes = _sizes(repo, listings) if disk else {}
    if as_json:
        write_json([_as_json(run, sizes.get(run.run_id), live=run.run_id == live) for run in listings])
    elif not listings:
        say("no runs yet")
    else:
        _print(listings, live, datetime.now(UTC), sizes)


def _sizes(repo: Path, listings: list[RunListing]) -> dict[str, DiskUse]:
    """How much disk each run takes; runs that there was no time for are incomplete."""
    import time

    from pitboss.store.disk_use import disk_use
    from pitboss.store.paths import RunPaths

    until = time.monotonic() + LOOKING_S
    return {run.run_id: disk_use(RunPaths(repo, run.run_id).root, until=until) for run in listings}


def _as_json(run: RunListing, use: DiskUse | None, *, live: bool) -> dict[str, object]:
    listed = run_json(run.run_id, run.state, run.problem, live=live)
    return listed if use is None else {**listed, "disk_bytes": use.size, "disk_known": use.whole}


def _live_run_id(repo: Path) -> str | None:
    holder = lock_holder(*lock_paths(repo))
    return run_of(repo, holder) if holder is not None else None


def _print(listings: list[RunListing], live: str | None, now: datetime, sizes: dict[str, DiskUse]) -> None:
    table = [
        _HEADER,
        *(_row(run, now, sizes.get(run.run_id), live=run.run_id == live) for run in listings),
    ]
    said = [n for n, name in enumerate(_HEADER) if name not in _MAY_SAY_NOTHING or _says(table, n)]
    for dropped in (None, "TOKENS", "COST"):
        said = [n for n in said if _HEADER[n] != dropped]
        rows = [[row[n] for n in said] for row in table]
        widths = columns(rows)
        room = (width_of(sys.stdout) or _WIDE) - sum(widths[:-1]) - 2 * len(widths) + 1
        if room >= _LEAST_WHY:
            break
    tones = [CONDITION_TONES[condition(run.state, live=run.run_id == live)] for run in listings]
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[-1] = up_to_a_word(row[-1], max(room, 1))
        if number == 0:
            cells = [paint(cell, Ink.FAINT) for cell in cells]
        else:
            cells[1] = paint_tone(cells[1], tones[number - 1])
        say("  ".join(cells).rstrip())


def _says(table: list[tuple[str, ...]], column: int) -> bool:
    nothing = ("", "-", _MAY_SAY_NOTHING[table[0][column]])
    return any(row[column] not in nothing for row in table[1:])


def _row(run: RunListing, now: datetime, use: DiskUse | None, *, live: bool) -> tuple[str, ...]:
    state, how, disk = run.state, word(condition(run.state, live=live)), "" if use is None else _disk(use)
    if state is None:
        return (one_line(run.run_id), how, "-", "-", "-", disk, "-", "-", one_line(run.problem or ""))
    started = max((session.seq for session in state.in_flight), default=0)
    used = Used.by(state.budget_consumed, cost_known=state.cost_known, started=started)
    return (
        one_line(run.run_id),
        how,
        str(used.sessions),
        tokens(used.tokens) if used.tokens else "",
        cost_in_words(used.cost_usd, known=used.cost_known).removeprefix("cost "),
        disk,
        when(state.last_updated_at, now),
        one_line(state.plan_name),
        _why(run, live=live),
    )


def _disk(use: DiskUse) -> str:
    return size(use.size) if use.whole else f"{size(use.size)}+"


def _why(run: RunListing, *, live: bool) -> str:
    if run.problem is not None or run.state is None:
        return one_line(run.problem or "")
    return "" if live else why(run.state.stop_reason, clock).removeprefix("at its ")
