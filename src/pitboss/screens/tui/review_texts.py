"""What a review says of a session, line by line; pure but for the output of tests that it reads (SPEC 11)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pitboss.core.embed import clean, one_line
from pitboss.screens.output import Ink, diff_lines
from pitboss.screens.program import screen_calls
from pitboss.screens.reviewing import LEVEL_TONES, MARK_TONES, MARK_WORDS, TESTED
from pitboss.screens.tones import TONE_INK
from pitboss.screens.tui.pieces import Piece
from pitboss.screens.tui.session_texts import left_out_line, stat_lines
from pitboss.store.session_files import Printed, session_files
from pitboss.store.tail import last_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pitboss.core.review import Mark
    from pitboss.screens.desk import Changes, FileChange
    from pitboss.screens.reviewing import Reviewed
    from pitboss.store.paths import RunPaths

    Row = Sequence[Piece]

_KEYS = (
    ("y", "accept", "accept the session, and go on to the next one without a mark"),
    ("n", "leave", "leave it out: `pitboss land` does not take it; go on"),
    ("u", "undo", "take back the last mark, and go back there"),
    ("d", "diff", "all of the diff; again: the short one"),
    ("t", "tests", "what the tests printed"),
    ("o", "edit", "the diff in your editor"),
    ("]", "file", "the next file; [: the file before"),
    ("→ ←", "", "the next session, the session before"),
    ("?", "keys", "this page"),
    ("q", "quit", "quit; what you marked is kept"),
)
_SHORT_DIFF = 60
"""Lines of each file before `d` is pressed."""

_TESTS_TAIL = 64 * 1024


def headline(run_id: str, on: Reviewed, at: int, count: int, marks: Mapping[int, Mark]) -> list[Row]:
    """Which session this is, how risky, what its mark is, and how far the review is."""
    mark = marks.get(on.seq)
    tally = Counter(marks.values())
    words = ", ".join(f"{tally[each]} {MARK_WORDS[each]}" for each in MARK_WORDS if tally[each])
    return [
        [
            Piece(f"{at + 1} of {count}  ", Ink.FAINT),
            Piece(f"session {on.seq}  ", Ink.NAME),
            Piece(f"{one_line(on.record.prompt)}  ", Ink.STRONG),
            Piece(f"{on.risk.level} risk", TONE_INK[LEVEL_TONES[on.risk.level]]),
            *([] if mark is None else [Piece(f"  {MARK_WORDS[mark]}", TONE_INK[MARK_TONES[mark]])]),
        ],
        [Piece(f"run {run_id}{f': {words}' if words else ''}", Ink.FAINT)],
    ]


def key_line() -> Row:
    """The keys, as the last line names them; those without a brief word are on the page of keys."""
    named = [(key, brief) for key, brief, _ in _KEYS if brief]
    return [
        piece for key, brief in named for piece in (Piece(key, Ink.STRONG), Piece(f" {brief}  ", Ink.FAINT))
    ]


def keys_page() -> list[Row]:
    """All keys and what they do."""
    return [[Piece(f"{key:<6}", Ink.STRONG), Piece(screen_calls(words))] for key, _, words in _KEYS]


def page(on: Reviewed, changes: Changes | None, *, whole: bool) -> list[Row]:
    """Summary, reasons of the risk, tests, and the diff: short, or the `whole` of it alone."""
    diff = _diff(changes, whole=whole)
    if whole:
        return diff
    said = clean(on.record.summary or "").strip() or "(no summary provided)"
    return [
        *([Piece(line)] for line in said.split("\n")),
        [],
        *(
            [Piece("risk   " if n == 0 else "       ", Ink.FAINT), Piece(text)]
            for n, text in enumerate(on.risk.texts)
        ),
        [Piece("tests  ", Ink.FAINT), Piece(TESTED[on.tested])],
        [],
        *diff,
    ]


def tests_page(paths: RunPaths, on: Reviewed) -> list[Row]:
    """What the tests printed, each run of them, the end of it if it is long."""
    rows: list[Row] = []
    for file in session_files(paths, on.seq):
        if file.by is Printed.VERIFY:
            rows.append([Piece(file.title, Ink.STRONG)])
            rows += [[Piece(line)] for line in _tail(file.path)]
    return rows or [[Piece(TESTED[on.tested], Ink.FAINT)]]


def files_at(rows: Sequence[Row]) -> list[int]:
    """The rows at which files of a diff begin."""
    return [
        n
        for n, row in enumerate(rows)
        if row and row[0].text.startswith("diff ") and row[0].ink is Ink.STRONG
    ]


def _tail(path: Path) -> list[str]:
    try:
        tail, _ = last_bytes(path, _TESTS_TAIL)
    except OSError:
        return ["(cannot be read)"]
    return tail.decode(errors="replace").splitlines()


def _diff(changes: Changes | None, *, whole: bool) -> list[Row]:
    if changes is None:
        return [[Piece("reading the diff ...", Ink.FAINT)]]
    note: list[Row] = [[Piece(one_line(changes.note), Ink.FAINT)], []] if changes.note else []
    return [*note, *stat_lines(changes), *(row for file in changes.files for row in _file(file, whole=whole))]


def _file(file: FileChange, *, whole: bool) -> Iterator[Row]:
    yield []
    if file.left_out:
        yield left_out_line(file)
        return
    shown = file.lines if whole else file.lines[:_SHORT_DIFF]
    for line, ink in diff_lines(shown):
        yield [Piece(line, ink)]
    if more := len(file.lines) - len(shown):
        yield [Piece(f"... {more} more lines of {file.path}; d shows them", Ink.FAINT)]
