"""Where each CLI keeps its sessions and its login, and which of its files decide what it does later (SPEC 13).

Most CLIs make files beside their settings, so their whole folder can be written and the settings only read. What of
these is not there yet, an agent can make.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.output.session_file import home_of
from pitboss.core.sandbox.ground import AgentFolders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """A folder of a CLI, by the variable that names it or by its usual name in HOME.

    If there are names in `sessions` or `logins`, only these can be written in it, and nothing if there are names in
    `made`; else all but what is `kept`.
    """

    name: str
    variable: str = ""
    sessions: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    made: tuple[str, ...] = ()


_GEMINI_KEPT = (
    *("settings.json", "trustedFolders.json", ".env", "GEMINI.md", "QWEN.md", "system.md"),
    *("extensions", "commands", "skills", "agents", "hooks", "policies"),
)
_OWN = {
    "claude": (
        Own(
            name=".claude",
            variable="CLAUDE_CONFIG_DIR",
            sessions=(
                *("projects", "todos", "shell-snapshots", "session-env", "file-history", "debug", "tasks"),
            ),
            logins=(".credentials.json",),
        ),
    ),
    "codex": (
        Own(
            name=".codex",
            variable="CODEX_HOME",
            kept=(
                *("config.toml", "managed_config.toml", "requirements.toml", ".env", "hooks.json"),
                *("AGENTS.md", "AGENTS.override.md", "rules", "skills", "plugins", "prompts", "agents"),
            ),
        ),
    ),
    "copilot": (
        Own(
            name=".copilot",
            variable="COPILOT_HOME",
            kept=(
                *("settings.json", "mcp-config.json", "permissions-config.json", "copilot-instructions.md"),
                *("agents", "skills", "hooks", "plugins", "installed-plugins", "instructions"),
            ),
        ),
        Own(name=".cache/copilot"),
    ),
    "gemini": (Own(name=".gemini", kept=_GEMINI_KEPT),),
    "kimi": (
        Own(
            name=".kimi-code",
            variable="KIMI_CODE_HOME",
            kept=("config.toml", "mcp.json", "AGENTS.md", "skills", "agents", "plugins", "hooks"),
        ),
    ),
    "opencode": (
        Own(name=".local/share/opencode", kept=("bin",)),
        Own(name=".local/state/opencode"),
        Own(name=".cache/opencode"),
        Own(name=".config/opencode", made=(".gitignore",)),
    ),
    "qwen": (Own(name=".qwen", variable="QWEN_HOME", kept=_GEMINI_KEPT),),
}
"""By program."""

_SAME = {"claude-agent-acp": "claude", "codex-acp": "codex"}
"""Programs that use the folder of another."""


def folders_of(program: str, env: Mapping[str, str]) -> AgentFolders:
    """What the CLI called `program` keeps for itself in the environment `env`; nothing of a program of the user's."""
    found = [_placed(own, env) for own in _OWN.get(_SAME.get(program, program), ())]
    return AgentFolders(
        sessions=tuple(chain.from_iterable(each.sessions for each in found)),
        logins=tuple(chain.from_iterable(each.logins for each in found)),
        kept=tuple(chain.from_iterable(each.kept for each in found)),
        made=tuple(chain.from_iterable(each.made for each in found)),
    )


def _placed(own: Own, env: Mapping[str, str]) -> AgentFolders:
    folder = home_of(env, own.variable, own.name)

    def below(names: tuple[str, ...]) -> Iterator[str]:
        return (str(folder / name) for name in names)

    narrow = own.sessions or own.logins or own.made
    return AgentFolders(
        sessions=tuple(below(own.sessions)) if narrow else (str(folder),),
        logins=tuple(below(own.logins)),
        kept=tuple(below(own.kept)),
        made=tuple(below(own.made)),
    )
