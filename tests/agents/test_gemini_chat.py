"""What Gemini CLI writes about its session is the bill of one that never says what it used (SPEC 1.5, 6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from pitboss.agents.gemini.stream import GeminiReader
from pitboss.core.session import SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.usage import CostSource, Usage
from tests.contracts.expected_gemini import TABLE
from tests.support.agents import agent, request, run
from tests.support.replay import replaying, tokens

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.agent import AgentOutcome, AgentRequest

SESSION = "4fc64df1-7da3-4497-b410-b7245fd27019"
"""As the capture `longtool_TERM` names it."""

BEFORE, DURING = "2026-11-22T15:10:09.000Z", "2026-11-22T15:10:10.758Z"
ONE = {"input": 700, "output": 20, "cached": 256, "thoughts": 4, "tool": 0, "total": 724}
TWO = {"input": 500, "output": 14, "cached": 128, "thoughts": 3, "tool": 0, "total": 517}
FILE = "session-2026-11-22T15-10-4fc64df1.jsonl"


def message(identity: str, told: dict[str, int], *, at: str = DURING) -> dict[str, object]:
    """An answer of the model as the file has it."""
    return {"id": identity, "timestamp": at, "type": "gemini", "tokens": told, "model": "gemini-2.5-pro"}


def write(home: Path, *lines: object, name: str = FILE) -> Path:
    """The session's file with its first line and `lines`."""
    file = home / ".gemini/tmp/repo/chats" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    head = {"sessionId": SESSION, "kind": "main"}
    file.write_text("".join(f"{json.dumps(line)}\n" for line in (head, *lines)))
    return file


def at_home(tmp_path: Path, *, max_cost_usd: float | None = None) -> AgentRequest:
    asked = request(tmp_path, max_cost_usd=max_cost_usd)
    return msgspec.structs.replace(asked, env={**asked.env, "HOME": str(tmp_path / "home")})


def stopped(tmp_path: Path) -> AgentOutcome:
    """Gemini, stopped while its tool runs."""
    running = tmp_path / "running"
    settings = replaying(tmp_path / "gemini", TABLE, "longtool_TERM", then=": > running; exec sleep 300")
    return run(
        agent("gemini", settings),
        at_home(tmp_path),
        stop=lambda: StopRequest.SKIP if running.exists() else None,
    )


def test_a_stopped_session_is_billed_what_its_file_counts(tmp_path: Path) -> None:
    write(tmp_path / "home", message("a", ONE))
    outcome = stopped(tmp_path)
    assert outcome.status is SessionStatus.SKIPPED
    assert tokens(outcome.usage) == (700, 24, 256, 0)
    assert outcome.usage.cost_usd == pytest.approx(0.000827)
    assert outcome.usage.cost_source is CostSource.PRICE_TABLE


def test_after_a_crash_the_file_is_the_bill_too(tmp_path: Path) -> None:
    write(tmp_path / "home", message("a", ONE))
    asked = at_home(tmp_path)
    (tmp_path / "home").mkdir(exist_ok=True)
    transcript = TABLE.capture("longtool_TERM").stdout
    with open(asked.transcript, "wb") as file:  # noqa: PTH123
        file.write(transcript)
    billed = agent("gemini", replaying(tmp_path / "gemini", TABLE, "ok")).bill(asked, started=True)
    assert (tokens(billed.usage), billed.usage.cost_known) == ((700, 24, 256, 0), True)


def test_a_message_that_is_written_again_with_its_tools_counts_once(tmp_path: Path) -> None:
    update = {"$set": {"lastUpdated": DURING, "messages": [message("a", ONE)]}}
    again = message("a", ONE) | {"toolCalls": [{"status": "success"}]}
    write(tmp_path / "home", message("a", ONE), update, again, message("b", TWO))
    assert tokens(stopped(tmp_path).usage) == (1200, 41, 384, 0)


