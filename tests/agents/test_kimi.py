"""The `kimi` backend: what its command line takes, and what its retries mean (SPEC 6)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pitboss.agents.kimi import LONGEST, Kimi
from pitboss.agents.kimi.stream import KimiReader
from pitboss.core.agent import Resume
from pitboss.core.config import AgentSettings
from tests.support.agents import agent, executable, request, run


def retrying(words: str, status: int, name: str = "APIProviderRateLimitError") -> dict[str, Any]:
    said = {
        "error_message": f"{status} {words}",
        "status_code": status,
        "error_name": name,
        "delay_ms": 1500.0,
    }
    return {"role": "meta", "type": "turn.step.retrying", "failed_attempt": 1, **said}


LIMIT = retrying("The usage limit has been reached", 429)
MINUTE = retrying("Rate limit reached on tokens per min", 429)
BUSY = retrying("overloaded", 503, "APIProviderOverloadedError")
WORD: dict[str, Any] = {"role": "assistant", "content": "I will."}


def read(*lines: dict[str, Any]) -> KimiReader:
    reader = KimiReader(request(Path("/nowhere")))
    for line in lines:
        list(reader.feed(json.dumps(line).encode() + b"\n"))
    return reader


def test_the_prompt_is_an_argument_and_a_session_can_be_named() -> None:
    asked = request(Path("/nowhere"), text="do\0 it", model="k2", resume=Resume(session_id="s-1"))
    argv = Kimi().launch(asked, AgentSettings(extra_args=("--plan",))).argv
    assert argv[:3] == ("kimi", "--prompt", "do it")
    assert argv[3:] == ("--output-format", "stream-json", "--model", "k2", "--session", "s-1", "--plan")


def test_a_prompt_too_long_for_an_argument_is_in_a_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    script = 'file=$(echo "$2" | grep -o "/[^ ]*prompt.md"); wc -c <"$file" >size; echo "$file" >where'
    program = executable(tmp_path / "kimi", script)
    run(agent("kimi", AgentSettings(binary=str(program))), request(tmp_path, text="x" * (LONGEST + 1)))
    assert int((tmp_path / "size").read_text()) == LONGEST + 1
    assert not Path((tmp_path / "where").read_text().strip()).exists()


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((LIMIT,), None),
        ((LIMIT, LIMIT), "rate_limited: The usage limit has been reached"),
        ((BUSY, BUSY, BUSY), None),
        ((MINUTE, MINUTE), None),
        ((BUSY, LIMIT), None),
        ((LIMIT, WORD, LIMIT), None),
        ((LIMIT, LIMIT, WORD), None),
    ],
)
def test_a_limit_told_twice_in_a_row_is_not_waited_for_by_the_cli(
    lines: tuple[dict[str, Any], ...], reason: str | None
) -> None:
    verdict = read(*lines).hopeless()
    assert (verdict and verdict.reason) == reason


def test_an_announced_pause_is_no_silence() -> None:
    assert read(BUSY).announced_pause_s == 1.5
    assert read(BUSY, WORD).announced_pause_s == 0.0


def test_arguments_that_are_no_object_are_not_shown() -> None:
    calls = [
        {"id": str(n), "function": {"name": "Bash", "arguments": text}} for n, text in enumerate(("[1", "[]"))
    ]
    assert read({"role": "assistant", "tool_calls": calls}).tool_calls == 2
