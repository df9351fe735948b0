"""What agents print of secrets reaches no file and no outcome, and the bill stays the same (SPEC 6)."""

from __future__ import annotations

import json
import shlex
import stat
from typing import TYPE_CHECKING

from pitboss.core.config import AgentSettings
from pitboss.core.usage import Usage
from tests.support.agents import agent, executable, request, run

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.agent import AgentEvent, AgentRequest

SECRET = 'hunter2-"quoted"-and-long'
GITHUB = "ghp_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"


def asked(folder: Path) -> AgentRequest:
    plain = request(folder)
    plain.env["SERVICE_TOKEN"] = SECRET
    return plain


def test_no_file_of_a_session_and_nothing_told_of_it_has_a_secret_in_it(tmp_path: Path) -> None:
    text = f"The token is {SECRET} and {GITHUB}."
    message = {"id": "m", "model": "claude-sonnet-4-5", "content": [{"type": "text", "text": text}]}
    usage = {"input_tokens": 1000, "output_tokens": 100}
    lines = [
        {"type": "assistant", "message": message | {"usage": usage}},
        {"type": "result", "is_error": True, "result": text, "total_cost_usd": 0.5, "usage": usage},
    ]
    said = shlex.quote("\n".join(map(json.dumps, lines)))
    script = f"cat > /dev/null; printf '%s\\n' {said}; echo \"$SERVICE_TOKEN\" >&2; exit 1"
    driver = agent("claude_code", AgentSettings(binary=str(executable(tmp_path / "claude", script))))
    told: list[AgentEvent] = []
    outcome = run(driver, asked(tmp_path), on_event=told.append)
    assert outcome.text == "The token is [redacted] and [redacted]."
    assert outcome.reason == "agent_error: The token is [redacted] and [redacted]."
    assert (tmp_path / "session-0001.stderr.log").read_text() == "[redacted]\n"
    written = (tmp_path / "session-0001.log").read_text()
    assert written.count("[redacted]") == 4
    for leak in (SECRET, json.dumps(SECRET)[1:-1], GITHUB):
        assert leak not in written
        assert leak not in repr(told)
    assert outcome.usage == Usage(input=1000, output=100, cost_usd=0.5)
    assert driver.bill(asked(tmp_path)).usage == outcome.usage


def test_a_secret_that_comes_in_pieces_is_found_and_its_beginning_alone_is_kept(tmp_path: Path) -> None:
    half, rest = SECRET[:9], SECRET[9:]
    script = f"printf %s {shlex.quote(half)}; sleep 0.1; printf %s {shlex.quote(rest)}; printf %s {shlex.quote(half)}"
    settings = AgentSettings(command=("sh", "-c", script))
    run(agent("command", settings), asked(tmp_path))
    assert (tmp_path / "session-0001.log").read_text() == f"[redacted]{half}"


def test_what_an_agent_prints_is_for_its_owner_alone(tmp_path: Path) -> None:
    script = "cat > /dev/null; echo out; echo err >&2"
    run(
        agent("claude_code", AgentSettings(binary=str(executable(tmp_path / "c", script)))), request(tmp_path)
    )
    modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("session-*")}
    assert modes == {0o600}


def test_agents_do_not_get_the_variables_that_the_user_removed(tmp_path: Path) -> None:
    settings = AgentSettings(command=("sh", "-c", "env > environment.txt"))
    driver = agent("command", settings, env_remove=("SERVICE_*", "PITBOSS_*"))
    run(driver, asked(tmp_path))
    names = {line.partition("=")[0] for line in (tmp_path / "environment.txt").read_text().splitlines()}
    assert "SERVICE_TOKEN" not in names
    assert {"PATH", "PITBOSS_RUN_ID", "PITBOSS_USAGE_FILE"} <= names
