"""Runs the user's shell commands around a session, with a small environment and bounded time (SPEC 6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss import process
from pitboss.core.environment import hook_environment, marker
from pitboss.core.user_commands import HookResult
from pitboss.core.words.exits import exit_words
from pitboss.process import Command, EndedBy, Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pitboss.core.sandbox.fence import Fence
    from pitboss.core.stops import StopRequest
    from pitboss.core.user_commands import HookRequest


def run_hook(
    hook: HookRequest,
    *,
    cwd: str,
    session_env: Mapping[str, str],
    transcript: str | None = None,
    fence: Fence | None = None,
    stop: Callable[[], StopRequest | None] | None = None,
) -> HookResult:
    """Run the command of `hook` with `sh -c` in `cwd`; a timeout ends its whole tree.

    It sees PATH, HOME, USER, LANG, SHELL, SSH_AUTH_SOCK, what it passes through, the PITBOSS_* variables of
    `session_env` and its own, and nothing else. Its output is appended to `transcript`. `fence` is its sandbox.
    """
    env = hook_environment(os.environ, hook.passthrough, {**session_env, **hook.variables})
    ended = process.run(
        Command(
            argv=("sh", "-c", hook.command),
            cwd=cwd,
            env=env,
            transcript=transcript,
            max_seconds=hook.timeout_s,
            marker=marker(env),
            fence=fence,
        ),
        stop=stop,
    )
    detail = _why_failed(ended, hook.timeout_s)
    return HookResult(passed=detail is None, detail=detail or "", stop=ended.stop)


def _why_failed(ended: Exit, timeout_s: float) -> str | None:
    match ended.ended_by:
        case EndedBy.SPAWN_FAILED:
            return ended.error or "it could not be started"
        case EndedBy.WALL_CLOCK:
            return f"timed out after {timeout_s:g} s"
        case EndedBy.STOPPED:
            return "stopped"
        case _:
            return None if ended.code == 0 else _by_code(ended)


def _by_code(ended: Exit) -> str:
    lines = ended.tail.decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), None)
    how = exit_words(ended.code)
    return how if last is None else f"{how}: {last[:300]}"
