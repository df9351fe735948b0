"""The project that most tests of this folder begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A repository with one commit, where pitboss was never used."""
    return Project.create(tmp_path / "project")
