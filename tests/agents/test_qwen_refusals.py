"""What Qwen Code is refused again and again it tells nobody but its session's file (SPEC 6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from pitboss.agents import monitor
from pitboss.agents.qwen.failures import Refusals
from pitboss.core.agent import Resume
from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage
from tests.support.agents import agent, executable, request, run
from tests.support.clock import LeapingClock

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.agent import AgentOutcome

SESSION = "0090b991-259f-4d1e-99de-d8e0799a7f31"
INIT = {"type": "system", "subtype": "init", "session_id": SESSION, "model": "qwen3-coder-plus"}
ANSWERED = {"event.name": "qwen-code.api_response", "status_code": 200, "input_token_count": 700}
LIMITED = "429 The usage limit has been reached"
BROKE = "429 You exceeded your current quota, please check your plan and billing details."
BUSY = "503 The server is currently overloaded with other requests."
MINUTE = "429 Rate limit reached for mock-model on tokens per min (TPM): Limit 30000, Used 30000."


def refused(message: str) -> dict[str, object]:
    status = int(message.split(maxsplit=1)[0])
    return {"event.name": "qwen-code.api_error", "status_code": status, "error_message": message}


def write(file: Path, *events: dict[str, object]) -> None:
    """The session's file with `events` as the CLI wraps them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = ({"type": "system", "systemPayload": {"uiEvent": event}} for event in events)
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def chat(home: Path) -> Path:
    return home / f".qwen/projects/-home-dev-repo/chats/{SESSION}.jsonl"


def retrying(tmp_path: Path, then: str = "", *, resume: Resume | None = None) -> AgentOutcome:
    """Qwen that has begun, does `then`, and asks on and on without a word, until somebody stops it."""
    with pytest.MonkeyPatch.context() as patch:
        clock = LeapingClock(tmp_path, patch, monitor)
        script = f"cat > prompt.txt; echo '{json.dumps(INIT)}'\n{then}\n{clock.passes(100)}"
        settings = AgentSettings(binary=str(executable(tmp_path / "qwen", script)))
        asked = request(tmp_path, resume=resume, idle_seconds=100)
        env = {**asked.env, "HOME": str(tmp_path / "home")}
        return run(agent("qwen", settings), msgspec.structs.replace(asked, env=env), stop=clock.look)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (LIMITED, "rate_limited: The usage limit has been reached"),
        (BROKE, "billing: You exceeded your current quota, please check your plan and billing details."),
    ],
)
def test_refusals_for_good_end_it_at_once(tmp_path: Path, message: str, reason: str) -> None:
    write(chat(tmp_path / "home"), refused(message), refused(message))
    outcome = retrying(tmp_path)
    assert (outcome.status, outcome.reason) == (SessionStatus.ERROR, reason)
    assert (outcome.session_id, outcome.usage) == (SESSION, Usage())


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        pytest.param([], "stalled: no progress for 100 s", id="no file's line"),
        pytest.param(
            [refused(LIMITED)], "rate_limited: The usage limit has been reached", id="a single refusal"
        ),
        pytest.param([refused(BUSY)] * 9, f"overloaded: {BUSY[4:]}", id="a busy service"),
        pytest.param([refused(MINUTE)] * 9, f"overloaded: {MINUTE[4:]}", id="a limit of this minute"),
        pytest.param(
            [refused(LIMITED), refused(LIMITED), refused(BUSY)],
            f"overloaded: {BUSY[4:]}",
            id="different ones",
        ),
        pytest.param(
            [refused(LIMITED), refused(LIMITED), ANSWERED],
            "stalled: no progress for 100 s",
            id="answered since",
        ),
    ],
)
def test_what_may_yet_be_answered_is_waited_for_until_it_is_a_stall_or_the_services_fault(
    tmp_path: Path, events: list[dict[str, object]], reason: str
) -> None:
    write(chat(tmp_path / "home"), *events)
    outcome = retrying(tmp_path)
    stalled = reason.startswith("stalled")
    status = SessionStatus.TIMEOUT if stalled else SessionStatus.ERROR
    assert (outcome.status, outcome.reason) == (status, reason)


def test_what_an_earlier_start_was_refused_does_not_end_the_one_that_goes_on(tmp_path: Path) -> None:
    write(chat(tmp_path / "home"), refused(LIMITED), refused(LIMITED))
    outcome = retrying(tmp_path, resume=Resume(session_id=SESSION))
    assert outcome.status is SessionStatus.TIMEOUT


def test_what_is_refused_while_it_goes_on_does(tmp_path: Path) -> None:
    write(tmp_path / "later", refused(LIMITED), refused(LIMITED))
    write(chat(tmp_path / "home"), refused(LIMITED))
    then = f"cat {tmp_path}/later >> {chat(tmp_path / 'home')}"
    outcome = retrying(tmp_path, then, resume=Resume(session_id=SESSION))
    assert outcome.reason == "rate_limited: The usage limit has been reached"


def test_a_name_that_is_a_path_leads_to_no_file(tmp_path: Path) -> None:
    write(tmp_path / ".qwen/projects/p/chats/x.jsonl", refused(LIMITED), refused(LIMITED))
    for name, found in (
        ("x", True),
        ("../chats/x", False),
        (str(tmp_path / ".qwen/projects/p/chats/x"), False),
    ):
        refusals = Refusals({"HOME": str(tmp_path)}, resumed=None)
        assert (refusals.hopeless(name) is not None) is found, name
