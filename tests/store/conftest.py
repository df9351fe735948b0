"""The run directory that many tests of this folder begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.store.rundir import RunDir
from tests.support.values import fresh_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    """The directory of a run that has just begun."""
    with RunDir.create(tmp_path, fresh_run()) as directory:
        yield directory
