"""Programs beside a test, which end with it: also if it is killed, which runs no `finally`."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.cli import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_MARK = "STARTED_BY_TEST_IN"
_WATCH = """
import json, sys
if not sys.stdin.read():
    from pitboss import proctree
    proctree.end_tree(proctree.carrying(json.loads(sys.argv[1]), since=0), grace_s=5.0)
"""


@contextlib.contextmanager
def ended_if_killed(folder: Path) -> Iterator[dict[str, str]]:
    """Yield what marks the environment of processes that nobody may leave behind; `folder` is the test's own."""
    mark = {_MARK: str(folder)}
    with subprocess.Popen(
        [sys.executable, "-c", _WATCH, json.dumps(mark)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as watch:
        assert watch.stdin is not None
        try:
            yield mark
        finally:
            watch.stdin.write(b"over")


class Beside:
    """Programs that a test starts, each with a log in `folder`; `stack` ends them."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.mark = stack.enter_context(ended_if_killed(folder))

    def start(self, argv: Sequence[str], log: str, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start what ends with the test at the latest."""
        with (self._folder / f"{log}.log").open("ab") as said:
            process = subprocess.Popen(
                argv,
                cwd=self._folder,
                env={**env, **self.mark},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        self._stack.callback(_end, process)
        return process

    def said(self, log: str) -> str:
        """What was printed by a process that was started."""
        return (self._folder / f"{log}.log").read_text()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_S / 4)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
