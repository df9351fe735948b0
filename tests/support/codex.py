"""What Codex prints and what it writes about its threads, made line by line."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from pitboss.core.config import AgentSettings
from tests.contracts.expected_codex import MODEL
from tests.support.agents import Stop, agent, executable, never, request, run

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.agent import AgentOutcome
    from pitboss.core.session import SessionStatus

Line = dict[str, object]

THREAD = "01a203c2-6598-7c63-9fdc-81d77cf1f2bc"
BORN = "2026/11/22"
RESETS_AT = 1795392960.0
WEEK_ENDS_AT = 1795738560.0
STARTED: Line = {"type": "thread.started", "thread_id": THREAD}
FAILED_BY_LIMIT: Line = {"type": "turn.failed", "error": {"message": "You've hit your usage limit."}}


def used(total: int, output: int = 10, *, cached: int = 0, written: int = 0, reasoning: int = 0) -> Line:
    """A usage as Codex writes it."""
    return {
        "input_tokens": total,
        "cached_input_tokens": cached,
        "cache_write_input_tokens": written,
        "output_tokens": output,
        "reasoning_output_tokens": reasoning,
    }


def completed(usage: Line) -> Line:
    return {"type": "turn.completed", "usage": usage}


def item(kind: str, *, event: str = "item.completed", **fields: object) -> Line:
    return {"type": event, "item": {"id": "item_1", "type": kind, **fields}}


def said(text: str) -> Line:
    return item("agent_message", text=text)


def record(usage: Line) -> Line:
    """What the thread's file has after each answer."""
    return {"type": "token_usage_record", "payload": {"thread_id": THREAD, "thread_token_usage": usage}}


def count(usage: Line | None, primary: float = 31.0) -> Line:
    """What the thread's file has after an answer's tools, and after a refusal."""
    return limited(
        {"used_percent": primary, "window_minutes": 300, "resets_at": RESETS_AT},
        {"used_percent": 42.0, "window_minutes": 10080, "resets_at": WEEK_ENDS_AT},
        usage=usage,
    )


def limited(primary: object, secondary: object = None, *, usage: Line | None = None, **line: object) -> Line:
    """What the thread's file has of the windows of a subscription."""
    limits = {"primary": primary, "secondary": secondary}
    info = None if usage is None else {"total_token_usage": usage}
    payload = {"type": "token_count", "info": info, "rate_limits": limits}
    return {**line, "type": "event_msg", "payload": payload}


def window(minutes: int | None, used: float = 100.0, **fields: object) -> Line:
    """A window of so many minutes, used up unless `used` says otherwise."""
    return {"used_percent": used, "window_minutes": minutes, "resets_at": RESETS_AT, **fields}


def rollout(home: Path, *lines: Line, thread: str = THREAD, day: str = BORN) -> Path:
    """The file of a thread, as Codex at `home` keeps it."""
    file = home / "sessions" / day / f"rollout-2026-11-22T21-16-53-{thread}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def codex(folder: Path, *lines: Line, then: str = "exit 0", stop: Stop = never, **asked: Any) -> AgentOutcome:
    """The outcome of a `codex` that prints `lines` and goes on with `then`."""
    settings = AgentSettings(binary=str(printing(folder, *lines, then=then)))
    return run(agent("codex", settings), request(folder, **{"model": MODEL, **asked}), stop=stop)


def printing(folder: Path, *lines: Line, then: str = "exit 0") -> Path:
    printed = shlex.quote("\n".join(json.dumps(line) for line in lines))
    return executable(folder / "codex", f"cat > /dev/null; printf '%s\\n' {printed}\n{then}")


def told(outcome: AgentOutcome) -> tuple[SessionStatus, str | None]:
    return outcome.status, outcome.reason
