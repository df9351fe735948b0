"""Frontmatter that needs no YAML parser: what is read without one is what the parser reads."""

from __future__ import annotations

import math
from itertools import zip_longest

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.frontmatter import split_frontmatter
from pitboss.core.plain_yaml import read_plain, word

PLAIN = [
    ("name: a", [("name", "a")]),
    ("name: a\n", [("name", "a")]),
    ("name: a\n\n# no: more\nweight: 2", [("name", "a"), ("", None), ("", None), ("weight", 2)]),
    ("name:", [("name", None)]),
    ("name:   spaced out", [("name", "spaced out")]),
    ("when: 12:30", [("when", "12:30")]),
    ("see: https://example.org/a#b", [("see", "https://example.org/a#b")]),
    ('say: it\'s "so" — naïve', [("say", 'it\'s "so" — naïve')]),
    ('say: "a: b # c"', [("say", "a: b # c")]),
    ("say: 'a: \"b\" # c '", [("say", 'a: "b" # c ')]),
    ('say: "true"', [("say", "true")]),
    ("tags: []", [("tags", [])]),
    ("tags: [a, b-c,true]", [("tags", ["a", "b-c", True])]),
    (
        "f: 1.5\nt: true\nn: null\nx: 0x1f\no: 0o17",
        [("f", 1.5), ("t", True), ("n", None), ("x", 31), ("o", 15)],
    ),
]
IN_DOUBT = [
    "",
    "# nothing",
    "a",
    "- a",
    "a: b: c",
    "a: b:",
    "a: b #c",
    "a: b ",
    "a:\tb",
    "a : b",
    " a: b",
    "a:\n  b: c",
    "a:\n- b",
    "a: b\n c",
    "a: |\n  b",
    "a: &b c",
    "a: *b",
    "a: !b c",
    "a: @b",
    "a: {b: c}",
    "a: [b, [c]]",
    "a: [b: c]",
    "a: [b, 'c']",
    'a: "b\\n"',
    'a: "b',
    "a: 'it''s'",
    "a: -1",
    "a: b\na: c",
    "a: b\x07",
    "a: b\u2028c",
    "a: b\n---\nc: d",
    "? a\n: b",
    "'a': b",
]


@pytest.mark.parametrize(("source", "lines"), PLAIN)
def test_plain_lines_are_read(source: str, lines: list[tuple[str, object]]) -> None:
    assert read_plain(source) == lines


@pytest.mark.parametrize("source", IN_DOUBT)
def test_what_is_in_doubt_is_left_to_the_parser(source: str) -> None:
    assert read_plain(source) is None


_PIECES = st.sampled_from(
    [
        *"a1:#-'\"[],{}&*!|>%@`?\\~é—\u2028\t ",
        "name",
        "0x1",
        "1.5",
        ".inf",
        "true",
        "null",
        "yes",
        ": ",
        " #",
        ", ",
    ]
)
_LINES = st.lists(st.lists(_PIECES, max_size=6).map("".join), min_size=1, max_size=4).map("\n".join)
_KEY = st.sampled_from(["a: ", "b:", "c:  ", "# "])
_KEYED = st.tuples(_KEY, st.lists(_PIECES, max_size=5).map("".join)).map("".join)


@given(st.one_of(_LINES, st.lists(_KEYED, min_size=1, max_size=4).map("\n".join)))
def test_the_parser_reads_the_same(source: str) -> None:
    lines = read_plain(source)
    if lines is None:
        return
    tree = yaml.compose(source, Loader=yaml.CSafeLoader)
    assert isinstance(tree, yaml.MappingNode)
    found = [(key, value) for key, value in lines if key]
    for (name, value), node in zip_longest(found, tree.value):
        key, said = node
        assert (name, lines[key.start_mark.line][0]) == (key.value, key.value)
        assert _same(value, _meant(said))


def _meant(node: yaml.Node) -> object:
    if isinstance(node, yaml.SequenceNode):
        return [_meant(item) for item in node.value]
    assert isinstance(node, yaml.ScalarNode)
    return node.value if node.style in ("'", '"') else word(node.value)


def _same(one: object, other: object) -> bool:
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return both_nan or (one == other and type(one) is type(other))


def test_a_problem_in_plain_frontmatter_has_its_line() -> None:
    table, body = split_frontmatter("---\nname: a\n\nweight: much\n---\nbody\n", "a.md")
    assert body == "body\n"
    for path in (("weight",), ("gone",), ()):
        table.document.report(path, "wrong")
    assert [problem.line for problem in table.document.problems] == [4, None, None]
