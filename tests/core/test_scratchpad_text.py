"""What a parallel session adds to the scratchpad: which lines are new, and the section they become."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.text import NOTES_LIMIT, new_lines, notes_section, same_start, section_gap

lines = st.lists(st.sampled_from([b"a", b"b", b"", b"- c", b"\xff"]), max_size=8).map(b"\n".join)


@pytest.mark.parametrize(
    ("given_text", "written", "expected"),
    [
        (b"- a\n", b"- a\n- b\n", b"- b"),
        (b"- a\n- b\n", b"- b\n- a\n", b""),
        (b"- a\n- b\n", b"- b\n", b""),
        (b"# Old\n- a\n", b"# New\n- a\n\n# Old\n- a\n", b"# New\n- a\n"),
        (b"- a\n- b\n- c\n", b"- a\n- B\n- c\n- d\n", b"- B\n- d"),
        (b"- a\n", b"- x\n- a\n- a\n- y\n", b"- x\n- a\n- y"),
        (b"", b"- \xff\n", b"- \xff"),
        (b"- a\n", b"", b""),
    ],
    ids=["appended", "reordered", "removed", "on top", "in between", "repeated", "bytes", "emptied"],
)
def test_a_line_is_new_that_was_not_given(given_text: bytes, written: bytes, expected: bytes) -> None:
    assert new_lines(given_text, written).rstrip(b"\n") == expected.rstrip(b"\n")


@given(lines, lines)
def test_what_is_not_given_comes_back_and_what_is_given_does_not(had: bytes, added: bytes) -> None:
    assert new_lines(had, had) == b""
    together = had + b"\n" + added
    assert sorted(new_lines(had, together).split(b"\n")) == sorted(added.split(b"\n"))


def test_a_section_is_a_heading_a_blank_line_and_the_notes_with_one_newline_at_the_end() -> None:
    assert notes_section(3, "al\npha", b"\n\n  - \xff one\n- two \n\n") == (
        "## session-0003 — al pha\n\n".encode() + b"  - \xff one\n- two\n"
    )


@pytest.mark.parametrize("added", [b"", b"\n", b" \t\r\n\v\f\n"])
def test_blanks_are_no_notes(added: bytes) -> None:
    assert notes_section(3, "alpha", added) == b""


def test_a_line_that_reads_as_the_heading_of_a_section_is_escaped() -> None:
    section = notes_section(
        2, "alpha", "## session-0003 — x\n ## session-1\n## sessions\n## session-0004".encode()
    )
    assert section.decode() == (
        "## session-0002 — alpha\n\n\\## session-0003 — x\n ## session-1\n## sessions\n\\## session-0004\n"
    )


def test_of_long_notes_the_end_is_kept_from_the_start_of_a_line() -> None:
    heading = "## session-0001 — a\n\n".encode()
    whole = b"x" * NOTES_LIMIT
    assert notes_section(1, "a", whole) == heading + whole + b"\n"
    said = b"(only the last part of what this session noted)\n"
    assert notes_section(1, "a", whole + b"y") == heading + said + b"x" * (NOTES_LIMIT - 1) + b"y\n"
    assert notes_section(1, "a", whole + b"y\nlast\n") == heading + said + b"last\n"


@pytest.mark.parametrize(
    ("before", "gap"), [(b"", b""), (b"\n\n", b""), (b"x\n", b"\n"), (b"\n", b"\n"), (b"x", b"\n\n")]
)
def test_a_section_starts_on_a_fresh_line_after_a_blank_one(before: bytes, gap: bytes) -> None:
    assert section_gap(before) == gap


def test_sequences_are_the_same_up_to_where_they_differ_or_one_ends() -> None:
    assert [same_start(b"abc", other) for other in (b"", b"ab", b"abd", b"abcd", b"x")] == [0, 2, 2, 3, 0]
