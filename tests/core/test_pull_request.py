"""The text of a pull request is cut where it does no harm, to what GitHub takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pitboss.core.redact import without_userinfo
from pitboss.core.text.pull_request import CUT, pull_request_body, pull_request_title, without_calls

LINES = st.lists(
    st.sampled_from(["```", "````sh", "~~~", "> ```", "- one", "", "\U0001f680" * 9, "a `b` c", "``` a ` b"]),
    max_size=60,
)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def test_the_title_is_that_of_the_rust_program() -> None:
    assert pull_request_title("nightly", "20260101T000000Z-abcd") == "grind/nightly: 20260101T000000Z-abcd"


def test_a_short_text_stays_as_it_is() -> None:
    assert pull_request_body("# Sessions\n", 11) == "# Sessions\n"


@pytest.mark.parametrize(
    ("text", "room", "kept"),
    [
        ("one\ntwo\nthree\n", 9, "one\ntwo\n"),
        ("one\n```\ncode\n```\nend\n", 15, "one\n"),
        ("one\n````\n```\n````\nlast line\n", 20, "one\n````\n```\n````\n"),
        ("x" * 50, 8, "x" * 8),
        ("\U0001f680" * 50, 9, "\U0001f680" * 4),
        ("```\n1\n2\n3\n4\n5\n6\n7\n", 12, "```\n1\n2\n```"),
        ("``` a ` b\nnot code\nend\n", 20, "``` a ` b\nnot code\n"),
        ("~~~ x\n" + "y" * 50, 12, "~~~ x\n~~~"),
        ("```" + "y" * 50, 12, "```" + "y" * 5),
    ],
)
def test_a_long_text_is_cut(text: str, room: int, kept: str) -> None:
    assert pull_request_body(text + "z" * 200, room + len(CUT)) == kept + CUT


@given(LINES, st.integers(0, 200))
def test_it_always_fits_and_leaves_no_block_open(lines: list[str], more: int) -> None:
    text, limit = "\n".join(lines) + "\n", len(CUT) + 20 + more

    body = pull_request_body(text, limit)

    assert units(body) <= limit
    if body != text:
        assert "<em>(cut here: the rest does not fit into a pull request)</em>" in MarkdownIt().render(body)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("https://me:token@host/x", "https://[redacted]@host/x"),
        ("fatal: 'https://token@host/x'", "fatal: 'https://[redacted]@host/x'"),
        ("https://host/x me@host", "https://host/x me@host"),
    ],
)
def test_what_a_url_says_of_its_user_is_taken_out(said: str, shown: str) -> None:
    assert without_userinfo(said) == shown


@pytest.mark.parametrize(
    ("text", "silenced"),
    [
        ("by @root and a@b.c", "by @|root and a@|b.c"),
        ("Fixes #12, closes me/it#3 and GH-4, gh-5", "Fixes #|12, closes me/it#|3 and GH-|4, gh-|5"),
        (
            "resolves https://github.com/me/it/issues/7",
            "resolves https://redirect.github.com/me/it/issues/7",
        ),
        ("http://WWW.GitHub.com/me/it/pull/7", "http://redirect.github.com/me/it/pull/7"),
        ("# Sessions\n\n## session-0001 @ 5", "# Sessions\n\n## session-0001 @ 5"),
        ("see https://github.com/me/it and #tag", "see https://github.com/me/it and #tag"),
    ],
)
def test_a_text_calls_nobody_and_closes_nothing(text: str, silenced: str) -> None:
    assert without_calls(text) == silenced.replace("|", "\u200b")


@given(st.text(st.sampled_from("@#GH-1a /:\u200b")))
def test_no_call_is_left_however_it_is_put(text: str) -> None:
    body = without_calls(text)
    assert not re.search(r"@\w|#\d|\bGH-\d", body, re.IGNORECASE)
    assert body.replace("\u200b", "") == text.replace("\u200b", "")
