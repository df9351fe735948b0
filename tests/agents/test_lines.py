"""Output cut into lines: bounded, whole, whatever the bytes (SPEC 6)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.agents.lines import DETAIL_LIMIT, LINE_LIMIT, JsonLines, LineSplitter, last_line, shortened


def split(chunks: list[bytes], limit: int = LINE_LIMIT) -> list[bytes]:
    splitter = LineSplitter(limit)
    return [*(line for chunk in chunks for line in splitter.feed(chunk)), *splitter.finish()]


def objects(output: bytes) -> list[dict[str, object]]:
    reader = JsonLines()
    return [*reader.feed(output), *reader.finish()]


@given(st.lists(st.binary(max_size=20) | st.just(b"\n")))
def test_where_the_output_is_cut_makes_no_difference(chunks: list[bytes]) -> None:
    assert split(chunks) == [line for line in b"".join(chunks).split(b"\n") if line]


@given(st.lists(st.sampled_from([b"abc", b"\n", b"defghij"])), st.integers(1, 12))
def test_lines_over_the_limit_are_left_out_and_the_others_kept(chunks: list[bytes], limit: int) -> None:
    lines = b"".join(chunks).split(b"\n")
    assert split(chunks, limit) == [line for line in lines if line and len(line) <= limit]


def test_a_line_over_the_limit_is_not_held_in_memory() -> None:
    splitter = LineSplitter(limit=100)
    for _ in range(1000):
        assert list(splitter.feed(b"x" * 64)) == []
        assert len(splitter._partial) <= 100
    assert list(splitter.feed(b"\nnext\n")) == [b"next"]


def test_only_lines_that_are_a_json_object_are_objects() -> None:
    output = b'noise\n{"a": 1}\n[1]\n{"b": \n{"nested": ' + b"[" * 5000 + b'\n  {"c": "caf\xff"}\r\n{"d": 2}'
    assert objects(output) == [{"a": 1}, {"c": "caf\ufffd"}, {"d": 2}]


@given(st.lists(st.sampled_from([b"noise", b"\n", b'{"a":', b" 1}"]), max_size=12), st.integers(1, 5))
def test_objects_are_found_between_any_noise_wherever_it_is_cut(parts: list[bytes], size: int) -> None:
    output = b"".join(parts)
    reader = JsonLines()
    chunks = [output[start : start + size] for start in range(0, len(output), size)]
    found = [*(each for chunk in chunks for each in reader.feed(chunk)), *reader.finish()]
    assert found == [{"a": 1} for line in output.split(b"\n") if line == b'{"a": 1}']


@given(st.binary())
def test_arbitrary_bytes_are_never_an_exception(output: bytes) -> None:
    objects(output)
    last_line(output)


def test_the_last_line_that_says_something_is_found_and_shortened() -> None:
    assert last_line(b"first\n  the  last \n\n \n") == "the last"
    assert last_line(b"\n \n") is None
    assert last_line(b"\xff") == "\ufffd"
    assert shortened("x" * 1000) == "x" * (DETAIL_LIMIT - 1) + "…"
    assert shortened("two\nlines") == "two lines"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[31;1mError:\x1b[0m no key", "Error: no key"),
        ("\x1b[2K\x1b[1Gdone", "done"),
        ("\x1b]0;a title\x07ready", "ready"),
        ("\x1b]8;;https://example.org\x1b\\a link\x1b]8;;\x1b\\", "a link"),
        ("\x1b(Bplain\x1b=", "plain"),
        ("bell\x07 and null\x00", "bell and null"),
        ("cut off \x1b[3", "cut off"),
        ("tab\tand é", "tab and é"),
    ],
)
def test_what_a_terminal_would_obey_is_left_out(said: str, shown: str) -> None:
    assert shortened(said) == shown
    assert last_line(said.encode()) == shown


def test_a_line_of_escapes_alone_says_nothing() -> None:
    assert last_line(b"the last\n\x1b[0m\n\x1b[?25h") == "the last"
    assert last_line(b"\x1b[0m") is None


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (rb'{"text": "cut \ud83d"}', {"text": "cut \ufffd"}),
        (rb'{"text": "whole \ud83d\ude00"}', {"text": "whole \U0001f600"}),
        (rb'{"a": ["\ude00", {"\ud83d": 1}]}', {"a": ["\ufffd", {"\ufffd": 1}]}),
        (b'{"text": "a\ttab \x1b[0m"}', {"text": "a\ttab \x1b[0m"}),
        (
            b'{"usage": {"input_tokens": 5}, "score": 1e400}',
            {"usage": {"input_tokens": 5}, "score": math.inf},
        ),
        (b'\xef\xbb\xbf{"first": true}', {"first": True}),
    ],
)
def test_what_only_javascript_takes_for_json_is_read_too(line: bytes, found: dict[str, Any]) -> None:
    assert list(JsonLines().feed(line + b"\n")) == [found]
