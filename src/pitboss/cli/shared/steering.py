"""How commands ask the live run for something: they send it, wait for the answer and print that (SPEC 10)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitboss.cli.shared.chosen import live_run
from pitboss.cli.shared.project import project_root
from pitboss.core.answers import Declined, Granted, NotLive, Silence
from pitboss.core.words.deeds import answer_words
from pitboss.errors import CommandError, NoLiveRun
from pitboss.screens.output import clock_face, say
from pitboss.store.asking import ask
from pitboss.store.follow import snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.answers import Answer
    from pitboss.core.requests import Request
    from pitboss.core.view import View

RUNS = "`pitboss runs` lists all runs"
"""What to do instead where no run is live."""


class LiveRun:
    """The live run, as it was right before it is asked for something."""

    def __init__(self, instead: str = RUNS) -> None:
        """Find it. Raises NoLiveRun, whose hint says what to do `instead`."""
        self._repo: Path = project_root()
        self._instead = instead
        self._run_id = live_run(self._repo, instead)
        self.view: View = snapshot(self._repo, self._run_id, last=0).view

    def ask(self, what: Request, *, by: str) -> None:
        """Ask for `what` as the command `by`, and print the answer. Raises CommandError, NoLiveRun, StorageError."""
        answer = ask(self._repo, self._run_id, what, by=by)
        said = answer_words(answer, self.view, datetime.now(UTC), clock_face())
        match answer:
            case Granted():
                say(said)
            case NotLive():
                raise NoLiveRun(said, hint=self._instead)
            case Declined() | Silence():
                raise CommandError(said, hint=_advice(answer))


def _advice(answer: Answer) -> str:
    if isinstance(answer, Silence):
        return "`pitboss status` shows what the run does"
    return "`pitboss doctor` checks the run's files"