def test_of_a_session_gone_on_with_only_this_start_counts(tmp_path: Path) -> None:
    write(tmp_path / "home", message("old", TWO, at=BEFORE), message("new", ONE))
    assert tokens(stopped(tmp_path).usage) == (700, 24, 256, 0)


def test_what_a_later_start_used_is_not_billed_for_an_earlier_one(tmp_path: Path) -> None:
    first = {"type": "init", "timestamp": BEFORE, "session_id": SESSION, "model": "gemini-2.5-pro"}
    said = {"type": "message", "timestamp": DURING, "role": "assistant", "content": "I will"}
    last = {"type": "result", "timestamp": DURING, "status": "error", "stats": {}}
    write(tmp_path / "home", message("a", ONE), message("b", TWO, at="2026-11-22T16:00:00.000Z"))
    asked = at_home(tmp_path)
    with open(asked.transcript, "w") as file:  # noqa: PTH123
        file.writelines(f"{json.dumps(line)}\n" for line in (first, said, last))
    billed = agent("gemini", replaying(tmp_path / "gemini", TABLE, "ok")).bill(asked, started=True)
    assert tokens(billed.usage) == (700, 24, 256, 0)


def test_what_subagents_and_theirs_used_is_in_files_below(tmp_path: Path) -> None:
    home = tmp_path / "home"
    write(home, message("1", ONE))
    write(home, message("1", TWO), message("1", TWO), name=f"{SESSION}/below.jsonl")
    write(home, message("1", ONE, at=BEFORE), message("2", ONE), name="below/deeper.jsonl")
    write(home, message("1", ONE), name="stranger/another.jsonl")
    outcome = stopped(tmp_path)
    assert tokens(outcome.usage) == (700 + 500 + 700, 24 + 17 + 24, 256 + 128 + 256, 0)


def test_an_answer_that_is_not_in_the_file_makes_the_cost_a_lower_bound(tmp_path: Path) -> None:
    write(tmp_path / "home", message("old", ONE, at=BEFORE))
    assert stopped(tmp_path).usage == Usage(cost_known=False)


@pytest.mark.parametrize("name", ["session-2026-11-22T15-10-00000000.jsonl", "notes-4fc64df1.jsonl"])
def test_files_of_other_sessions_say_nothing(tmp_path: Path, name: str) -> None:
    write(tmp_path / "home", message("a", ONE), name=name)
    assert stopped(tmp_path).usage == Usage(cost_known=False)


def test_garbage_in_the_file_says_nothing(tmp_path: Path) -> None:
    file = write(tmp_path / "home", message("a", {"input": -1}), {"id": 7, "tokens": []}, message("b", ONE))
    file.write_bytes(file.read_bytes() + b"\xff\xfe\x00{]\n" + b'{"id": "c", "tok')
    assert tokens(stopped(tmp_path).usage) == (700, 24, 256, 0)


def test_a_cost_cap_acts_while_the_session_runs(tmp_path: Path) -> None:
    write(tmp_path / "home", message("a", ONE))
    settings = replaying(tmp_path / "gemini", TABLE, "longtool_TERM", then="exec sleep 300")
    outcome = run(agent("gemini", settings), at_home(tmp_path, max_cost_usd=0.0008))
    assert (outcome.status, outcome.reason) == (SessionStatus.ERROR, "cost_cap: $0.0008 >= $0.0008")


def test_the_last_line_has_the_last_word(tmp_path: Path) -> None:
    output = TABLE.capture("ok").stdout
    first = json.loads(output.splitlines()[0])
    name = f"session-2026-11-22T15-10-{first['session_id'][:8]}.jsonl"
    write(tmp_path / "home", message("a", ONE, at=first["timestamp"]), name=name)
    reader = GeminiReader(at_home(tmp_path))
    list(reader.feed(output))
    list(reader.finish())
    assert tokens(sum(reader.spend().tokens.values(), Usage())) == (1200, 41, 384, 0)
