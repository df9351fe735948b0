"""An agent without a process: it plays a script, for runs that must be fast and repeatable (SPEC 6).

Tests of the engine use it. The suite that judges the driver judges it too (`tests/contracts/test_agent_port.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.judgement import AgentVerdict, stopped, too_late
from pitboss.core.agent import AgentEvent, AgentOutcome, AgentRequest
from pitboss.core.session import Reason, SessionStatus
from pitboss.core.usage import Usage
from pitboss.store.files import append_durable, read_regular
from pitboss.typed import from_json

if TYPE_CHECKING:
    from pitboss.core.stops import StopRequest

NO_PROCESS = 2**31 - 1
"""The pid that it reports: higher than any real one."""

POLL_S = 0.01
TRANSCRIPT_LIMIT = 16 * 1024 * 1024


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What one start of the agent does: `work` on its tree, then `events`, then the `outcome`.

    With `waits` it does not end after the last event, but once it is stopped or its time is up.
    """

    events: tuple[AgentEvent, ...] = ()
    outcome: AgentOutcome = AgentOutcome(status=SessionStatus.OK, usage=Usage())
    work: Callable[[AgentRequest], object] | None = None
    waits: bool = False


class ScriptedAgent:
    """An agent (`core.agent.Agent`) that does what `script` says for each request."""

    def __init__(
        self, name: str, script: Callable[[AgentRequest], Script], *, resumable: bool = False
    ) -> None:
        self.name = name
        self._script = script
        self._resumable = resumable

    @property
    def resumable(self) -> bool:
        """Whether requests may ask it to resume a session."""
        return self._resumable

    def run(
        self,
        request: AgentRequest,
        *,
        on_start: Callable[[int, int | None], None],
        on_event: Callable[[AgentEvent], None],
        stop: Callable[[], StopRequest | None],
    ) -> AgentOutcome:
        """Play the script; a stop ends it between two events. Raises StorageError if the transcript fails."""
        began, script = time.monotonic(), self._script(request)
        on_start(NO_PROCESS, None)
        if script.work is not None:
            script.work(request)
        for event in script.events:
            if (why := stop()) is not None:
                return self._cut_short(request, script, stopped(why))
            _write(request, event)
            on_event(event)
        while script.waits:
            if (why := stop()) is not None:
                return self._cut_short(request, script, stopped(why))
            if time.monotonic() - began >= request.max_seconds:
                return self._cut_short(request, script, too_late(request.max_seconds))
            time.sleep(POLL_S)
        _write(request, script.outcome)
        return script.outcome

    def bill(self, request: AgentRequest, *, started: bool = False) -> AgentOutcome:
        """Judge, by its transcript, an agent whose runner died: `aborted`, `interrupted`, and its usage."""
        usage = _used(request)
        return AgentOutcome(
            status=SessionStatus.ABORTED,
            reason=Reason.INTERRUPTED,
            usage=Usage(cost_known=not started) if usage is None else usage,
        )

    def _cut_short(self, request: AgentRequest, script: Script, verdict: AgentVerdict) -> AgentOutcome:
        """The outcome of an agent that was ended from outside, billed from what it had said until then."""
        usage = _used(request)
        return msgspec.structs.replace(
            script.outcome,
            status=verdict.status,
            reason=verdict.reason,
            usage=Usage(cost_known=False) if usage is None else usage,
        )


def _write(request: AgentRequest, said: AgentEvent | AgentOutcome) -> None:
    """Append one line to the transcript: what was said, with the usage so far if known."""
    append_durable(request.transcript, msgspec.json.encode(said) + b"\n", durable=False)


class _Line(msgspec.Struct, frozen=True):
    """The part of a transcript line that is read back."""

    usage: Usage | None = None


def _used(request: AgentRequest) -> Usage | None:
    """The last usage in the transcript: unknown if it names none, None if there is no transcript."""
    transcript = read_regular(request.transcript, TRANSCRIPT_LIMIT)
    if transcript is None:
        return None
    lines = (from_json(line, _Line) for line in transcript.splitlines())
    usages = [line.usage for line in lines if line.usage is not None]
    return usages[-1] if usages else Usage(cost_known=False)
