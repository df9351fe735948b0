"""Templates become pages and parts of pages; whatever they show is made harmless here, once for all (SPEC 10).

What a template shows is text: control characters become marks, then HTML is escaped. Only what another template made
(`Markup`) passes as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pitboss.core.embed import clean
from pitboss.core.terminal import visible

Parts = Mapping[str, str]
"""Each part of a page, by the id of its element: what a template made, or text."""

HERE = Path(__file__).parent


class Pages:
    """Renders the templates of the web page; they know the values and functions in `known` by name."""

    def __init__(self, known: Mapping[str, object]) -> None:
        self._templates = Environment(
            autoescape=True,
            auto_reload=False,
            finalize=harmless,
            loader=FileSystemLoader(HERE / "templates"),
            lstrip_blocks=True,
            trim_blocks=True,
            undefined=StrictUndefined,
        )
        self._templates.globals.update(known)

    def render(self, name: str, /, **values: object) -> Markup:
        """The template `name.html` with `values`."""
        return Markup(self._templates.get_template(f"{name}.html").render(**values))  # noqa: S704

    def page(self, name: str, parts: Parts, /, **values: object) -> Markup:
        """The page `name.html` around its `parts`."""
        return self.render(name, parts={part: shown(text) for part, text in parts.items()}, **values)


def shown(value: str) -> Markup:
    """`value` as HTML: text becomes harmless, what a template made stays as it is."""
    return escape(harmless(value))


def harmless(value: object) -> object:
    """`value` as text with a mark in place of each control character; what a template made stays as it is."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return clean(visible(value))
