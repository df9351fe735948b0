"""A session's summary: its first line, and what stands in for one that the agent did not write (SPEC 6)."""

from __future__ import annotations

from pitboss.core.embed import clean, one_line, up_to_a_word
from pitboss.core.patterns import lazy_pattern
from pitboss.core.session import NO_SUMMARY

LIMIT = 500
"""Characters."""

_BLANK_LINES = lazy_pattern(r"\n[ \t]*(?:\n[ \t]*)+")
_HEADING = lazy_pattern(r"(?:#{1,6}[ \t][^\n]*|[-*_=]{3,}|\*\*[^\n*]*\*\*:?)\Z")
_MARK = lazy_pattern(r"#+ +")


def first_paragraph(message: str | None) -> str | None:
    """The first paragraph of `message`, at most 500 characters; None when it says nothing.

    A heading alone does not count as a paragraph, unless the message has nothing else.
    """
    paragraphs = [text.strip() for text in _BLANK_LINES.split(clean(message or "")) if text.strip()]
    first = next((text for text in paragraphs if not _HEADING.match(text)), "".join(paragraphs[:1]))
    return up_to_a_word(first, LIMIT) or None


def first_line(summary: str | None) -> str:
    """The first line of a session's summary, without the mark of a heading; NO_SUMMARY if there is none."""
    text = clean(summary or "").strip() or NO_SUMMARY
    return _MARK.sub("", one_line(text.partition("\n")[0]), count=1)
