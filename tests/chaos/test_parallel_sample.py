"""A sample of the sweep with sessions side by side: moments that a run without them does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.aftermath import Aftermath, look
from tests.chaos.checks import processes_of
from tests.chaos.crash import KILLED, Moment
from tests.chaos.scenario import copy
from tests.chaos.sweeps import ParallelSweep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.parallel import Mode

    SweepOf = Callable[[Mode], ParallelSweep]

COMMITS_ITSELF, EXCLUSIVE, VERIFIED = 3, 7, 8
"""Sessions; the sixth is the retry of the fifth."""


@pytest.fixture(scope="session")
def sweep_of(tmp_path_factory: pytest.TempPathFactory) -> SweepOf:
    made: dict[Mode, ParallelSweep] = {}

    def find(mode: Mode) -> ParallelSweep:
        if mode not in made:
            made[mode] = ParallelSweep(tmp_path_factory.mktemp(mode), mode)
        return made[mode]

    return find


def after(seq: int, kind: str, calls: str, nth: int = 1) -> Moment:
    return Moment(calls, after="open", file=f"session-{seq:04}.{kind}", nth=nth)


def recorded(nth: int, calls: str) -> Moment:
    return Moment(calls, after="fsync", file="sessions.jsonl", nth=nth)


def noted(nth: int, calls: str) -> Moment:
    return Moment(calls, after="write", file="scratchpad.md", nth=nth)


MOMENTS: dict[str, tuple[Mode, Moment]] = {
    "slots are made": ("worktree", Moment("waitpid", after="mkdir", file="worktrees")),
    "what the file system can do is tried": ("worktree", Moment("unlink", after="open", file="file")),
    "three agents run": ("in-place", after(COMMITS_ITSELF, "log", "pipe2")),
    "the first to end was not the first to begin": ("in-place", recorded(1, "open")),
    "two early records, and a slot moves": ("worktree", recorded(2, "rename pipe2")),
    "notes merged, no record": ("in-place", noted(2, "fsync")),
    "a conflict is recorded, its retry is not begun": ("in-place", recorded(5, "waitpid")),
    "the exclusive one has ended": ("in-place", after(EXCLUSIVE, "log", "waitpid")),
    "a fixer has ended": ("worktree", after(VERIFIED, "fix-01.log", "waitpid")),
    "an agent's own commits have landed, no record": ("in-place", noted(8, "fsync")),
    "merged work is tested": ("in-place", after(VERIFIED, "verify-01.log", "waitpid", nth=2)),
}


def tried(sweep: ParallelSweep, root: Path, *moments: Moment, torn: bool = False) -> list[str]:
    """Kill a run at the first moment and its resumes at the others, bring it to its end, and look."""
    place = copy(sweep.template, root)
    crashes: list[Aftermath] = []
    for moment in moments:
        command = ("grind", "--resume") if crashes else ("grind",)
        ended = sweep.shim.crash_at(place, moment, *command, torn=torn)
        assert ended.code == KILLED, ended
        assert processes_of(place) == []
        crashes.append(look(place))
    return sweep.finish(place, crashes)


@pytest.mark.parametrize(("mode", "moment"), MOMENTS.values(), ids=MOMENTS)
def test_a_crash_beside_others_loses_nothing(
    sweep_of: SweepOf, tmp_path: Path, mode: Mode, moment: Moment
) -> None:
    assert tried(sweep_of(mode), tmp_path / "place", moment) == []


def test_a_torn_write_beside_others_loses_nothing(sweep_of: SweepOf, tmp_path: Path) -> None:
    record = recorded(2, "rename write")
    assert tried(sweep_of("worktree"), tmp_path / "place", record, torn=True) == []


def test_a_second_crash_while_several_sessions_are_mended_loses_nothing(
    sweep_of: SweepOf, tmp_path: Path
) -> None:
    ended = after(COMMITS_ITSELF, "log", "waitpid rename")
    taken_up = Moment("write", after="open", file="sessions.jsonl")
    assert tried(sweep_of("in-place"), tmp_path / "place", ended, taken_up) == []


def test_a_guardian_that_dies_leaves_sessions_side_by_side_in_order(
    sweep_of: SweepOf, tmp_path: Path
) -> None:
    sweep, reaped = sweep_of("in-place"), Moment("waitpid", after="open", file="lock", nth=2)
    assert sweep.try_guardian(copy(sweep.template, tmp_path / "place"), reaped) == []
