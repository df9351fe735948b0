"""A sample of the sweep for every test run: each kind of call in each kind of session, at fixed moments."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.chaos.checks import processes_of, violations
from tests.chaos.crash import KILLED, Moment
from tests.chaos.crashing import FINISHED, FencedSweep, Sweep
from tests.chaos.scenario import copy
from tests.support.sandboxes import needs_bwrap

if TYPE_CHECKING:
    from pathlib import Path

COMMITS, SECOND, NOTHING, COMMITS_ITSELF, FAILS, BREAKS_TESTS, HOOK_FAILS, AGAIN, LAST = range(1, 10)


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return Sweep(tmp_path_factory.mktemp("sweep"))


def in_flight(seq: int) -> Moment:
    """The write of state.json that dispatches it: after the switch to the run branch, or the post hook before it."""
    if seq == 1:
        return Moment("open write", after="unlink", file="switch")
    return Moment("waitpid open write", after="open", file=f"session-{seq - 1:04}.hooks.log", nth=2)


def hook_started(seq: int) -> Moment:
    return Moment("waitpid", after="open", file=f"session-{seq:04}.hooks.log")


def agent_started(seq: int) -> Moment:
    return Moment("pipe2", after="open", file=f"session-{seq:04}.log")


def agent_reaped(seq: int) -> Moment:
    return Moment("waitpid", after="open", file=f"session-{seq:04}.log")


def outcome_renamed(seq: int) -> Moment:
    return after_the_agent(seq, "rename")


def git_started(seq: int) -> Moment:
    return after_the_agent(seq, "rename pipe2")


def git_done(seq: int) -> Moment:
    return after_the_agent(seq, "rename unlink")


def after_the_agent(seq: int, calls: str) -> Moment:
    log = f"session-{seq:04}.{'hooks.' * (seq == HOOK_FAILS)}log"  # there it is the hook after which nothing runs
    return Moment(f"waitpid {calls}", after="open", file=log)


def record_written(seq: int) -> Moment:
    return Moment("fsync", after="write", file="sessions.jsonl", nth=seq)


def recorded(seq: int) -> Moment:
    return Moment("open", after="fsync", file="sessions.jsonl", nth=seq)


def checkpointed(seq: int) -> Moment:
    return Moment("rename", after="fsync", file="sessions.jsonl", nth=seq)


def post_hook(seq: int) -> Moment:
    return Moment("waitpid", after="fsync", file="sessions.jsonl", nth=seq)


MOMENTS = {
    "in flight, of a session that commits": in_flight(COMMITS),
    "hook before an agent that commits": hook_started(COMMITS),
    "agent that commits nothing started": agent_started(NOTHING),
    "agent that commits itself reaped": agent_reaped(COMMITS_ITSELF),
    "agent that fails reaped": agent_reaped(FAILS),
    "agent that breaks tests reaped": agent_reaped(BREAKS_TESTS),
    "outcome of nothing renamed": outcome_renamed(NOTHING),
    "outcome of a failure renamed": outcome_renamed(FAILS),
    "outcome of a failed hook renamed": outcome_renamed(HOOK_FAILS),
    "landing of a commit begun": git_started(COMMITS),
    "landing of an agent's commits begun": git_started(COMMITS_ITSELF),
    "rescue of a failure begun": git_started(FAILS),
    "commit made": git_done(COMMITS),
    "commit on top of the agent's made": git_done(COMMITS_ITSELF),
    "rescue made": git_done(FAILS),
    "tests begun": Moment("pipe2", after="open", file="session-0006.verify.log"),
    "fixer reaped": Moment("waitpid", after="open", file="session-0006.fix-01.log"),
    "fixed tests reaped": Moment("waitpid", after="open", file="session-0006.verify-01.log"),
    "record of a commit written": record_written(COMMITS),
    "record of a failed hook written": record_written(HOOK_FAILS),
    "record of failed tests durable": recorded(BREAKS_TESTS),
    "checkpoint of an agent's commits": checkpointed(COMMITS_ITSELF),
    "post hook of a failure reaped": post_hook(FAILS),
    "the last checkpoint": checkpointed(LAST),
}

TORN = {
    "in flight": in_flight(NOTHING),
    "outcome": after_the_agent(COMMITS, "write"),
    "record": after_the_agent(COMMITS, "rename write"),
    "copy of the record": Moment("write", after="fsync", file="sessions.jsonl", nth=FAILS),
    "sessions.md": Moment("write write", after="fsync", file="sessions.jsonl", nth=FAILS),
}

TWICE = {
    "while the agent's work is rescued": (
        agent_reaped(COMMITS),
        Moment("fsync", after="rename", file="state.json"),
    ),
    "while the commit is made": (
        outcome_renamed(COMMITS),
        Moment("waitpid", after="rename", file="state.json"),
    ),
    "before the record is written": (git_done(FAILS), Moment("write", after="open", file="sessions.jsonl")),
    "while the record is replayed": (
        recorded(BREAKS_TESTS),
        Moment("rename", after="write", file="sessions.md.tmp"),
    ),
}


def tried(sweep: Sweep, root: Path, *moments: Moment, torn: bool = False) -> list[str]:
    """Kill a run at the first moment and its resumes at the others, bring it to its end, and look."""
    place = copy(sweep.template, root)
    for number, moment in enumerate(moments):
        command = ("grind", "--resume") if number else ("grind",)
        ended = sweep.shim.crash_at(place, moment, *command, torn=torn)
        assert ended.code == KILLED, ended
        assert processes_of(place) == []
    ended = place.pitboss("grind", "--resume")
    assert ended.code == FINISHED, ended
    wrong = violations(place, sweep.baseline, crashes=len(moments))
    shutil.rmtree(root)
    return wrong


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_a_crash_loses_nothing(sweep: Sweep, tmp_path: Path, moment: Moment) -> None:
    assert tried(sweep, tmp_path / "place", moment) == []


@pytest.mark.parametrize("moment", TORN.values(), ids=TORN)
def test_a_torn_write_loses_nothing(sweep: Sweep, tmp_path: Path, moment: Moment) -> None:
    assert tried(sweep, tmp_path / "place", moment, torn=True) == []


@pytest.mark.parametrize("moments", TWICE.values(), ids=TWICE)
def test_a_second_crash_while_the_first_is_mended_loses_nothing(
    sweep: Sweep, tmp_path: Path, moments: tuple[Moment, Moment]
) -> None:
    assert tried(sweep, tmp_path / "place", *moments) == []


FENCED = ("agent that commits itself reaped", "landing of an agent's commits begun", "fixer reaped")


@pytest.fixture(scope="session")
def fenced(tmp_path_factory: pytest.TempPathFactory) -> FencedSweep:
    return FencedSweep(tmp_path_factory.mktemp("fenced"))


@needs_bwrap
@pytest.mark.parametrize("moment", [MOMENTS[name] for name in FENCED], ids=FENCED)
def test_a_crash_loses_nothing_of_a_run_in_the_sandbox(
    fenced: FencedSweep, tmp_path: Path, moment: Moment
) -> None:
    assert tried(fenced, tmp_path / "place", moment) == []


@needs_bwrap
def test_no_agent_in_the_sandbox_outlives_a_runner_that_dies_beside_it(
    fenced: FencedSweep, tmp_path: Path
) -> None:
    assert tried(fenced, tmp_path / "place", agent_started(COMMITS), agent_started(COMMITS_ITSELF)) == []


GUARDIAN = {
    "at the lock": Moment("open", after="open", file="lock"),
    "with the warden started": Moment("fork fork", after="open", file="lock", nth=2),
    "with the runner reaped": Moment("waitpid", after="open", file="lock", nth=2),
    "at its end": Moment("rename", after="write", file="ended.tmp"),
}


@pytest.mark.parametrize("moment", GUARDIAN.values(), ids=GUARDIAN)
def test_a_guardian_that_dies_loses_nothing(sweep: Sweep, tmp_path: Path, moment: Moment) -> None:
    assert sweep.try_guardian(copy(sweep.template, tmp_path / "place"), moment) == []
