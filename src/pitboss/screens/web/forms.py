"""What a browser sends when a form is submitted: a few short fields (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_FIELDS = 16


class BadForm(ValueError):
    """A form that says nothing sensible; the text is for the person who sent it."""


def fields_of(body: bytes) -> Mapping[str, str]:
    """The fields of a form; of two with one name, the last counts. Raises BadForm."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise BadForm("this is not a form of ours") from error
    return dict(pairs)
