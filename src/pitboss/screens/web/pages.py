"""Templates become pages and parts of pages; whatever they show is made harmless here, once for all (SPEC 10).

What a template shows is text: control characters become marks, then HTML is escaped. Only what another template made
(`Markup`) passes as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pitboss.core.embed import clean
from pitboss.core.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.screens.web.feeds import Parts

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
        return self.render(name, parts=marked(parts), **values)


def marked(parts: Parts) -> dict[str, Markup]:
    """Parts as templates may show them: other templates made them."""
    return {name: Markup(text) for name, text in parts.items()}  # noqa: S704


def harmless(value: object) -> object:
    """`value` as text with a mark in place of each control character; what a template made stays as it is."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return clean(visible(value))
