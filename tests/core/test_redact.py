"""Secrets never get out, whatever they are cut into, and nothing else is touched."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.redact import LONGEST, Secrets

KEYS = [
    "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AA",
    "sk-proj-AbCdEfGhIjKlMnOpQrStUvWx",
    "sk-AbCdEfGhIjKlMnOpQrStUvWxYz",
    "ghp_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "gho_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
    "glpat-AbCdEfGhIjKlMnOpQrSt",
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "AIzaSyA-1234567890abcdefghijklmnopqrstu",
    "xoxb-123456789012-abcdefghijkl",
    "xoxp-123456789012-abcdefghijkl",
]
HARMLESS = [
    "task-abcdefghijklmnopqrstuvwxyz",
    "sk-loading-spinner-in-the-middle-of-the-page",
    "sk-short",
    "the AKIA prefix",
    "SLAKIAIOSFODNN7EXAMPLE",
    "ghp_too_short",
    "an ordinary line of output",
    '{"input_tokens": 12345678}',
]
PASSWORD = 'hunter2 is "not" a good one\\é'
ENV = {
    "ANTHROPIC_API_KEY": "abcdefgh-the-key",
    "DB_PASSWORD": PASSWORD,
    "DEPLOY_KEY": "-----BEGIN KEY-----\nMIIBVgIBADANBgkqhkiG9w0\n-----END KEY-----",
    "DATABASE_URL": "postgres://me:s3cr3t-pass@db/x",
    "GITHUB_TOKEN": "abcdefgh",
    "MAX_OUTPUT_TOKENS": "12345678",
    "SHORT_TOKEN": "abc",
    "KEYBOARD_LAYOUT": "us-international",
    "SECRET_FILE": "/run/secrets/file",
    "HOME": "/home/somebody",
    "PITBOSS_RUN_ID": "20260101T000000Z-abcd",
}
SECRETS = Secrets.of(ENV)


def streamed(secrets: Secrets, chunks: list[bytes]) -> bytes:
    redactor = secrets.stream()
    return b"".join([*map(redactor.feed, chunks), redactor.finish()])


@pytest.mark.parametrize("key", KEYS)
def test_a_well_known_kind_of_key_is_replaced(key: str) -> None:
    for before, after in (("", ""), ('"', '"'), ("KEY=", "\n"), ("is ", ".")):
        assert Secrets().redact(f"{before}{key}{after}") == f"{before}[redacted]{after}"


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_key_stays(text: str) -> None:
    assert Secrets().redact(text) == text
    assert streamed(Secrets(), [text.encode()]) == text.encode()


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("key abcdefgh-the-key!", "key [redacted]!"),
        ("abcdefgh alone", "[redacted] alone"),
        (f"<{PASSWORD}>", "<[redacted]>"),
        (json.dumps({"p": PASSWORD}), '{"p": "[redacted]"}'),
        (json.dumps({"p": PASSWORD}, ensure_ascii=False), '{"p": "[redacted]"}'),
        ("x MIIBVgIBADANBgkqhkiG9w0 x", "x [redacted] x"),
        (json.dumps(ENV["DEPLOY_KEY"]), '"[redacted]"'),
        ("login s3cr3t-pass", "login [redacted]"),
        ("us-international 12345678 abc", "us-international 12345678 abc"),
        ("/home/somebody /run/secrets/file", "/home/somebody /run/secrets/file"),
        ("20260101T000000Z-abcd", "20260101T000000Z-abcd"),
        ("\ud800 abcdefgh-the-key", "\ud800 [redacted]"),
    ],
)
def test_the_values_of_secret_variables_are_replaced(text: str, redacted: str) -> None:
    assert SECRETS.redact(text) == redacted


def test_a_secret_longer_than_is_looked_for_at_once_is_replaced_piece_by_piece() -> None:
    long = "".join(chr(33 + number * 7 % 90) for number in range(3 * LONGEST))
    secrets = Secrets.of({"BIG_SECRET": long})
    assert secrets.redact(f"a {long} b").replace("[redacted]", "") == "a  b"


def test_nothing_is_held_back_but_the_beginning_of_a_secret() -> None:
    redactor = SECRETS.stream()
    assert redactor.feed(b"working") == b"working"
    assert redactor.feed(b" on s") == b" on "
    assert redactor.feed(b"k-") == b""
    assert redactor.feed(b"ill") == b""
    assert redactor.feed(b" then") == b"sk-ill then"
    assert redactor.feed(b" abcdefgh-the-k") == b" "
    assert redactor.finish() == b"[redacted]-the-k"


def test_a_key_without_end_is_not_kept_in_memory() -> None:
    redactor = Secrets().stream()
    assert redactor.feed(b"sk-ant-" + b"a" * 30) == b"[redacted]"
    assert [redactor.feed(b"b" * 1000) for _ in range(3)] == [b"", b"", b""]
    assert redactor.feed(b"bb done") == b" done"


_piece = st.sampled_from(
    [
        *(key.encode() for key in KEYS),
        *(value.encode() for value in ENV.values()),
        *(text.encode() for text in HARMLESS),
        *(
            b"sk-",
            b"sk",
            b"s",
            b"-",
            b"_",
            b"a",
            b" ",
            b"\n",
            b'"',
            b"\xff",
            b"AK",
            b"AKIA",
            b"abcdefg",
            b"abcdefgh-th",
        ),
    ]
)
_output = st.lists(_piece | st.binary(max_size=4), max_size=12).map(b"".join)


@given(_output, st.lists(st.integers(0, 400), max_size=12))
def test_however_a_stream_is_cut_the_same_comes_out(output: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(output)), len(output)]
    chunks = [output[a:b] for a, b in pairwise(edges)]
    whole = streamed(SECRETS, [output])
    assert streamed(SECRETS, chunks) == whole
    assert streamed(SECRETS, [bytes([byte]) for byte in output]) == whole


@given(_output)
def test_no_secret_value_gets_out_whole(output: bytes) -> None:
    whole = streamed(SECRETS, [output])
    assert not any(literal in whole for literal in SECRETS.literals)


@given(st.text(max_size=40))
def test_a_text_is_redacted_as_a_stream_is(text: str) -> None:
    assert SECRETS.redact(text).encode("utf-8", "surrogatepass") == streamed(
        SECRETS, [text.encode("utf-8", "surrogatepass")]
    )
