"""Rebases of a user's that have stopped, and go on later."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cli import Project

_USER = ("-c", "user.name=t", "-c", "user.email=t@local", "-c", "core.editor=true")


def stopped_rebase(project: Project, place: Path, branch: str, way: str = "--merge") -> str:
    """In a working tree, rebase `branch` onto a commit with which it conflicts; returns where the branch still is.

    With `--update-refs` another branch on top of it is rebased, and takes it along.
    """
    _git(project, place, "checkout", "-q", branch)
    _commit(project, place, "below.txt", "mine")
    _git(project, place, "checkout", "-q", "--detach", "HEAD~1")
    onto = _commit(project, place, "clash.txt", "theirs")
    _git(project, place, "checkout", "-q", *(("-b", "above") if way == "--update-refs" else ()), branch)
    _commit(project, place, "clash.txt", "mine")
    with pytest.raises(subprocess.CalledProcessError):
        _git(project, place, "rebase", "-q", way, onto)
    return _git(project, place, "rev-parse", branch)


def go_on_with_rebase(project: Project, place: Path) -> None:
    """Settle the conflict, and let the rebase end."""
    (place / "clash.txt").write_text("both\n")
    _git(project, place, "add", "clash.txt")
    _git(project, place, "rebase", "--continue")


def _commit(project: Project, place: Path, name: str, content: str) -> str:
    (place / name).write_text(f"{content}\n")
    _git(project, place, "add", name)
    _git(project, place, "commit", "-q", "-m", f"Write {name}")
    return _git(project, place, "rev-parse", "HEAD")


def _git(project: Project, place: Path, *args: str) -> str:
    return project.git("-C", str(place), *_USER, *args).strip()
