"""Reading the end of a file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.store import tail
from pitboss.store.tail import last_bytes, lines_from_end

if TYPE_CHECKING:
    from pathlib import Path


@given(st.lists(st.sampled_from([b"", b"a", b"\n", b"\n\n", b"x" * 70_000, b"y" * 200_000]), max_size=8))
def test_lines_from_the_end_are_the_lines_of_the_file_reversed(parts: list[bytes]) -> None:
    content = b"".join(parts)
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert list(lines_from_end(io.BytesIO(content))) == expected[::-1]


def test_a_line_much_longer_than_the_limit_ends_the_reading() -> None:
    content = b"first\n" + b"x" * (10 * tail.BLOCK) + b"\nlast\n"
    assert list(lines_from_end(io.BytesIO(content), longest=tail.BLOCK)) == [b"last"]


@pytest.mark.parametrize(
    ("content", "limit", "expected"),
    [
        (b"", 4, (b"", False)),
        (b"abcd", 4, (b"abcd", False)),
        (b"abcde", 4, (b"bcde", True)),
    ],
)
def test_the_last_bytes_say_whether_something_came_before(
    tmp_path: Path, content: bytes, limit: int, expected: tuple[bytes, bool]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert last_bytes(path, limit) == expected
