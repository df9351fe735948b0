"""Every text that pitboss composes: prompts, commit messages, sessions.md, reports (SPEC 6, 7, 8).

What agents write is embedded in texts that programs read back, so it always goes through `core.embed`, which says
what is neutralised and how.
"""

from pitboss.core.text.commits import (
    PLACEHOLDERS,
    commit_message,
    merge_message,
    picked_message,
    rescue_message,
    squash_message,
    unknown_placeholder,
)
from pitboss.core.text.dry_run import PREVIEWED, DryRun, dry_run_report
from pitboss.core.text.prompts import CONTINUE, compose_prompt, fixer_prompt, standing_instructions
from pitboss.core.text.scratchpad import NOTES_LIMIT, new_lines, notes_section, same_start, section_gap
from pitboss.core.text.sessions import session_line, sessions_md_entry

__all__ = [
    "CONTINUE",
    "NOTES_LIMIT",
    "PLACEHOLDERS",
    "PREVIEWED",
    "DryRun",
    "commit_message",
    "compose_prompt",
    "dry_run_report",
    "fixer_prompt",
    "merge_message",
    "new_lines",
    "notes_section",
    "picked_message",
    "rescue_message",
    "same_start",
    "section_gap",
    "session_line",
    "sessions_md_entry",
    "squash_message",
    "standing_instructions",
    "unknown_placeholder",
]
