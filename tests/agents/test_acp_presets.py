"""Agents behind the Agent Client Protocol that only have to be named (SPEC 6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.agents.acp.presets import PresetAgent
from pitboss.agents.backend import Cost
from pitboss.agents.programs import PRESETS
from pitboss.agents.table import build_agent, find_backend
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
