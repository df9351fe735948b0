"""Every backend judges every capture of its CLI as it was meant, whole, cut and torn (SPEC 6)."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.agents.judgement import AgentExit
from pitboss.agents.programs import ACP
from pitboss.agents.table import backend_names, find_backend
from pitboss.core.agent import Resume
from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage
from tests.support.agents import agent, request, run
from tests.support.replay import CAPTURES, Table, replaying, seen, table_of, tokens

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.agents.reader import Reader
    from pitboss.core.agent import AgentRequest

CUTS = 24
GARBAGE = [
    b"\n",
    b"\xff\xfe\x00 half of a caf\xc3\n",
    b"npm warn deprecated something\n",
    b"[1, 2, 3]\n",
    b"{}\n",
    b'{"type": 7, "message": null}\n',
    b'{"type": {"usage": []}, "item": "x"}\n',
    b'{"cut off": "in the mid\n',
]


def _captures() -> list[tuple[str, str]]:
    """Every backend with every capture of its table."""
    return [(name, capture) for name in backend_names() for capture in table_of(name).expected]


every_capture = pytest.mark.parametrize(("backend", "capture"), _captures())


def _asked(folder: Path, table: Table, capture: str) -> AgentRequest:
    return request(folder, model=table.asks_model, resume=table.expected[capture].resume)


def _reader(folder: Path, backend: str, capture: str) -> Reader:
    """The reader of a capture; behind the Agent Client Protocol, that of the agent which it is named after."""
    preset = f"{ACP}{capture.partition('_')[0]}" if backend == "acp" else backend
    return find_backend(preset).reader(_asked(folder, table_of(backend), capture))


def _fed(reader: Reader, chunks: list[bytes]) -> Reader:
    for chunk in chunks:
        list(reader.feed(chunk))
    list(reader.finish())
    return reader


def _counted(reader: Reader) -> tuple[int, int, int, int]:
    return tokens(sum(reader.spend().tokens.values(), Usage()))


@pytest.mark.parametrize("backend", backend_names())
def test_every_backend_is_judged_by_every_capture_of_its_cli(backend: str) -> None:
    table = table_of(backend)
    captured = {each.name for each in (CAPTURES / table.captures).iterdir()} if table.captures else set()
    assert set(table.expected) == captured
    assert captured or find_backend(backend).known_version is None


@every_capture
def test_a_capture_is_judged_as_it_was_meant(tmp_path: Path, backend: str, capture: str) -> None:
    table = table_of(backend)
    driver = agent(backend, replaying(tmp_path / "cli", table, capture))
    asked = _asked(tmp_path, table, capture)
    outcome = run(driver, asked)
    assert seen(outcome, table.expected[capture]) == table.expected[capture]
    billed = driver.bill(asked, started=True)
    assert (billed.status, billed.reason) == (SessionStatus.ABORTED, "interrupted")
    assert tokens(billed.usage) == tokens(outcome.usage)
    assert billed.usage.cost_usd == outcome.usage.cost_usd


@every_capture
def test_cutting_the_output_into_single_bytes_changes_nothing(
    tmp_path: Path, backend: str, capture: str
) -> None:
    output = table_of(backend).capture(capture).stdout
    whole = _fed(_reader(tmp_path, backend, capture), [output])
    bytewise = _fed(_reader(tmp_path, backend, capture), [bytes([byte]) for byte in output])
    assert _summary(bytewise) == _summary(whole)


@every_capture
def test_an_output_cut_off_anywhere_keeps_what_was_seen_and_never_bills_more_than_the_whole(
    tmp_path: Path, backend: str, capture: str
) -> None:
    output = table_of(backend).capture(capture).stdout
    chance = random.Random(f"{backend} {capture}")
    ends = sorted(chance.randrange(len(output) + 1) for _ in range(CUTS))
    bills = []
    for end in [*ends, len(output)]:
        reader = _fed(_reader(tmp_path, backend, capture), [output[:end]])
        reader.verdict(AgentExit(code=-9, complaints=b"killed"))
        bills.append((_counted(reader), reader.tool_calls))
    for (less, fewer), (more, calls) in pairwise(bills):
        assert all(a <= b for a, b in zip(less, more, strict=True))
        assert fewer <= calls


@every_capture
def test_garbage_between_the_lines_changes_neither_the_bill_nor_the_verdict(
    tmp_path: Path, backend: str, capture: str
) -> None:
    taken = table_of(backend).capture(capture)
    chance = random.Random(f"{backend} {capture}")
    torn = [
        piece for line in taken.stdout.splitlines(keepends=True) for piece in (line, chance.choice(GARBAGE))
    ]
    ending = AgentExit(code=taken.code, complaints=taken.stderr[-8192:])
    clean = _fed(_reader(tmp_path, backend, capture), [taken.stdout])
    dirty = _fed(_reader(tmp_path, backend, capture), torn)
    assert dirty.spend() == clean.spend()
    assert dirty.tool_calls == clean.tool_calls
    assert dirty.verdict(ending).status is clean.verdict(ending).status
    assert _kind(dirty.verdict(ending).reason) == _kind(clean.verdict(ending).reason)


@every_capture
def test_no_tool_runs_once_an_agent_has_finished(tmp_path: Path, backend: str, capture: str) -> None:
    reader = _fed(_reader(tmp_path, backend, capture), [table_of(backend).capture(capture).stdout])
    assert not (reader.finished and reader.tool_running)


@pytest.mark.parametrize("backend", [name for name in backend_names() if find_backend(name).resumable])
def test_a_resumed_session_is_named_to_the_cli(tmp_path: Path, backend: str) -> None:
    asked = request(tmp_path, resume=Resume(session_id="its-own-id-7", usage=Usage(input=7, output=2)))
    launch = find_backend(backend).launch(asked, AgentSettings(binary="sh"))
    told = (*launch.argv, *launch.env.values(), launch.stdin.decode())
    assert any("its-own-id-7" in word for word in told)


def _summary(reader: Reader) -> tuple[Any, ...]:
    return (reader.spend(), reader.tool_calls, reader.text, reader.session_id, reader.model, reader.quota)


def _kind(reason: str | None) -> str:
    return (reason or "").partition(":")[0]
