"""Reads TOML and keeps line numbers, so that a mistake found later can still name its line (SPEC 2)."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from pitboss.core.fields import Document, Table
from pitboss.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.core.fields import Path

_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_KEY = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = rf"[ \t]*(\[\[?)[ \t]*({_KEY})[ \t]*\]"
_ASSIGNMENT = rf"[ \t]*({_KEY})[ \t]*="
# Parsing time is quadratic in the number of a key's parts; no real key has nearly this many.
_MOST_PARTS = 64
_ENDLESS_KEY = rf"(?<![\w-])(?:{_PART}[ \t]*+\.[ \t]*+){{{_MOST_PARTS}}}"
_TEXT_OR_COMMENT = r'''(?s)"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*'''
_SYNTAX_LINE = r" \(at line (\d+), column \d+\)$"


def parse_toml(text: str, file: str, *, lenient: bool = False) -> Table:
    """Return a whole TOML file as a table; in a lenient one unknown keys are warnings.

    Raises InputError when it is not valid TOML.
    """
    import tomllib

    try:
        if text.count(".") >= _MOST_PARTS and re.search(_ENDLESS_KEY, text):
            raise RecursionError
        values = tomllib.loads(text)
    except RecursionError:
        raise InputError([Problem(file, "not valid TOML: nested too deeply")]) from None
    except ValueError as error:
        raise InputError([_syntax_problem(str(error), file)]) from None
    return Table(Document(file, _Lines(text).of, lenient=lenient), values)


def _syntax_problem(message: str, file: str) -> Problem:
    at = re.search(_SYNTAX_LINE, message)
    reason = re.sub(_SYNTAX_LINE, "", message).replace(" (at end of document)", " at the end of the file")
    return Problem(file, f"not valid TOML: {reason}", line=int(at[1]) if at else None)


class _Lines:
    """Finds the lines of keys in valid TOML; the text is searched only when asked."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _found(self) -> dict[Path, int]:
        found: dict[Path, int] = {}
        for path, line in _located_keys(self._text):
            for length in range(1, len(path) + 1):
                found.setdefault(path[:length], line)
        return found

    def of(self, path: Path) -> int | None:
        """The line of `path`, or of the table or list that it belongs to."""
        while path and path not in self._found:
            path = path[:-1]
        return self._found.get(path)


def _located_keys(text: str) -> Iterator[tuple[Path, int]]:
    """Find the line of every header, key and inline table of valid TOML, from the top."""
    prefix: Path = ()
    rows: dict[Path, int] = {}
    brackets, owner = 0, prefix
    for number, line in enumerate(re.sub(_TEXT_OR_COMMENT, _blanked, text).split("\n"), start=1):
        if brackets == 0 and (header := re.match(_HEADER, line)):
            prefix = _path(header[2])
            if header[1] == "[[":
                rows[prefix] = rows.get(prefix, -1) + 1
                prefix = (*prefix, rows[prefix])
            yield prefix, number
            continue
        if brackets == 0 and (assignment := re.match(_ASSIGNMENT, line)):
            owner = prefix + _path(assignment[1])
            yield owner, number
        for _ in range(_inline_tables(line)):
            rows[owner] = rows.get(owner, -1) + 1
            yield (*owner, rows[owner]), number
        brackets += line.count("[") - line.count("]")


def _inline_tables(line: str) -> int:
    """How many inline tables begin on this line, not counting those inside others."""
    begun = depth = 0
    for char in line:
        begun += char == "{" and depth == 0
        depth += (char == "{") - (char == "}")
    return begun


def _blanked(match: re.Match[str]) -> str:
    """Blank out a string's brackets and a comment's words, keeping the number of lines."""
    token = match[0]
    if token.startswith("#"):
        return ""
    if token.startswith(('"""', "'''")):
        return '""' + "\n" * token.count("\n")
    return re.sub(r"[\[\]{}=]", "_", token)


def _path(key: str) -> Path:
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))
