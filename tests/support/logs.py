"""Logs for tests: whole lines, a line that was cut off, and a run's directory that holds nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.store.paths import RunPaths
from pitboss.store.record_codec import encode_record
from tests.support.values import RUN_ID, record

if TYPE_CHECKING:
    from pathlib import Path

GARBAGE = b'{"seq": 2, "run'


def lines(*seqs: int) -> bytes:
    """The lines of these sessions, as the log holds them."""
    return b"".join(encode_record(record(seq)) for seq in seqs)


def empty_run(repo: Path) -> RunPaths:
    """A run's directory with nothing in it."""
    paths = RunPaths(repo, RUN_ID)
    paths.root.mkdir(parents=True)
    return paths
