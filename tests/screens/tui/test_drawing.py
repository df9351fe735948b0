"""What the TUI draws, without a terminal: pieces, columns, wrapped text, lanes, the share of each part."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pitboss.core.events import Phase
from pitboss.core.needs import Need, NeedKind
from pitboss.core.session import SessionStatus
from pitboss.core.timeline import Lane, Span, Stretch
from pitboss.core.view import Flight
from pitboss.screens.columns import Column, widths
from pitboss.screens.output import Ink
from pitboss.screens.tui.boxes import broken
from pitboss.screens.tui.layout import is_roomy, shares
from pitboss.screens.tui.night import night
from pitboss.screens.tui.pager import wrapped
from pitboss.screens.tui.pieces import Piece, cut, fitted, printable, strip
from pitboss.screens.tui.rows import FLIGHTS, NEEDS, RUNS, SESSIONS, has_long_command, whereabouts
from pitboss.screens.tui.titles import page_titles
from tests.support.values import STARTED

COLUMNS = (
    Column("#", 3, 6, right=True),
    Column("prompt", 6, 24),
    Column("agent", 6, 24, gives_way=2),
    Column("summary", 20, 500, grows=True, gives_way=1),
)


def test_a_line_of_any_length_is_wrapped_at_once() -> None:
    text = "B" * 2_000_000
    began = time.process_time()
    lines = wrapped([Piece(text)], 78)
    assert "".join(piece.text for line in lines for piece in line) == text
    assert {sum(len(piece.text) for piece in line) for line in lines[:-1]} == {78}
    assert time.process_time() - began < 5


@given(st.text(max_size=60), st.integers(0, 40))
def test_whatever_the_text_a_line_takes_exactly_its_width_and_acts_on_nothing(text: str, width: int) -> None:
    drawn = strip([Piece(text), Piece(text, Ink.BAD)], width)
    assert drawn.cell_length == width
    assert printable(drawn.text) == drawn.text
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in drawn.text)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain", "plain"),
        ("a\tb\nc\r\nd", "a    b c d"),
        ("\x1b]0;title\x07\x1b[2J", "^[]0;title^G^[[2J"),
        ("[red]not markup[/]", "[red]not markup[/]"),
        ("\u202eevil\u009b", "<U+202E>evil<U+009B>"),
        ("10%\r20%", "10%^M20%"),
    ],
)
def test_what_a_terminal_would_act_on_is_shown(text: str, seen: str) -> None:
    assert printable(text) == seen


@pytest.mark.parametrize(
    ("text", "width", "seen"),
    [("short", 5, "short"), ("longer", 5, "long…"), ("日本語", 4, "日…"), ("a b", 2, "a…"), ("x", 0, "")],
)
def test_what_does_not_fit_ends_in_an_ellipsis(text: str, width: int, seen: str) -> None:
    assert cut(text, width) == seen
    assert cell_len(fitted(text, width)) == width


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (80, [3, 7, 10, 54]),
        (48, [3, 7, 10, 22]),
        (45, [3, 7, 0, 31]),
        (20, [3, 7, 0, 0]),
        (11, [3, 6, 0, 0]),
        (5, [3, 6, 0, 0]),
    ],
)
def test_columns_give_way_in_their_order_and_the_last_takes_the_rest(room: int, expected: list[int]) -> None:
    assert widths(COLUMNS, [1, 7, 10, 90], room) == expected


def test_names_give_room_to_what_would_be_cut_off() -> None:
    assert widths(FLIGHTS[:6], [1, 40, 0, 0, 5, 13], 38) == [3, 11, 0, 0, 5, 13]
    assert widths(FLIGHTS[:6], [1, 5, 0, 0, 5, 13], 28) == [3, 6, 0, 0, 5, 8]
    assert widths(SESSIONS[:3], [1, 5, 40], 20) == [3, 5, 8]
    assert widths(RUNS, [7, 21, 8, 0, 0, 0, 0, 90], 50) == [7, 21, 8, 0, 0, 0, 0, 8]
    assert widths(RUNS, [7, 21, 8, 0, 0, 0, 0, 90], 40) == [6, 21, 6, 0, 0, 0, 0, 1]


def test_a_column_that_says_nothing_takes_no_room() -> None:
    assert widths(COLUMNS, [1, 7, 0, 90], 80) == [3, 7, 0, 66]


@given(st.lists(st.text(max_size=30), max_size=4), st.integers(1, 20))
def test_wrapping_loses_nothing(texts: list[str], width: int) -> None:
    lines = wrapped([Piece(text) for text in texts], width)
    assert "".join(piece.text for line in lines for piece in line) == "".join(map(printable, texts))
    wide = [sum(cell_len(piece.text) for piece in line) for line in lines]
    assert all(cells <= max(width, 2) for cells in wide)


def test_wrapping_breaks_between_words_where_that_wastes_little() -> None:
    lines = wrapped([Piece("the quick brown fox jumps")], 12)
    assert ["".join(piece.text for piece in line) for line in lines] == ["the quick ", "brown fox ", "jumps"]


@pytest.mark.parametrize(
    ("pieces", "width", "seen"),
    [
        (("what the session changed",), 40, ["what the session changed"]),
        (("next part; shift+tab: the one before",), 17, ["next part;", "shift+tab: the", "one before"]),
        (("a screenful down; PgUp: up",), 17, ["a screenful down;", "PgUp: up"]),
        (("y", " yes   ", "n", " no   "), 7, ["y yes", "n no"]),
        (("install/every/part of it",), 8, ["install/", "every/pa", "rt of it"]),
        (("日本語 日本",), 6, ["日本語", "日本"]),
        (("  ", "cost", "  none"), 6, ["  cost", "none"]),
        ((), 6, [""]),
    ],
)
def test_text_in_a_box_is_broken_between_words(pieces: tuple[str, ...], width: int, seen: list[str]) -> None:
    lines = broken([Piece(text) for text in pieces], width)
    assert ["".join(piece.text for piece in line).rstrip() for line in lines] == seen


@given(st.lists(st.text("ab 日", max_size=30), max_size=4), st.integers(2, 20))
def test_text_in_a_box_loses_nothing_but_blanks(texts: list[str], width: int) -> None:
    lines = ["".join(piece.text for piece in line) for line in broken([Piece(text) for text in texts], width)]
    assert "".join(lines).replace(" ", "") == "".join(texts).replace(" ", "")
    assert all(cell_len(line) <= width for line in lines)


TITLES = {"landed": 12, "missed": 3, "lanes": None, "queue": None, "notes": None}


@pytest.mark.parametrize(
    ("shown", "room", "seen"),
    [
        ("landed", 80, "[ Landed 12 ]· Not landed 3 · Timeline · Queue · Scratchpad "),
        ("notes", 80, " Landed 12 · Not landed 3 · Timeline · Queue ·[ Scratchpad ]"),
        ("queue", 38, " Not landed 3 · Timeline ·[ Queue ]· Scratchpad "),
        ("notes", 38, " Timeline · Queue ·[ Scratchpad ]"),
        ("notes", 5, "[ Scratchpad ]"),
    ],
)
def test_the_title_of_the_part_in_sight_is_always_in_sight(shown: str, room: int, seen: str) -> None:
    assert page_titles(TITLES, shown, room).plain == seen


@pytest.mark.parametrize(
    ("slot", "host", "seen"),
    [
        (None, None, ""),
        ("worktrees/slot-2", None, "slot-2"),
        ("worktrees/slot-2", "rack", "rack slot-2"),
    ],
)
def test_a_session_in_flight_is_where_its_worker_is(slot: str | None, host: str | None, seen: str) -> None:
    assert whereabouts(Flight(seq=1, slot=slot, host=host)) == seen


def test_a_command_is_never_cut_beside_what_it_is_for() -> None:
    def need(command: str) -> Need:
        return Need(kind=NeedKind.RESCUED, what="x", why="", command=command)

    (most,) = (column.most for column in NEEDS if column.head == "command")
    fits = need("x" * (most - len("$ ")))
    assert not has_long_command([fits])
    assert has_long_command([fits, need(fits.command + "x")])


def test_the_lanes_show_sessions_waits_tests_and_how_each_ended() -> None:
    at = [STARTED + timedelta(minutes=10 * n) for n in range(13)]
    wait = Stretch(phase=Phase.WAIT, began=at[2], ended=at[4])
    tests = Stretch(phase=Phase.VERIFY, began=at[4], ended=at[5])
    done = Span(
        seq=1,
        prompt="a",
        began=at[0],
        ended=at[6],
        status=SessionStatus.OK,
        landed=True,
        stretches=(wait, tests),
    )
    failed = Span(seq=2, prompt="b", began=at[7], ended=at[9], status=SessionStatus.ERROR)
    rescued = Span(seq=3, prompt="c", began=at[0], ended=at[3], status=SessionStatus.TIMEOUT, rescued=True)
    flying = Span(seq=4, prompt="d", began=at[10])
    lanes = [Lane(name="your tree", spans=(done, failed)), Lane(name="slot-1", spans=(rescued, flying))]

    rows = night(lanes, at[12], lambda moment: f"{moment:%H:%M}", 60)

    assert ["".join(piece.text for piece in row).rstrip() for row in rows] == [
        "           ╷17:00      ╷17:30      ╷18:00      ╷18:30",
        "your tree  1━━━━━━━░░░░░░░░▒▒▒▒▒━━━✓···2━━━━━━━✗············",
        "slot-1     3━━━━━━━━━━━✗···························4━━━━━━━●",
        "",
        "━ agent  ░ waits  ▒ tests  ✓ landed  ✗ failed  ◐ rescued, skipped",
    ]


def test_a_run_without_sessions_has_no_lanes() -> None:
    assert night([], STARTED, str, 80) == []


@pytest.mark.parametrize(
    ("height", "needs", "flights", "live", "expected"),
    [
        (24, 0, 0, False, (0, 0)),
        (24, 0, 0, True, (0, 2)),
        (24, 9, 9, True, (5, 5)),
        (50, 9, 16, True, (9, 11)),
        (10, 5, 5, True, (3, 4)),
    ],
)
def test_most_rows_are_for_what_has_ended(
    height: int, needs: int, flights: int, live: bool, expected: tuple[int, int]
) -> None:
    assert tuple(shares(height, needs=needs, flights=flights, live=live)) == expected


def test_all_parts_are_on_one_screen_only_where_there_is_room() -> None:
    assert [is_roomy(*size) for size in ((80, 24), (200, 50), (200, 24), (100, 60))] == [
        False,
        True,
        False,
        False,
    ]
