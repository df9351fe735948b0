"""What the chaos tests share: templates and shims are made once for each worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.crash import Shim
from tests.chaos.trial import Trial, Trials

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    return Trials(tmp_path_factory.mktemp("trials"))


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Shim:
    return Shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def paused(trials: Trials, tmp_path: Path) -> Trial:
    """A run of which two sessions are recorded and a third is to come."""
    return trials.paused(tmp_path / "place")


@pytest.fixture
def fresh(trials: Trials, tmp_path: Path) -> Trial:
    """A repository in which no run has begun."""
    return trials.fresh(tmp_path / "place")
