"""The ground that all trials begin on, laid once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hostile.trial import lay_ground

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to copy, and not to change."""
    folder = tmp_path_factory.mktemp("ground")
    lay_ground(folder)
    return folder
