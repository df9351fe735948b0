"""Shows a tool call on one line, for agents whose output names the tool and its arguments (SPEC 6)."""

from __future__ import annotations

from typing import Any

from pitboss.agents.output.json_values import word
from pitboss.agents.output.lines import shortened

TELLING = (
    "command",
    "file_path",
    "filePath",
    "absolute_path",
    "path",
    "pattern",
    "query",
    "url",
    "description",
    "prompt",
)
"""Names of arguments, the one that says most about a call first."""


def tool_line(name: str | None, arguments: dict[str, Any]) -> str:
    """`write_file: notes.md`: the tool and the argument that says most about the call."""
    detail = next((value for key in TELLING if (value := word(arguments, key))), None)
    tool = name or "tool"
    return tool if detail is None else shortened(f"{tool}: {detail}")
