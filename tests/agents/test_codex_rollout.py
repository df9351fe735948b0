"""What the file of a Codex thread tells beyond what was printed: tokens, limits, the model (SPEC 1.5, 6)."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from pitboss.agents.codex import subagents
from pitboss.agents.codex.rollout import Rollout
from pitboss.core.agent import AgentEvent, EventKind, Resume
from pitboss.core.config import AgentSettings
from pitboss.core.quota import Quota, QuotaWindow
from pitboss.core.session import SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.usage import Usage
from tests.contracts.expected_codex import MODEL, TABLE, TWO_REQUESTS
from tests.support.agents import agent, request, run
from tests.support.codex import (
    FAILED_BY_LIMIT,
    RESETS_AT,
    STARTED,
    THREAD,
    WEEK_ENDS_AT,
    Line,
    codex,
    completed,
    count,
    item,
    limited,
    printing,
    record,
    rollout,
    said,
    told,
    used,
    window,
)
from tests.support.replay import replaying, tokens

if TYPE_CHECKING:
    from pathlib import Path

ERROR = SessionStatus.ERROR


def test_a_thread_that_failed_is_billed_what_its_file_says(tmp_path: Path) -> None:
    rollout(tmp_path / ".codex", record(used(700, 20, cached=256)), count(used(700, 20, cached=256)))
    outcome = codex(tmp_path, STARTED, said("I will begin."), FAILED_BY_LIMIT, then="exit 1")
    assert tokens(outcome.usage) == (700, 20, 256, 0)
    assert outcome.usage.cost_known


def test_a_thread_that_was_killed_in_a_tool_is_billed_the_answer_that_called_it(tmp_path: Path) -> None:
    rollout(tmp_path / ".codex", record(used(700, 20, cached=256, reasoning=4)))
    begun = item("command_execution", event="item.started", command="sleep 300")
    script = printing(tmp_path, STARTED, said("I will."), begun, then=": > running; exec sleep 300")
    running = tmp_path / "running"
    driver = agent("codex", AgentSettings(binary=str(script)))
    asked = request(tmp_path, model=MODEL)
    outcome = run(driver, asked, stop=lambda: StopRequest.SKIP if running.exists() else None)
    assert (outcome.status, tokens(outcome.usage)) == (SessionStatus.SKIPPED, (700, 20, 256, 0))
    assert outcome.usage.cost_known
    assert tokens(driver.bill(asked, started=True).usage) == (700, 20, 256, 0)


def test_the_file_under_codex_home_counts_and_not_the_one_at_home(tmp_path: Path) -> None:
    rollout(tmp_path / ".codex", record(used(1, 1)))
    rollout(tmp_path / "elsewhere", record(used(900, 9)))
    asked = request(tmp_path)
    asked.env["CODEX_HOME"] = str(tmp_path / "elsewhere")
    outcome = codex(tmp_path, STARTED, FAILED_BY_LIMIT, env=asked.env)
    assert tokens(outcome.usage) == (900, 9, 0, 0)


def test_after_a_resume_the_earlier_part_of_the_file_is_not_billed_again(tmp_path: Path) -> None:
    rollout(tmp_path / ".codex", record(used(1200, 34)), record(used(1700, 48)))
    earlier = Resume(session_id=THREAD, usage=Usage(input=1200, output=34))
    outcome = codex(tmp_path, STARTED, FAILED_BY_LIMIT, resume=earlier)
    assert tokens(outcome.usage) == (500, 14, 0, 0)


def test_a_full_context_takes_nothing_back(tmp_path: Path) -> None:
    rollout(tmp_path / ".codex", count(used(90_000, 500)), count(used(0, 0)))
    full: Line = {"type": "turn.failed", "error": {"message": "Codex ran out of room in the context window."}}
    outcome = codex(tmp_path, STARTED, said("Reading."), full, then="exit 1")
    assert tokens(outcome.usage) == (90_000, 500, 0, 0)


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        ("2026-11-23T00:15:59Z", RESETS_AT),
        ("2026-11-23T00:16:00Z", None),
        ("yesterday", RESETS_AT),
        (7, RESETS_AT),
    ],
)
def test_a_window_that_ended_before_the_file_was_last_written_is_over(
    tmp_path: Path, written: object, ends: float | None
) -> None:
    begun: Line = {"timestamp": written, "type": "event_msg", "payload": {"type": "task_started"}}
    rollout(tmp_path / ".codex", count(None, primary=100.0), begun)
    outcome = codex(tmp_path, STARTED, FAILED_BY_LIMIT, then="exit 1")
    assert outcome.resets_at == ends
    assert outcome.quota is not None
    assert (outcome.quota.five_hour is None) is (ends is None)
    assert outcome.quota.seven_day == QuotaWindow(used=0.42, resets_at=WEEK_ENDS_AT)


def test_the_model_that_nobody_named_is_found_and_priced(tmp_path: Path) -> None:
    rollout(tmp_path / ".codex", {"type": "turn_context", "payload": {"model": "gpt-5.1-codex"}})
    outcome = codex(tmp_path, STARTED, said("Done."), completed(used(1200, 34)), model=None)
    assert outcome.model == "gpt-5.1-codex"
    assert outcome.usage.cost_known
    nobody = codex(tmp_path, said("Done."), completed(used(1200, 34)), model=None)
    assert (nobody.model, nobody.usage.cost_known) == (None, False)


def test_a_usage_limit_ends_when_the_window_that_is_used_up_ends(tmp_path: Path) -> None:
    rollout(tmp_path / ".codex", count(None, primary=100.0))
    settings = replaying(tmp_path / "codex", TABLE, "usage_limit")
    outcome = run(agent("codex", settings), request(tmp_path))
    assert str(outcome.reason).startswith("rate_limited: You\u2019ve hit your usage limit.")
    assert outcome.resets_at == RESETS_AT


def test_a_limit_that_is_not_used_up_gives_no_time_to_wait_for(tmp_path: Path) -> None:
    rollout(tmp_path / ".codex", count(None, primary=99.0))
    outcome = codex(tmp_path, STARTED, FAILED_BY_LIMIT)
    assert outcome.resets_at is None
    other: Line = {"type": "turn.failed", "error": {"message": "it broke"}}
    rollout(tmp_path / ".codex", count(None, primary=100.0))
    assert codex(tmp_path, STARTED, other).resets_at is None


@pytest.mark.parametrize(
    ("first", "second", "ends"),
    [
        (window(43_200), None, RESETS_AT),  # a month
        (window(44_640), window(None, used=3.0), RESETS_AT),  # another month
        (window(299), window(10_079, used=3.0), RESETS_AT),
        (window(60), None, RESETS_AT),
        (window(None), None, RESETS_AT),  # of a length that nobody tells
        (window(None), window(None, used=100.0, resets_at=WEEK_ENDS_AT), WEEK_ENDS_AT),
        (window(43_200, used=60.0), window(1440, resets_at=WEEK_ENDS_AT), WEEK_ENDS_AT),
        (None, window(43_200), RESETS_AT),
        (window(43_200, resets_at=None), None, None),
        (window(43_200, used=99.0), None, None),
    ],
)
def test_a_used_up_window_of_any_length_is_waited_for(
    tmp_path: Path, first: object, second: object, ends: float | None
) -> None:
    rollout(tmp_path / ".codex", limited(first, second))
    assert codex(tmp_path, STARTED, FAILED_BY_LIMIT, then="exit 1").resets_at == ends


def test_a_window_is_one_under_whatever_name(tmp_path: Path) -> None:
    line = limited(window(300, used=3.0))
    payload = {
        "type": "token_count",
        "rate_limits": {"limit_id": "codex", "individual_limit": window(43_200)},
    }
    rollout(tmp_path / ".codex", line, {"type": "event_msg", "payload": payload})
    assert codex(tmp_path, STARTED, FAILED_BY_LIMIT, then="exit 1").resets_at == RESETS_AT


def test_a_window_whose_end_is_so_many_seconds_away_ends_then(tmp_path: Path) -> None:
    left = window(10_080, resets_at=None, resets_in_seconds=600)
    rollout(tmp_path / ".codex", limited(left, timestamp="2026-11-23T00:06:00Z"))
    assert codex(tmp_path, STARTED, FAILED_BY_LIMIT, then="exit 1").resets_at == RESETS_AT
    rollout(tmp_path / ".codex", limited(left))
    assert codex(tmp_path, STARTED, FAILED_BY_LIMIT, then="exit 1").resets_at is None


@pytest.mark.parametrize(
    ("minutes", "which"),
    [
        *((300, "five"), (299, "five"), (315, "five"), (316, "other"), (10_080, "seven"), (9_576, "seven")),
        *((10_585, "other"), (43_200, "other"), (0, "other"), (None, "other")),
    ],
)
def test_windows_are_known_by_their_length_within_a_twentieth(
    tmp_path: Path, minutes: int | None, which: str
) -> None:
    rollout(tmp_path, limited(window(minutes, used=50.0)))
    kept = Rollout({"CODEX_HOME": str(tmp_path)})
    kept.read(THREAD)
    half = QuotaWindow(used=0.5, resets_at=RESETS_AT)
    told = {"five": Quota(five_hour=half), "seven": Quota(seven_day=half), "other": Quota(other=half)}
    assert kept.quota == told[which]


def test_of_other_windows_the_fullest_is_told(tmp_path: Path) -> None:
    rollout(tmp_path, limited(window(60, used=10.0), window(43_200, used=90.0)))
    kept = Rollout({"CODEX_HOME": str(tmp_path)})
    kept.read(THREAD)
    assert kept.quota == Quota(other=QuotaWindow(used=0.9, resets_at=RESETS_AT))


def test_windows_of_a_healthy_thread_are_told_as_a_quota(tmp_path: Path) -> None:
    rollout(tmp_path / ".codex", count(used(700, 20)))
    seen: list[AgentEvent] = []
    binary = printing(tmp_path, STARTED, said("Hello."), completed(used(700, 20)))
    settings = AgentSettings(binary=str(binary))
    outcome = run(agent("codex", settings), request(tmp_path), on_event=seen.append)
    quota = Quota(
        five_hour=QuotaWindow(used=0.31, resets_at=RESETS_AT),
        seven_day=QuotaWindow(used=0.42, resets_at=WEEK_ENDS_AT),
    )
    assert outcome.quota == quota
    assert [event.quota for event in seen if event.kind is EventKind.QUOTA] == [quota]


def test_the_cost_cap_acts_while_the_thread_runs(tmp_path: Path) -> None:
    rollout(tmp_path / ".codex", record(used(1_000_000, 10)))
    outcome = codex(tmp_path, STARTED, said("Reading."), then="exec sleep 300", max_cost_usd=1.0)
    assert told(outcome) == (ERROR, "cost_cap: $1.2501 >= $1.0000")


def test_the_file_is_read_on_and_not_again(tmp_path: Path) -> None:
    file = rollout(tmp_path, record(used(700, 20)))
    kept = Rollout({"CODEX_HOME": str(tmp_path)})
    kept.read(THREAD)
    first = kept.used
    size = file.stat().st_size
    with file.open("r+") as grown:
        grown.write("x" * (size - 1))
        grown.seek(size)
        line = json.dumps(record(used(1200, 34)))
        grown.write(line[:30])
        grown.flush()
        kept.read(THREAD)
        half = kept.used
        grown.write(line[30:] + "\n")
    kept.read(THREAD)
    assert (first, half, kept.used) == (
        Usage(input=700, output=20),
        Usage(input=700, output=20),
        Usage(input=1200, output=34),
    )


@pytest.mark.parametrize("day", ["2026/11/21", "2026/11/22", "2026/11/23"])
def test_a_thread_is_found_whatever_zone_named_its_day(tmp_path: Path, day: str) -> None:
    rollout(tmp_path, record(used(700, 20)), day=day)
    kept = Rollout({"CODEX_HOME": str(tmp_path)})
    kept.read(THREAD)
    assert kept.used == Usage(input=700, output=20)


@pytest.mark.parametrize("thread", [None, "", "x", "-", "../../x", "f" * 32, "9" * 40, "0" * 12])
def test_a_thread_with_an_odd_name_or_none_has_no_file(tmp_path: Path, thread: str | None) -> None:
    rollout(tmp_path, record(used(700, 20)))
    kept = Rollout({"CODEX_HOME": str(tmp_path)})
    kept.read(thread)
    assert kept.used == Usage()


def test_another_threads_file_is_not_read(tmp_path: Path) -> None:
    rollout(tmp_path, record(used(700, 20)), thread=THREAD.replace("bc", "bd"))
    kept = Rollout({"CODEX_HOME": str(tmp_path)})
    kept.read(THREAD)
    assert kept.used == Usage()


def test_what_is_no_file_in_its_place_says_nothing_and_blocks_nobody(tmp_path: Path) -> None:
    file = rollout(tmp_path, record(used(700, 20)))
    file.unlink()
    os.mkfifo(file)
    kept = Rollout({"CODEX_HOME": str(tmp_path)})
    kept.read(THREAD)
    assert kept.used == Usage()


def test_two_requests_of_the_captured_session_are_what_its_file_would_say(tmp_path: Path) -> None:
    capture = TABLE.capture("ok")
    thread = json.loads(capture.stdout.splitlines()[0])["thread_id"]
    rollout(
        tmp_path / ".codex",
        record(used(700, 20, cached=256)),
        record(used(1200, 34, cached=384)),
        thread=thread,
    )
    outcome = run(agent("codex", replaying(tmp_path / "codex", TABLE, "ok")), request(tmp_path, model=MODEL))
    assert tokens(outcome.usage) == TWO_REQUESTS


BELOW, DEEPER = (f"01a203bf-6b28-77b3-93c9-55d4a76c2b{last}" for last in ("e1", "e2"))
"""The threads of a subagent, and of one that this began."""


def spawning(*threads: str, tool: str = "spawn_agent") -> Line:
    """A thread's own file about a subagent that it began."""
    call = {"type": "CollabAgentToolCall", "tool": tool, "receiver_thread_ids": [*threads]}
    return {"type": "event_msg", "payload": {"type": "item_completed", "item": call}}


