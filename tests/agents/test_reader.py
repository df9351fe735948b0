"""What counts as a tool that runs, and as progress (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.agents.claude.stream import ClaudeReader
from pitboss.agents.monitor import latest
from pitboss.agents.plain import PlainReader
from pitboss.agents.reader import LONGEST_PAUSE_S, MOST_RETRIES, OPEN_TOOLS, TEXTS
from pitboss.core.agent import AgentEvent, EventKind, Resume
from pitboss.core.quota import Quota
from pitboss.core.usage import Usage
from tests.support.agents import request

if TYPE_CHECKING:
    from pathlib import Path


def test_a_tool_runs_from_its_call_to_its_result(tmp_path: Path) -> None:
    reader = ClaudeReader(request(tmp_path))
    reader.tool_started("one", "Bash: make")
    reader.tool_started("two", "Bash: make test")
    reader.tool_ended("one")
    assert reader.tool_running
    reader.tool_ended("two")
    assert not reader.tool_running
    assert (reader.tool_calls, reader.progress) == (2, 4)


def test_a_tool_that_nobody_can_tell_the_end_of_does_not_run(tmp_path: Path) -> None:
    reader = ClaudeReader(request(tmp_path))
    reader.tool_started(None, "Bash: make")
    assert (reader.tool_calls, reader.tool_running) == (1, False)


def test_a_call_told_twice_is_one_call_and_a_result_of_no_call_is_nothing(tmp_path: Path) -> None:
    reader = ClaudeReader(request(tmp_path))
    reader.tool_started("one", "Bash: make")
    reader.tool_started("one", "Bash: make")
    reader.tool_ended("other")
    assert (reader.tool_calls, reader.progress, reader.tool_running) == (1, 1, True)


def test_tools_that_never_end_do_not_fill_memory(tmp_path: Path) -> None:
    reader = ClaudeReader(request(tmp_path))
    for number in range(3 * OPEN_TOOLS):
        reader.tool_started(str(number), "Bash")
    assert reader.tool_calls == 3 * OPEN_TOOLS
    assert len(reader._open_tools) == OPEN_TOOLS


def test_new_words_are_progress_and_the_same_again_are_none(tmp_path: Path) -> None:
    reader = ClaudeReader(request(tmp_path))
    for text in ("Let me try.", "It failed.") * 10:
        reader.said(text)
    assert (reader.progress, reader.text) == (2, "It failed.")
    for number in range(2 * TEXTS):
        reader.streamed(str(number))
    assert reader.progress == 2 + 2 * TEXTS


def test_a_retry_is_progress_and_the_same_again_is_none(tmp_path: Path) -> None:
    reader = ClaudeReader(request(tmp_path))
    retry = b'{"type": "system", "subtype": "api_retry", "attempt": %d, "max_retries": 10, "retry_delay_ms": 2500}\n'
    assert [event.text for event in reader.feed(retry % 1 * 2)] == ["error, attempt 1 of 10"] * 2
    assert (reader.progress, reader.announced_pause_s) == (1, 2.5)
    list(reader.feed(retry % 2))
    assert reader.progress == 2
    reader.said("there it is")
    assert (reader.progress, reader.announced_pause_s) == (3, 0.0)


def test_a_task_in_the_background_runs_until_its_end_is_told(tmp_path: Path) -> None:
    reader = ClaudeReader(request(tmp_path))
    reader.finished = True
    reader.task_started("one")
    reader.task_started("one")
    assert (reader.tool_running, reader.done, reader.progress) == (True, False, 1)
    reader.task_ended("other")
    reader.task_ended("one")
    assert (reader.tool_running, reader.done, reader.progress) == (False, True, 2)
    for number in range(3 * OPEN_TOOLS):
        reader.task_started(str(number))
    assert len(reader._background) == OPEN_TOOLS


def test_tokens_are_progress_once(tmp_path: Path) -> None:
    reader = ClaudeReader(request(tmp_path))
    line = b'{"type": "assistant", "message": {"id": "m", "model": "x", "usage": {"input_tokens": 5}}}\n'
    list(reader.feed(line * 3))
    assert reader.progress == 1


def test_all_of_plain_text_is_progress(tmp_path: Path) -> None:
    reader = PlainReader(request(tmp_path))
    for _ in range(3):
        list(reader.feed(b"the same\n"))
    assert reader.progress == 3


def test_a_resumed_session_has_its_name_before_it_says_so(tmp_path: Path) -> None:
    reader = ClaudeReader(request(tmp_path, resume=Resume(session_id="abc")))
    assert reader.session_id == "abc"


def test_so_many_retries_in_a_row_are_progress_and_no_more(tmp_path: Path) -> None:
    reader = ClaudeReader(request(tmp_path))
    for number in range(3 * MOST_RETRIES):
        reader.retried(f"attempt {number}")
    assert (reader.progress, reader.retrying) == (MOST_RETRIES, f"attempt {3 * MOST_RETRIES - 1}")
    reader.said("an answer")
    assert (reader.progress, reader.retrying) == (MOST_RETRIES + 1, None)
    reader.retried("attempt 1 of the next")
    assert reader.progress == MOST_RETRIES + 2


def test_a_pause_that_was_announced_is_over_with_whatever_comes_and_not_believed_for_days(
    tmp_path: Path,
) -> None:
    reader = ClaudeReader(request(tmp_path))
    reader.retried("attempt 1", pause_s=30.0)
    assert reader.announced_pause_s == 30.0
    reader.retried("attempt 2", pause_s=1e9)
    assert reader.announced_pause_s == LONGEST_PAUSE_S
    reader.said("an answer")
    assert reader.announced_pause_s == 0.0


def test_of_what_comes_at_once_only_the_last_words_and_the_last_usage_are_told() -> None:
    used = [AgentEvent(kind=EventKind.USAGE, usage=Usage(input=n)) for n in range(3)]
    tool, text = AgentEvent(kind=EventKind.TOOL, text="make"), AgentEvent(kind=EventKind.TEXT, text="done")
    retries = [AgentEvent(kind=EventKind.RETRY, text=f"attempt {n}") for n in range(2)]
    quota = AgentEvent(kind=EventKind.QUOTA, quota=Quota())
    started = AgentEvent(kind=EventKind.STARTED, text="model")

    assert latest([]) == []
    assert latest([started, text, used[0], tool, used[1]]) == [started, tool, used[1]]
    assert latest([tool, retries[0], text, retries[1], quota]) == [retries[0], text, retries[1], quota]
    assert latest([*used, quota, *used]) == [quota, used[2]]
