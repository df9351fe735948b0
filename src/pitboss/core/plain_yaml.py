"""What unquoted words mean in YAML 1.2, and frontmatter so plain that it needs no YAML parser (SPEC 2).

Loading the parser takes longer than reading a hundred prompts, and most frontmatter is a few lines of `key: value`.
`read_plain` answers only where there is no doubt; the parser reads everything else.
"""

from __future__ import annotations

import re

from pitboss.core.patterns import lazy_pattern

_MAX_INT_CHARS = 40
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_BEGINS_A_NUMBER = "+-.0123456789"
_INT = r"[-+]?[0-9]+"
_BASED_INT = r"0o[0-7]+|0x[0-9a-fA-F]+"
_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
_SPECIAL_FLOAT = r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
_LINE = lazy_pattern(
    r"(?P<key>[A-Za-z_][\w-]{0,60}):"
    r"(?: +(?:(?P<bare>[A-Za-z0-9](?:[^:#]|:(?=[^ ])|(?<=[^ ])#)*(?<=[^ :]))"
    r"""|"(?P<double>[^"\\]*)"|'(?P<single>[^']*)'"""
    r"|\[(?P<words>(?:[A-Za-z][\w-]*(?:, *[A-Za-z][\w-]*)*)?)\]))?",
    re.ASCII,
)


def word(text: str) -> object:
    """The value of an unquoted word: null, a boolean, a number, or text; `yes`, `on` and `12:30` are text."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    return _number(text) if text[0] in _BEGINS_A_NUMBER else text


def _number(text: str) -> float | str:
    """`text` as a number, or as it is if it only begins like one."""
    if re.fullmatch(_INT, text) and len(text) <= _MAX_INT_CHARS:
        return int(text)
    if re.fullmatch(_BASED_INT, text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    if re.fullmatch(_FLOAT, text):
        return float(text)
    if re.fullmatch(_SPECIAL_FLOAT, text):
        return float(text.replace(".", ""))
    return text


def read_plain(source: str) -> list[tuple[str, object]] | None:
    """The key and value of each line of `source`; None when anything is in doubt.

    A comment or a blank line gives `("", None)`.
    """
    lines: list[tuple[str, object]] = []
    for line in source.removesuffix("\n").split("\n"):
        found = _LINE.fullmatch(line)
        if not line.isprintable() or (found is None and line[:1] not in ("", "#")):
            return None
        lines.append(("", None) if found is None else (found["key"], _value(found)))
    keys = [key for key, _ in lines if key]
    return lines if keys and len(keys) == len(set(keys)) else None


def _value(found: re.Match[str]) -> object:
    match found.lastgroup:
        case "bare":
            return word(found["bare"])
        case "double" | "single" as quotes:
            return found[quotes]
        case "words":
            return [word(item.strip()) for item in found["words"].split(",")] if found["words"] else []
        case _:
            return None
