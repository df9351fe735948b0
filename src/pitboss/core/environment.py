"""Which environment variables a session's processes get, and which of them mark its strays (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RUN_ID = "PITBOSS_RUN_ID"
SESSION_SEQ = "PITBOSS_SESSION_SEQ"
HOOK_INHERITS = ("PATH", "HOME", "USER", "LANG", "SHELL", "SSH_AUTH_SOCK")


def marker(env: Mapping[str, str]) -> dict[str, str]:
    """The pairs that tell a session's processes from all others; empty when `env` names no session.

    Half a marker would match the processes of other sessions of the run, so it is both pairs or none.
    """
    pairs = {name: env[name] for name in (RUN_ID, SESSION_SEQ) if name in env}
    return pairs if len(pairs) == 2 else {}


def hook_environment(
    inherited: Mapping[str, str], passthrough: Iterable[str], session: Mapping[str, str]
) -> dict[str, str]:
    """All that a hook may see: a few inherited variables, those the user lets through, the session's own."""
    allowed = (*HOOK_INHERITS, *passthrough)
    ours = {name: value for name, value in session.items() if name.startswith("PITBOSS_")}
    return {name: inherited[name] for name in allowed if name in inherited} | ours


def agent_environment(
    env: Mapping[str, str], *, remove: Iterable[str], keep: Iterable[str]
) -> dict[str, str]:
    """What an agent may see of `env`: not what a pattern of `remove` names, unless one of `keep` does too.

    Patterns are those of file names (`AWS_*`). The session's own variables stay, whatever is said.
    """
    from fnmatch import fnmatchcase

    def stays(name: str) -> bool:
        kept = (*keep, "PITBOSS_*")
        named = any(fnmatchcase(name, pattern) for pattern in remove)
        return not named or any(fnmatchcase(name, pattern) for pattern in kept)

    return {name: value for name, value in env.items() if stays(name)}
