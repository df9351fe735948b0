"""What each result looks like in a chart: a pattern as well as a color, so that neither print nor eyes need color."""

from __future__ import annotations

from pitboss.core.report.sessions import Result
from pitboss.screens.report.markup import Markup, el, joined

CLASSES = {
    Result.LANDED: "landed",
    Result.RESCUED: "rescued",
    Result.FAILED: "failed",
    Result.NOTHING: "nothing",
    Result.STOPPED: "stopped",
}
"""The class of each result, which the style sheet fills."""

IN_FLIGHT = "flying"
"""The class of a session that has not ended."""

_PATTERNS = {
    "rescued": (8, '<path d="M-2,2l4,-4M0,8l8,-8M6,10l4,-4" class="ink"/>'),
    "failed": (7, '<path d="M0,0l7,7M7,0l-7,7" class="ink"/>'),
    "stopped": (6, '<circle cx="3" cy="3" r="1.4" class="dot"/>'),
    "flying": (6, '<path d="M0,3h6" class="ink"/>'),
}


def patterns() -> Markup:
    """The patterns that the fills refer to, once for all charts of a page."""
    made = [
        el(
            "pattern",
            Markup(f'<rect width="{size}" height="{size}" class="ground-{name}"/>{drawn}'),
            id=f"p-{name}",
            width=size,
            height=size,
            patternUnits="userSpaceOnUse",
        )
        for name, (size, drawn) in _PATTERNS.items()
    ]
    return el("svg", el("defs", *made), width=0, height=0, class_="patterns", aria_hidden="true")


def legend(*names: Result, flying: bool = False) -> Markup:
    """Which pattern means what."""
    keys = [_key(CLASSES[name], str(name)) for name in names or tuple(Result)]
    if flying:
        keys.append(_key(IN_FLIGHT, "in flight"))
    return el("p", joined(keys, " "), class_="legend")


def _key(name: str, words: str) -> Markup:
    box = el("rect", x=1, y=1, width=18, height=12, class_=f"fill {name}")
    return el("span", el("svg", box, width=20, height=14, aria_hidden="true"), f" {words}", class_="key")
