"""What each CLI may write of its own folder inside a sandbox (SPEC 13)."""

from __future__ import annotations

import pytest

from pitboss.agents.table import agent_names, find_backend
from pitboss.core.sandbox.ground import AgentFolders

ENV = {"HOME": "/home/me"}
OF_NO_CLI = {"acp", "acp:auggie", "aider", "command", "shell"}


@pytest.mark.parametrize("name", agent_names())
def test_every_cli_can_write_sessions_of_its_own_and_nothing_else(name: str) -> None:
    folders = find_backend(name).folders(ENV)
    assert bool(folders.sessions) == (name not in OF_NO_CLI)
    assert all(path.startswith("/home/me/.") for path in (*folders.sessions, *folders.logins, *folders.kept))


def test_where_a_whole_folder_can_be_written_its_settings_can_only_be_read() -> None:
    folders = find_backend("codex").folders(ENV | {"CODEX_HOME": "/opt/codex"})
    assert folders.sessions == ("/opt/codex",)
    assert {"/opt/codex/config.toml", "/opt/codex/hooks.json", "/opt/codex/rules"} <= {*folders.kept}
    assert "/opt/codex/auth.json" not in folders.kept


def test_of_claudes_folder_only_sessions_and_the_login_can_be_written() -> None:
    folders = find_backend("claude_code").folders(ENV)
    assert "/home/me/.claude/projects" in folders.sessions
    assert "/home/me/.claude" not in folders.sessions
    assert folders.logins == ("/home/me/.claude/.credentials.json",)


def test_the_agents_of_one_program_have_one_folder() -> None:
    for cli, preset in (("claude_code", "claude-agent-acp"), ("codex", "codex-acp"), ("gemini", "gemini")):
        assert find_backend(cli).folders(ENV) == find_backend(f"acp:{preset}").folders(ENV) != AgentFolders()


def test_what_a_cli_needs_at_its_first_start_is_made_and_its_settings_stay_out_of_reach() -> None:
    folders = find_backend("opencode").folders(ENV)
    assert folders.made == ("/home/me/.config/opencode/.gitignore",)
    assert not [path for path in folders.sessions if "/home/me/.config/opencode".startswith(path)]
