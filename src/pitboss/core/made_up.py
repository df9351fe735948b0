"""Names and descriptions for prompts whose authors gave them none."""

from __future__ import annotations

from pitboss.core import embed
from pitboss.core.patterns import lazy_pattern

DESCRIPTION_CHARS = 200
"""Characters of a text's first line that become its description."""

NAME_CHARS = 40
"""Characters of a text's first line that become its name."""

_FENCES = ("```", "~~~")
_NO_NAME = lazy_pattern(r"[^a-z0-9_-]+")


def beginning(body: str) -> str:
    """The beginning of a text's first line, code fences left out, as its description; empty if there is none."""
    lines = (line.strip() for line in body.splitlines())
    first = next((line for line in lines if line and not line.startswith(_FENCES)), "")
    return embed.one_line(first.lstrip("# "), DESCRIPTION_CHARS)


def slug(name: object) -> str:
    """A name reduced to the characters allowed in the names of prompts; empty if none are left."""
    return _NO_NAME.sub("-", name.lower()).strip("-_") if isinstance(name, str) else ""


def short_name(text: str) -> str:
    """The first words of a text as the name of a prompt; empty if none can be used."""
    whole = slug(text)
    if len(whole) <= NAME_CHARS:
        return whole
    cut = whole[: NAME_CHARS + 1].rpartition("-")[0] or whole[:NAME_CHARS]
    return cut.strip("-_")
