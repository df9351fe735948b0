"""Paid keys beside a subscription's login (SPEC 4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pitboss.agents.paid_keys import PaidKeys, paid_keys
from pitboss.agents.table import backend_names
from pitboss.core.config import Config

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"ANTHROPIC_API_KEY": "sk-ant-1", "OPENAI_API_KEY": "sk-1"}
CLAUDE = {"claudeAiOauth": {"accessToken": "a", "refreshToken": "r", "subscriptionType": "max"}}
CODEX = {"OPENAI_API_KEY": None, "tokens": {"id_token": "i", "access_token": "a", "refresh_token": "r"}}


def logged_in(file: Path, login: object) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(login if isinstance(login, str) else json.dumps(login))
    return str(file)


def found(home: Path, agent: str, config: Config | None = None, **env: str) -> tuple[PaidKeys, ...]:
    return paid_keys([agent], config or Config(), {"HOME": str(home)} | KEYS | env)


def test_claudes_key_beside_its_login_is_found(tmp_path: Path) -> None:
    login = logged_in(tmp_path / ".claude/.credentials.json", CLAUDE)
    (key,) = found(tmp_path, "claude_code")
    assert key == PaidKeys(agent="claude_code", variables=("ANTHROPIC_API_KEY",), login=login)
    assert key.finding == (
        f"claude_code may be billed by ANTHROPIC_API_KEY, although a subscription is logged in ({login})"
    )
    assert '[agent] env_remove = ["ANTHROPIC_API_KEY"]' in key.hint


def test_codexs_keys_beside_its_login_are_found_together(tmp_path: Path) -> None:
    login = logged_in(tmp_path / ".codex/auth.json", CODEX)
    (keys,) = found(tmp_path, "codex", CODEX_API_KEY="sk-2")
    assert keys.finding == (
        f"codex may be billed by OPENAI_API_KEY or CODEX_API_KEY, although a subscription is logged in ({login})"
    )
    assert keys.hint == (
        '[agent] env_remove = ["OPENAI_API_KEY", "CODEX_API_KEY"] in .pitboss/config.toml keeps the keys from agents'
    )


def test_a_login_elsewhere_counts_and_not_the_one_at_home(tmp_path: Path) -> None:
    logged_in(tmp_path / ".claude/.credentials.json", CLAUDE)
    logged_in(tmp_path / ".codex/auth.json", CODEX)
    empty = str(tmp_path / "empty")
    assert found(tmp_path, "claude_code", CLAUDE_CONFIG_DIR=empty) == ()
    assert found(tmp_path, "codex", CODEX_HOME=empty) == ()
    moved = logged_in(tmp_path / "moved/auth.json", CODEX)
    assert found(tmp_path, "codex", CODEX_HOME=str(tmp_path / "moved"))[0].login == moved


def test_a_token_in_the_environment_is_a_login(tmp_path: Path) -> None:
    (key,) = found(tmp_path, "claude_code", CLAUDE_CODE_OAUTH_TOKEN="t")
    assert key.login == "CLAUDE_CODE_OAUTH_TOKEN"


def test_a_key_that_agents_do_not_get_is_no_danger(tmp_path: Path) -> None:
    logged_in(tmp_path / ".claude/.credentials.json", CLAUDE)
    removed = Config(env_remove=("ANTHROPIC_API_KEY",))
    assert found(tmp_path, "claude_code", removed) == ()
    assert found(tmp_path, "claude_code", Config(env_remove=("*_API_KEY",))) == ()
    kept = Config(env_remove=("*",), env_keep=("ANTHROPIC_*", "HOME"))
    assert len(found(tmp_path, "claude_code", kept)) == 1


@pytest.mark.parametrize(
    ("agent", "file", "login"),
    [
        ("claude_code", ".claude/.credentials.json", {"mcpOAuth": {"accessToken": "a"}}),
        ("claude_code", ".claude/.credentials.json", {"claudeAiOauth": None}),
        ("claude_code", ".claude/.credentials.json", "{"),
        ("claude_code", ".claude/.credentials.json", "[" * 5000),
        ("codex", ".codex/auth.json", {"OPENAI_API_KEY": "sk-1", "tokens": None}),
        ("codex", ".codex/auth.json", {"tokens": {"access_token": ""}}),
        (
            "codex",
            ".codex/auth.json",
            '{"tokens": "\udcff"}'.encode("utf-8", "surrogateescape").decode("latin-1"),
        ),
    ],
)
def test_what_holds_no_login_is_none(tmp_path: Path, agent: str, file: str, login: object) -> None:
    logged_in(tmp_path / file, login)
    assert found(tmp_path, agent) == ()


def test_without_a_key_or_for_other_agents_there_is_nothing_to_find(tmp_path: Path) -> None:
    logged_in(tmp_path / ".claude/.credentials.json", CLAUDE)
    assert found(tmp_path, "claude_code", ANTHROPIC_API_KEY="") == ()
    others = [name for name in backend_names() if name not in ("claude_code", "codex")]
    assert paid_keys(others, Config(), {"HOME": str(tmp_path)} | KEYS) == ()
