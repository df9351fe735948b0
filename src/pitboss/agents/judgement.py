"""What a backend's reader reports about an agent: what it used, and how to judge its end (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.output.lines import shortened
from pitboss.core.session import Reason, SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

ASKING = frozenset(
    (
        "AskUserQuestion",
        "EnterPlanMode",
        "ExitPlanMode",
        "ask_user_question",
        "enter_plan_mode",
        "exit_plan_mode",
    )
)
"""Tools that put a question to a person, or a plan."""

WORDS_LIMIT = 4096
"""How many characters of a failed agent's words are kept."""


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent says it has used so far: tokens by model, and its own figure for the cost, if it has one.

    `unreported` are the tokens used after it reported that cost. `unreadable` says that it tried to report usage and
    failed, so what it used is unknown; `nothing`, that it explicitly said it used nothing.
    """

    tokens: dict[str | None, Usage] = {}
    reported_usd: float | None = None
    unreported: dict[str | None, Usage] = {}
    unreadable: bool = False
    nothing: bool = False


class AgentExit(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent exited on its own: its exit code and the last bytes of its complaints."""

    code: int | None
    complaints: bytes = b""


class AgentVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A backend's judgement of an agent that has ended; the fields are those of AgentOutcome.

    `words` is everything that was said if `reason` shortens it. The driver sets `lost_session` if the session to
    resume is gone.
    """

    status: SessionStatus = SessionStatus.OK
    reason: str | None = None
    words: str | None = None
    resets_at: float | None = None
    lost_session: bool = False


def failed(reason: Reason, words: str | None, *, resets_at: float | None = None) -> AgentVerdict:
    """The verdict on an agent that failed, in its own `words`, however long."""
    return AgentVerdict(
        status=SessionStatus.ERROR,
        reason=reason.because(words and shortened(words)),
        words=words and words[:WORDS_LIMIT],
        resets_at=resets_at,
    )


def broke_off() -> AgentVerdict:
    """The verdict on an agent that took an answer which ended early for a whole one."""
    return failed(Reason.OVERLOADED, "the model's answer broke off")


def too_late(max_seconds: float) -> AgentVerdict:
    """The verdict on an agent that ran out of time."""
    reason = Reason.WALL_CLOCK.because(f"not done within {max_seconds:g} s")
    return AgentVerdict(status=SessionStatus.TIMEOUT, reason=reason)


def stopped(why: StopRequest | None) -> AgentVerdict:
    """The verdict on an agent that the run or a person stopped."""
    match why:
        case StopRequest.SKIP:
            return AgentVerdict(status=SessionStatus.SKIPPED, reason=Reason.SKIPPED)
        case StopRequest.RUN_CAP:
            return AgentVerdict(status=SessionStatus.ERROR, reason=Reason.COST_CAP.because("the run's cap"))
        case _:
            return AgentVerdict(status=SessionStatus.ABORTED, reason=Reason.ABORTED)


def all_denied(denied: Sequence[str], tool_calls: int) -> AgentVerdict | None:
    """The verdict on an agent whose every tool call was denied: it has done nothing, whatever it says.

    One that only asked lacks no permission: another prompt may have nothing to ask.
    """
    if not denied or len(denied) < tool_calls:
        return None
    if ASKING.issuperset(denied):
        asked = ", ".join(dict.fromkeys(denied))
        return failed(Reason.AGENT_ERROR, f"it did nothing but ask, and nobody is there to answer: {asked}")
    return failed(Reason.PERMISSION_DENIED, f"every tool call was denied: {', '.join(denied)}")