def spawned(*threads: str) -> Line:
    """The same, printed."""
    return item("collab_tool_call", tool="spawn_agent", receiver_thread_ids=[*threads])


def of_model(model: str) -> Line:
    return {"type": "turn_context", "payload": {"model": model}}


def test_what_subagents_used_is_in_the_files_of_their_threads(tmp_path: Path) -> None:
    home = tmp_path / ".codex"
    rollout(home, spawning(BELOW), record(used(700, 20)))
    rollout(home, spawning(DEEPER), spawning("nobody", tool="wait"), record(used(90, 3)), thread=BELOW)
    rollout(home, of_model("other"), record(used(5, 1)), thread=DEEPER)
    outcome = codex(tmp_path, STARTED, spawned(BELOW), said("Done."), completed(used(700, 20)))
    assert tokens(outcome.usage) == (795, 24, 0, 0)


def test_those_of_earlier_starts_are_not_billed_again(tmp_path: Path) -> None:
    home = tmp_path / ".codex"
    rollout(home, spawning(BELOW), record(used(700, 20)), spawning(DEEPER), record(used(900, 30)))
    rollout(home, of_model(MODEL), record(used(90, 3)), thread=BELOW)
    rollout(home, of_model(MODEL), record(used(5, 1)), thread=DEEPER)
    earlier = Resume(session_id=THREAD, usage=Usage(input=790, output=23))
    outcome = codex(
        tmp_path, STARTED, spawned(DEEPER), said("Done."), completed(used(900, 30)), resume=earlier
    )
    assert (tokens(outcome.usage), outcome.usage.cost_known) == ((205, 11, 0, 0), True)


