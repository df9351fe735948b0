"""Output cut into lines: bounded, whole, whatever the bytes (SPEC 6)."""

from __future__ import annotations

import json
import math
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.agents.output import json_values, long_strings
from pitboss.agents.output.lines import (
    DETAIL_LIMIT,
    LINE_LIMIT,
    JsonLines,
    JsonLineSplitter,
    LineSplitter,
    last_line,
    shortened,
)
from pitboss.agents.output.long_strings import Shortener
from pitboss.agents.output.loose_json import objects_on


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


def _whole(line: bytes) -> int:
    """How many objects of `{"a": 1}` stand on a line, those left out that are a value of a torn one."""
    return len(re.findall(rb'(?<!:){"a": 1}', line))


@given(st.lists(st.sampled_from([b"noise", b"\n", b'{"a":', b" 1}"]), max_size=12), st.integers(1, 5))
def test_objects_are_found_between_any_noise_wherever_it_is_cut(parts: list[bytes], size: int) -> None:
    output = b"".join(parts)
    reader = JsonLines()
    chunks = [output[start : start + size] for start in range(0, len(output), size)]
    found = [*(each for chunk in chunks for each in reader.feed(chunk)), *reader.finish()]
    assert found == [{"a": 1} for line in output.split(b"\n") for _ in range(_whole(line))]


@given(st.binary())
def test_arbitrary_bytes_are_never_an_exception(output: bytes) -> None:
    objects(output)
    last_line(output)


@pytest.mark.parametrize("before", ["", "noise ", "\x1b[1m"])
@pytest.mark.parametrize("number", ["9" * 5000, f"-{'9' * 5000}"])
def test_a_number_of_any_length_does_not_hide_its_object(before: str, number: str) -> None:
    (found,) = objects_on(f'{before}{{"value": {number}, "said": "done"}}'.encode())
    assert found["said"] == "done"
    assert json_values.number(found, "value") is None


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


RESULT = {"type": "result", "is_error": False, "total_cost_usd": 0.25}
LINE = json.dumps(RESULT).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"\x1b]0;claude: ready\x07" + LINE,
        b'\x1b]2;{"type": "result"}\x1b\\' + LINE,
        b"\x1b[?2004h" + LINE,
        b"\x1b[?25h\x1b[0m" + LINE + b"\x1b[?2004l",
        b"Loading... 100%\r" + LINE + b"\r",
        b"warning: {not json} and {'neither': 1} " + LINE,
        b"\xef\xbb\xbf" + LINE,
        b"ready \xef\xbb\xbf" + LINE,
        b"\0\0" + LINE + b"\0",
        LINE.replace(b" ", b"\0 "),
        LINE + b" trailing words",
        b"\x1b[32m{\x1b[0m" + LINE[1:],
        LINE.replace(b": ", b"\x1b[1;39m:\x1b[0m "),
        b'{"type": "assistant", "mess' + LINE,
        b'{"type": "assistant", "message": {"type": "result"}, "te{"xt' + LINE,
    ],
)
def test_an_object_counts_whatever_is_glued_to_it(line: bytes) -> None:
    assert objects(line + b"\n")[-1] == RESULT
    assert len(objects(line + b"\n")) == 1


def test_several_objects_on_one_line_are_several() -> None:
    assert objects(LINE + LINE + b" , " + LINE + b"\n") == [RESULT] * 3


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "assistant", "message": {"type": "result"}',
        b'{"type": "user", "result": [{"type": "result"}, {"type": "result"}',
        b'{"type": "user", "text": "if (x) {", "more": "abc',
        b'{"type": "user", "message": {"type": "result"}, broken}',
        b'{"type": "user", "input":\r\n {"type": "result"}, "x',
    ],
)
def test_the_parts_of_a_torn_object_are_no_objects(line: bytes) -> None:
    assert objects(line.replace(b"\r\n", b"\r")) == []


