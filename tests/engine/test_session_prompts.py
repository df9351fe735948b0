"""A session works with the text that its prompt had when it was dispatched, to its last fixer (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from pitboss.core.events import Warned
from pitboss.core.prompt_edit import Rewritten, Unreadable
from pitboss.core.user_commands import TestResult
from pitboss.store.kept_prompts import kept_prompts
from tests.support.stage import Stage
from tests.support.values import prompt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.core.prompt import PromptDoc

OLD = prompt("alpha", verify=True)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path, prompts=[OLD, prompt("bravo")]) as stage:
        yield stage


def text(body: str, **changes: object) -> PromptDoc:
    doc = prompt("alpha", **{"verify": True, **changes})
    return msgspec.structs.replace(doc, body=body)


def bodies(stage: Stage) -> list[str]:
    return [request.body for _, request in stage.asked]


def warnings(stage: Stage) -> list[str]:
    return [event.text for event in stage.events if isinstance(event, Warned)]


def test_an_edit_counts_from_the_next_session_on(stage: Stage) -> None:
    stage.run()
    stage.edits["alpha"] = Rewritten(text("New."))
    stage.run()
    stage.run("bravo")
    stage.run()
    assert bodies(stage) == [OLD.body, "New.", prompt("bravo").body, "New."]
    assert warnings(stage) == ["the prompt alpha was edited: session 2 is the first to get its new text"]


def test_a_session_keeps_its_text_to_its_last_fixer(stage: Stage) -> None:
    first = stage.dispatch()
    stage.edits["alpha"] = Rewritten(text("New."))
    second = stage.dispatch()
    stage.edits["alpha"] = Rewritten(text("Newer."))
    stage.dispatch()
    stage.tests = [TestResult(found=True, passed=False), TestResult(passed=True)]
    stage.parts.sessions.run(first)
    assert bodies(stage) == [OLD.body, OLD.body]
    assert OLD.body in stage.asked[1][1].text
    stage.parts.sessions.run(second)
    assert bodies(stage)[2:] == ["New."]


def test_the_settings_of_a_session_are_edited_with_its_text(stage: Stage) -> None:
    stage.edits["alpha"] = Rewritten(text("New.", verify=False, max_session_seconds=7, weight=3))
    stage.run()
    assert stage.tested == []
    assert stage.asked[0][1].max_seconds == 7
    assert warnings(stage)[1:] == [
        "the new weight, every, max_runs and parallel_safe of alpha count when the run is resumed"
    ]


def test_a_bad_text_is_warned_of_once_and_changes_nothing(stage: Stage) -> None:
    reason = "alpha.md:1: no frontmatter: the first line must be `---`"
    for _ in range(2):
        stage.edits["alpha"] = Unreadable(reason)
        stage.run()
    stage.edits["alpha"] = Rewritten(text("New.", agent="gemini"))
    stage.run()
    stage.edits["alpha"] = Rewritten(OLD)
    stage.run()
    assert bodies(stage) == [OLD.body] * 4
    stays = "the prompt alpha keeps its old text: "
    assert warnings(stage) == [
        f"{stays}{reason}",
        f"{stays}{OLD.source_path}: the run was started without the agent gemini",
    ]


def test_the_text_that_a_run_holds_on_to_is_kept_and_is_the_latest_that_counted(stage: Stage) -> None:
    paths = stage.rundir.paths
    stage.run()
    assert kept_prompts(paths) == {}
    stage.edits["alpha"] = Unreadable("alpha.md: does not exist")
    stage.run()
    assert kept_prompts(paths) == {OLD.source_path: OLD}
    stage.edits["alpha"] = Rewritten(text("New."))
    stage.run()
    assert kept_prompts(paths) == {OLD.source_path: text("New.")}


def test_a_new_text_that_begins_with_a_slash_command_is_told_of(stage: Stage) -> None:
    stage.edits["alpha"] = Rewritten(text("/review everything"))
    stage.run()
    assert len(warnings(stage)) == 2
    assert "/review" in warnings(stage)[1]
