"""Runs the working part of a command under the run's lock and a guardian (SPEC 1.4, 5)."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from pitboss.cli.shared.failures import exit_code
from pitboss.core.environment import RUN_ID
from pitboss.errors import PitbossError, RunnerKilled
from pitboss.guardian import NOTHING_ELSE, Meanwhile, guard
from pitboss.screens.output import note
from pitboss.screens.patient import be_patient, hurry
from pitboss.screens.terminal import draws_footer
from pitboss.store.end_marker import is_noted_live, note_end
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import RunLock
from pitboss.store.mailbox import throw_away
from pitboss.store.opening import is_folder
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pitboss.cli.shared.background import Background
    from pitboss.core.events import Outlet
    from pitboss.core.needs import Need
    from pitboss.git.repo import Repo
    from pitboss.guardian import StopChannel
    from pitboss.screens.plain import PlainProgress


def run_guarded(
    repo: Repo,
    run_id: str,
    *,
    as_json: bool = False,
    background: Background | None = None,
    starts: bool = True,
    body: Callable[[StopChannel, Callable[[], Sequence[Outlet[Any]]]], int],
) -> int:
    """Take the lock, put a guardian above this process and run `body` under it; returns its exit code.

    `body` gets what makes the outlets that show the run: they are made when there is something to show. `background` is
    set in the process of a detached run. `starts`: it starts sessions. Raises LockHeld, RunnerKilled. What `body`
    raises is rendered in the runner, which then ends with the matching exit code.
    """
    paths = RunPaths(repo.root, run_id)
    if background is not None:
        background.watch_over(paths)

    def runner(channel: StopChannel) -> int:
        be_patient()
        with ExitStack() as shown:
            shown.callback(hurry)
            display = partial(_display, repo, paths, background, as_json=as_json)
            files = partial(_files, paths, as_json=as_json, started=not starts)
            return body(channel, lambda: [shown.enter_context(display()), *files()])

    said = ""
    try:
        with RunLock.acquire(*lock_paths(repo.root), run_id=run_id):
            throw_away(paths)
            try:
                silent = background is None and draws_footer(json=as_json) and sys.stdout.isatty()
                meanwhile = Meanwhile(silent=silent, get_ready=lambda: get_ready(paths))
                return guarded(runner, run_id, resumable=lambda: is_folder(paths.root), meanwhile=meanwhile)
            finally:
                said = at_the_end(repo, paths)
    finally:
        if said:
            _tell(said, background)


def _display(repo: Repo, paths: RunPaths, background: Background | None, *, as_json: bool) -> PlainProgress:
    """What shows the run to whoever sits at the terminal, or to whoever started it in the background."""
    if background is not None:
        display: PlainProgress = background.display(paths)
    else:
        from pitboss.screens.progress import for_stderr

        display = for_stderr(json=as_json)
    display.needs = partial(_needs, repo, paths.run_id)
    display.way_home = partial(_way_home, repo, paths.run_id)
    return display


def _files(paths: RunPaths, *, as_json: bool, started: bool) -> Iterator[Outlet[Any]]:
    """What writes down what happens in the run, as files or JSON lines."""
    from pitboss.core.redact import Secrets
    from pitboss.store.event_log import EventLog

    yield EventLog(paths, Secrets.of(os.environ), started=started)
    if as_json:
        from pitboss.screens.json_lines import JsonProgress

        yield JsonProgress(paths)


def get_ready(paths: RunPaths) -> bool:
    """Load what `at_the_end` takes, so that a run of some length need not wait for it, nor find another pitboss there.

    False if nothing may come of it: until the run has begun, it may be refused.
    """
    if not is_noted_live(paths):
        return False
    from pitboss.cli.shared import reporting
    from pitboss.store import past_copy  # noqa: F401

    reporting.get_ready(paths)
    return True


def at_the_end(repo: Repo, paths: RunPaths) -> str:
    """Copy the run, and write the report, while its files are still nobody else's; returns what to say of it.

    Nothing if it had not begun.
    """
    if not note_end(paths):
        return ""
    from pitboss.cli.shared.reporting import report_at_the_end
    from pitboss.store.past_copy import copy_past

    copy_past(paths)
    return report_at_the_end(repo, paths)


def _tell(said: str, background: Background | None) -> None:
    """Say the last words of a run, once its lock is free: a paused terminal may hold them up for a moment."""
    if background is not None:
        background.follow()
    be_patient()
    hurry()
    with suppress(OSError):  # nobody reads any more
        note(said)


def _needs(repo: Repo, run_id: str) -> Sequence[Need]:
    from pitboss.cli.shared.needy import needs_at_the_end

    return needs_at_the_end(repo, run_id)


def _way_home(repo: Repo, run_id: str) -> str | None:
    from pitboss.cli.shared.needy import way_home

    return way_home(repo, run_id)


def guarded(
    body: Callable[[StopChannel], int],
    run_id: str,
    *,
    resumable: Callable[[], bool] = lambda: False,
    meanwhile: Meanwhile = NOTHING_ELSE,
) -> int:
    """Run `body` in a runner under a guardian; returns its exit code. Raises RunnerKilled."""

    def runner(channel: StopChannel) -> int:
        return exit_code(lambda: _naming(run_id, lambda: body(channel)))

    try:
        return guard(runner, marker={RUN_ID: run_id}, resumable=resumable, meanwhile=meanwhile)
    except RunnerKilled:
        # A paused terminal must not hold up what is left of a run.
        be_patient()
        hurry()
        raise


def _naming(run_id: str, body: Callable[[], int]) -> int:
    """Run `body`; the hint of its error names the run, wherever it was raised."""
    try:
        return body()
    except PitbossError as error:
        error.name_run(run_id)
        raise
