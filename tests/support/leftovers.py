"""Ends what a test started beside itself also if the test is killed, which runs no `finally`."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
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
