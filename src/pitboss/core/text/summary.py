"""The summary of a session whose agent wrote none: the first paragraph of its final message (SPEC 6)."""

from __future__ import annotations

from pitboss.core.embed import clean, up_to_a_word
from pitboss.core.patterns import lazy_pattern

LIMIT = 500
"""Characters."""

_BLANK_LINES = lazy_pattern(r"\n[ \t]*(?:\n[ \t]*)+")
_HEADING = lazy_pattern(r"(?:#{1,6}[ \t][^\n]*|[-*_=]{3,}|\*\*[^\n*]*\*\*:?)\Z")


def first_paragraph(message: str | None) -> str | None:
    """The first paragraph of `message`, at most 500 characters; None when it says nothing.

    A heading alone does not count as a paragraph, unless the message has nothing else.
    """
    paragraphs = [text.strip() for text in _BLANK_LINES.split(clean(message or "")) if text.strip()]
    first = next((text for text in paragraphs if not _HEADING.match(text)), "".join(paragraphs[:1]))
    return up_to_a_word(first, LIMIT) or None
