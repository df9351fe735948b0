"""What sessions came to, over all runs of a repository: counts, money and a trend for each group of them (SPEC 11)."""

from __future__ import annotations

from collections import Counter, defaultdict
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.median import median
from pitboss.core.session import SessionRecord, SessionStatus, reason_kind
from pitboss.core.usage import add_usd

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

UNKNOWN = "(unknown)"
"""The group of sessions whose record does not name an agent or a model."""

FEW = 10
"""A group of fewer sessions says little about the next one."""

BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 8

SessionId = tuple[str, int]
"""A run's id and the number of one of its sessions: what the trailers of a commit name."""


class By(StrEnum):
    """What sessions are grouped by."""

    PROMPT = "prompt"
    AGENT = "agent"
    MODEL = "model"
    DAY = "day"


class PastSession(msgspec.Struct, frozen=True, array_like=True):
    """A recorded session, as far as history asks. Times are in seconds since 1970, money in US dollars."""

    run_id: str
    seq: int
    prompt: str
    agent: str | None
    model: str | None
    started: float
    seconds: float
    cost_usd: float
    cost_known: bool
    commit: str | None
    failure: str | None
    barren: bool

    @property
    def id(self) -> SessionId:
        """What the trailers of its commit name."""
        return self.run_id, self.seq


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What the sessions of one group came to, in the order of `history --json`.

    Costs are in US dollars, and lower bounds unless `cost_known`. A cost per change is None if there is no change,
    or if nothing at all is known of what it cost. `median_s` is how long a session takes, in seconds.
    """

    key: str
    sessions: int
    landed: int
    accepted: int
    barren: int
    failures: dict[str, int]
    cost_usd: float
    cost_known: bool
    cost_per_landed_usd: float | None
    cost_per_accepted_usd: float | None
    median_s: float

    @property
    def is_small(self) -> bool:
        """Whether it is too small a sample to go by."""
        return self.sessions < FEW


def past(record: SessionRecord) -> PastSession:
    """What history keeps of a record. Queued tasks are one group, as no two of them are the same prompt."""
    failure = None
    if record.status.failed:
        failure = str(reason_kind(record.reason) or record.status)
    ended = record.status not in (SessionStatus.ABORTED, SessionStatus.SKIPPED) and not record.is_outage
    return PastSession(
        run_id=record.run_id,
        seq=record.seq,
        prompt=record.cost_group,
        agent=record.agent,
        model=record.model,
        started=record.started_at.timestamp(),
        seconds=max(0.0, (record.ended_at - record.started_at).total_seconds()),
        cost_usd=record.cost_usd,
        cost_known=record.cost_known,
        commit=record.commit,
        failure=failure,
        barren=ended and record.commit is None,
    )


def grouped(
    sessions: Iterable[PastSession], by: By, day_of: Callable[[float], str]
) -> list[tuple[str, list[PastSession]]]:
    """The sessions of each group: days in their order, any others with the most sessions first.

    `day_of` names the day of a time in seconds since 1970.
    """
    groups = defaultdict[str, list[PastSession]](list)
    for each in sessions:
        groups[_key(each, by, day_of)].append(each)
    if by is By.DAY:
        return sorted(groups.items())
    return sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))


def summed(key: str, sessions: Sequence[PastSession], accepted: Collection[SessionId]) -> Tally:
    """What these sessions came to; `accepted` are those whose change is in use. There is at least one."""
    landed = sum(each.commit is not None for each in sessions)
    taken = sum(each.id in accepted for each in sessions)
    cost_usd = 0.0
    for each in sessions:
        cost_usd = add_usd(cost_usd, each.cost_usd)
    known = all(each.cost_known for each in sessions)
    says_nothing = not known and cost_usd == 0
    failures = Counter(each.failure for each in sessions if each.failure is not None)
    return Tally(
        key=key,
        sessions=len(sessions),
        landed=landed,
        accepted=taken,
        barren=sum(each.barren for each in sessions),
        failures=dict(sorted(failures.items(), key=lambda item: (-item[1], item[0]))),
        cost_usd=round(cost_usd, 6),
        cost_known=known,
        cost_per_landed_usd=None if says_nothing else _per(cost_usd, landed),
        cost_per_accepted_usd=None if says_nothing else _per(cost_usd, taken),
        median_s=round(median(each.seconds for each in sessions), 3),
    )


def trend(sessions: Sequence[PastSession]) -> str:
    """A small line, oldest first: the share of sessions that landed, in up to 8 parts of about as many sessions."""
    ordered = sorted(sessions, key=lambda each: each.started)
    bars = min(_MOST_BARS, len(ordered))
    edges = [len(ordered) * nth // bars for nth in range(bars + 1)] if bars else []
    parts = (ordered[start:end] for start, end in pairwise(edges))
    return "".join(_bar(sum(each.commit is not None for each in part) / len(part)) for part in parts)


def _bar(share: float) -> str:
    return BARS[round(share * (len(BARS) - 1))]


def _per(cost_usd: float, changes: int) -> float | None:
    return round(cost_usd / changes, 6) if changes else None


def _key(each: PastSession, by: By, day_of: Callable[[float], str]) -> str:
    if by is By.DAY:
        return day_of(each.started)
    named: str | None = getattr(each, by)
    return named or UNKNOWN
