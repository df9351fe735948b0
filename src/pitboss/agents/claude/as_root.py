"""Claude Code as root: it refuses to work with all permissions unless told that it is in a sandbox (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.agents.backend import RootRefusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.config import AgentSettings

UNATTENDED = "bypassPermissions"
"""The sessions' permission mode, because there is nobody to ask."""

SANDBOX = "IS_SANDBOX"
_YES = ("1", "true", "yes", "on")
_MODE = "--permission-mode"
_SKIP = "--dangerously-skip-permissions"


def root_refusal(
    agent: str, settings: AgentSettings, env: Mapping[str, str], *, uid: int
) -> RootRefusal | None:
    """Why Claude Code would refuse to work for the user `uid` in the environment `env`; None if it would not."""
    if uid != 0 or env.get(SANDBOX, "").lower() in _YES or not _has_all_permissions(settings):
        return None
    return RootRefusal(
        finding=f"{agent}: refuses to work as root with all permissions, unless {SANDBOX}=1 says that it does no harm",
        hint=f"work as another user; in a container, `export {SANDBOX}=1`; or set [agent.{agent}] "
        'permission_mode = "acceptEdits"',
        sure=settings.binary is None,
    )


def _has_all_permissions(settings: AgentSettings) -> bool:
    """Whether it starts with all permissions: the last option on its command line counts."""
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
