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
    "xapp-1-A0123456789-1234567890123-abcdef",
    "hf_AbCdEfGhIjKlMnOpQrStUvWxYz01234567",
    "npm_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "pypi-AgEIcHlwaS5vcmcCJDAbCdEfGhIj",
    "gsk_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKl",
    "xai-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "sk_live_AbCdEfGhIjKlMnOpQrStUvWx",
    "dop_v1_0123456789abcdef0123456789abcdef",
    "SG.AbCdEfGhIjKlMnOpQrStUv.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCd",
    "ya29.AbCdEfGhIjKlMnOpQrStUvWxYz",
    "glpat-AbCdEfGhIjKlMnOpQrSt.01.0abcdefgh",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9",
]
HARMLESS = [
    "task-abcdefghijklmnopqrstuvwxyz",
    "sk-loading-spinner-in-the-middle-of-the-page",
    "sk-short",
    "the AKIA prefix",
    "SLAKIAIOSFODNN7EXAMPLE",
    "ghp_too_short",
    "an ordinary line of output",
    "shf_AbCdEfGhIjKlMnOpQrStUvWxYz01234567",
    "eyJhbGciOi.",
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
    "PRICE_PER_TOKEN": "0.012345",
    "SMTP_PASS": "smtp-pass-1",
    "VAULT_SECRET_ID": "vault-secret-1",
    "SLACK_WEBHOOK_URL": "https://hooks.example/T0/B0/x",
    "ONE_LINE_KEY": "-----BEGIN KEY-----\\nMIIEvQIBADANBgkqh\\n-----END KEY-----",
    "PADDED_TOKEN": " padded-token-1\n",
    "OTHER_URL": "postgres://u:p@ssw0rd-long-1@db/x",
    "KEYCLOAK_REALM": "production",
    "OLDPWD": "/home/somebody/old",
    "SSH_ASKPASS": "/usr/bin/askpass",
    "AWS_ACCESS_KEY_ID": "the-id-is-no-secret",
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
    around = (
        ("", ""),
        ('"', '"'),
        ("KEY=", "\n"),
        ("is ", "."),
        ("\x1b[32m", "\x1b[0m"),
        ("\x1b[1;31m", ". So"),
    )
    for before, after in around:
        assert Secrets().redact(f"{before}{key}{after}") == f"{before}[redacted]{after}"


@pytest.mark.parametrize("key", KEYS)
def test_a_key_after_an_escape_of_json_is_replaced(key: str) -> None:
    for before in ("a line\n", "\r\n", "col\t", "\x1b[32m", "\x00", "\b"):
        text = json.dumps(f"{before}{key}\n")
        assert Secrets().redact(text) == text.replace(key, "[redacted]")


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
        ("by smtp-pass-1 and vault-secret-1", "by [redacted] and [redacted]"),
        ("POST https://hooks.example/T0/B0/x", "POST [redacted]"),
        ("x MIIEvQIBADANBgkqh x", "x [redacted] x"),
        ("is padded-token-1\n", "is [redacted]\n"),
        ("with p@ssw0rd-long-1", "with [redacted]"),
        ('{"total_cost_usd": 0.01234567}', '{"total_cost_usd": 0.01234567}'),
        ("in production by the-id-is-no-secret", "in production by the-id-is-no-secret"),
        ("/home/somebody/old /usr/bin/askpass", "/home/somebody/old /usr/bin/askpass"),
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


def test_secrets_that_came_whole_are_replaced_at_once() -> None:
    redactor = SECRETS.stream()
    assert redactor.feed(b"is smtp-pass-1 and vault-secret-1, ") == b"is [redacted] and [redacted], "
    assert redactor.feed(KEYS[3].encode() + b" too. ") == b"[redacted] too. "


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
            b".",
            b"\\n",
            b"\\u001b",
            b"[32m",
            b"eyJhbGciOi",
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


def test_variables_that_the_environment_names_hold_secrets_too() -> None:
    env = {
        "PITBOSS_REDACT": "NTFY_URL,GONE",
        "NTFY_URL": "ntfy://host/topic-1",
        "OTHER_URL": "http://host/shown",
    }
    assert Secrets.of(env).redact("ntfy://host/topic-1 http://host/shown") == "[redacted] http://host/shown"
