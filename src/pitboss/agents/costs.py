"""What an agent's spending comes to in US dollars (SPEC 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.agents.judgement import Spend
    from pitboss.core.config import Price


def priced(spend: Spend, pricing: Mapping[str, Price]) -> Usage:
    """The usage of a spend with its cost: as the agent reported it, else priced by model.

    Tokens used since the agent last reported a cost are priced on top of that.
    """
    from pitboss.pricing import with_cost

    def by_table(tokens: Mapping[str | None, Usage]) -> Usage:
        return sum((with_cost(used, model, pricing) for model, used in tokens.items()), Usage())

    if spend.reported_usd is None:
        total = by_table(spend.tokens)
    else:
        later = by_table(spend.unreported)
        used = sum(spend.tokens.values(), Usage()).beyond(later)
        total = with_cost(used, None, pricing, reported_usd=spend.reported_usd) + later
    return msgspec.structs.replace(total, cost_known=total.cost_known and not spend.unreadable)
