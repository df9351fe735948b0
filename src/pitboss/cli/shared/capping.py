"""The options of commands that give a run its caps, and what they change (SPEC 4, 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.cli.shared.declare import option
from pitboss.cli.shared.given import NO_CAP, moment, money, or_none, whole
from pitboss.core.fields import MAX_COUNT, MAX_TOKENS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.cli.shared.declare import Function
    from pitboss.core.budget import CapChanges

_OPTIONS = (
    option("--max-iterations", type=or_none(whole(0, MAX_COUNT)), metavar="N", help="Stop after N sessions."),
    option("--until", type=or_none(moment), metavar="TIME", help="Stop at a time: RFC 3339, 23:30 or 8h."),
    option("--max-cost", "max_cost_usd", type=or_none(money), metavar="USD", help="Stop at this cost."),
    option(
        "--max-tokens",
        type=or_none(whole(0, MAX_TOKENS)),
        metavar="N",
        help="Stop after N tokens, in and out.",
    ),
)


def cap_options(function: Function) -> Function:
    """Use as a decorator: declare an option for each cap."""
    for each in reversed(_OPTIONS):
        function = each(function)
    return function


def cap_changes(given: Mapping[str, Any]) -> CapChanges:
    """What the options change; one that was not given is None there."""
    from pitboss.core.budget import CapChanges

    asked = {name: given[name] for name in CapChanges.__struct_fields__ if given[name] is not None}
    return CapChanges(**{name: None if value == NO_CAP else value for name, value in asked.items()})
