"""Nothing that a terminal acts on comes through, and nothing else is lost (SPEC 1.6)."""

from __future__ import annotations

import json
import re
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.terminal import visible, visible_json

OURS = re.compile(r"\x1b\[(0|1|2|3[0-7])m")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, größe, \U0001f600\ttab\n", "plain, größe, \U0001f600\ttab\n"),
        ("\x1b]52;c;ZXZpbA==\x07", "^[]52;c;ZXZpbA==^G"),
        ("\x1b[2J\x1b[H", "^[[2J^[[H"),
        ("\u009b2J", "<U+009B>2J"),
        ("abc\b\b\bxyz\x7f", "abc^H^H^Hxyz^?"),
        ("ok\rBAD\r\r\nnext\r\n", "ok^MBAD^M\r\nnext\r\n"),
        ("a\u202ecba\u202c", "a<U+202E>cba<U+202C>"),
        ("\u200f1 > 2\u200f, \u061c\u200e", "<U+200F>1 > 2<U+200F>, <U+061C><U+200E>"),
        ("\x00\x1f\x0b\x0c", "^@^_^K^L"),
        ("a\u2028b\x85c", "a<U+2028>b<U+0085>c"),
    ],
)
def test_what_a_terminal_acts_on_is_shown(text: str, shown: str) -> None:
    assert visible(text) == visible(text, colors=True) == shown


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("\x1b[32mok\x1b[0m", True),
        ("\x1b[1;36mok\x1b[m", True),
        ("\x1b[39m", True),
        ("\x1b[8mhidden", False),
        ("\x1b[5mblinks", False),
        ("\x1b[32;8mhidden", False),
        ("\x1b[38;5;1mx", False),
        ("\x1b[32", False),
        ("\x1b[32K", False),
    ],
)
def test_only_our_colors_pass_and_only_where_they_are_on(text: str, kept: bool) -> None:
    assert visible(text, colors=True) == (text if kept else text.replace("\x1b", "^["))
    assert "\x1b" not in visible(text)


@given(st.text(st.characters() | st.sampled_from("\x1b[]m;0123\r\n\x9b\x07")))
def test_what_comes_out_is_harmless_and_stays_as_it_is(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    rest = shown.replace("\r\n", "").replace("\n", "").replace("\t", "")
    assert not any(unicodedata.category(char) == "Cc" for char in rest)
    assert not re.search("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", rest)
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", visible(text, colors=True))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("größe", "größe"),
        ("\x7f", r"\u007f"),
        ("\u009b2J", r"\u009b2J"),
        ("a\u202ecba\u2066", r"a\u202ecba\u2066"),
        ("\u061c\u0641\u200e\u200f", r"\u061cف\u200e\u200f"),
    ],
)
def test_json_escapes_what_it_need_not(text: str, escaped: str) -> None:
    assert visible_json(msgspec.json.encode(text)) == f'"{escaped}"'.encode()


@given(
    st.text(
        st.characters(exclude_categories=["Cs"])
        | st.sampled_from("\x7f\x80\x9b\x9f\u061c\u200f\u2028\u202e\u2066\u00e9")
    )
)
def test_json_means_the_same_and_is_harmless(text: str) -> None:
    line = visible_json(msgspec.json.encode({"text": text}))
    assert json.loads(line) == {"text": text}
    assert visible(line.decode()) == line.decode()
