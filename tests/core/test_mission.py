"""Whom a run may start, worked out before it starts (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pitboss.core.budget import Caps
from pitboss.core.config import AgentSettings, Config, GrindSettings, HookSettings, Limits, WorkerSettings
from pitboss.core.mission import Mission
from pitboss.core.rotation import Entry, Rotation
from pitboss.core.selection import Selection
from tests.support.values import prompt

if TYPE_CHECKING:
    from pitboss.core.prompt import PromptDoc


def mission(*prompts: PromptDoc, **config: Any) -> Mission:
    return Mission(
        config=Config(**config),
        rotation=Rotation(name="default", entries=()),
        prompts={doc.meta.name: doc for doc in prompts},
        hooks=HookSettings(),
        caps=Caps(),
        max_parallel=1,
    )


FALLBACK = {"limits": Limits(fallback=("codex",)), "agents": {"codex": AgentSettings(model="mini")}}


@pytest.mark.parametrize(
    ("given", "workers"),
    [
        (mission(), []),
        (mission(prompt("a"), prompt("b")), ["claude_code"]),
        (mission(prompt("a", model="opus"), prompt("b")), ["claude_code", "claude_code with opus"]),
        (mission(prompt("a"), **FALLBACK), ["claude_code", "codex with mini"]),
        (mission(prompt("a", agent="shell", model="x")), ["shell"]),
        (mission(prompt("a", agent="shell", verify=True)), ["claude_code", "shell"]),
        (mission(prompt("a", agent="shell", verify=True), backend="shell"), ["shell"]),
    ],
)
def test_workers_are_all_whom_a_run_may_start_with_the_models_it_would_ask_for(
    given: Mission, workers: list[str]
) -> None:
    assert [str(worker) for worker in given.workers] == workers
    assert given.agents == tuple(sorted({worker.agent for worker in given.workers}))


@pytest.mark.parametrize("mode", ["in-place", "worktree"])
def test_the_mode_says_whether_a_session_alone_works_in_the_users_tree(mode: Any) -> None:
    assert mission(grind=GrindSettings(mode=mode)).in_place == (mode == "in-place")


@pytest.mark.parametrize(
    ("mode", "at_once", "needed"), [("in-place", 1, False), ("in-place", 2, True), ("worktree", 1, True)]
)
def test_sessions_that_do_not_have_the_users_tree_to_themselves_need_copies(
    mode: Any, at_once: int, needed: bool
) -> None:
    given = msgspec.structs.replace(mission(grind=GrindSettings(mode=mode)), max_parallel=at_once)
    assert given.needs_copies is needed


@pytest.mark.parametrize(
    ("configured", "chosen", "address"),
    [
        (None, None, None),
        ("local:2", None, "local:2"),
        ("local:2", "local:3", "local:3"),
        ("local:2", "none", None),
    ],
)
def test_the_command_line_has_the_last_word_on_where_sessions_work(
    configured: str | None, chosen: str | None, address: str | None
) -> None:
    given = mission(workers=WorkerSettings(address=configured))
    assert msgspec.structs.replace(given, selection=Selection(workers=chosen)).workers_address == address


def test_only_a_run_of_a_task_has_one() -> None:
    ordinary = mission(prompt("task"))
    assert ordinary.task is None
    assert msgspec.structs.replace(ordinary, selection=Selection(task_runs=1)).task == prompt("task")


@pytest.mark.parametrize(
    ("prompts", "endless"),
    [
        ((), False),
        ((prompt("a", max_runs=2), prompt("b", max_barren=1)), False),
        ((prompt("a", max_runs=2), prompt("b")), True),
    ],
)
def test_a_run_is_endless_unless_each_of_its_prompts_has_an_end(
    prompts: tuple[PromptDoc, ...], endless: bool
) -> None:
    entries = tuple(Entry(name=doc.meta.name) for doc in prompts)
    resolved = msgspec.structs.replace(mission(*prompts), rotation=Rotation(name="all", entries=entries))
    assert resolved.is_endless is endless