@pytest.mark.parametrize("noise", [b'{"', b'{"a":', b'{"a" x', b"{", b'["{"'])
def test_a_line_of_half_objects_is_cheap(noise: bytes) -> None:
    began = time.perf_counter()
    objects(noise * 200_000 + b"\n")
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("size", [1, 7, 4096, 64 * 1024])
@pytest.mark.parametrize("limit", range(900, 908))
def test_of_a_line_over_the_limit_only_its_long_strings_are_cut(size: int, limit: int) -> None:
    words = 'he saïd: "{\\n" ' * 1000
    others = ["x" * 9000, "\\" * 9000, "\U0001f600" * 900]
    line = json.dumps({"first": "{", "words": words, "list": others, "cost": 0.25}).encode()
    splitter = JsonLineSplitter(limit=len(line) - 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_strings, "STRING_LIMIT", limit)
        chunks = [line[start : start + size] for start in range(0, len(line), size)]
        (short,) = [*(each for chunk in chunks for each in splitter.feed(chunk)), *splitter.finish()]
    (found,) = objects_on(short)
    assert (found["first"], found["cost"]) == ("{", 0.25)
    assert words.startswith(found["words"])
    assert limit - 6 <= len(json.dumps(found["words"])) - 2 <= limit
    assert found["list"][:2] == ["x" * limit, "\\" * (limit // 2)]
    assert others[2].startswith(found["list"][2].rstrip("\ufffd"))


@pytest.mark.parametrize(
    "text", [rb'{"a": "\u12', rb'{"a": "\uzzzz and so on"}', b'{"a": "\\', rb"\u1 \\ \x"]
)
def test_escapes_that_are_none_are_passed_on(text: bytes) -> None:
    whole = Shortener()
    assert whole.feed(text + b" ") == text + b" "
    bytewise = Shortener()
    assert b"".join(bytewise.feed(bytes([byte])) for byte in text + b" ") == text + b" "


def test_a_result_of_many_megabytes_is_read_and_the_next_line_too() -> None:
    big = json.dumps(RESULT | {"result": "word " * 1_500_000}).encode()
    assert len(big) > LINE_LIMIT
    found = objects(big + b"\n" + LINE + b"\n")
    assert [each["total_cost_usd"] for each in found] == [0.25, 0.25]
    assert str(found[0]["result"]).startswith("word word")


def test_a_json_line_without_long_strings_is_not_held_beyond_the_limit() -> None:
    splitter = JsonLineSplitter(limit=100)
    for _ in range(1000):
        assert list(splitter.feed(b'[1, "a", ' * 8)) == []
        assert len(splitter._partial) <= 100
    assert list(splitter.feed(b"\nnext\n")) == [b"next"]


PRETTY = {"a": {"b": [1, {"c": "}"}]}, "d": "\u2713", "e": {}}


@pytest.mark.parametrize("indent", [0, 1, 2, 4, "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
def test_an_object_over_several_lines_is_one_wherever_it_is_cut(
    indent: int | str, end: str, size: int
) -> None:
    text = json.dumps(PRETTY, indent=indent).replace("\n", end)
    output = f'noise{end}{text}{end}{{"x": 1}}{end}{text}{end}{text}'.encode()
    reader = JsonLines()
    found = [each for at in range(0, len(output), size) for each in reader.feed(output[at : at + size])]
    assert [*found, *reader.finish()] == [PRETTY, {"x": 1}, PRETTY, PRETTY]
    assert not reader.torn


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ('{\n{"x": 1}\n', [{"x": 1}]),
        ('{\nnoise\n{"x": 1}\n}\n', [{"x": 1}]),
        ('{\n"a": 1,\n{"x": 1}\n{"y": 2}\n', [{"x": 1}, {"y": 2}]),
        ('{\n{\n"a": 1\n}\n', [{"a": 1}]),
        ('{\n"a": 1\n}\n}\n{"x": 1}\n', [{"a": 1}, {"x": 1}]),
        ('{\n"a": [\n{"x": 1},\n{"y": 2}\n]\n}\n', [{"a": [{"x": 1}, {"y": 2}]}]),
        ('{\n"a": [\n1,\n{\n}\n]\n}\n', [{"a": [1, {}]}]),
        ("int main() {\n  return 0;\n}\n{\n}\n", [{}]),
    ],
)
def test_a_brace_alone_on_a_line_hides_no_object_after_it(output: str, found: list[dict[str, Any]]) -> None:
    assert objects(output.encode()) == found


def test_an_object_over_several_lines_that_is_cut_off_is_torn() -> None:
    reader = JsonLines()
    assert [*reader.feed(b'{\n  "a": 1,\n'), *reader.finish()] == []
    assert reader.torn


def test_an_object_over_endless_lines_is_not_held_in_memory() -> None:
    reader = JsonLines()
    list(reader.feed(b"{\n"))
    line = b'  "a": "' + b"x" * 60_000 + b'",\n'
    for _ in range(2 * LINE_LIMIT // len(line)):
        assert list(reader.feed(line)) == []
    assert list(reader.feed(b'{"x": 1}\n')) == [{"x": 1}]
    assert reader.held_bytes <= LINE_LIMIT


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("100", 100.0),
        ("0.5", 0.5),
        ("1e3", None),
        ("-1", None),
        (" 7", None),
        ("nan", None),
        ("", None),
        ("9" * 40, None),
        ("1" * 5000, None),
        ("\u0661", None),
        (True, None),
    ],
)
def test_a_number_may_be_written_as_text(value: object, found: float | None) -> None:
    assert json_values.number({"n": value}, "n") == found
