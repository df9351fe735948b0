"""Asking a live run: the event that has the id of the request is its answer, and none other (SPEC 10)."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from pitboss.core.answers import Declined, Granted, NotLive, Silence
from pitboss.core.events import Draining, Paused, RunEnded, Warned
from pitboss.core.redact import Secrets
from pitboss.core.requests import Pause, Stop
from pitboss.core.stops import RunStatus, StopBy, StopReason
from pitboss.store import asking
from pitboss.store.asking import Inquiry, ask
from pitboss.store.event_log import EventLog
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import RunLock
from pitboss.store.mailbox import take_mail
from pitboss.store.rundir import RunDir
from tests.support.cli import wait_until
from tests.support.values import RUN_ID, fresh_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pitboss.core.events import RunEvent

ENDED = RunEnded(
    run_id=RUN_ID,
    branch="b",
    status=RunStatus.ABORTED,
    stop_reason=StopReason.DRAINED,
    message="drained on request",
    exit_code=0,
)


class Run:
    """A live run that writes the events it is given."""

    def __init__(self, repo: Path, rundir: RunDir) -> None:
        self.repo = repo
        self.paths = rundir.paths
        self._log = EventLog(rundir.paths, Secrets.of({}), started=True)

    def says(self, *events: RunEvent) -> None:
        for event in events:
            self._log(event)

    def asks(self) -> Inquiry:
        return Inquiry(self.repo, RUN_ID, Pause(), by="test")

    def _took(self, answer: Callable[[str], RunEvent]) -> bool:
        """Whether there was a whole request; it is answered then."""
        received = take_mail(self.paths).received
        self.says(*(answer(each.id) for each in received))
        return received != ()

    @contextmanager
    def answering(self, answer: Callable[[str], RunEvent]) -> Iterator[None]:
        """Take the first request beside the test, and answer it."""

        def serve() -> None:
            wait_until(lambda: self._took(answer))

        thread = Thread(target=serve)
        thread.start()
        yield
        thread.join()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with (
        RunDir.create(tmp_path, fresh_run()) as rundir,
        RunLock.acquire(*lock_paths(tmp_path), run_id=RUN_ID),
    ):
        yield Run(tmp_path, rundir)


def test_the_answer_is_what_the_run_does_about_this_request(run: Run) -> None:
    with run.answering(lambda request: Paused(by="test", request=request)):
        answer = ask(run.repo, RUN_ID, Pause(), by="test")
    assert isinstance(answer, Granted)
    assert isinstance(answer.deed, Paused)


def test_what_was_said_before_and_what_others_are_told_is_no_answer(run: Run) -> None:
    run.says(Draining(by=StopBy.REQUEST, request="drain"), ENDED)
    first, second = run.asks(), run.asks()
    stop = Inquiry(run.repo, RUN_ID, Stop(), by="test")
    run.says(Warned(text="something else"), Draining(), Paused(request=second.request))
    assert (first.answer(), stop.answer()) == (None, None)
    answer = second.answer()
    assert isinstance(answer, Granted)
    assert isinstance(answer.deed, Paused)
    run.says(Draining(by=StopBy.REQUEST, request="drain"))
    assert isinstance(stop.answer(), Granted)
    assert first.answer() is None


def test_a_refusal_is_an_answer(run: Run) -> None:
    with run.answering(lambda request: Warned(text="not that one", request=request)):
        assert ask(run.repo, RUN_ID, Pause(), by="test") == Declined(why="not that one")


def test_a_run_that_ends_gives_no_other_answer(run: Run) -> None:
    with run.answering(lambda _: ENDED):
        assert ask(run.repo, RUN_ID, Pause(), by="test") == NotLive()


def test_lines_that_are_no_events_are_passed_over(run: Run) -> None:
    inquiry = run.asks()
    with run.paths.events.open("ab") as file:
        file.write(b'garbage\n{"kind": "from the future"}\n{\n')
    assert inquiry.answer() is None


def test_a_run_that_says_nothing_is_waited_for_and_the_request_may_still_wait(run: Run) -> None:
    assert ask(run.repo, RUN_ID, Pause(), by="test", patience_s=0.1) == Silence(waits=True)
    inquiry = run.asks()
    assert inquiry.waits
    take_mail(run.paths)
    assert (inquiry.answer(), inquiry.waits) == (None, False)


def test_without_a_live_run_nothing_is_sent(tmp_path: Path) -> None:
    with RunDir.create(tmp_path, fresh_run()) as rundir:
        EventLog(rundir.paths, Secrets.of({}), started=True)(Warned(text="old"))
        assert ask(tmp_path, RUN_ID, Pause(), by="test") == NotLive()
        assert list(rundir.paths.control.iterdir()) == []


def test_a_run_that_dies_is_noticed_before_patience_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_CHECK_LIVE_S", 0.0)
    with RunDir.create(tmp_path, fresh_run()):
        with RunLock.acquire(*lock_paths(tmp_path), run_id=RUN_ID):
            inquiry = Inquiry(tmp_path, RUN_ID, Pause(), by="test")
            assert inquiry.answer() is None
        assert inquiry.answer() == NotLive()
