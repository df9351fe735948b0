"""Caps on a run and what has been consumed against them; `now` is always an argument (SPEC 4)."""

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import msgspec

from pitboss.core.fields import MAX_COUNT, MAX_TOKENS
from pitboss.core.measures import exact_money, money, stamp
from pitboss.core.patterns import lazy_pattern
from pitboss.typed import from_builtins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NEARING_SHARE = 0.8
SUM_NOISE = 1e-9
"""Rounding tolerance, as a share of a cap: ten times 0.1 adds up to a little less than 1.0."""

_FIELDS = {
    "max-iterations": "max_iterations",
    "until": "until",
    "max-tokens": "max_tokens",
    "max-cost": "max_cost_usd",
}

_Sessions = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]
_Dollars = Annotated[float, msgspec.Meta(ge=0)]


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a run, as state.json keeps them; None means no limit. Money in US dollars, `until` in UTC."""

    max_iterations: int | None = None
    until: datetime | None = None
    max_tokens: int | None = None
    max_cost_usd: float | None = None


class CapChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to change about the caps of a run: a cap that is left out stays, None lifts it (SPEC 4, 10)."""

    max_iterations: _Sessions | msgspec.UnsetType | None = msgspec.UNSET
    until: _Instant | msgspec.UnsetType | None = msgspec.UNSET
    max_tokens: _Tokens | msgspec.UnsetType | None = msgspec.UNSET
    max_cost_usd: _Dollars | msgspec.UnsetType | None = msgspec.UNSET

    def over(self, caps: Caps) -> Caps:
        """`caps` with these changes."""
        changed = msgspec.structs.asdict(self)
        return msgspec.structs.replace(
            caps, **{name: value for name, value in changed.items() if value is not msgspec.UNSET}
        )


class BudgetSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What the recorded sessions of a run have consumed (the seed's `budget_consumed`)."""

    iterations: int = 0
    tokens_input: int = 0
    tokens_output: int = 0
    cost_usd: float = 0.0
    consecutive_failures: int = 0

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return self.tokens_input + self.tokens_output


class PromptSpend(msgspec.Struct, frozen=True, kw_only=True):
    """What the recorded sessions of one prompt cost together, leaving out those of unknown cost."""

    sessions: int = 0
    cost_usd: float = 0.0


class Exceeded(msgspec.Struct, frozen=True, kw_only=True):
    """A used-up cap, and the sentence that says so; `more` is the option that grants the same amount again."""

    cap: str
    message: str
    more: str = ""


def layer(*layers: Caps) -> Caps:
    """Merge caps field by field; a later layer wins where it sets a value (SPEC 4)."""
    merged: dict[str, object] = {}
    for caps in layers:
        merged |= {name: value for name, value in msgspec.structs.asdict(caps).items() if value is not None}
    return from_builtins(merged, Caps)


def exceeded(caps: Caps, used: BudgetSnapshot, *, now: datetime, in_flight: int = 0) -> Exceeded | None:
    """Return the first cap that forbids another session, in the order of SPEC 4.

    Sessions `in_flight` count as iterations already spent.
    """
    return next(used_up(caps, used, now=now, in_flight=in_flight), None)


def used_up(
    caps: Caps, used: BudgetSnapshot, *, now: datetime, in_flight: int = 0, started_at: datetime | None = None
) -> "Iterator[Exceeded]":
    """Yield every cap that forbids another session, by the rules of `exceeded`; the run began at `started_at`."""
    iterations = used.iterations + in_flight
    if caps.max_iterations is not None and iterations >= caps.max_iterations:
        more = iterations + max(1, caps.max_iterations)
        yield _exceeded("max-iterations", f"{iterations} >= {caps.max_iterations}", f"{more}")
    if caps.until is not None and now >= caps.until:
        more_time = _span(caps.until - (started_at or caps.until))
        yield _exceeded("until", f"{stamp(now)} >= {stamp(caps.until)}", more_time)
    if caps.max_tokens is not None and used.tokens >= caps.max_tokens:
        more = used.tokens + max(1, caps.max_tokens)
        yield _exceeded("max-tokens", f"{used.tokens} >= {caps.max_tokens}", f"{more}")
    if caps.max_cost_usd is not None and _reaches(used.cost_usd, caps.max_cost_usd):
        more_usd = math.ceil((used.cost_usd + (caps.max_cost_usd or 1.0)) * 100) / 100
        yield _exceeded(
            "max-cost", f"{exact_money(used.cost_usd)} >= {exact_money(caps.max_cost_usd)}", f"{more_usd:.2f}"
        )


def expected_cost(spend_per_prompt: "Mapping[str, PromptSpend]", prompt: str) -> float:
    """The expected cost of one more session of `prompt`, in US dollars: the mean of its sessions so far.

    A prompt that has had no session takes the mean of all the run's sessions; the first session of a run counts as 0.
    """
    own = spend_per_prompt.get(prompt, PromptSpend())
    known = (own,) if own.sessions else tuple(spend_per_prompt.values())
    sessions = sum(spent.sessions for spent in known)
    return math.fsum(spent.cost_usd / sessions for spent in known) if sessions else 0.0


def fits(caps: Caps, used: BudgetSnapshot, expected_in_flight: float, expected_next: float) -> bool:
    """Whether another session may start while others run: whether its expected cost still fits under the cap.

    Costs are in US dollars. For a session that runs alone, `exceeded` alone decides.
    """
    if caps.max_cost_usd is None:
        return True
    total = used.cost_usd + expected_in_flight + expected_next
    return total <= caps.max_cost_usd * (1 + SUM_NOISE)


def nearing(
    caps: Caps, used: BudgetSnapshot, *, started_at: datetime, now: datetime, warned: "Iterable[str]" = ()
) -> list[Exceeded]:
    """Return a warning for each cap that has reached 80 % and has not been `warned` about yet (SPEC 4)."""
    said = set(warned)
    found = [
        *_nearing_count("max-iterations", used.iterations, caps.max_iterations),
        *_nearing_time(caps.until, started_at, now),
        *_nearing_count("max-tokens", used.tokens, caps.max_tokens),
        *_nearing_cost(used.cost_usd, caps.max_cost_usd),
    ]
    return [warning for warning in found if warning.cap not in said]


def warned_before(
    caps: Caps, kept: Caps, used: BudgetSnapshot, *, started_at: datetime, now: datetime
) -> set[str]:
    """Which of `caps` a run that had used that much by `now` has warned about, if it `kept` those caps."""
    return unchanged(kept, caps) & {near.cap for near in nearing(kept, used, started_at=started_at, now=now)}


def unchanged(before: Caps, after: Caps) -> set[str]:
    """The names, as `Exceeded.cap` has them, of the caps that are the same in both."""
    return {cap for cap, field in _FIELDS.items() if getattr(before, field) == getattr(after, field)}


def _reaches(cost_usd: float, limit_usd: float) -> bool:
    return cost_usd >= limit_usd * (1 - SUM_NOISE)


def _exceeded(cap: str, comparison: str, more: str) -> Exceeded:
    return Exceeded(cap=cap, message=f"{cap} reached: {comparison}", more=f"--{cap} {more}")


def _span(length: timedelta) -> str:
    """A span as `--until` takes it (`8h`, `1h30m`, `45s`); an hour if it is none, as the end lay before the start."""
    seconds = math.ceil((length if length > timedelta() else timedelta(hours=1)).total_seconds())
    parts = ((seconds // 3600, "h"), (seconds % 3600 // 60, "m"), (seconds % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)


NEARING = lazy_pattern(r"(max-iterations|max-tokens|max-cost|until) at 80%: .*")
"""The message that a cap is near."""


def _nearing(cap: str, usage: str) -> list[Exceeded]:
    return [Exceeded(cap=cap, message=f"{cap} at 80%: {usage}")]


def _nearing_count(cap: str, used: int, limit: int | None) -> list[Exceeded]:
    if limit is None or not NEARING_SHARE * limit <= used < limit:
        return []
    return _nearing(cap, f"{used} of {limit}")


def _nearing_cost(used: float, limit: float | None) -> list[Exceeded]:
    if limit is None or _reaches(used, limit) or not _reaches(used, NEARING_SHARE * limit):
        return []
    return _nearing("max-cost", f"{money(used)} of {money(limit)}")


def _nearing_time(until: datetime | None, started_at: datetime, now: datetime) -> list[Exceeded]:
    if until is None or not until > now >= started_at + (until - started_at) * NEARING_SHARE:
        return []
    return _nearing("until", f"{stamp(now)} of {stamp(until)}")
