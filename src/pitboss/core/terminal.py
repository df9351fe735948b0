"""Makes text harmless to print: what a terminal would act on is shown instead (SPEC 1.6, 8).

| in the text                                        | on the terminal          |
|----------------------------------------------------|--------------------------|
| control characters (ESC, BEL, backspace, ...)      | `^[`, `^G`, `^H`         |
| a carriage return that is not the end of a line    | `^M`                     |
| C1 control characters (one-byte CSI)               | `<U+009B>`               |
| bidirectional control characters                   | `<U+202E>`               |
| our own colors                                     | kept, where they are on  |
"""

from __future__ import annotations

import re
from functools import cache

_ACTED_ON = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_COLOR = r"\x1b\[(?:(?:[0-2]|39|[39][0-7])(?:;(?=\d)|(?=m)))*m"
"""Bold, faint, the sixteen colors, and back to normal: nothing hides, blinks or moves."""


def visible(text: str, *, colors: bool = False) -> str:
    """`text` with a readable mark in place of everything a terminal acts on, except line ends and tabs.

    With `colors`, the sequences for our own colors stay.
    """
    # Most text is printable: this is several times faster than a search for what is not, and needs no pattern.
    if text.replace("\n", "").replace("\t", "").isprintable() or _harmless().fullmatch(text):
        return text
    if not colors:
        return _harmful().sub(_marked, text)
    return _harmful_or_color().sub(lambda found: found[1] or _marked(found), text)


def visible_json(text: bytes) -> bytes:
    """The same JSON without any byte that a terminal acts on: JSON escapes take their place."""
    return _in_json().sub(lambda found: b"\\u%04x" % ord(found[0].decode()), text)


# Compiled on first use: most commands print nothing that needs them.
@cache
def _harmless() -> re.Pattern[str]:
    return re.compile(rf"[^{_ACTED_ON}\r]*")


@cache
def _harmful() -> re.Pattern[str]:
    return re.compile(rf"[{_ACTED_ON}]|\r(?!\n)")


@cache
def _harmful_or_color() -> re.Pattern[str]:
    return re.compile(rf"({_COLOR})|{_harmful().pattern}")


@cache
def _in_json() -> re.Pattern[bytes]:
    return re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]")


def _marked(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"^{chr(code ^ 64)}" if code < 128 else f"<U+{code:04X}>"