def test_of_a_subagent_without_a_file_nobody_knows_the_cost(tmp_path: Path) -> None:
    rollout(tmp_path / ".codex", record(used(700, 20)))
    outcome = codex(tmp_path, STARTED, spawned(BELOW), said("Done."), completed(used(700, 20)))
    assert (tokens(outcome.usage), outcome.usage.cost_known) == ((700, 20, 0, 0), False)


def test_of_two_models_in_a_thread_that_goes_on_nobody_knows_the_cost(tmp_path: Path) -> None:
    home = tmp_path / ".codex"
    rollout(home, spawning(BELOW), record(used(700, 20)))
    rollout(home, of_model("other"), record(used(90, 3)), thread=BELOW)
    earlier = Resume(session_id=THREAD, usage=Usage(input=100, output=1))
    outcome = codex(tmp_path, STARTED, said("Done."), completed(used(700, 20)), resume=earlier)
    assert (tokens(outcome.usage), outcome.usage.cost_known) == ((690, 22, 0, 0), False)


def test_more_subagents_than_anybody_has_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subagents, "MOST", 1)
    home = tmp_path / ".codex"
    rollout(home, record(used(700, 20)))
    for thread in (BELOW, DEEPER):
        rollout(home, record(used(90, 3)), thread=thread)
    outcome = codex(tmp_path, STARTED, spawned(BELOW, DEEPER), said("Done."), completed(used(700, 20)))
    assert not outcome.usage.cost_known
