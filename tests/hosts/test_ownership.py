"""Whose a process is that carries the name of a run, of which there may be a copy (SPEC 7)."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pitboss.hosts.ownership import own
from pitboss.store.paths import RunPaths
from tests.support.cli import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = "20260101T000000Z-abcd"


@pytest.fixture
def runs(tmp_path: Path) -> tuple[RunPaths, RunPaths]:
    """A run, and its copy."""
    paths = RunPaths(tmp_path / "repo", RUN), RunPaths(tmp_path / "copy", RUN)
    for each in paths:
        (each.worktrees / "slot-1").mkdir(parents=True)
    return paths


@contextmanager
def process(cwd: Path, worktree: Path | None = None) -> Iterator[int]:
    """A process that is in a folder, and was told that it works in another."""
    env = dict(os.environ)
    env.pop("PITBOSS_WORKTREE", None)
    if worktree is not None:
        env["PITBOSS_WORKTREE"] = str(worktree)
    with subprocess.Popen(["sleep", "600"], cwd=cwd, env=env) as started:
        try:
            wait_until(
                lambda: Path(f"/proc/{started.pid}/environ").read_bytes()
            )  # it is there a little later
            yield started.pid
        finally:
            started.kill()


def test_it_is_its_whose_tree_it_works_in_wherever_it_is(runs: tuple[RunPaths, RunPaths]) -> None:
    run, copy = runs
    for tree in (run.repo, run.worktrees / "slot-1"):
        with process(copy.repo, tree) as pid:
            assert (own(run, [pid]), own(copy, [pid])) == ([pid], [])


def test_without_word_of_a_tree_it_is_its_in_whose_folder_it_is(runs: tuple[RunPaths, RunPaths]) -> None:
    run, copy = runs
    with process(run.worktrees / "slot-1") as pid:
        assert (own(run, [pid]), own(copy, [pid])) == ([pid], [])


def test_a_moved_repository_takes_its_processes_along(
    runs: tuple[RunPaths, RunPaths], tmp_path: Path
) -> None:
    run, _ = runs
    with process(tmp_path, run.repo) as agent, process(run.repo) as git:
        run.repo.rename(tmp_path / "moved")
        assert own(RunPaths(tmp_path / "moved", RUN), [agent, git]) == [agent, git]


def test_what_is_in_no_repository_counts_as_its_own(runs: tuple[RunPaths, RunPaths], tmp_path: Path) -> None:
    run, copy = runs
    with process(tmp_path) as pid:
        assert (own(run, [pid]), own(copy, [pid])) == ([pid], [pid])
