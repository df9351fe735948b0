"""How commands ask the live run for something: they send it, wait for the answer and print that (SPEC 10)."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitboss.cli.shared.chosen import live_run
from pitboss.cli.shared.project import project_root
from pitboss.core.answers import Declined, Granted, NotLive, Silence
from pitboss.core.words.deeds import answer_words
from pitboss.errors import CommandError, NoLiveRun
from pitboss.screens.output import clock_face, say
from pitboss.screens.program import with_calls
from pitboss.store.asking import ask
from pitboss.store.catalogue import most_recent_resumable
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

    def __init__(self, resume: str = "", *, options: str = "") -> None:
        """Find it. Raises NoLiveRun, whose hint says what to do instead.

        That is `resume` if there is a run to resume, and otherwise to start one with `options`. Without a `resume` it
        is to look at the runs.
        """
        self._repo: Path = project_root()
        self._resume = resume
        self._start = f"`pitboss grind{options and ' '}{options}` starts a run"
        try:
            self._run_id = live_run(self._repo, RUNS)
        except NoLiveRun as error:
            raise NoLiveRun(error.message, hint=self._hint()) from error
        self.view: View = snapshot(self._repo, self._run_id, last=0).view

    def ask(self, what: Request, *, by: str) -> None:
        """Ask for `what` as the command `by`, and print the answer. Raises CommandError, NoLiveRun, StorageError."""
        answer = ask(self._repo, self._run_id, what, by=by)
        said = answer_words(answer, self.view, datetime.now(UTC), clock_face())
        match answer:
            case Granted():
                say(with_calls(said, sys.stdout))
            case NotLive():
                raise NoLiveRun(said, hint=self._hint())
            case Declined() | Silence():
                raise CommandError(said, hint=_advice(answer))

    def _hint(self) -> str:
        if not self._resume:
            return RUNS
        return self._start if most_recent_resumable(self._repo) is None else self._resume


def _advice(answer: Answer) -> str:
    if isinstance(answer, Silence):
        return "`pitboss status` shows what the run does"
    return "`pitboss doctor` checks the run's files"
