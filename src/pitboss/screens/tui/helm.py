"""Steers: asks the person first, then the run or the desk, and shows the answer (SPEC 10)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, TypeVar

from pitboss.core.answers import Granted
from pitboss.core.embed import one_line
from pitboss.core.gauges import gauges_of
from pitboss.core.recovery.refusals import resume_command
from pitboss.core.rescue_name import rescue_name
from pitboss.core.tone import Tone
from pitboss.core.words.deeds import answer_words
from pitboss.errors import PitbossError
from pitboss.screens.tui import steering
from pitboss.screens.tui.dialogs import YesOrNo
from pitboss.store.asking import ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from textual.screen import ModalScreen

    from pitboss.core.view import View
    from pitboss.screens.desk import Desk, Reply
    from pitboss.screens.tui.live_screen import LiveScreen
    from pitboss.screens.tui.run_reader import RunReader
    from pitboss.screens.tui.steering import Plea

_TASK_WIDTH = 60

T = TypeVar("T")


class Bridge(Protocol):
    """What a helm needs of the program around it."""

    repo: Path

    @property
    def live_screen(self) -> LiveScreen | None:
        """The screen that is on, or the one below a dialog."""
        ...

    def now(self) -> datetime:
        """The time."""
        ...

    def clock(self, moment: datetime) -> str:
        """A time in words."""
        ...

    def say(self, text: str, tone: Tone) -> None:
        """Show an answer."""
        ...

    def look_now(self) -> None:
        """Look at files at once."""
        ...

    async def closed(self, dialog: ModalScreen[T]) -> T:
        """Show a dialog, and wait for what it comes to."""
        ...


class Helm:
    """What the keys that change something do. Each method asks first; without a yes, nothing happens."""

    def __init__(self, bridge: Bridge, desk: Desk) -> None:
        self._bridge = bridge
        self._desk = desk

    async def pause(self) -> None:
        """Pause the run, or let it go on."""
        await self._steer(steering.pause)

    async def stop(self, *, now: bool) -> None:
        """Stop the run when its sessions have ended, or at once."""
        await self._steer(lambda view: steering.stop(view, now=now))

    async def skip(self) -> None:
        """Skip the session in flight that the cursor is on."""
        screen = self._bridge.live_screen
        seq = screen.seq_in_flight if screen is not None else None
        if seq is None:
            self._bridge.say("x skips a session in flight: put the cursor on one first", Tone.QUIET)
        else:
            await self._steer(lambda view: steering.skip(view, seq))

    async def change_cap(self, by: int) -> None:
        """Choose a cap and its new height."""
        from pitboss.screens.tui.forms import CapForm

        reader = self._live_run()
        if reader is None or reader.seen is None:
            return
        gauges = gauges_of(reader.seen.view, self._bridge.now())
        new = await self._bridge.closed(CapForm(gauges, first=by))
        if new is not None:
            await self._steer(lambda view: steering.change_cap(view, new, self._bridge.clock))

    async def queue_task(self) -> None:
        """Take the text of a task and queue it."""
        from pitboss.screens.tui.forms import TaskForm

        text = await self._bridge.closed(TaskForm())
        if text is not None and await self._agreed("Queue this task?", one_line(text, _TASK_WIDTH)):
            self._show(await asyncio.to_thread(self._desk.queue_task, text))

    async def apply_rescue(self) -> None:
        """Apply the rescued work of the session that the cursor is on."""
        screen = self._bridge.live_screen
        ref = screen.rescue_ref if screen is not None else None
        if screen is None or screen.reader is None or ref is None:
            self._bridge.say("a applies rescued work: put the cursor on a session that has some", Tone.QUIET)
        elif screen.reader.works_in_tree:
            self._bridge.say("the run works in this tree: apply rescued work when it is over", Tone.WARN)
        else:
            question = f"Apply {rescue_name(ref)} to the working tree?"
            if await self._agreed(question, "It is not committed. On a conflict nothing changes."):
                self._bridge.say("applying ...", Tone.QUIET)
                reply = await asyncio.to_thread(self._desk.apply_rescue, ref)
                screen.reader.forget_git()
                self._show(reply)

    async def _steer(self, plea: Callable[[View], Plea]) -> None:
        """Ask the person, then the run, and show what it answers."""
        reader = self._live_run()
        if reader is None or reader.seen is None:
            return
        view = reader.seen.view
        asked = plea(view)
        if not await self._agreed(asked.question, *asked.details):
            return
        self._bridge.say("asking the run ...", Tone.QUIET)
        repo, run_id = self._bridge.repo, reader.run_id
        try:
            answer = await asyncio.to_thread(ask, repo, run_id, asked.request, by=steering.BY)
        except PitbossError as error:
            self._bridge.say(error.message, Tone.BAD)
            return
        said = answer_words(answer, view, self._bridge.now(), self._bridge.clock)
        self._bridge.say(said, Tone.OK if isinstance(answer, Granted) else Tone.WARN)
        self._bridge.look_now()

    def _live_run(self) -> RunReader | None:
        """The run on the screen, if it is live; otherwise says what to do instead."""
        screen = self._bridge.live_screen
        reader = screen.reader if screen is not None else None
        if reader is None:
            self._bridge.say("this steers a live run: open one first", Tone.QUIET)
            return None
        if reader.live:
            return reader
        state = reader.seen.state if reader.seen is not None else None
        resumable = state is not None and state.status.is_resumable
        instead = f": `{resume_command(state)}` resumes it" if state is not None and resumable else ""
        self._bridge.say(f"run {reader.run_id} is not live{instead}", Tone.WARN)
        return None

    async def _agreed(self, question: str, *details: str) -> bool:
        return await self._bridge.closed(YesOrNo(question, details))

    def _show(self, reply: Reply) -> None:
        text = f"{reply.text}; {reply.hint}" if reply.hint else reply.text
        self._bridge.say(text, Tone.OK if reply.done else Tone.WARN)
        self._bridge.look_now()
