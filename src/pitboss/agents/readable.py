"""An agent's output as people read it: what it said and did, without the JSON around it (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.agents.reader import JsonReader
from pitboss.agents.table import agent_names, find_backend
from pitboss.core.agent import AgentRequest, EventKind
from pitboss.core.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.agents.reader import Reader

_NOTHING_ASKED = AgentRequest(
    prompt_name="", text="", body="", cwd="", env={}, transcript="", usage_file="", max_seconds=0
)
_MARKS = {EventKind.TOOL: "▸ ", EventKind.RETRY: "retrying: "}


def readable(agent: str | None, raw: bytes) -> tuple[str, ...]:
    """Whole lines of output, harmless to show: of a CLI that prints JSON, the agent's words, tools and retries.

    Its JSON lines that say none of these are left out. All other lines come back as they are.
    """
    reader = find_backend(agent).reader(_NOTHING_ASKED) if agent in agent_names() else None
    lines = raw.removesuffix(b"\n").split(b"\n") if raw else []
    shown = (_said(reader, line) if isinstance(reader, JsonReader) else [_plain(line)] for line in lines)
    return tuple(visible(text) for said in shown for text in said)


def _said(reader: JsonReader, line: bytes) -> Iterator[str]:
    if not line.lstrip().startswith(b"{"):
        yield _plain(line)
        return
    for event in reader.feed(line + b"\n"):
        text = _whole(reader, event.text) if event.kind is EventKind.TEXT else event.text
        if event.kind in (EventKind.TEXT, *_MARKS) and text.strip():
            yield from f"{_MARKS.get(event.kind, '')}{text.strip()}".splitlines()


def _whole(reader: Reader, text: str) -> str:
    """What the agent said, in full: an event has only the beginning."""
    return reader.text or text


def _plain(line: bytes) -> str:
    return line.removesuffix(b"\r").decode(errors="backslashreplace")
