"""Which environment variables a session's processes get, and which of them mark its strays (SPEC 1.6, 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, MutableMapping

RUN_ID = "PITBOSS_RUN_ID"
SESSION_SEQ = "PITBOSS_SESSION_SEQ"
WORKTREE = "PITBOSS_WORKTREE"
"""The folder that a session works in."""
HOOK_INHERITS = ("PATH", "HOME", "USER", "LANG", "SHELL", "SSH_AUTH_SOCK")

_OF_AN_OUTER_GIT = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_QUARANTINE_PATH", "GIT_SHALLOW_FILE"),
    *("GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE", "GIT_NO_REPLACE_OBJECTS", "GIT_IMPLICIT_WORK_TREE"),
    *("GIT_INTERNAL_SUPER_PREFIX", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_ATTR_SOURCE"),
    *("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE", "GIT_REFLOG_ACTION", "GIT_INDEX_VERSION"),
    *("GIT_CHERRY_PICK_HELP", "GIT_PUSH_OPTION_COUNT", "GIT_PROTOCOL"),
    *("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"),
)
_OF_AN_OUTER_AGENT = (
    *("CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SSE_PORT", "CLAUDE_CODE_EXECPATH"),
    *(
        "CLAUDE_CODE_SESSION_ID",
        "CLAUDE_CODE_CHILD_SESSION",
        "CLAUDE_CODE_REMOTE",
        "CLAUDE_CODE_TASK_LIST_ID",
    ),
    *("CLAUDE_CODE_AGENT_ID", "CLAUDE_CODE_AGENT_NAME", "CLAUDE_CODE_AGENT_TYPE", "CLAUDE_CODE_AGENT_COLOR"),
    *("CLAUDE_CODE_TEAM_NAME", "CLAUDE_CODE_PARENT_SESSION_ID", "CLAUDE_CODE_PLAN_MODE_REQUIRED"),
    *("CLAUDE_CODE_BRIDGE_SESSION_ID", "CLAUDE_CODE_MESSAGING_SOCKET", "CLAUDE_CODE_MESSAGING_TOKEN"),
    *("CLAUDE_CODE_SESSION_ATTENDED", "CLAUDE_PID"),
    *("CLAUDE_CODE_REMOTE_SESSION_ID", "CLAUDE_SESSION_ID", "CLAUDE_AGENT_SDK_VERSION"),
    *("CLAUDE_ENV_FILE", "CLAUDE_PROJECT_DIR", "CLAUDE_PLUGIN_ROOT", "CLAUDE_PLUGIN_DATA"),
    *("CODEX_SANDBOX", "CODEX_SANDBOX_NETWORK_DISABLED", "CODEX_CI", "CODEX_SHELL", "CODEX_THREAD_ID"),
    *("CODEX_INTERNAL_ORIGINATOR_OVERRIDE", "CODEX_SESSION_ID"),
    *("GEMINI_CLI", "GEMINI_CLI_NO_RELAUNCH", "QWEN_CODE", "QWEN_CODE_NO_RELAUNCH"),
    *("GEMINI_CLI_IDE_SERVER_PORT", "GEMINI_CLI_IDE_WORKSPACE_PATH", "GEMINI_CLI_IDE_PID"),
    *("GEMINI_CLI_IDE_AUTH_TOKEN", "QWEN_CODE_IDE_SERVER_PORT", "QWEN_CODE_IDE_WORKSPACE_PATH"),
    *("OPENCODE", "OPENCODE_PID", "OPENCODE_CLIENT", "OPENCODE_RUN_ID", "OPENCODE_PROCESS_ROLE"),
    *("COPILOT_CLI", "COPILOT_AGENT_SESSION_ID", "COPILOT_LOADER_PID"),
    *("CURSOR_AGENT", "CURSOR_TRACE_ID", "CLINE_ACTIVE", "GOOSE_TERMINAL", "AUGMENT_AGENT"),
    *("AMP_CURRENT_THREAD_ID", "ANTIGRAVITY_AGENT", "ANTIGRAVITY_CLI_ALIAS"),
)
_OF_AN_OUTER_RUN = (
    *(RUN_ID, SESSION_SEQ, "PITBOSS_PROMPT_NAME", "PITBOSS_SUMMARY_FILE", "PITBOSS_USAGE_FILE"),
    *("PITBOSS_SCRATCHPAD", WORKTREE, "PITBOSS_SKIP_FILE", "PITBOSS_SESSION_PROMPT"),
    *("PITBOSS_SESSION_STATUS", "PITBOSS_SESSION_SUMMARY"),
)
_OF_A_PARENT = (
    *("NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_UNIQUE_ID", "VSCODE_INSPECTOR_OPTIONS"),
    *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"),
)
"""Channels to whoever started this process: a child has not their descriptors. Node.js ends at once without its."""

NEVER_INHERITED = frozenset((*_OF_A_PARENT, *_OF_AN_OUTER_GIT, *_OF_AN_OUTER_AGENT, *_OF_AN_OUTER_RUN))
"""Variables set by whatever started pitboss, if that was another program at work; no child inherits them.

That may be git (from a hook or an alias), an agent (from a tool), or an outer run. With these variables a child's git
would work on the wrong repository, and an agent would refuse to start inside another.

The user's settings stay: identity, keys, `GIT_CONFIG_COUNT`, `CLAUDE_CONFIG_DIR` and the like.
"""


_OF_MAKE = ("MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS")
"""Settings, unless they name the job server of an outer make."""


def forget_others(environ: MutableMapping[str, str]) -> None:
    """Remove from this process's environment what no child may inherit. Called once, before any child starts."""
    for name in NEVER_INHERITED.intersection(environ):
        del environ[name]
    for name in _OF_MAKE:
        if "--jobserver-" in environ.get(name, ""):
            del environ[name]


def marker(env: Mapping[str, str]) -> dict[str, str]:
    """The variables that tell a session's processes from all others; empty when `env` names no session.

    One of the two alone would match other sessions of the run, so it is both or none.
    """
    pairs = {name: env[name] for name in (RUN_ID, SESSION_SEQ) if name in env}
    return pairs if len(pairs) == 2 else {}


def hook_environment(
    inherited: Mapping[str, str], passthrough: Iterable[str], session: Mapping[str, str]
) -> dict[str, str]:
    """All a hook may see: a few inherited variables, those the user allows, and the session's own."""
    allowed = (*HOOK_INHERITS, *passthrough)
    ours = {name: value for name, value in session.items() if name.startswith("PITBOSS_")}
    return {name: inherited[name] for name in allowed if name in inherited} | ours


def agent_environment(
    env: Mapping[str, str], *, remove: Collection[str], keep: Iterable[str]
) -> dict[str, str]:
    """What an agent may see of `env`: nothing that matches a pattern in `remove`, unless it matches one in `keep`.

    Patterns are globs (`AWS_*`). The session's own variables always stay.
    """
    if not remove:
        return dict(env)
    from fnmatch import fnmatchcase

    def stays(name: str) -> bool:
        kept = (*keep, "PITBOSS_*")
        named = any(fnmatchcase(name, pattern) for pattern in remove)
        return not named or any(fnmatchcase(name, pattern) for pattern in kept)

    return {name: value for name, value in env.items() if stays(name)}
