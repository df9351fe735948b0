"""A program that an update is replacing is told from one that fails (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.core.config import AgentSettings
from tests.support.agents import agent, executable, request, run

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.agent import AgentOutcome

NODE = """node:internal/modules/cjs/loader:1228
  throw err;

Error: Cannot find module '/usr/lib/node_modules/@acme/cli/cli.js'
    at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15) {
  code: 'MODULE_NOT_FOUND',
  requireStack: []
}

Node.js v22.1.0"""


SAID = '{"type": "assistant", "message": {"content": [{"type": "text", "text": "hi"}]}}'


def outcome(folder: Path, script: str | None, backend: str = "claude_code") -> AgentOutcome:
    program = folder / "agent"
    if script is not None:
        executable(program, f"cat > /dev/null\n{script}")
    return run(agent(backend, AgentSettings(binary=str(program))), request(folder))


@pytest.mark.parametrize("backend", ["claude_code", "codex", "aider"])
def test_a_program_that_is_not_there(tmp_path: Path, backend: str) -> None:
    gone = outcome(tmp_path, None, backend)
    assert (gone.missing, (gone.reason or "").partition(":")[0]) == (True, "spawn_failed")


def test_no_update_replaces_a_program_of_the_users_own(tmp_path: Path) -> None:
    for script, reason in (
        (None, "spawn_failed"),
        ("echo 'agent: cli: not found' >&2; exit 127", "exit_code"),
    ):
        program = tmp_path / "own"
        if script is not None:
            executable(program, script)
        ended = run(agent("command", AgentSettings(command=(str(program),))), request(tmp_path))
        assert (ended.missing, (ended.reason or "").partition(":")[0]) == (False, reason)


@pytest.mark.parametrize(
    ("says", "code"),
    [
        (NODE, 1),
        ("/usr/bin/env: 'node': No such file or directory", 127),
        ("bwrap: execvp /usr/bin/claude: No such file or directory", 1),
        ("/home/me/bin/agent: 3: claude: not found", 127),
        (
            "Claude configuration file at /home/me/.claude.json is corrupted: JSON Parse error: Unexpected EOF",
            1,
        ),
        ("SyntaxError: Unexpected end of JSON input while parsing /home/me/.claude.json", 1),
    ],
)
def test_a_program_of_which_a_part_is_not_there(tmp_path: Path, says: str, code: int) -> None:
    (tmp_path / "says").write_text(says)
    assert outcome(tmp_path, f"cat says >&2; exit {code}").missing


@pytest.mark.parametrize(
    "script",
    [
        "echo 'Error: Cannot find module' >&2; exit 2",
        f"echo '{SAID}'; echo x: not found >&2; exit 1",
        "echo 'Invalid API key' >&2; exit 1",
        "exit 0",
    ],
)
def test_a_program_that_fails_otherwise(tmp_path: Path, script: str) -> None:
    assert not outcome(tmp_path, script).missing


def test_a_folder_that_is_gone_is_no_program_that_is_gone(tmp_path: Path) -> None:
    executable(tmp_path / "agent", "exit 0")
    settings = AgentSettings(binary=str(tmp_path / "agent"))
    gone = run(agent("claude_code", settings), request(tmp_path, cwd=str(tmp_path / "nowhere")))
    assert not gone.missing
