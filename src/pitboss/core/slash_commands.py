"""Finds prompts that begin with a slash command, which no agent would carry out (SPEC 8).

Agents' CLIs expand a command only at the very beginning of their input. That is where pitboss puts its standing
instructions, so a model would read the bare word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.core.worker import SHELL
from pitboss.errors import Problem

if TYPE_CHECKING:
    from pitboss.core.prompt import PromptDoc

_COMMAND = lazy_pattern(r"\s*(/[A-Za-z][\w:-]*)(?=\s|\Z)")
_FOLDER = lazy_pattern(
    r"/(?:bin|boot|dev|etc|home|lib|media|mnt|opt|proc|root|run|s?bin|srv|sys|tmp|usr|var"
    r"|Applications|Library|System|Users|Volumes)"
)
"""An absolute path of one component (`/etc`), which may begin a sentence."""


def slash_command(body: str) -> str | None:
    """The slash command that `body` begins with, ignoring blank lines; paths and comments are not commands."""
    if not body.lstrip().startswith("/"):
        return None
    found = _COMMAND.match(body)
    return found[1] if found and not _FOLDER.fullmatch(found[1]) else None


def unexpanded(prompt: PromptDoc) -> Problem | None:
    """What to say about a prompt that begins with a slash command; None for the `shell` agent, which has none."""
    command = slash_command(prompt.body)
    if command is None or prompt.meta.agent == SHELL:
        return None
    reason = (
        f"begins with the slash command {command}, which will not be expanded: agents expand commands only at the "
        "very beginning of their input, where pitboss puts its own instructions; write out what it should do, or "
        "import the command's file: `pitboss prompts new NAME --from FILE`"
    )
    return Problem(prompt.source_path, reason, field="body")
