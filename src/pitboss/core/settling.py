"""Turns what happened in a session into its one record, and its reasons into words (SPEC 6)."""

from __future__ import annotations

from pitboss.core.patterns import lazy_pattern
from pitboss.core.session import (
    NO_SUMMARY,
    InFlight,
    Landing,
    Outcome,
    Reason,
    SessionRecord,
    SessionStatus,
    Verdict,
    reason_kind,
    transcript_name,
)
from pitboss.core.usage import CostSource
from pitboss.core.words.exits import exit_words

_BY_SIGNAL = lazy_pattern(rf"{Reason.EXIT_CODE}: -(\d{{1,2}})(?!\d)")

NOTHING_DONE = "it reports success but did nothing: no turn, no tokens, no change"


def settle(run_id: str, session: InFlight, outcome: Outcome, landing: Landing) -> SessionRecord:
    """Turn what happened into the session's one record (SPEC 6).

    A landing that had to set something aside makes an ok session dirty; one that could not land
    makes it an error, or aborted if its host was lost, which earns the prompt one more turn if `landing.retry` says so.
    The agent's own verdict is never softened.
    """
    assignment, progress = session.assignment, session.progress
    verdict = _settled(outcome, landing)
    may_try_again = landing.retry and not assignment.is_no_turn
    return SessionRecord(
        seq=assignment.seq,
        run_id=run_id,
        prompt=assignment.prompt,
        started_at=assignment.started_at,
        ended_at=outcome.ended_at,
        status=verdict.status,
        summary=summarized(outcome, verdict.status, verdict.reason),
        commit=landing.commit,
        tokens=outcome.tokens,
        cost_usd=outcome.cost_usd,
        transcript_path=transcript_name(assignment.seq),
        rotation=assignment.rotation,
        cost_known=outcome.cost_known,
        cost_source=_cost_source(outcome),
        unpriced=outcome.unpriced,
        reason=verdict.reason,
        rescue=landing.rescue,
        hidden=landing.hidden,
        attempts=progress.attempt,
        model=outcome.model,
        agent=outcome.agent,
        cache_read=outcome.cache_read,
        cache_write=outcome.cache_write,
        retry_of=assignment.retry_of,
        queued=assignment.queued,
        waited_s=round(progress.waited_s, 3),
        retry=may_try_again and _lacks_only_a_landing(verdict, outcome, landing),
        host=assignment.host,
    )


def _settled(outcome: Outcome, landing: Landing) -> Verdict:
    if outcome.reason == Reason.INTERRUPTED and reason_kind(landing.reason) is Reason.INTERRUPTED:
        return Verdict(outcome.status, landing.reason)  # its runner died, and its worker cannot be reached
    if _by_landing(outcome, landing):
        return Verdict(_landing_verdict(landing), landing.reason)
    if outcome.status is SessionStatus.OK and outcome.idle and landing.commit is None and not landing.rescue:
        return Verdict(SessionStatus.ERROR, Reason.AGENT_ERROR.because(NOTHING_DONE))
    return Verdict(outcome.status, outcome.reason)


def _lacks_only_a_landing(verdict: Verdict, outcome: Outcome, landing: Landing) -> bool:
    """Whether the work could not land, or its host was lost: the agent itself did not fail."""
    if verdict.status is SessionStatus.ERROR:
        return _by_landing(outcome, landing)
    return verdict.status is SessionStatus.ABORTED and reason_kind(verdict.reason) is Reason.INTERRUPTED


def _by_landing(outcome: Outcome, landing: Landing) -> bool:
    """Whether the landing changed the verdict."""
    return outcome.status is SessionStatus.OK and landing.reason is not None


def summarized(outcome: Outcome, status: SessionStatus, reason: str | None) -> str:
    """The summary of a session that ends as `status`: the agent's, else why it failed, else the agent's last words."""
    written = (outcome.summary or "").strip()
    if written:
        return written
    failed = status not in (SessionStatus.OK, SessionStatus.DIRTY)
    last_words = None if failed else outcome.said
    return last_words or (in_words(reason) if reason else NO_SUMMARY)


def in_words(reason: str) -> str:
    """A reason as people read it: `verify failed: test_sums`, `killed by SIGKILL`."""
    if signal := _BY_SIGNAL.match(reason):
        return exit_words(-int(signal[1])) + reason[signal.end() :]
    kind, colon, detail = reason.partition(":")
    return kind.replace("_", " ") + colon + detail


def _cost_source(outcome: Outcome) -> str | None:
    if not outcome.cost_known:
        return str(CostSource.UNKNOWN)
    used = outcome.tokens.input or outcome.tokens.output or outcome.cost_usd
    return str(outcome.priced_by) if used else None


def _landing_verdict(landing: Landing) -> SessionStatus:
    match reason_kind(landing.reason):
        case Reason.COMMIT_REFUSED | Reason.CONFLICT | Reason.GIT_FAILED:
            return SessionStatus.ERROR
        case Reason.ABORTED:
            return SessionStatus.ABORTED
        case Reason.INTERRUPTED if landing.retry:
            return SessionStatus.ABORTED
        case _:
            return SessionStatus.DIRTY
