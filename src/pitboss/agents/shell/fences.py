"""Finds the fenced `sh` blocks in a markdown text, by CommonMark's rules for fences (SPEC 6).

Fences may be indented by up to three spaces, consist of backticks or tildes, and have any length from three. A block
ends at a fence of the same kind that is at least as long, or at the end of the text. A fence inside another block or
an HTML comment is text. Containers are not searched: a fence in a block quote, or deeper in a list, is not found.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPENING = lazy_pattern(r"(?P<indent> {0,3})(?P<fence>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)")
_COMMENT = lazy_pattern(r" {0,3}<!--")


def sh_blocks(text: str) -> tuple[str, ...]:
    """The contents of the blocks whose language is exactly `sh`, in order, without their fences."""
    return tuple(content for language, content in _blocks(iter(text.splitlines())) if language == "sh")


def _blocks(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        opening = _OPENING.fullmatch(line)
        if opening is not None:
            language = opening["info"].strip().partition(" ")[0]
            yield language, "".join(_content(lines, opening["fence"], len(opening["indent"])))
        elif _COMMENT.match(line):
            _skip_comment(line, lines)


def _content(lines: Iterator[str], fence: str, indent: int) -> Iterator[str]:
    closing = re.compile(rf" {{0,3}}{re.escape(fence)}{re.escape(fence[0])}*[ \t]*")
    strip = re.compile(rf" {{0,{indent}}}")
    for line in lines:
        if closing.fullmatch(line):
            return
        yield f"{strip.sub('', line, count=1)}\n"


def _skip_comment(line: str, lines: Iterator[str]) -> None:
    while "-->" not in line:
        line = next(lines, "-->")
