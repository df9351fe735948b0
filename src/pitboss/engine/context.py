"""What every part of a live run shares: settings, doors to the outside, and the run's journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pitboss.core.budget import exceeded
from pitboss.core.chooser import upcoming
from pitboss.core.events import Warned
from pitboss.core.stops import StopLevel
from pitboss.store.opening import take_notices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from pitboss.core.budget import Caps
    from pitboss.core.chooser import Chooser
    from pitboss.core.config import Config, Hooks
    from pitboss.core.events import Observer
    from pitboss.core.prompt import PromptDoc
    from pitboss.core.redact import Secrets
    from pitboss.core.scheduler import Contender
    from pitboss.engine.control import Control
    from pitboss.engine.gate import Gate
    from pitboss.engine.journal import Journal
    from pitboss.engine.meter import Meter
    from pitboss.engine.ports import Agent, Places
    from pitboss.store.paths import RunPaths


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """The collaborators of one run. `agent` makes the backend of that name; `environ` is the runner's own."""

    config: Config
    prompts: Mapping[str, PromptDoc]
    chooser: Chooser
    contenders: Sequence[Contender]
    hooks: Hooks
    caps: Caps
    max_parallel: int
    agent: Callable[[str], Agent]
    places: Places
    journal: Journal
    control: Control
    gate: Gate
    meter: Meter
    secrets: Secrets
    emit: Observer
    clock: Callable[[], datetime]
    environ: Mapping[str, str]
    repo_root: Path
    host: str

    @property
    def paths(self) -> RunPaths:
        """The files of the run."""
        return self.journal.rundir.paths

    def tell_notices(self) -> None:
        """Tell the user what was found in the way of the run's own files since this was asked last (SPEC 1.6)."""
        for text in take_notices():
            self.emit(Warned(text=text))

    def next_pick(self) -> str | None:
        """The prompt that would be dispatched next; None when no session may be started any more."""
        in_flight = len(self.journal.running)
        if self.control.level() is not StopLevel.NONE:
            return None
        if exceeded(self.caps, self.journal.consumed, now=self.clock(), in_flight=in_flight) is not None:
            return None
        choice = next(upcoming(self.chooser, self.journal.state), None)
        return choice.prompt if choice else None
