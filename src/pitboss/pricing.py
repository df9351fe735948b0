"""What tokens cost if the agent did not say: by the user's prices first, then a public price table (SPEC 4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.patterns import lazy_pattern
from pitboss.core.usage import CostSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pitboss.core.config import Price
    from pitboss.core.usage import Usage

MILLION = 1_000_000
HOUR_BY_INPUT, HOUR_BY_WRITE = 2.0, 1.6
"""What a one-hour cache write costs, in input tokens and in five-minute writes.

The one vendor that sells them charges this for all models; no price table has a column for them.
"""

REQUEST_SIZED = 100_000
"""This many input tokens are below every vendor's long-context surcharge."""

NO_MODEL = "unknown"
"""What a model is called in prices and records if its agent names none."""

_VENDORS = {
    "gemini": "google",
    "vertex_ai": "google",
    "bedrock": "aws",
    "amazon-bedrock": "aws",
    "xai": "x-ai",
}
"""What CLIs call a vendor: what the table calls it."""

_DATE = lazy_pattern(r"\b20\d\d-\d\d-\d\d\b", re.ASCII)


class TableVersion(msgspec.Struct, frozen=True, kw_only=True):
    """How old the public price table is: its library's release, and the latest date in its notes.

    `checked` is a date such as `2026-10-14`, on which some of its prices were looked up; None if there is no date.
    """

    release: str
    checked: str | None


def with_cost(
    usage: Usage, model: str | None, pricing: Mapping[str, Price], *, reported_usd: float | None = None
) -> Usage:
    """`usage` with its cost in US dollars: as the agent reported it, else priced, else marked unknown.

    `pricing` is `[budgets.pricing]`: an exact model name wins, then the longest name that `model` starts with; tokens
    of no named model have the price of `unknown`, which is what people are told to set for them. Cached
    tokens cost their own price there, else the input price. If no tokens were seen and no cost was
    reported, there is nothing to price.
    """
    cost, source = reported_usd, CostSource.AGENT
    if cost is None and usage.has_tokens:
        cost, source = _priced(usage, model, pricing)
    if source is CostSource.UNKNOWN:
        return msgspec.structs.replace(usage, cost_usd=0.0, cost_known=False, unpriced=model or NO_MODEL)
    return msgspec.structs.replace(usage, cost_usd=cost or 0.0, priced_by=source)


def table_version() -> TableVersion:
    """How old the public price table is; finding out takes a quarter of a second."""
    from importlib.metadata import version

    from genai_prices.data_snapshot import get_snapshot

    models = (model for provider in get_snapshot().providers for model in provider.models)
    dates = (date for model in models for date in _DATE.findall(model.price_comments or ""))
    today = datetime.now(UTC).date().isoformat()
    return TableVersion(
        release=version("genai-prices"), checked=max((date for date in dates if date <= today), default=None)
    )


def _priced(usage: Usage, model: str | None, pricing: Mapping[str, Price]) -> tuple[float, CostSource]:
    """The cost and the source of its price; 0 and UNKNOWN for a model without a price."""
    configured = _configured(model or NO_MODEL, pricing)
    if configured is not None:
        return _at(usage, configured), CostSource.CONFIGURED
    listed = None if model is None else _listed(usage, model)
    return (0.0, CostSource.UNKNOWN) if listed is None else (listed, CostSource.PRICE_TABLE)


def _configured(model: str, pricing: Mapping[str, Price]) -> Price | None:
    names = [name for name in pricing if model.startswith(name)]
    return pricing[max(names, key=len)] if names else None


def _at(usage: Usage, price: Price) -> float:
    each_input = price.input_per_million_usd
    each_read = each_input if price.cache_read_per_million_usd is None else price.cache_read_per_million_usd
    each_write, each_hour = each_input, HOUR_BY_INPUT * each_input
    if price.cache_write_per_million_usd is not None:
        each_write = price.cache_write_per_million_usd
        each_hour = HOUR_BY_WRITE * each_write
    hour = min(usage.cache_write_1h, usage.cache_write)
    return (
        max(0, usage.input - usage.cache_read - usage.cache_write) * each_input
        + usage.cache_read * each_read
        + (usage.cache_write - hour) * each_write
        + hour * each_hour
        + usage.output * price.output_per_million_usd
    ) / MILLION


def _listed(usage: Usage, model: str) -> float | None:
    """The price from the public table, as for requests of ordinary size.

    The table's long-context surcharges apply per request; `usage` is a sum of many, so it is scaled down to one,
    priced and scaled up again. One-hour writes count as correspondingly more ordinary ones.
    """
    from genai_prices import Usage as Listed
    from genai_prices import calc_price

    dearer = (HOUR_BY_WRITE - 1) * min(usage.cache_write_1h, usage.cache_write)
    writes = usage.cache_write + dearer
    whole = max(usage.input + dearer, usage.cache_read + writes)
    scale = max(1.0, whole / REQUEST_SIZED)
    tokens = Listed(
        input_tokens=whole / scale,
        cache_read_tokens=usage.cache_read / scale,
        cache_write_tokens=writes / scale,
        output_tokens=usage.output / scale,
    )
    for name, vendor in _names(model):
        try:
            return float(calc_price(tokens, name, provider_id=vendor).total_price) * scale
        except LookupError:
            continue
    return None


def _names(model: str) -> Iterator[tuple[str, str | None]]:
    """What the table may call `model`, and its vendor: multi-vendor CLIs prefix the vendor."""
    yield model, None
    vendor, slash, name = model.partition("/")
    if slash and name:
        yield name, _VENDORS.get(vendor, vendor)
