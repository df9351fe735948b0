"""What a session consumed: tokens and money, and how such amounts add up (SPEC 1.5, 7)."""

import math
from enum import StrEnum

import msgspec

MOST_TOKENS = 2**63 - 1
"""The most that every reader of state.json and sessions.jsonl can hold; sums stop here."""

_MOST_USD = math.nextafter(math.inf, 0.0)


def add_tokens(one: int, other: int) -> int:
    """The sum of two counts of tokens, at most MOST_TOKENS."""
    return min(one + other, MOST_TOKENS)


def add_usd(one: float, other: float) -> float:
    """The sum of two costs in US dollars, always finite."""
    return min(one + other, _MOST_USD)


class CostSource(StrEnum):
    """Where a price comes from, most reliable first; a sum is only as reliable as its least reliable part."""

    AGENT = "agent"
    CONFIGURED = "configured"
    PRICE_TABLE = "price_table"
    UNKNOWN = "unknown"

    def or_less_sure(self, other: "CostSource") -> "CostSource":
        """The source to name for a sum of costs from both: the less reliable one."""
        return max(self, other, key=_SUREST_FIRST.index)


_SUREST_FIRST = tuple(CostSource)


class RoleTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one role (implementer, fixer, ...); `input` counts cached tokens too."""

    input: int = 0
    output: int = 0


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens and US dollars of one agent process, or of several added up.

    `input` counts cached tokens too; `cache_read` and `cache_write` are the parts of it that were cached,
    `cache_write_1h` the part of `cache_write` that is kept for an hour. `cost_usd` is the part of the price that is
    known: with `cost_known` false it is a lower bound, never the whole. `priced_by` says where that part comes from,
    `unpriced` names a model whose tokens have no price.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    cost_usd: float = 0.0
    cost_known: bool = True
    priced_by: CostSource = CostSource.AGENT
    unpriced: str | None = None

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input=add_tokens(self.input, other.input),
            output=add_tokens(self.output, other.output),
            cache_read=add_tokens(self.cache_read, other.cache_read),
            cache_write=add_tokens(self.cache_write, other.cache_write),
            cache_write_1h=add_tokens(self.cache_write_1h, other.cache_write_1h),
            cost_usd=add_usd(self.cost_usd, other.cost_usd),
            cost_known=self.cost_known and other.cost_known,
            priced_by=self.priced_by.or_less_sure(other.priced_by),
            unpriced=self.unpriced or other.unpriced,
        )

    def beyond(self, part: "Usage") -> "Usage":
        """The tokens by which this exceeds `part`, count by count, never below 0; without cost."""
        return Usage(
            input=max(0, self.input - part.input),
            output=max(0, self.output - part.output),
            cache_read=max(0, self.cache_read - part.cache_read),
            cache_write=max(0, self.cache_write - part.cache_write),
            cache_write_1h=max(0, self.cache_write_1h - part.cache_write_1h),
        )

    def at_least(self, other: "Usage") -> "Usage":
        """The larger of each count of tokens, for counts that only grow; without cost."""
        return Usage(
            input=max(self.input, other.input),
            output=max(self.output, other.output),
            cache_read=max(self.cache_read, other.cache_read),
            cache_write=max(self.cache_write, other.cache_write),
            cache_write_1h=max(self.cache_write_1h, other.cache_write_1h),
        )

    @property
    def cost_source(self) -> CostSource:
        """Where the whole cost comes from; AGENT where nothing was used."""
        return self.priced_by if self.cost_known else CostSource.UNKNOWN

    @property
    def has_tokens(self) -> bool:
        """Whether any model was called at all."""
        return self.input > 0 or self.output > 0
