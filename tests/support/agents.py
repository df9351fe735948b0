"""Requests for agents, and agents of every backend that do what a shell script says."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.agents.monitor import AgentMonitor
from pitboss.agents.table import build_agent
from pitboss.core.agent import AgentEvent, AgentOutcome, AgentRequest
from pitboss.core.config import AgentSettings, Config
from pitboss.core.stops import StopRequest

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.agents.driver import Driver
    from pitboss.agents.reader import Reader
    from pitboss.core.agent import Agent
    from pitboss.core.config import Price

PYTHON = shlex.quote(sys.executable)

Stop = Callable[[], StopRequest | None]


def run_id(folder: Path) -> str:
    """The run of a session that works in `folder`: two test workers may use folders of the same name."""
    return f"run-{folder}"


def request(folder: Path, *, body: str = "do it", **changes: Any) -> AgentRequest:
    """A request for a session that works in `folder` and keeps its files there."""
    asked = AgentRequest(
        prompt_name="chore",
        text=f"standing instructions\n\n{body}",
        body=body,
        cwd=str(folder),
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PITBOSS_RUN_ID": run_id(folder),
            "PITBOSS_SESSION_SEQ": "1",
        },
        transcript=str(folder / "session-0001.log"),
        usage_file=str(folder / "session-0001.usage.json"),
        max_seconds=60.0,
    )
    return msgspec.structs.replace(asked, **changes)


def executable(path: Path, script: str) -> Path:
    """A program at `path` that runs `script` by sh."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def agent(
    backend: str, settings: AgentSettings, pricing: dict[str, Price] | None = None, **shared: Any
) -> Driver:
    """The agent as the application would build it; `shared` is what goes for all agents."""
    return build_agent(backend, Config(agents={backend: settings}, pricing=pricing or {}, **shared))


def never() -> None:
    """Nobody asks for a stop."""


def nothing(*_: object) -> None:
    """Nobody listens."""


def run(
    driver: Agent,
    asked: AgentRequest,
    *,
    stop: Stop = never,
    on_event: Callable[[AgentEvent], None] = nothing,
    on_start: Callable[[int, int | None], None] = nothing,
) -> AgentOutcome:
    """Run `driver` on `asked`, with nobody listening unless told."""
    return driver.run(asked, on_start=on_start, on_event=on_event, stop=stop)


def heard(reader: Reader, asked: AgentRequest, output: bytes) -> list[AgentEvent]:
    """What is told of an agent that prints `output` line by line, each in its own time."""
    told: list[AgentEvent] = []
    monitor = AgentMonitor(reader, asked, {}, told.append)
    for line in output.splitlines(keepends=True):
        monitor.read(line)
    monitor.end()
    return told
