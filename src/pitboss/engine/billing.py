"""Bills the attempts of a session whose runner died, from what they left on disk (SPEC 4, 7)."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from pitboss.core.retry import Again, Cause, Fallback, Restart
from pitboss.core.usage import Usage
from pitboss.engine.attempt import Attempt, Succession
from pitboss.engine.retrying import Worked
from pitboss.store.opening import status

if TYPE_CHECKING:
    from pitboss.core.agent import AgentOutcome
    from pitboss.core.session import Assignment, Outcome
    from pitboss.engine.agent_orders import AgentOrders
    from pitboss.engine.journal import Journal
    from pitboss.engine.ports import Hosts
    from pitboss.store.paths import RunPaths


class Billing:
    """Bills attempts from their transcripts; runs nothing."""

    def __init__(self, hosts: Hosts, orders: AgentOrders, journal: Journal, paths: RunPaths) -> None:
        self._hosts = hosts
        self._orders = orders
        self._journal = journal
        self._paths = paths

    def implementer(self, session: Assignment) -> Worked:
        """Bill all attempts of the implementer, and of the agents that took over from it."""
        progress = self._journal.progress(session.seq)
        first = Attempt.of_implementer(session)
        begun = progress.begun or progress.pid is not None
        return self._bill(session, first, progress.agents, least=progress.attempt, begun=begun)

    def fixers(self, session: Assignment, outcome: Outcome) -> Outcome:
        """Add to `outcome` the fixers that started after it was written, as shown by transcripts or a process."""
        billed, begun = outcome.fixes, self._journal.progress(session.seq).begun
        started = next(n for n in count(billed) if not self._has_transcript(session, fix=n + 1))
        started = max(started, billed + begun)
        for nth in range(billed + 1, started + 1):
            # An unknown fixer has unknown prices.
            used = Usage(cost_known=False)
            if session.fixer is not None:
                fixer = Attempt.of_fixer(session, nth)
                used = self._bill(session, fixer, (), least=1, begun=begun).usage
            outcome = outcome.bill_fix(used)
        return outcome

    def _bill(
        self, session: Assignment, attempt: Attempt, agents: tuple[str, ...], *, least: int, begun: bool
    ) -> Worked:
        """Bill `attempt` and those after it, at least `least`; `begun`: the process of the last one was seen.

        `agents` made them, in that order; empty if one agent made them all.
        """
        used, host = Usage(), self._hosts.of(session)
        succession = Succession(session, host.is_resumable)
        while True:
            more = self._has_transcript(session, fix=attempt.fix, nth=attempt.nth + 1)
            is_last = attempt.nth >= least and not more
            order = self._orders.to_bill(session.prompt, attempt)
            ended = host.bill_agent(order, started=begun or not is_last)
            used += ended.usage
            if is_last:
                return Worked(last=ended, usage=used, agent=attempt.agent)
            agent = agents[min(attempt.nth, len(agents) - 1)] if agents else attempt.agent
            attempt = succession.after(attempt, ended, _step_to(agent, attempt, ended))

    def _has_transcript(self, session: Assignment, *, fix: int, nth: int = 1) -> bool:
        kind = Attempt(agent="", fix=fix, nth=nth).kind
        return status(self._paths.transcript(session.seq, kind)) is not None


def _step_to(agent: str, attempt: Attempt, ended: AgentOutcome) -> Again | Restart | Fallback:
    """The step that must have led from `attempt` to one by `agent`."""
    if agent != attempt.agent:
        return Fallback(agent=agent)
    return Restart() if ended.lost_session else Again(after_s=0.0, cause=Cause.RETRY)
