"""Splits a prompt file at its fences and reads the YAML between them, keeping the line of every key (SPEC 2).

YAML is read as events, never as objects: aliases, anchors and tags are refused with their line, depth is bounded,
duplicate keys are noticed, and plain words mean what YAML 1.2 says (`yes`, `on`, `12:30` are text).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard, cast

from pitboss.core.fields import Document, Table, shown
from pitboss.core.foreign_keys import REASONS
from pitboss.core.patterns import lazy_pattern
from pitboss.core.plain_yaml import read_plain, word
from pitboss.errors import InputError, Problem

if TYPE_CHECKING:
    import yaml

    from pitboss.core.fields import Path

MAX_FRONTMATTER_CHARS = 64 * 1024
_MAX_DEPTH = 8
_FENCE = lazy_pattern(r"^---[ \t]*$", re.MULTILINE)
_GOES_ON = r"""([\w-]+):[ \t]+((?:\[[^\]]*\]|\{[^}]*\}|"[^"]*"|'[^']*')[ \t]*[^\s#].*)"""
"""A key whose value goes on after the closing bracket or quote, where YAML ends it."""
_ENDED_INSIDE = "found unexpected end of stream"
_IN_PLAIN_WORDS = {
    "mapping values are not allowed in this context": 'a value that contains ": " needs quotes',
    "found character that cannot start any token": "a value cannot begin with this character; quote it, "
    "and indent with spaces, not tabs",
    "found a tab character that violates indentation": "indent with spaces, not tabs",
    _ENDED_INSIDE: "a quote is never closed",
}


def has_frontmatter(text: str) -> bool:
    """Whether the first line of `text` opens a frontmatter."""
    return _FENCE.match(text.replace("\r\n", "\n")) is not None


def split_frontmatter(text: str, file: str) -> tuple[Table, str]:
    """Return the frontmatter of `text` and the body below it, which is verbatim except that CRLF is read as LF.

    Raises InputError when there is no mapping between two fences, or when it is not plain YAML. Duplicate keys are
    noted in the table's document, so that its reader reports them with everything else.
    """
    front, body = split_fences(text, file)
    return _plain_table(front, file) or _Reader(file).read(front), body


def split_fences(text: str, file: str) -> tuple[str, str]:
    """The text between the fences of `text`, and the text below them, CRLF read as LF. Raises InputError."""
    text = text.replace("\r\n", "\n")
    opening = _FENCE.match(text)
    if opening is None:
        _refuse(file, "no frontmatter: the first line must be `---`", 1)
    closing = _FENCE.search(text, opening.end())
    if closing is None:
        _refuse(file, "the frontmatter is never closed: no second line is `---`", 1)
    if closing.start() > MAX_FRONTMATTER_CHARS:
        _refuse(file, f"the frontmatter is longer than {MAX_FRONTMATTER_CHARS // 1024} KiB", 1)
    return text[opening.end() + 1 : closing.start()], text[closing.end() + 1 :]


def _plain_table(front: str, file: str) -> Table | None:
    """The table, if the frontmatter needs no YAML parser."""
    lines = read_plain(front)
    if lines is None:
        return None
    numbers = {key: number for number, (key, _) in enumerate(lines, start=2)}
    document = Document(file, lambda path: numbers.get(str(path[0])) if path else None)
    return Table(document, {key: value for key, value in lines if key})


class _Reader:
    """Builds plain values from the events of one YAML document and remembers the line of each key."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[Path, int] = {}
        self._document = Document(file, self._line_of)

    def read(self, source: str) -> Table:
        import yaml

        self._yaml = yaml
        self._source = source
        self._loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(source)
        try:
            value = self._only_value()
        except yaml.YAMLError as error:
            self._refuse_yaml(error)
        finally:
            self._loader.dispose()
        if not _is_mapping(value):
            what = "is empty" if value is None else f"must be lines of `key: value`, not {shown(value)}"
            _refuse(self._file, f"the frontmatter {what}; name and description are required", 1)
        return Table(self._document, value)

    def _only_value(self) -> object:
        value: object = None
        while self._loader.check_event():
            event = self._next()
            if isinstance(event, self._yaml.NodeEvent):
                value = self._value(event, ())
        return value

    def _next(self) -> yaml.Event:
        return cast("yaml.Event", self._loader.get_event())

    def _value(self, event: yaml.Event, path: Path) -> object:
        self._reject_references(event)
        if len(path) > _MAX_DEPTH:
            _refuse(self._file, "the frontmatter is nested too deeply", _line(event))
        if isinstance(event, self._yaml.ScalarEvent):
            return word(event.value) if event.implicit[0] else event.value
        if isinstance(event, self._yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._mapping(path)

    def _sequence(self, path: Path) -> list[object]:
        items: list[object] = []
        while not isinstance(event := self._next(), self._yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, object]:
        mapping: dict[str, object] = {}
        while not isinstance(key_event := self._next(), self._yaml.MappingEndEvent):
            key = self._key(key_event)
            self._note(path, key, _line(key_event), duplicate=key in mapping)
            mapping[key] = self._value(self._next(), (*path, key))
        return mapping

    def _key(self, event: yaml.Event) -> str:
        self._reject_references(event)
        if not isinstance(event, self._yaml.ScalarEvent):
            _refuse(self._file, "a key must be plain text, not a list or a mapping", _line(event))
        return str(event.value)

    def _note(self, path: Path, key: str, line: int, *, duplicate: bool) -> None:
        first = self._lines.get((*path, key))
        self._lines[*path, key] = line
        if duplicate:
            self._document.report((*path, key), f"duplicate key, first given on line {first}")

    def _line_of(self, path: Path) -> int | None:
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path)

    def _reject_references(self, event: yaml.Event) -> None:
        if isinstance(event, self._yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            _refuse(
                self._file,
                "YAML anchors and aliases (`&`, `*`) are not allowed; quote plain text",
                _line(event),
            )
        if getattr(event, "tag", None) is not None:
            _refuse(self._file, "YAML tags (`!`) are not allowed; quote plain text", _line(event))

    def _refuse_yaml(self, error: yaml.YAMLError) -> NoReturn:
        if not isinstance(error, self._yaml.MarkedYAMLError):
            _refuse(self._file, "the frontmatter contains control characters")
        self._refuse_unquoted(error.problem_mark)
        problem = _IN_PLAIN_WORDS.get(error.problem or "", error.problem)
        context = f" ({error.context})" if error.context else ""
        mark = error.context_mark if error.problem == _ENDED_INSIDE else error.problem_mark
        _refuse(self._file, f"not valid YAML: {problem}{context}", _line_at(mark))

    def _refuse_unquoted(self, mark: Any) -> None:
        """Say that quotes are missing, if that is what is wrong with the line of `mark`."""
        lines = self._source.split("\n")
        found = re.fullmatch(_GOES_ON, lines[mark.line].strip()) if mark.line < len(lines) else None
        if found is None:
            return
        key, value = found.groups()
        quoted = "'" + value.replace("'", "''") + "'"
        foreign = f"; besides, {REASONS[key]}" if key in REASONS else ""
        _refuse(self._file, f"not valid YAML: quote it, as in `{key}: {quoted}`{foreign}", _line_at(mark))


def _is_mapping(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _line(event: yaml.Event) -> int:
    return _line_at(event.start_mark)


def _line_at(mark: Any) -> int:
    return int(mark.line) + 2  # Marks count from zero, and the fence is a line too.


def _refuse(file: str, reason: str, line: int | None = None) -> NoReturn:
    raise InputError([Problem(file, reason, line=line)])
