"""What a command line chose is kept, choice by choice (SPEC 7)."""

from __future__ import annotations

import msgspec

from pitboss.core.config import GrindSettings, SandboxMode
from pitboss.core.rotation import Rotation
from pitboss.core.selection import Selection

WHOLE = Selection(
    rotation="night",
    names=("a",),
    tags=("x", "y"),
    prompts_dir="prompts",
    agent="codex",
    max_parallel=3,
    mode="worktree",
    workers="local:2",
    sandbox=SandboxMode.BWRAP,
    task_runs=2,
)


def test_what_is_not_chosen_again_is_kept() -> None:
    assert Selection().over(WHOLE) == WHOLE
    assert Selection().over(None) == Selection()


def test_each_choice_wins_over_the_kept_one_alone() -> None:
    other = Selection(
        rotation="day",
        names=("b", "c"),
        tags=("z",),
        prompts_dir="/elsewhere",
        agent="shell",
        max_parallel=1,
        mode="in-place",
        workers="local:1",
        sandbox=SandboxMode.OFF,
        task_runs=0,
    )
    for name, value in msgspec.structs.asdict(other).items():
        chosen = Selection(**{name: value}).over(WHOLE)
        assert chosen == msgspec.structs.replace(WHOLE, **{name: value})


def test_how_many_run_at_once_is_said_by_the_command_line_then_the_rotation_then_the_configuration() -> None:
    rotation, grind = Rotation(name="night", entries=(), max_parallel=3), GrindSettings(max_parallel=2)
    assert Selection(max_parallel=4).side_by_side(rotation, grind) == 4
    assert Selection().side_by_side(rotation, grind) == 3
    assert Selection().side_by_side(msgspec.structs.replace(rotation, max_parallel=None), grind) == 2


def test_a_run_of_a_task_or_of_named_prompts_is_narrow() -> None:
    assert Selection(task_runs=1).is_narrow
    assert Selection(names=("a",)).is_narrow
    assert not Selection(rotation="night", tags=("x",)).is_narrow
