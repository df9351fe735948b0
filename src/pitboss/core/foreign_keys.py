"""Frontmatter keys from other programs' files, and what pitboss offers instead of each (SPEC 2, 8)."""

from __future__ import annotations

_PERMISSIONS = (
    "`[agent.claude_code] permission_mode` and `extra_args` in .pitboss/config.toml say what it may do"
)
_MEANT_FOR_MENUS = "nothing picks prompts by it"
_COMMANDS = "Claude Code commands"
_SKILLS = "Claude Code skills"
_SUBAGENTS = "Claude Code subagents"
_RULES = "editors' rule files"

_ROWS = (
    ("allowed-tools", _COMMANDS, _PERMISSIONS),
    ("argument-hint", _COMMANDS, "prompts take no arguments"),
    ("arguments", _COMMANDS, "prompts take no arguments"),
    ("disable-model-invocation", _COMMANDS, "only a rotation starts prompts"),
    ("shell", _COMMANDS, "`agent: shell` runs the text's ```sh blocks"),
    ("compatibility", _SKILLS, "it changes nothing"),
    ("context", _SKILLS, "every session begins without a history"),
    ("hooks", _SKILLS, "`[grind.hooks]` in .pitboss/config.toml runs commands around sessions"),
    ("license", _SKILLS, "it changes nothing"),
    ("metadata", _SKILLS, "it changes nothing"),
    ("paths", _SKILLS, "say in the text which files it is about"),
    ("user-invocable", _SKILLS, "only a rotation starts prompts"),
    ("version", _SKILLS, "git keeps the versions of a prompt"),
    ("when_to_use", _SKILLS, _MEANT_FOR_MENUS),
    ("background", _SUBAGENTS, "`parallel_safe: true` lets it run beside others"),
    ("color", _SUBAGENTS, "it changes nothing"),
    ("disallowedTools", _SUBAGENTS, _PERMISSIONS),
    ("effort", _SUBAGENTS, "`[agent.claude_code] effort` in .pitboss/config.toml sets it"),
    ("initialPrompt", _SUBAGENTS, "the text is all that the agent is given"),
    ("isolation", _SUBAGENTS, "`parallel_safe: true` gives it its own working copy"),
    ("maxTurns", _SUBAGENTS, "`max_session_seconds` and `max_session_cost_usd` end a session"),
    ("mcpServers", _SUBAGENTS, "the agent's own settings list its servers"),
    ("memory", _SUBAGENTS, "the scratchpad keeps notes from session to session"),
    ("permissionMode", _SUBAGENTS, _PERMISSIONS),
    ("skills", _SUBAGENTS, "name in the text the skills to use"),
    ("tools", _SUBAGENTS, _PERMISSIONS),
    ("alwaysApply", _RULES, _MEANT_FOR_MENUS),
    ("applyTo", _RULES, "say in the text which files it is about"),
    ("globs", _RULES, "say in the text which files it is about"),
)

STAND_INS = {key: instead for key, _, instead in _ROWS}
"""What pitboss has instead of the key, or why nothing is needed."""

REASONS = {
    key: f"`{key}` is a key of {whose}, not of prompts: {instead}; "
    "`pitboss prompts new NAME --from FILE` turns such a file into a prompt"
    for key, whose, instead in _ROWS
}
"""What to say about the key when a prompt has it."""
