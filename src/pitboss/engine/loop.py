"""The loop of a run: ask what comes next, start a session, take records back, repeat (SPEC 5)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from pitboss.core import budget
from pitboss.core.chooser import Choice, Wait
from pitboss.core.events import RunEnded, Warned
from pitboss.core.recovery.refusals import resume_command
from pitboss.core.session import SessionRecord
from pitboss.core.stops import Ending
from pitboss.engine.choice import next_step, stuck, unpriced
from pitboss.engine.pool import Pool
from pitboss.engine.session import dispatch, run_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pitboss.engine.context import RunContext

SESSIONS_BETWEEN_TIDYING = 500


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What a resumed run brings along.

    `any_failed`: some session in the log was error or timeout. `unjudged` are records that no loop has
    looked at: a dead runner's last ones, and those that recovery made. `paused`: somebody resumes a run
    that was stopped in order, so failures before now do not stop it before it has tried.
    """

    any_failed: bool = False
    unjudged: tuple[SessionRecord, ...] = ()
    paused: bool = False


class Loop:
    """One live run from here to its terminal state; `tidy` is called now and then to keep the repository fast."""

    def __init__(self, context: RunContext, past: Past, *, tidy: Callable[[], None]) -> None:
        self._context = context
        self._tidy = tidy
        self._pool = Pool()
        self._paused = past.paused
        self._any_failed = past.any_failed
        self._ending: Ending | None = None
        self._warned: set[str] = set()
        self._ended = 0
        self._judge(past.unjudged)

    def run(self) -> Ending:
        """Run sessions until something says stop, and return what; an error in one session stops the others first."""
        try:
            while not isinstance(step := self._next(), Ending):
                match step:
                    case Choice():
                        session = dispatch(self._context, step)
                        self._pool.start(session, partial(run_session, self._context))
                    case Wait():
                        self._take(self._pool.next_ended())
        except BaseException:
            if self._pool.running:
                self._context.control.abort()
                self._pool.drain()
            raise
        return step

    def finish(self, ending: Ending, checkout: str | None) -> int:
        """Write the terminal state and return the exit code; `checkout` is what is checked out now, if that is told."""
        code = ending.reason.exit_code(any_failed=self._any_failed)
        journal = self._context.journal
        journal.finished(ending.reason.final_status, ending.message)
        self._context.emit(
            RunEnded(
                run_id=journal.state.run_id,
                branch=journal.state.branch,
                status=journal.state.status,
                stop_reason=ending.reason,
                message=ending.message,
                exit_code=code,
                used=journal.consumed,
                cost_known=journal.state.cost_known,
                checkout=checkout,
                resume=resume_command(journal.state) if journal.state.status.is_resumable else None,
            )
        )
        return code

    def _next(self) -> Choice | Wait | Ending:
        self._context.control.listen()
        running = self._pool.running
        if self._ending is not None:
            self._context.gate.closing = True
            return Wait() if running else self._ending
        return next_step(self._context, running, streak_counts=self._ended > 0 or not self._paused)

    def _take(self, record: SessionRecord) -> None:
        self._judge([record])
        self._ending = self._ending or stuck(self._context, record)
        self._warn_of_caps()
        self._ended += 1
        if self._ended % SESSIONS_BETWEEN_TIDYING == 0:
            self._tidy()

    def _judge(self, records: Iterable[SessionRecord]) -> None:
        for record in records:
            self._any_failed = self._any_failed or record.status.failed
            self._ending = self._ending or unpriced(self._context, record)

    def _warn_of_caps(self) -> None:
        context = self._context
        for warning in budget.nearing(
            context.caps,
            context.journal.consumed,
            started_at=context.journal.state.started_at,
            now=context.clock(),
            warned=self._warned,
        ):
            self._warned.add(warning.cap)
            context.emit(Warned(text=warning.message))
