"""What `pitboss prompts new` writes, and how to recognise a prompt that is still the template (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.errors import Problem

if TYPE_CHECKING:
    from pitboss.core.prompt import PromptDoc

_BODY = """\
Describe one small, complete piece of work: what to look for, what to change, and how to tell that it is done.
If there is nothing to do, say so and change nothing.
"""

_FRONTMATTER = """\
---
name: NAME
description: Say in one line what this prompt does
# Everything else is optional; the values below are the defaults, or examples where it says so.
#weight: 1                   # share of picks among the prompts of a rotation
#every: 1                    # take part only in every N-th pick
#max_runs: 10                # example: at most this many sessions in a run
#max_barren: 3               # example: out of the run once so many sessions in a row landed nothing
#verify: false               # run the project's tests before the work lands
#parallel_safe: false        # may run beside other prompts, in its own working copy
#tags: []                    # labels that `pitboss grind --tag` selects by
#max_session_seconds: 1800   # time limit of one session
#max_session_cost_usd: 1.50  # example: cost limit of one session, in US dollars
#agent: claude_code          # example: the agent for this prompt
#model: sonnet               # example: the model for this prompt
---
"""


def new_prompt(name: str) -> str:
    """A commented prompt file to start from."""
    return _FRONTMATTER.replace("NAME", name, 1) + _BODY


def unedited(prompt: PromptDoc) -> Problem | None:
    """Why a prompt must not go to an agent: its text is still that of the template, whatever its settings say."""
    if prompt.body.split() != _BODY.split():
        return None
    reason = "is still the template's text: write what to do, or delete the file"
    return Problem(prompt.source_path, reason, field="body")
