"""Title and body of a pull request (SPEC 8, 11)."""

from __future__ import annotations

import re

from pitboss.core.patterns import lazy_pattern

BODY_LIMIT = 65_536
"""What GitHub takes, in UTF-16 code units: the strictest way to count characters."""

CUT = "\n*(cut here: the rest does not fit into a pull request)*\n"
_GAP = "\u200b"
"""A space without width: what it parts reads as before."""

_CALLS = lazy_pattern(
    r"(?P<before>@(?=\w)|[#\uff03](?=\d)|\bGH-(?=\d))"
    r"|(?P<site>://)(?:www\.)?github\.com/(?=[^/\s]+/[^/\s]+/(?:issues|pull|discussions|commit)/)",
    re.IGNORECASE,
)
"""What GitHub takes for a person to notify, or for a reference to an issue, which a word such as "fixes" may close."""

_FENCE = lazy_pattern(r" {0,3}(`{3,}|~{3,})(.*)", re.DOTALL)
"""One in a quotation or a list ends with that."""


def pull_request_title(rotation: str, run_id: str) -> str:
    """The title, as scripts know it from the Rust program."""
    return f"grind/{rotation}: {run_id}"


def pull_request_body(text: str, limit: int = BODY_LIMIT) -> str:
    """`text` if it is short enough, else as many whole lines of it as fit, and a note.

    It is not cut inside a code block, unless nothing precedes that; then the part of it that is kept is closed.
    """
    if _size(text) <= limit:
        return text
    whole = _whole_lines(text, limit - _size(CUT))
    return (whole or _part_of_a_block(text, limit - _size(CUT))) + CUT


def without_calls(text: str) -> str:
    """`text` as it reads, but it notifies nobody, refers to no issue or pull request, and closes none.

    Links to issues and pull requests go by way of redirect.github.com, which leads there and leaves no trace there.
    """
    return _CALLS.sub(_silenced, text)


def _silenced(call: re.Match[str]) -> str:
    return f"{call['before']}{_GAP}" if call["before"] else f"{call['site']}redirect.github.com/"


def _whole_lines(text: str, room: int) -> str:
    """The longest beginning that ends with a line, but not in a code block, and leaves nothing cut."""
    end = at = used = 0
    fence = ""
    for line in text.split("\n"):
        used += _size(line) + 1
        at += len(line) + 1
        fence = _fence_after(line, fence)
        end = at if used <= room and not fence else end
    return text[:end]


def _part_of_a_block(text: str, room: int) -> str:
    """The beginning of a line, or of a code block, that is too long by itself."""
    fence = _fence_after(text.partition("\n")[0], "")
    kept = _beginning(text, room - (_size(fence) + 1 if fence else 0))
    if not fence:
        return kept
    return f"{kept[: kept.rfind(chr(10))]}\n{fence}" if kept.count("\n") else kept


def _beginning(text: str, room: int) -> str:
    """As many characters as fit."""
    kept = text[:room]
    while _size(kept) > room:
        kept = kept[: len(kept) - max(1, (_size(kept) - room) // 2)]
    return kept


def _fence_after(line: str, fence: str) -> str:
    """The fence of the code block that is open after `line`; `fence` is the one before; empty for none."""
    found = _FENCE.match(line)
    if found is None:
        return fence
    marks, rest = found.groups()
    if not fence:
        return "" if marks[0] == "`" and "`" in rest else marks
    closes = marks[0] == fence[0] and len(marks) >= len(fence) and not rest.strip()
    return "" if closes else fence


def _size(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)
