"""Which edits of a prompt a live run can take (SPEC 10)."""

from __future__ import annotations

import msgspec
import pytest

from pitboss.core.budget import Caps
from pitboss.core.config import Config, HookSettings
from pitboss.core.mission import Mission
from pitboss.core.prompt_edit import turns_differ, unfit
from pitboss.core.prompt_template import new_prompt
from pitboss.core.rotation import default_rotation
from tests.support.values import prompt

OLD = prompt("alpha")
SHELL = prompt("bravo", agent="shell")


def mission(backend: str = "codex") -> Mission:
    return Mission(
        config=Config(backend=backend),
        rotation=default_rotation([OLD, SHELL]),
        prompts={"alpha": OLD, "bravo": SHELL},
        hooks=HookSettings(),
        caps=Caps(),
        max_parallel=1,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"verify": True},
        {"agent": "shell"},
        {"agent": "codex", "model": "other"},
        {"max_session_cost_usd": 1.0},
        {"weight": 7},
    ],
    ids=str,
)
def test_an_edit_within_the_means_of_the_run_counts(changes: dict[str, object]) -> None:
    assert unfit(prompt("alpha", **changes), "alpha", mission()) is None


@pytest.mark.parametrize(
    ("backend", "changes", "reason"),
    [
        ("codex", {"agent": "gemini"}, "the run was started without the agent gemini"),
        (
            "codex",
            {"name": "beta"},
            "it is now called beta, and the set of prompts changes only when a run is resumed",
        ),
    ],
)
def test_what_a_live_run_cannot_take(backend: str, changes: dict[str, str], reason: str) -> None:
    doc = prompt(changes.pop("name", "alpha"), **changes)
    assert unfit(doc, "alpha", mission(backend)) == reason


def test_a_fixer_that_the_run_was_started_without_is_as_new_as_any_agent() -> None:
    alone = msgspec.structs.replace(mission(), rotation=default_rotation([SHELL]), prompts={"bravo": SHELL})
    assert alone.agents == ("shell",)
    assert unfit(prompt("bravo", agent="shell", verify=True), "bravo", alone) == (
        "the run was started without the agent codex"
    )
    assert unfit(prompt("bravo", agent="shell", verify=True), "bravo", mission()) is None


def test_the_template_is_no_text_for_an_agent() -> None:
    body = new_prompt("alpha").partition("---\n")[2].partition("---\n")[2]
    reason = unfit(msgspec.structs.replace(OLD, body=body), "alpha", mission())
    assert reason is not None
    assert reason.startswith("is still the template's text")


@pytest.mark.parametrize(
    ("changes", "differ"),
    [({"weight": 2}, True), ({"parallel_safe": True}, True), ({"verify": True, "model": "x"}, False)],
)
def test_edits_of_turns_are_told_from_others(changes: dict[str, object], *, differ: bool) -> None:
    assert turns_differ(OLD, prompt("alpha", **changes)) is differ
