"""What tokens cost when the agent did not say: the user's prices first, then a public price table (SPEC 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.config import Price
    from pitboss.core.usage import Usage

MILLION = 1_000_000
REQUEST_SIZED = 100_000
"""Input tokens that no vendor's long-context surcharge touches."""


def with_cost(
    usage: Usage, model: str | None, pricing: Mapping[str, Price], *, reported_usd: float | None = None
) -> Usage:
    """`usage` with its cost in US dollars: as the agent reported it, else priced, else marked unknown.

    Where no tokens were seen and none were reported, nothing was spent, and that is known.
    """
    cost = reported_usd
    if cost is None:
        cost = price(usage, model, pricing) if usage.has_tokens else 0.0
    if cost is None:
        return msgspec.structs.replace(usage, cost_usd=0.0, cost_known=False)
    return msgspec.structs.replace(usage, cost_usd=cost, cost_known=usage.cost_known)


def is_configured(model: str | None, pricing: Mapping[str, Price]) -> bool:
    """Whether `price` goes by the user's own prices for `model`."""
    return model is not None and _configured(model, pricing) is not None


def price(usage: Usage, model: str | None, pricing: Mapping[str, Price]) -> float | None:
    """US dollars for `usage` of `model`; None when no price is known, never 0 for want of one.

    `pricing` is `[budgets.pricing]`: an exact model name wins, then the longest name that `model` starts
    with. Cached tokens cost their own price there, or the input price where it gives none.
    """
    if model is None:
        return None
    configured = _configured(model, pricing)
    return _listed(usage, model) if configured is None else _at(usage, configured)


def _configured(model: str, pricing: Mapping[str, Price]) -> Price | None:
    names = [name for name in pricing if model.startswith(name)]
    return pricing[max(names, key=len)] if names else None


def _at(usage: Usage, price: Price) -> float:
    each_input = price.input_per_million_usd
    each_read = each_input if price.cache_read_per_million_usd is None else price.cache_read_per_million_usd
    each_write = (
        each_input if price.cache_write_per_million_usd is None else price.cache_write_per_million_usd
    )
    return (
        max(0, usage.input - usage.cache_read - usage.cache_write) * each_input
        + usage.cache_read * each_read
        + usage.cache_write * each_write
        + usage.output * price.output_per_million_usd
    ) / MILLION


def _listed(usage: Usage, model: str) -> float | None:
    """The price by the public table, at the rate of requests of ordinary size.

    The table's long-context surcharges are for one request; `usage` is a sum of many, so it is priced
    scaled down to one and scaled up again.
    """
    from genai_prices import Usage as Listed
    from genai_prices import calc_price

    cached = usage.cache_read + usage.cache_write
    scale = max(1.0, max(usage.input, cached) / REQUEST_SIZED)
    tokens = Listed(
        input_tokens=max(usage.input, cached) / scale,
        cache_read_tokens=usage.cache_read / scale,
        cache_write_tokens=usage.cache_write / scale,
        output_tokens=usage.output / scale,
    )
    try:
        return float(calc_price(tokens, model).total_price) * scale
    except LookupError:
        return None
