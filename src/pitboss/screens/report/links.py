"""Names of sessions in a report, and links to them: every number leads to its sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.measures import spent
from pitboss.screens.report.markup import Markup, el, joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pitboss.core.report.morning import MorningReport
    from pitboss.core.report.sessions import ReportedSession

_SHOWN = 12
"""So many sessions of a sum are in sight; the others are folded away."""


class Links:
    """The addresses of a report's sessions."""

    def __init__(self, report: MorningReport) -> None:
        self._joined = report.is_joined
        self._runs = {run.run_id: place for place, run in enumerate(report.runs, start=1)}

    def anchor(self, session: ReportedSession) -> str:
        """The id of the element that tells of a session."""
        return self.anchor_of(session.run_id, session.seq)

    def anchor_of(self, run_id: str, seq: int) -> str:
        """The same for session `seq` of a run."""
        return f"r{self._runs[run_id]}s{seq}" if self._joined else f"s{seq}"

    def name(self, run_id: str, seq: int) -> str:
        """What people call a session: its number, after that of its run if there are several."""
        return f"{self._runs[run_id]}.{seq}" if self._joined else str(seq)

    def link(self, session: ReportedSession, text: str | None = None) -> Markup:
        """A link to a session; its number, unless there is a text."""
        said = text or f"#{self.name(session.run_id, session.seq)}"
        return el("a", said, href=f"#{self.anchor(session)}")

    def links(self, sessions: Sequence[ReportedSession]) -> Markup:
        """Links to sessions, most of a long list folded away."""
        first = joined((self.link(each) for each in sessions[:_SHOWN]), " ")
        if len(sessions) <= _SHOWN:
            return first
        rest = joined((self.link(each) for each in sessions[_SHOWN:]), " ")
        more = f"{len(sessions) - _SHOWN} more"
        return joined([first, " ", el("details", el("summary", more), rest, class_="inline")])

    def counted(self, sessions: Sequence[ReportedSession]) -> Markup:
        """How many there are, and behind it which."""
        if len(sessions) == 0:
            return Markup("0")
        return el("details", el("summary", str(len(sessions))), self.links(sessions), class_="inline")

    def cost(self, session: ReportedSession) -> Markup:
        """What a session cost."""
        return self.link(session, cost_of(session))


def cost_of(session: ReportedSession) -> str:
    """What a session cost; one whose cost is not known says so."""
    words = spent(session.record.cost_usd, known=session.record.cost_known)
    return f"cost {words}" if words == "unknown" else words


def titled(names: Iterable[str]) -> str:
    """Parts of a label, one after the other."""
    return ", ".join(filter(None, names))
