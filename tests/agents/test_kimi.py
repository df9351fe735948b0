"""The `kimi` backend: what its command line takes, and what its retries mean (SPEC 6)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pitboss.agents.acp.presets import PresetAgent
from pitboss.agents.judgement import AgentExit
from pitboss.agents.kimi import LONGEST, Kimi
from pitboss.agents.kimi.stream import KimiReader
from pitboss.core.agent import Resume
from pitboss.core.config import AgentSettings
from pitboss.core.usage import Usage
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


CALL = {"id": "call-7", "function": {"name": "Write", "arguments": "{}"}}
CALLING: dict[str, Any] = {"role": "assistant", "content": "I will.", "tool_calls": [CALL]}
ONE = Usage(input=1800, output=20, cache_read=500)


def prompted(at: int) -> dict[str, Any]:
    return {"type": "turn.prompt", "origin": {"kind": "user"}, "time": at}


def answered(at: int, call: str = "call-7", *, counted: bool = True) -> list[dict[str, Any]]:
    """An answer, with the request before it and its tool call behind it."""
    counts = {"inputOther": 1300, "output": 20, "inputCacheRead": 500} if counted else {}
    return [
        {"type": "llm.request", "model": "kimi-k2", "modelAlias": "mine"},
        {"type": "usage.record", "model": "mine", "usage": counts, "time": at},
        {"type": "context.append_loop_event", "event": {"type": "tool.call", "toolCallId": call}},
    ]


def keep(folder: Path, session: str, *lines: dict[str, Any], agent: str = "main") -> None:
    """Write what Kimi Code keeps of a session in `folder`."""
    home = folder / ".kimi-code"
    wire = home / "sessions" / "there" / session / "agents" / agent / "wire.jsonl"
    wire.parent.mkdir(parents=True)
    wire.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with (home / "session_index.jsonl").open("a") as index:
        index.write(json.dumps({"sessionId": session, "workDir": str(folder.resolve())}) + "\n")


def stopped(folder: Path, *, resume: Resume | None = None) -> KimiReader:
    """A reader of a start that was stopped while its first tool ran."""
    reader = KimiReader(request(folder, resume=resume))
    list(reader.feed(json.dumps(CALLING).encode() + b"\n"))
    list(reader.finish())
    return reader


def test_a_session_that_was_stopped_is_found_by_its_folder_and_tool_call(tmp_path: Path) -> None:
    keep(tmp_path, "s-1", prompted(1), *answered(2, "call-1"))
    keep(tmp_path, "s-2", prompted(3), *answered(4))
    reader = stopped(tmp_path)
    assert (reader.session_id, reader.model) == ("s-2", "kimi-k2")
    assert (reader.spend().tokens, reader.spend().unreadable) == ({"kimi-k2": ONE}, False)


def test_another_session_in_the_same_folder_is_not_billed(tmp_path: Path) -> None:
    keep(tmp_path, "s-1", prompted(1), *answered(2, "call-1"))
    reader = stopped(tmp_path)
    assert (reader.session_id, reader.spend().tokens, reader.spend().unreadable) == (None, {}, True)


def test_only_what_follows_the_last_prompt_is_billed_to_a_session_that_goes_on(tmp_path: Path) -> None:
    keep(tmp_path, "s-1", prompted(1), *answered(2, "call-1"), prompted(3), *answered(4))
    keep(tmp_path, "s-9", prompted(5), *answered(6, "call-9"))
    reader = stopped(tmp_path, resume=Resume(session_id="s-1", usage=ONE))
    assert reader.spend().tokens == {"kimi-k2": ONE}


def test_nothing_is_billed_before_the_model_answers(tmp_path: Path) -> None:
    keep(tmp_path, "s-1", prompted(1), *answered(2))
    reader = KimiReader(request(tmp_path, resume=Resume(session_id="s-1", usage=ONE)))
    list(reader.finish())
    assert (reader.spend().tokens, reader.spend().unreadable) == ({}, False)


def test_an_answer_that_nobody_counted_makes_the_cost_unknown(tmp_path: Path) -> None:
    keep(tmp_path, "s-1", prompted(1), *answered(2), *answered(3, counted=False))
    spend = stopped(tmp_path).spend()
    assert (spend.tokens, spend.unreadable) == ({"kimi-k2": ONE}, True)


@pytest.mark.parametrize(
    ("finish", "counted", "cut"),
    [
        ({"finish": {"finishReason": None, "rawFinishReason": None}}, False, True),
        ({"finish": {"finishReason": None, "rawFinishReason": None}}, True, False),
        ({"finish": {"finishReason": "completed", "rawFinishReason": "stop"}}, False, False),
        ({}, False, False),
    ],
    ids=["neither a reason nor counts", "counts", "a reason", "nothing said of it"],
)
def test_an_answer_without_a_reason_to_finish_and_without_counts_broke_off(
    tmp_path: Path, finish: dict[str, Any], counted: bool, cut: bool
) -> None:
    said = {"type": "agent.message.appended", "message": {"meta": {"source": "llm"} | finish}}
    keep(tmp_path, "s-1", prompted(1), *answered(2, counted=counted), said)
    reader = stopped(tmp_path)
    list(reader.feed(b'{"role": "meta", "type": "session.resume_hint", "session_id": "s-1"}\n'))
    list(reader.finish())
    reason = "overloaded: the model's answer broke off" if cut else None
    assert reader.verdict(AgentExit(code=0)).reason == reason


def test_behind_the_protocol_the_same_files_count(tmp_path: Path) -> None:
    since = "1970-01-01T00:00:00.003Z"
    keep(tmp_path, "s-1", *answered(2, "call-1"), prompted(3), *answered(4))
    (tmp_path / ".kimi-code/sessions/there/s-1/agents/agent-0").mkdir()
    sub = tmp_path / ".kimi-code/sessions/there/s-1/agents/agent-0/wire.jsonl"
    sub.write_text("".join(json.dumps(line) + "\n" for line in answered(5)))
    reader = PresetAgent("kimi").reader(request(tmp_path))
    for line in (
        {"type": "session", "id": "s-1", "resumed": False, "agent": "Kimi Code CLI", "at": since},
        {"type": "prompt", "model": "mine"},
        {"type": "end", "stopReason": "end_turn"},
    ):
        list(reader.feed(json.dumps(line).encode() + b"\n"))
    list(reader.finish())
    assert reader.spend().tokens == {"kimi-k2": ONE + ONE}
    assert reader.verdict(AgentExit(code=0)).reason is None
