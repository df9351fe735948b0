"""What the pages of a session say, line by line; pure but for the files' sizes that it is given (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.embed import clean, one_line
from pitboss.core.measures import duration
from pitboss.core.words.phases import phase_words
from pitboss.screens.output import Ink, diff_lines
from pitboss.screens.program import screen_calls, screen_command
from pitboss.screens.tones import TONE_INK
from pitboss.screens.tui.pieces import Piece, fitted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pitboss.core.measures import ClockFace
    from pitboss.core.words.session_facts import Fact
    from pitboss.screens.desk import Changes, FileChange
    from pitboss.store.session_page import SessionPage

    Rows = Sequence[Sequence[Piece]]

_NAME_WIDTH = 11
_PATH_WIDTH = 60


def summary(page: SessionPage, now: datetime, clock: ClockFace) -> Rows:
    """What the agent says it did, then every fact, then where to find this again."""
    record = page.record
    said = clean(record.summary or "").strip() if record is not None else ""
    words = [[Piece(line)] for line in said.split("\n")] if said else []
    facts = [_fact(fact) for fact in page.facts(now, clock)]
    again = screen_command(f"pitboss show {page.run_id} {page.seq}")
    link = [Piece("again".ljust(_NAME_WIDTH), Ink.FAINT), Piece(again)]
    return [*words, *([[]] if words else []), *facts, link]


def _fact(fact: Fact) -> list[Piece]:
    name = Piece(one_line(fact.name).ljust(_NAME_WIDTH), Ink.FAINT)
    if not fact.toned:
        return [name, Piece(fact.value)]
    return [name, Piece(fact.toned, TONE_INK[fact.tone]), Piece(fact.value.removeprefix(fact.toned))]


def diff(page: SessionPage, changes: Changes | None) -> Rows:
    """What the session changed: each file, then its lines in the colors of `pitboss show --diff`."""
    if page.record is None:
        return [[Piece("in flight: what it changes is here once it has landed or was rescued", Ink.FAINT)]]
    if changes is None:
        return [[Piece("reading the diff ...", Ink.FAINT)]]
    note = [[Piece(one_line(changes.note), Ink.FAINT)], []] if changes.note else []
    return [*note, *stat_lines(changes), *(row for file in changes.files for row in _file(file))]


def stat_lines(changes: Changes) -> Rows:
    """Each changed file, with how many lines were added and removed."""
    width = max((len(file.path) for file in changes.files), default=0)
    return [_stat(file, min(width, _PATH_WIDTH)) for file in changes.files]


def _stat(file: FileChange, width: int) -> list[Piece]:
    path = Piece(f"{fitted(file.path, width)}  ")
    if file.added is None:
        return [path, Piece("binary", Ink.FAINT)]
    return [path, Piece(f"{f'+{file.added}':>6}", Ink.GOOD), Piece(f" {f'-{file.removed}':>6}", Ink.BAD)]


def _file(file: FileChange) -> Rows:
    if file.left_out:
        return [[], left_out_line(file)]
    return [[], *([Piece(line, ink)] for line, ink in diff_lines(file.lines))]


def left_out_line(file: FileChange) -> Sequence[Piece]:
    """In place of a file's lines, how to see them."""
    words = f"too long to be shown here; {screen_calls('`pitboss show --diff`')} prints it"
    return [Piece(f"{file.path}: {words}", Ink.FAINT)]


def attempts(page: SessionPage, now: datetime, clock: ClockFace) -> Rows:
    """Each phase: when it began, how long it took, and what it was about; then the files."""
    rows: list[list[Piece]] = []
    for stretch in page.track.stretches if page.track is not None else ():
        took = duration(((stretch.ended or now) - stretch.began).total_seconds())
        running = ", until now" if stretch.ended is None else ""
        words = phase_words(stretch.phase, stretch.detail)
        rows.append(
            [
                Piece(f"{clock(stretch.began):<12}", Ink.FAINT),
                Piece(f"{took:>7}  "),
                Piece(f"{words}{running}"),
            ]
        )
    if not rows:
        rows = [[Piece("no events of this session are left, so its phases are not known", Ink.FAINT)]]
    files = [[Piece(f"{_size(file.size):>12}  ", Ink.FAINT), Piece(file.title)] for file in page.files]
    return [*rows, [], [Piece("printed", Ink.FAINT)], *files] if files else rows


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def nothing_printed(page: str, *, live: bool) -> Rows:
    """Why a page of output is empty."""
    soon = "nothing yet; it appears here as it is printed"
    gone = 'nothing was kept: no agent was started, or `transcript_retention = "keep_none"`'
    kept = {"tests": "no tests were run: its prompt does not set `verify`", "hooks": "no hook ran"}
    return [[Piece(soon if live else kept.get(page, gone), Ink.FAINT)]]
