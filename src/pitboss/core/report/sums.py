"""What sessions used together: sums by which the report can be checked against the log (SPEC 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.budget import BudgetSnapshot
from pitboss.core.median import median
from pitboss.core.report.sessions import ReportedSession, Result
from pitboss.core.run import spend

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UNNAMED = "(not known)"
"""What sessions without an agent or a model go by."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Some sessions of a report, such as those of one prompt, in the order of their records."""

    name: str
    sessions: tuple[ReportedSession, ...]

    @property
    def used(self) -> BudgetSnapshot:
        """What they used together, summed up as a run sums up its log."""
        used = BudgetSnapshot()
        for session in self.sessions:
            used = spend(used, session.record)
        return used

    @property
    def unpriced(self) -> tuple[ReportedSession, ...]:
        """Those whose cost is not known."""
        return tuple(session for session in self.sessions if not session.record.cost_known)

    @property
    def cost_known(self) -> bool:
        """Whether the sum of costs is complete."""
        return not self.unpriced

    @property
    def median_s(self) -> float:
        """How long one of them took, in seconds: half took longer."""
        return median(session.took_s for session in self.sessions)

    def of(self, result: Result) -> Share:
        """Those of one result."""
        found = tuple(session for session in self.sessions if session.result is result)
        return Share(name=str(result), sessions=found)


def shared_out(
    sessions: Sequence[ReportedSession], name: Callable[[ReportedSession], str]
) -> tuple[Share, ...]:
    """Every session in exactly one share, by `name`; the most expensive share first."""
    shares: dict[str, list[ReportedSession]] = {}
    for session in sessions:
        shares.setdefault(name(session), []).append(session)
    made = [Share(name=name, sessions=tuple(found)) for name, found in shares.items()]
    return tuple(sorted(made, key=lambda share: (-share.used.cost_usd, -len(share.sessions), share.name)))


def by_prompt(sessions: Sequence[ReportedSession]) -> tuple[Share, ...]:
    """A share for each prompt; all queued tasks are one."""
    return shared_out(sessions, lambda session: session.record.cost_group)


def by_agent(sessions: Sequence[ReportedSession]) -> tuple[Share, ...]:
    """A share for each agent and model."""

    def who(session: ReportedSession) -> str:
        return " ".join(filter(None, (session.record.agent, session.record.model))) or UNNAMED

    return shared_out(sessions, who)


def by_result(sessions: Sequence[ReportedSession]) -> tuple[Share, ...]:
    """A share for each result, empty ones included, in their order."""
    return tuple(Share(name="", sessions=tuple(sessions)).of(result) for result in Result)
