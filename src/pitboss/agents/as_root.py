"""Knows which agents refuse to work without asking when they are root (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.claude import UNATTENDED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.config import AgentSettings

SANDBOX = "IS_SANDBOX"
_YES = ("1", "true", "yes", "on")
_MODE = "--permission-mode"
_SKIP = "--dangerously-skip-permissions"


class RootRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent would say, and what to do. `sure` is false where a program of the user's own may see to it."""

    finding: str
    hint: str
    sure: bool


def root_refusal(
    agent: str, settings: AgentSettings, env: Mapping[str, str], *, uid: int
) -> RootRefusal | None:
    """Why `agent` would not work for the user `uid` with the environment `env`; None when it would."""
    if (
        agent != "claude_code"
        or uid != 0
        or env.get(SANDBOX, "").lower() in _YES
        or not _asks_nobody(settings)
    ):
        return None
    return RootRefusal(
        finding=f"{agent}: refuses to work as root with all permissions, unless {SANDBOX}=1 says that it does no harm",
        hint=f"work as another user; in a container, `export {SANDBOX}=1`; or set [agent.claude_code] "
        'permission_mode = "acceptEdits"',
        sure=settings.binary is None,
    )


def _asks_nobody(settings: AgentSettings) -> bool:
    """Whether it is started with all permissions: the last word on its command line counts."""
    args = settings.extra_args
    if _SKIP in args:
        return True
    mode = settings.permission_mode or UNATTENDED
    for position, option in enumerate(args, start=1):
        if option == _MODE:
            mode = "".join(args[position : position + 1])
        elif option.startswith(f"{_MODE}="):
            mode = option.partition("=")[2]
    return mode == UNATTENDED
