"""What a command line chose is kept, choice by choice (SPEC 7)."""

from __future__ import annotations

import msgspec

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
    )
    for name, value in msgspec.structs.asdict(other).items():
        chosen = Selection(**{name: value}).over(WHOLE)
        assert chosen == msgspec.structs.replace(WHOLE, **{name: value})
