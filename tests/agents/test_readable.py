"""Output as people read it: what an agent said and did, without the JSON around it, and nothing harmful."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pitboss.agents.readable import readable

CAPTURES = Path(__file__).parents[1] / "fixtures" / "agents"


@pytest.mark.parametrize(
    ("agent", "folder", "tool"),
    [
        ("claude_code", "claude", "▸ Write: "),
        ("codex", "codex", "▸ shell: "),
        ("copilot", "copilot", "▸ create: "),
        ("gemini", "gemini", "▸ write_file: "),
        ("opencode", "opencode", "▸ write: "),
        ("qwen", "qwen", "▸ write_file: "),
    ],
)
def test_of_json_lines_the_words_and_the_tools_are_left(agent: str, folder: str, tool: str) -> None:
    said = readable(agent, (CAPTURES / folder / "ok" / "stdout").read_bytes())
    assert "I will write the file." in said
    assert "Done: wrote hello.txt." in said
    assert any(line.startswith(tool) for line in said)
    assert not any(line.startswith("{") for line in said)


def test_a_text_is_shown_whole_and_other_lines_as_they_are() -> None:
    text = "word " * 200 + "\nlast\x1b[2J"
    line = json.dumps({"type": "item.completed", "item": {"type": "agent_message", "text": text}})
    said = readable("codex", b"warning: \x07\r\n" + line.encode() + b"\nhalf of a line")
    assert said == ("warning: ^G", "word " * 200, "last^[[2J", "half of a line")


@pytest.mark.parametrize("agent", ["aider", "command", "nobody", None])
def test_output_that_is_no_json_is_shown_as_it_is(agent: str | None) -> None:
    assert readable(agent, b'{"type": "text"}\n\xff\x1b[0m\n') == ('{"type": "text"}', r"\xff^[[0m")
    assert readable(agent, b"") == ()
