"""Agents behind the Agent Client Protocol that only have to be named (SPEC 6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.agents.acp.presets import PresetAgent
from pitboss.agents.backend import Cost
from pitboss.agents.programs import PRESETS
from pitboss.agents.table import build_agent, find_backend
from pitboss.core.agent import Resume
from pitboss.core.config import AgentSettings, Config
from pitboss.core.usage import Usage
from pitboss.errors import StartError
from tests.support.agents import executable, request

if TYPE_CHECKING:
    from pathlib import Path

SESSION = "6d9f54d4-5d26-4d91-8ed9-d69e17f6644d"


def started(
    preset: str, folder: Path, model: str | None = None, **settings: Any
) -> tuple[dict[str, Any], list[str]]:
    """What our client is asked for, and the agent's command line."""
    executable(folder / preset, "true")
    asked = request(folder, model=model)
    asked.env["PATH"] = f"{folder}:{asked.env['PATH']}"
    argv = find_backend(f"acp:{preset}").launch(asked, AgentSettings(**settings)).argv
    at = next(place for place, word in enumerate(argv) if word.startswith("{"))
    return {key: value for key, value in json.loads(argv[at]).items() if value}, list(argv[at + 1 :])


def test_a_preset_knows_the_command_and_the_mode_that_asks_nobody(tmp_path: Path) -> None:
    assert started("gemini", tmp_path) == ({"permission": "allow", "usual_mode": "yolo"}, ["gemini", "--acp"])
    assert started("opencode", tmp_path) == ({"permission": "allow"}, ["opencode", "acp"])
    asked, command = started("codex-acp", tmp_path, permission_mode="read-only", extra_args=("-c", "x=1"))
    assert (asked["permission"], command) == ("read-only", ["codex-acp", "-c", "x=1"])


def test_a_model_is_named_on_the_command_line_where_the_protocol_offers_no_choice(tmp_path: Path) -> None:
    asked, command = started("copilot", tmp_path, model="gpt-4.1")
    assert ("model" in asked, command) == (False, ["copilot", "--acp", "--model", "gpt-4.1"])
    asked, command = started("claude-agent-acp", tmp_path, model="opus")
    assert (asked["model"], command) == ("opus", ["claude-agent-acp"])


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_says_how_to_install_it_and_log_in_and_what_it_reports(preset: str) -> None:
    agent = PresetAgent(preset)
    assert agent.install.startswith("npm install -g ")
    assert f'[agent."acp:{preset}"] binary' in agent.install
    assert agent.log_in
    assert agent.cost in (Cost.REPORTED, Cost.PRICED, Cost.UNKNOWN)


def test_its_settings_are_in_a_table_of_its_own(tmp_path: Path) -> None:
    mine = executable(tmp_path / "mine", "true")
    config = Config(agents={"acp:kimi": AgentSettings(binary=str(mine))})
    assert build_agent("acp:kimi", config).name == "acp:kimi"
    with pytest.raises(StartError, match="unknown agent `acp:kimmi`") as refused:
        build_agent("acp:kimmi", config)
    assert "did you mean `acp:kimi`?" in (refused.value.hint or "")


def fed(folder: Path, *, kept: str) -> Any:
    """A reader of a turn whose tokens are told without thoughts; `kept` is in the agent's own file."""
    chats = folder / ".gemini/tmp/repo/chats"
    chats.mkdir(parents=True)
    (chats / f"session-2026-11-26T11-23-{SESSION[:8]}.jsonl").write_text(kept)
    reader = PresetAgent("gemini").reader(request(folder))
    counts = [{"model": "g", "token_count": {"input_tokens": 1800, "output_tokens": 16}}]
    for line in (
        {"type": "session", "id": SESSION, "resumed": False, "at": "2026-11-26T11:23:57.000Z"},
        {"type": "prompt"},
        {"type": "end", "stopReason": "end_turn", "_meta": {"quota": {"model_usage": counts}}},
    ):
        list(reader.feed(json.dumps(line).encode() + b"\n"))
    list(reader.finish())
    return reader.spend()


def kept(at: str) -> str:
    counts = {"input": 1800, "output": 16, "cached": 500, "thoughts": 4}
    return json.dumps({"id": at, "timestamp": at, "type": "gemini", "model": "g", "tokens": counts}) + "\n"


def test_geminis_own_file_has_the_thoughts_and_cached_input_that_it_does_not_tell(tmp_path: Path) -> None:
    earlier, now = kept("2026-11-26T11:00:00.000Z"), kept("2026-11-26T11:23:58.381Z")
    spend = fed(tmp_path, kept=earlier + now)
    assert spend.tokens == {"g": Usage(input=1800, output=20, cache_read=500)}
    assert not spend.unreadable


