"""Every text that pitboss composes: prompts, commit messages, sessions.md, reports (SPEC 6, 7, 8).

Texts written by agents are embedded in texts that programs read again, so each embedding goes through
`core.text.embed`, which says what is neutralised and how.
"""

from pitboss.core.text.commits import commit_message, rescue_message
from pitboss.core.text.dry_run import DryRun, dry_run_report
from pitboss.core.text.embed import clean, one_line
from pitboss.core.text.measures import age, duration, money, spent, stamp, tokens
from pitboss.core.text.prompts import compose_prompt, fixer_prompt, standing_instructions
from pitboss.core.text.pull_request import pr_body, pr_title
from pitboss.core.text.sessions import sessions_md, sessions_md_entry

__all__ = [
    "DryRun",
    "age",
    "clean",
    "commit_message",
    "compose_prompt",
    "dry_run_report",
    "duration",
    "fixer_prompt",
    "money",
    "one_line",
    "pr_body",
    "pr_title",
    "rescue_message",
    "sessions_md",
    "sessions_md_entry",
    "spent",
    "stamp",
    "standing_instructions",
    "tokens",
]
