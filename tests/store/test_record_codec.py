"""What sessions.jsonl is: the exact bytes we write, those of the Rust program, and any bytes at all."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.session import (
    SessionRecord,
    SessionStatus,
    TokenUsage,
)
from pitboss.core.usage import RoleTokens
from pitboss.store.codec import Malformed
from pitboss.store.record_codec import RecordHead, decode_head, decode_heads, decode_record, encode_record
from tests.support.run_bytes import (
    anything,
    changed,
    counts,
    damage,
    moments,
    money,
    seqs,
    tokens,
    words,
)
from tests.support.values import record

SEED_RECORD = (
    '{"seq":1,"run_id":"rid","prompt":"alpha","started_at":"2026-04-30T18:00:00Z",'
    '"ended_at":"2026-04-30T18:01:00Z","status":"ok","summary":"session 1",'
    '"commit":"abc0000000000000000000000000000000000000001",'
    '"tokens":{"input":0,"output":0,"by_role":{}},"cost_usd":0.0,'
    '"transcript_path":"transcripts/session-0001.log"}\n'
)

records = st.builds(
    SessionRecord,
    seq=seqs,
    run_id=words,
    prompt=words,
    started_at=moments,
    ended_at=moments,
    status=st.sampled_from(SessionStatus),
    summary=st.none() | words,
    commit=st.none() | words,
    tokens=tokens,
    cost_usd=money,
    transcript_path=words,
    rotation=st.none() | counts,
    cost_known=st.booleans(),
    reason=st.none() | words,
    rescue=st.lists(words, max_size=2).map(tuple),
    attempts=counts,
    model=st.none() | words,
    agent=st.none() | words,
    cache_read=counts,
    cache_write=counts,
    retry_of=st.none() | seqs,
    retry=st.booleans(),
    queued=st.none() | words,
    host=st.none() | words,
)


def test_a_record_is_one_line_with_exactly_the_fields_of_the_contract() -> None:
    assert encode_record(record(1)).decode() == SEED_RECORD


def test_summary_and_commit_are_written_even_when_there_are_none() -> None:
    written = json.loads(encode_record(record(1, summary=None, commit=None)))
    assert (written["summary"], written["commit"]) == (None, None)


def test_a_record_by_the_rust_program_is_read_and_its_unknown_fields_are_ignored() -> None:
    assert decode_record(changed(SEED_RECORD, future={"a": 1})) == record(1)


def test_what_we_add_to_a_record_is_written_only_when_it_says_something() -> None:
    line = record(
        1,
        rotation=4,
        cost_known=False,
        reason="conflict",
        rescue=("refs/pitboss/rescue/rid/session-0001",),
        hidden="files stay in the tree",
        attempts=2,
        model="m",
        agent="a",
        cache_read=3,
        cache_write=4,
        retry_of=7,
        retry=True,
        queued="6fr1mzz",
        host="rack-2",
    )
    written = json.loads(encode_record(line))
    assert list(written)[11:] == [
        "rotation",
        "cost_known",
        "reason",
        "rescue",
        "hidden",
        "attempts",
        "model",
        "agent",
        "cache_read",
        "cache_write",
        "retry_of",
        "retry",
        "queued",
        "host",
    ]
    assert decode_record(encode_record(line)) == line


@given(records)
def test_every_record_is_one_line_that_survives_the_disk(line: SessionRecord) -> None:
    data = encode_record(line)
    assert data.index(b"\n") == len(data) - 1
    back = decode_record(data)
    if line.rotation is None and not back.cost_known:
        line = msgspec.structs.replace(line, cost_known=False, cost_source=back.cost_source)
    assert back == line
    assert decode_head(data) == RecordHead(seq=line.seq, run_id=line.run_id, status=line.status)


@pytest.mark.parametrize("cost", [math.nan, math.inf, -math.inf, -1.0])
def test_a_cost_that_is_no_amount_of_money_is_written_as_an_unknown_one(cost: float) -> None:
    back = decode_record(encode_record(record(1, cost_usd=cost)))
    assert (back.cost_usd, back.cost_known) == (0.0, False)


def test_text_that_is_not_unicode_does_not_keep_a_record_from_being_written() -> None:
    usage = TokenUsage(by_role={"role\udcff": RoleTokens()})
    line = msgspec.structs.replace(record(1, summary="caf\udce9", rescue=("ref\udc80",)), tokens=usage)
    back = decode_record(encode_record(line))
    assert (back.summary, list(back.tokens.by_role), back.rescue) == ("caf?", ["role?"], ("ref?",))


def test_times_with_another_offset_are_read_as_utc() -> None:
    back = decode_record(changed(SEED_RECORD, started_at="2026-04-30T20:00:00+02:00"))
    assert back == record(1)
    assert back.started_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (changed(SEED_RECORD, seq=0), "$.seq"),
        (changed(SEED_RECORD, seq=-3), "$.seq"),
        (changed(SEED_RECORD, seq=2**32), "$.seq"),
        (changed(SEED_RECORD, seq=1.5), "$.seq"),
        (changed(SEED_RECORD, cost_usd=None), "$.cost_usd"),
        (changed(SEED_RECORD, cost_usd=-1), "$.cost_usd"),
        (changed(SEED_RECORD, cost_usd=10**400), "$.cost_usd"),
        (changed(SEED_RECORD, cost_usd=math.nan), "$"),
        (changed(SEED_RECORD, cost_usd=math.inf), "$"),
        (changed(SEED_RECORD, tokens__input=-1), "$.tokens.input"),
        (changed(SEED_RECORD, tokens__by_role={"fixer": {"input": -1}}), "$.tokens.by_role[...].input"),
        (changed(SEED_RECORD, ended_at="2026-04-30T18:01:00"), "$.ended_at"),
        (changed(SEED_RECORD, started_at="0001-01-01T00:00:00+02:00"), "$"),
        (changed(SEED_RECORD, status="fine"), "$.status"),
        (b'{"seq":1}', "$"),
        (b"", "$"),
        (b"\0\0\0\0", "$"),
        (b"[" * 100_000, "$"),
        (b'{"x":' + b"[" * 100_000, "$"),
        (b'{"seq":' + b"9" * 5000, "$.seq"),
        (SEED_RECORD.encode().replace(b"alpha", b"\xff"), "$"),
        (SEED_RECORD.encode().replace(b"alpha", b"\\ud800"), "$"),
        (SEED_RECORD.encode() * 2, "$"),
    ],
)
def test_a_malformed_record_names_the_field(line: bytes, field: str) -> None:
    with pytest.raises(Malformed) as failure:
        decode_record(line)
    assert failure.value.field == field


@pytest.mark.parametrize("line", [b"", b'{"seq":0,"run_id":"r","status":"ok"}', b'{"x":' + b"[" * 100_000])
def test_a_malformed_head_is_refused(line: bytes) -> None:
    with pytest.raises(Malformed):
        decode_head(line)


def test_heads_are_read_many_at_a_time() -> None:
    many = b"".join(encode_record(record(n)) for n in (1, 2, 3))
    assert [head.seq for head in decode_heads(many)] == [1, 2, 3]


ONE, TWO = encode_record(record(1)), encode_record(record(2))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        ONE[:-1],
        ONE + b"\n",
        b"\n" + ONE,
        ONE[:-1] + TWO,
        ONE + b"x\n" + TWO,
        ONE + b"\n" + TWO[:-1] + ONE,
    ],
    ids=["nothing", "no-newline", "blank-end", "blank-start", "joined", "garbage", "blank-and-joined"],
)
def test_heads_that_are_not_one_a_line_are_malformed(content: bytes) -> None:
    with pytest.raises(Malformed):
        decode_heads(content)


@given(anything | damage(SEED_RECORD))
def test_whatever_the_bytes_a_record_is_read_or_malformed(data: bytes) -> None:
    try:
        line = decode_record(data)
    except Malformed:
        return
    assert decode_record(encode_record(line)) == line
    assert isinstance(line.started_at, datetime)
    assert decode_head(data).seq == line.seq


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({"tokens": (1, 0)}, False),
        ({"tokens": (0, 1)}, False),
        ({}, True),
        ({"tokens": (1, 0), "cost_usd": 0.1}, True),
        ({"tokens": (1, 0), "rotation": 1}, True),
    ],
)
def test_tokens_for_nothing_by_a_program_that_prices_no_unknown_model_have_no_known_cost(
    changes: dict[str, Any], known: bool
) -> None:
    back = decode_record(encode_record(record(1, **changes)))
    assert (back.cost_known, back.cost_source) == (known, None if known else "unknown")
