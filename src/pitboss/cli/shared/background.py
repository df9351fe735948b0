"""The process in which a detached run lives, free of the terminal; `cli.shared.detaching` starts it (SPEC 10).

It is an ordinary `pitboss grind` in all but this: nobody hears it on stdout, SIGHUP means nothing to it, and its stderr
goes to whoever started it until the run is live, and to the run's own file from then on.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from pitboss.cli.shared.failures import render
from pitboss.core.redact import Secrets
from pitboss.errors import StorageError
from pitboss.screens.detached import DetachedProgress
from pitboss.screens.output import note
from pitboss.screens.plain import warning
from pitboss.screens.terminal import Screen
from pitboss.store.runner_log import RunnerLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from pitboss.store.paths import RunPaths

VARIABLE = "PITBOSS_DETACHED"
"""Names the descriptor at which whoever started this process waits for a report, and the other end of stderr."""

STDERR = 2


class Background:
    """This process's line to the one that started it, and the way of its stderr to the run's own file."""

    def __init__(self, line: int, reading: int) -> None:
        """`reading` is the other end of stderr, held open so that stderr stays whole when its reader dies."""
        for fd in (line, reading):
            os.set_inheritable(fd, False)
        self._line = line
        self._paths: RunPaths | None = None
        self._went_over, self._goes_over = os.pipe()
        os.set_blocking(self._went_over, False)

    @classmethod
    def inherited(cls) -> Background | None:
        """What the environment says; None in a process that nobody has detached."""
        descriptors = os.environ.pop(VARIABLE, None)
        return None if descriptors is None else cls(*map(int, descriptors.split()))

    def run(self, work: Callable[[], int]) -> int:
        """Do the work of the command, and report its exit code; whoever started this may have gone."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        sys.stderr = cast("TextIO", Screen(cast("TextIO", sys.__stderr__)))
        try:
            code = work()
        except (Exception, KeyboardInterrupt) as error:
            self.follow()
            code = render(error)
        self._tell({"exit_code": code})
        return code

    def display(self, paths: RunPaths) -> DetachedProgress:
        """The display of the run; call it in the runner."""
        return DetachedProgress(lambda: self._go_over(paths), Secrets.of(os.environ))

    def watch_over(self, paths: RunPaths) -> None:
        """Note, before the runner is forked, which run this process is the guardian of."""
        self._paths = paths

    def _go_over(self, paths: RunPaths) -> RunnerLog:
        log = RunnerLog(paths)
        try:
            log.take_over(STDERR)
        except StorageError as error:
            note(warning(f"what the run says from now on is lost: {error.message}"))
            _silence(STDERR)
        os.write(self._goes_over, b"!")
        self._tell({"run_id": paths.run_id, "pid": os.getppid(), "log": str(paths.runner_log)})
        return log

    def follow(self) -> None:
        """In the guardian, whose runner has ended: say the last words where the runner said its own. Repeatable."""
        with suppress(BlockingIOError):
            if os.read(self._went_over, 1) and self._paths is not None:
                _silence(STDERR)
                with suppress(StorageError):
                    RunnerLog(self._paths).take_over(STDERR)

    def _tell(self, message: dict[str, object]) -> None:
        with suppress(OSError):  # nobody waits any more
            os.write(self._line, json.dumps(message).encode() + b"\n")


def _silence(fd: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    os.close(null)
