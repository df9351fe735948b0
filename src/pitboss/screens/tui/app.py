"""The TUI as a whole: which screen is on, and when it looks at files (SPEC 10)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pitboss.core.embed import one_line
from pitboss.core.tone import Tone
from pitboss.errors import PitbossError
from pitboss.screens.program import screen_calls
from pitboss.screens.tones import TONE_INK
from pitboss.screens.tui.clocks import short
from pitboss.screens.tui.live_screen import LiveScreen
from pitboss.screens.tui.orderly_app import OrderlyApp
from pitboss.screens.tui.pieces import Piece

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.screen import ModalScreen, Screen

    from pitboss.screens.desk import Desk
    from pitboss.screens.tui.helm import Helm
    from pitboss.screens.tui.run_reader import RunReader
    from pitboss.screens.tui.wishes import OpenRun, OpenSession

T = TypeVar("T")

TICK_S = 1.0
"""How often ages and times go on while nothing happens."""


class WatchApp(OrderlyApp):
    """`pitboss watch`: begins with a run, or with the list of runs."""

    def __init__(
        self,
        repo: Path,
        run_id: str | None,
        desk: Desk,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__()
        self.repo = repo
        self._now = now
        self._run_id = run_id
        self._reader: RunReader | None = None
        self._desk = desk
        self.looks = 0
        """How often files were looked at and shown so far."""
        self._drawn_at = 0.0
        self._hurry = asyncio.Event()

    def now(self) -> datetime:
        """The time."""
        return self._now()

    def clock(self, moment: datetime) -> str:
        """A time, as rows show it."""
        return short(moment, self.now())

    @property
    def live_screen(self) -> LiveScreen | None:
        """The screen that is on, or the one below a dialog."""
        return next((each for each in reversed(self.screen_stack) if isinstance(each, LiveScreen)), None)

    async def on_mount(self) -> None:
        """Show the first screen, and begin to look."""
        if self._run_id is None:
            await self.show_runs()
        else:
            await self.open_run(self._run_id)
        self.run_worker(self._looks())

    async def open_run(self, run_id: str) -> None:
        """Show a run."""
        from pitboss.screens.tui.run_reader import RunReader
        from pitboss.screens.tui.run_screen import RunScreen

        self._reader = RunReader(self.repo, run_id, self._desk)
        await self.push(RunScreen(self._reader, self.clock))

    async def on_open_run(self, event: OpenRun) -> None:
        """A row of the list was chosen; it may be gone by now."""
        try:
            await self.open_run(event.run_id)
        except PitbossError as error:
            self.say(error.message, Tone.BAD)

    async def on_open_session(self, event: OpenSession) -> None:
        """A row of a run was chosen."""
        from pitboss.screens.tui.session_screen import SessionScreen

        if self._reader is not None:
            await self.push(SessionScreen(self._reader, event, self.clock))

    async def show_runs(self) -> None:
        """Show the list of runs."""
        from pitboss.screens.tui.runs_screen import RunsScreen

        await self.push(RunsScreen(self.repo, self.clock))

    async def push(self, screen: Screen[Any]) -> None:
        """Put a screen on, and look at its files at once."""
        await self.push_screen(screen)
        self._hurry.set()

    async def _looks(self) -> None:
        """Look at files, and draw what is new or has aged; forever."""
        while True:
            screen = self.live_screen
            if screen is not None:
                await self._look(screen)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), TICK_S if screen is None else screen.look_s)
            self._hurry.clear()

    async def _look(self, screen: LiveScreen) -> None:
        news = await asyncio.to_thread(screen.look)
        at = asyncio.get_running_loop().time()
        aged = screen.ages and at - self._drawn_at >= TICK_S
        if screen.is_attached and (news or aged or screen.is_fresh):
            self._drawn_at = at
            screen.is_fresh = False
            screen.draw(self.now())
            screen.show_hints()
        self.looks += 1

    def look_now(self) -> None:
        """Look at files at once."""
        self._hurry.set()

    def on_draw_again(self) -> None:
        """A screen waits for it."""
        self.look_now()

    async def action_back(self) -> None:
        """Back to the screen before; from the first one to the list of all runs."""
        from pitboss.screens.tui.runs_screen import RunsScreen

        screen = self.live_screen
        if isinstance(screen, RunsScreen):
            return
        others = [each for each in self.screen_stack if isinstance(each, LiveScreen) and each is not screen]
        await self.pop_screen()
        if not others:
            await self.show_runs()
        self._hurry.set()

    def action_help(self) -> None:
        """Show all keys."""
        from pitboss.screens.tui.dialogs import Help

        self.push_screen(Help())

    def action_pause(self) -> None:
        """Pause the run, or let it go on."""
        self.run_worker(self._helm.pause())

    def action_stop(self, now: bool) -> None:
        """Stop the run."""
        self.run_worker(self._helm.stop(now=now))

    def action_skip(self) -> None:
        """Skip the session in flight that the cursor is on."""
        self.run_worker(self._helm.skip())

    def action_cap(self, by: int) -> None:
        """Change a cap, beginning with a step up or down."""
        self.run_worker(self._helm.change_cap(by))

    def action_task(self) -> None:
        """Queue a task."""
        self.run_worker(self._helm.queue_task())

    def action_apply(self) -> None:
        """Apply the rescued work of the session that the cursor is on."""
        self.run_worker(self._helm.apply_rescue())

    def say(self, text: str, tone: Tone) -> None:
        """Show an answer above the keys, until the next one."""
        if self.live_screen is not None:
            self.live_screen.show_answer([Piece(screen_calls(one_line(text)), TONE_INK[tone])])

    async def closed(self, dialog: ModalScreen[T]) -> T:
        """Show a dialog, and wait for what it comes to; only for workers."""
        answer: T = await self.push_screen_wait(dialog)
        return answer

    @cached_property
    def _helm(self) -> Helm:
        # Most people only look.
        from pitboss.screens.tui.helm import Helm

        return Helm(self, self._desk)