def test_without_it_the_cost_is_unknown(tmp_path: Path) -> None:
    spend = fed(tmp_path, kept="")
    assert (spend.tokens, spend.unreadable) == ({"g": Usage(input=1800, output=16)}, True)


QWEN_TOLD = (
    {
        "type": "session",
        "id": SESSION,
        "resumed": False,
        "agent": "qwen-code",
        "at": "2026-11-26T11:23:57.000Z",
    },
    {"type": "prompt", "model": "q"},
    {
        "type": "update",
        "update": {
            "sessionUpdate": "agent_message_chunk",
            "content": {"type": "text", "text": "done"},
            "_meta": {"usage": {"inputTokens": 1800, "outputTokens": 20, "totalTokens": 1820}},
        },
    },
    {"type": "end", "stopReason": "end_turn"},
)
QWEN_OPENED_MS = 1795692237000
"""When that was, as its own file has it."""


def of_process(folder: Path, *, began_ms: int = QWEN_OPENED_MS - 3000, requests: int = 2) -> str:
    """The line about a process in its own file: each request used the same."""
    counts = {
        "inputTokens": 1800 * requests,
        "outputTokens": 20 * requests,
        "cachedTokens": 500 * requests,
        "thoughtsTokens": 4 * requests,
        "totalTokens": 1820 * requests,
    }
    line = {"startTime": began_ms, "timestamp": QWEN_OPENED_MS + 900, "project": str(folder.resolve())}
    return json.dumps(line | {"models": {"q": counts}}) + "\n"


def qwen_spend(
    folder: Path, *kept: str, resume: Resume | None = None, env: dict[str, str] | None = None
) -> Any:
    """What Qwen Code used by one request that it told, and by what its own file says."""
    (folder / ".qwen").mkdir()
    (folder / ".qwen/usage_record.jsonl").write_text("".join(kept))
    asked = request(folder, resume=resume)
    asked.env.update(env or {})
    reader = PresetAgent("qwen").reader(asked)
    for line in QWEN_TOLD:
        told = line | ({"resumed": resume is not None} if "resumed" in line else {})
        list(reader.feed(json.dumps(told).encode() + b"\n"))
    list(reader.finish())
    return reader.spend()


def test_qwen_makes_requests_that_it_does_not_tell_but_its_own_file_counts_them(tmp_path: Path) -> None:
    elsewhere, earlier = of_process(tmp_path / "other"), of_process(tmp_path, began_ms=QWEN_OPENED_MS + 1)
    spend = qwen_spend(tmp_path, elsewhere, earlier, of_process(tmp_path))
    assert spend.tokens == {"q": Usage(input=3600, output=40, cache_read=1000)}
    assert not spend.unreadable


def test_what_was_billed_before_a_resume_is_not_billed_twice(tmp_path: Path) -> None:
    before = Resume(session_id=SESSION, usage=Usage(input=3600, output=40, cache_read=1000))
    spend = qwen_spend(tmp_path, of_process(tmp_path, requests=3), resume=before)
    assert spend.tokens == {"q": Usage(input=1800, output=20, cache_read=500)}
    assert not spend.unreadable


@pytest.mark.parametrize("lines", [0, 2], ids=["no line", "two that may be meant"])
def test_without_its_line_qwens_cost_is_unknown(tmp_path: Path, lines: int) -> None:
    spend = qwen_spend(tmp_path, of_process(tmp_path) * lines)
    assert (spend.tokens, spend.unreadable) == ({"q": Usage(input=1800, output=20)}, True)


def test_qwens_requests_beside_the_work_are_switched_off(tmp_path: Path) -> None:
    executable(tmp_path / "qwen", "true")
    asked = request(tmp_path)
    launch = PresetAgent("qwen").launch(asked, AgentSettings(binary=str(tmp_path / "qwen")))
    assert launch.file is not None
    path, text = launch.file
    assert launch.env_defaults["QWEN_CODE_SYSTEM_SETTINGS_PATH"] == path
    assert json.loads(text) == {
        "ui": {"enableFollowupSuggestions": False},
        "memory": {"enableManagedAutoMemory": False},
    }


def test_settings_of_the_machine_stay_and_then_qwens_cost_is_unknown(tmp_path: Path) -> None:
    mine = {"QWEN_CODE_SYSTEM_SETTINGS_PATH": "/mine.json"}
    executable(tmp_path / "qwen", "true")
    asked = request(tmp_path)
    asked.env.update(mine)
    launch = PresetAgent("qwen").launch(asked, AgentSettings(binary=str(tmp_path / "qwen")))
    assert (launch.file, "QWEN_CODE_SYSTEM_SETTINGS_PATH" in launch.env_defaults) == (None, False)
    assert qwen_spend(tmp_path, of_process(tmp_path), env=mine).unreadable
