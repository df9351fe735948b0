"""Builds HTML in which whatever is not markup has been escaped: nobody has to remember to.

It takes the place of a template engine so that every run can write its report, whatever extras are installed.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pitboss.core.embed import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

_VOID = frozenset({"meta", "br"})


class Markup(str):
    """HTML. Every other string is text."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """Text as HTML, without control characters; markup as it is."""
    return text if isinstance(text, Markup) else Markup(_safe(text))


def joined(parts: Iterable[str], between: str = "") -> Markup:
    """Parts one after the other, text among them escaped."""
    return Markup(_safe(between).join([_safe(part) for part in parts]))


def el(tag: str, *children: str, **attributes: str | float | bool | None) -> Markup:
    """An element. `class_` is `class`, `aria_label` is `aria-label`; None and False leave an attribute out."""
    written = "".join([_attribute(name, value) for name, value in attributes.items()])
    if tag in _VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{''.join([_safe(child) for child in children])}</{tag}>")


def _safe(text: str) -> str:
    """The same as `escaped`, for what becomes a part of other markup: most of a page does."""
    if isinstance(text, Markup):
        return text
    safe = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return safe.replace('"', "&quot;").replace("'", "&#39;")


def _attribute(name: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    written = _written(name)
    return f" {written}" if value is True else f' {written}="{_safe(str(value))}"'


@cache
def _written(name: str) -> str:
    return name.rstrip("_").replace("_", "-")
