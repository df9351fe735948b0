"""A sample of the kill matrix of workers; `python -m tests.chaos.workers` tries all of it (SPEC 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.worker_blows import Who
from tests.chaos.worker_night import When
from tests.chaos.workers import Cell, try_cell

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "cell",
    [
        Cell(Who.WORKER_AND_GUARDIAN, When.IN_AGENT),
        Cell(Who.RUNNER_OF_CLUSTER, When.IN_AGENT),
        Cell(Who.WORKER, When.IN_PUSH),
    ],
    ids=str,
)
def test_a_blow_breaks_no_promise(cell: Cell, tmp_path: Path) -> None:
    assert try_cell(cell, tmp_path / "night") == []
