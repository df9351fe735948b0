"""A live run from its first session to its exit code, whatever goes wrong on the way (SPEC 5)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.core.events import RunEnded
from pitboss.core.recovery.refusals import resume_command
from pitboss.core.stops import RunStatus
from pitboss.errors import PitbossError, StartError, why_failed
from pitboss.store.end_marker import note_live

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.events import Observer
    from pitboss.core.stops import Ending
    from pitboss.engine.announcing import Announcer
    from pitboss.engine.brakes import Brakes
    from pitboss.engine.control import Control
    from pitboss.engine.journal import Journal
    from pitboss.engine.loop import Loop
    from pitboss.engine.ports import Places
    from pitboss.store.backup import Backup


class Grinding:
    """Opens the places of sessions before the loop and closes them after it; `stays`: check out nothing afterwards."""

    def __init__(
        self,
        places: Places,
        journal: Journal,
        control: Control,
        backup: Backup,
        announcer: Announcer,
        *,
        stays: bool,
    ) -> None:
        self._places = places
        self._journal = journal
        self._control = control
        self._backup = backup
        self._announcer = announcer
        self._stays = stays

    def grind(self, loop: Loop, brakes: Brakes, *, tidy: Callable[[], None]) -> int:
        """Run sessions until something says stop; returns the exit code. `tidy` keeps the repository fast."""
        note_live(self._journal.rundir.paths)
        self._backup.keep()
        self._open()
        try:
            with self._control.listening():
                ending = loop.run(tidy=tidy)
                self._close()
                for text in self._backup.put_back():
                    self._announcer.warn(text)
                checkout = self._go_back()
                self._announcer.notices()
                tell, failed = self._announcer.tell, brakes.any_failed
                used_up = loop.is_used_up()
                return finish(
                    ending, self._journal, tell, any_failed=failed, used_up=used_up, checkout=checkout
                )
        except Exception as error:
            self._give_up(error)
            raise

    def _open(self) -> None:
        """Make the places ready. After a refusal the run can be resumed once the obstacle is gone."""
        try:
            self._places.open()
        except PitbossError as error:
            status = RunStatus.ABORTED if isinstance(error, StartError) else RunStatus.FAILED
            with suppress(PitbossError):
                self._journal.finished(status, f"could not go on: {error.message}")
            raise

    def _close(self) -> None:
        """Close the places; trouble here is only a warning: the work of the run is safe."""
        try:
            self._places.close()
        except PitbossError as error:
            error.name_run(self._journal.state.run_id)
            self._announcer.warn("; ".join(filter(None, (error.message, error.hint))))

    def _go_back(self) -> str | None:
        """Check out what was checked out before the run; returns what is now, None if the run left it alone."""
        state = self._journal.state
        if state.return_to is None or self._stays:
            return None
        try:
            return str(self._places.restore_checkout(state.return_to))
        except PitbossError as error:
            self._announcer.warn(f"the checkout stays on {state.branch}: {error.message}")
            return None

    def _give_up(self, error: Exception) -> None:
        """After an internal error: write `failed` if that still works, and leave sessions in flight alone."""
        with suppress(PitbossError):
            self._journal.finished(RunStatus.FAILED, why_failed(error))
        self._announcer.notices()


def finish(
    ending: Ending,
    journal: Journal,
    emit: Observer,
    *,
    any_failed: bool,
    used_up: bool,
    checkout: str | None,
) -> int:
    """Write the run's terminal state and return its exit code; `checkout` is what is checked out now, if known.

    A run that is `used_up` is not said to be one that can go on, unless something of it is still to be settled.
    """
    code = ending.reason.exit_code(any_failed=any_failed)
    journal.finished(ending.reason.final_status, ending.message)
    state = journal.state
    goes_on = state.status.is_resumable and not (used_up and not state.in_flight and not state.unrescued)
    emit(
        RunEnded(
            run_id=state.run_id,
            branch=state.branch,
            status=state.status,
            stop_reason=ending.reason,
            message=ending.message,
            exit_code=code,
            used=journal.consumed,
            cost_known=state.cost_known,
            checkout=checkout,
            resume=resume_command(state) if goes_on else None,
        )
    )
    return code
