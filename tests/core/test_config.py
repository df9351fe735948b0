"""Defaults of config.toml as SPEC 2 gives them, and how hooks fall through."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.budget import Caps
from pitboss.core.config import AgentSettings, Config, GrindSettings, HookSettings, Price, WorktreeSettings

commands = st.none() | st.sampled_from(["", "true", "false"])
hooks = st.builds(HookSettings, pre_session=commands, post_session=commands, on_failure=commands)


def test_an_empty_config_means_the_defaults_of_the_contract() -> None:
    assert msgspec.json.decode(msgspec.json.encode(Config())) == {
        "backend": "claude_code",
        "agents": {},
        "models": {},
        "fixer_max_attempts": 2,
        "test_command": None,
        "pricing": {},
        "hard_budgets": False,
        "limits": {
            "max_wait_s": 21600.0,
            "fallback": [],
            "pause_at": None,
            "retries": 3,
            "retry_base_seconds": 20.0,
        },
        "idle_seconds": 600.0,
        "env_remove": [],
        "env_keep": [],
        "probe": False,
        "grind": {
            "prompts_dir": None,
            "default_rotation": None,
            "max_parallel": 1,
            "consecutive_failure_limit": 3,
            "hook_timeout_secs": 60,
            "hook_env_passthrough": [],
            "transcript_retention": "keep_all",
            "rescue_ignored_mb": 64,
            "land": "ok",
            "mode": "in-place",
            "stay": False,
            "budgets": dict.fromkeys(Caps.__struct_fields__),
            "hooks": {"pre_session": None, "post_session": None, "on_failure": None},
            "worktree": {"copy": [".env"], "setup": None, "clean": "untracked"},
        },
        "author": "pitboss <pitboss@local>",
        "commit_subject": "{prompt}: {summary}",
        "pull_request": {"remote": "origin", "body": "sessions", "draft": False},
        "notify": {
            "urls": [],
            "command": None,
            "on": ["ended", "needs_you", "dead_end", "waiting", "budget"],
            "min_interval_s": 300.0,
            "heartbeat_url": None,
            "heartbeat_s": 300.0,
            "heartbeat_end_url": None,
        },
        "sandbox": {"mode": "off", "network": "open", "writable": [], "hidden": [], "command": []},
        "workers": {"address": None, "remote": None, "tls": None, "lost_after_s": 60.0},
        "warnings": [],
    }


@pytest.mark.parametrize(
    "kind", [AgentSettings, Config, GrindSettings, HookSettings, Price, WorktreeSettings]
)
def test_settings_cannot_be_changed_once_loaded(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen


@pytest.mark.parametrize("hook", HookSettings.__struct_fields__)
def test_an_unset_hook_falls_through_and_a_set_one_wins(hook: str) -> None:
    assert getattr(HookSettings().over(HookSettings(**{hook: "base"})), hook) == "base"
    assert getattr(HookSettings(**{hook: "own"}).over(HookSettings(**{hook: "base"})), hook) == "own"
    assert getattr(HookSettings(**{hook: ""}).over(HookSettings(**{hook: "base"})), hook) == ""


@given(hooks, hooks, hooks)
def test_hooks_layer_in_any_grouping(
    command_line: HookSettings, rotation: HookSettings, config: HookSettings
) -> None:
    assert command_line.over(rotation).over(config) == command_line.over(rotation.over(config))
    assert config.over(HookSettings()) == config == HookSettings().over(config)
