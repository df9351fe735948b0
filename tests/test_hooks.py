"""Hooks: a small environment, a bounded time, an outcome in words (SPEC 6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from pitboss.core.environment import hook_environment, marker
from pitboss.core.stops import StopRequest
from pitboss.core.user_commands import HookRequest, HookResult
from pitboss.hooks import run_hook

if TYPE_CHECKING:
    from pathlib import Path

RUN_ID = f"run-{uuid4()}"
"""What carries the same marker is ended with a hook: a worker beside this one has hooks of its own."""

ENV = {"PITBOSS_RUN_ID": RUN_ID, "PITBOSS_SESSION_SEQ": "7", "PITBOSS_SESSION_PROMPT": "alpha"}


def test_a_hook_that_exits_with_zero_passes(tmp_path: Path) -> None:
    log = tmp_path / "hooks.log"
    command = "echo out; echo err >&2; pwd > where"
    assert run_hook(
        HookRequest(command=command), cwd=str(tmp_path), session_env=ENV, transcript=str(log)
    ) == HookResult(passed=True)
    assert log.read_text() == "out\nerr\n"
    assert (tmp_path / "where").read_text().strip() == str(tmp_path)


@pytest.mark.parametrize(
    ("command", "detail"),
    [
        ("exit 3", "exit code 3"),
        ("echo one; echo two; exit 3", "exit code 3: two"),
        ("printf '\\377'; exit 1", "exit code 1: \ufffd"),
        ("kill -TERM $$", "killed by SIGTERM"),
    ],
)
def test_a_hook_that_fails_says_how(tmp_path: Path, command: str, detail: str) -> None:
    assert run_hook(HookRequest(command=command), cwd=str(tmp_path), session_env=ENV) == HookResult(
        passed=False, detail=detail
    )


def test_a_hook_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    result = run_hook(
        HookRequest(command="exec sleep 300", timeout_s=0.2), cwd=str(tmp_path), session_env=ENV
    )
    assert result == HookResult(passed=False, detail="timed out after 0.2 s")


def test_a_hook_that_is_stopped_names_the_request(tmp_path: Path) -> None:
    running = tmp_path / "running"
    result = run_hook(
        HookRequest(command=": > running; exec sleep 300"),
        cwd=str(tmp_path),
        session_env=ENV,
        stop=lambda: StopRequest.ABORT if running.exists() else None,
    )
    assert result == HookResult(passed=False, detail="stopped", stop=StopRequest.ABORT)


def test_a_folder_that_is_gone_is_a_failure_in_words(tmp_path: Path) -> None:
    result = run_hook(HookRequest(command="true"), cwd=str(tmp_path / "gone"), session_env=ENV)
    assert not result.passed
    assert "gone" in result.detail


def test_a_hook_sees_its_own_variables_and_few_others(tmp_path: Path) -> None:
    run_hook(HookRequest(command="env > environment"), cwd=str(tmp_path), session_env=ENV)
    seen = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines())
    shells_own = {"PWD", "OLDPWD", "SHLVL", "_"}
    assert seen.keys() - shells_own <= {"PATH", "HOME", "USER", "LANG", "SHELL", "SSH_AUTH_SOCK", *ENV}
    assert {name: seen[name] for name in ENV} == ENV
    assert seen["PATH"] == os.environ["PATH"]


def test_only_listed_variables_and_the_sessions_own_pass() -> None:
    inherited = {"PATH": "/bin", "HOME": "/h", "TOKEN": "secret", "WANTED": "w", "PITBOSS_RUN_ID": "outer"}
    assert hook_environment(inherited, ("WANTED", "ABSENT"), ENV | {"TOKEN": "secret"}) == {
        "PATH": "/bin",
        "HOME": "/h",
        "WANTED": "w",
        **ENV,
    }


def test_a_marker_is_whole_or_none() -> None:
    assert marker(ENV) == {"PITBOSS_RUN_ID": RUN_ID, "PITBOSS_SESSION_SEQ": "7"}
    assert marker({"PITBOSS_RUN_ID": RUN_ID}) == {}
