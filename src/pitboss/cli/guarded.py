"""Runs the working part of a command under the run's lock and a guardian (SPEC 1.4, 5)."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from pitboss.cli.patient import be_patient
from pitboss.cli.progress import JsonProgress, for_stderr
from pitboss.core.environment import RUN_ID
from pitboss.core.events import Warned
from pitboss.core.redact import Secrets
from pitboss.engine.bus import Bus
from pitboss.guardian import guard
from pitboss.store.end_marker import note_end
from pitboss.store.event_log import EventLog
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import RunLock
from pitboss.store.mailbox import take_requests
from pitboss.store.opening import is_folder
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pitboss.core.events import Observer, Outlet
    from pitboss.guardian import StopChannel


def run_guarded(
    root: Path,
    run_id: str,
    warnings: Sequence[str],
    *,
    as_json: bool,
    starts: bool = True,
    body: Callable[[StopChannel, Observer], int],
) -> int:
    """Take the lock, put a guardian above this process and run `body` under it; returns its exit code.

    `starts` says that sessions will be started. Raises LockHeld. What `body` raises is rendered in the runner, which
    then ends with its exit code.
    """

    def runner(channel: StopChannel) -> int:
        from pitboss.cli.main import reported

        verbose = click.get_current_context().find_root().params["verbose"]
        return reported(lambda: shown(channel), verbose=verbose)

    def shown(channel: StopChannel) -> int:
        be_patient()
        display = for_stderr(json=as_json)
        outlets: list[Outlet[Any]] = [display, EventLog(paths, Secrets.of(os.environ), started=not starts)]
        if as_json:
            outlets.append(JsonProgress(paths))
        with display, closing(Bus(outlets)) as emit:
            for text in warnings:
                emit(Warned(text=text))
            return body(channel, emit)

    paths = RunPaths(root, run_id)
    with RunLock.acquire(*lock_paths(root), run_id=run_id):
        take_requests(paths)  # those of an earlier life of the run
        code = guard(runner, marker={RUN_ID: run_id}, resumable=lambda: is_folder(paths.root))
        note_end(paths)
        return code
