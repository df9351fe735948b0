"""Agents behind the Agent Client Protocol, talked to for real, and what is made of what they say (SPEC 6)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.agents.acp import AcpAgent
from pitboss.agents.acp.stream import AcpReader
from pitboss.agents.judgement import AgentExit
from pitboss.core.agent import AgentEvent, AgentOutcome, EventKind, Resume
from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.usage import Usage
from pitboss.errors import StartError
from pitboss.process import capture
from tests.contracts.expected_acp import SHELL
from tests.support.agents import agent, nothing, request, run
from tests.support.replay import tokens

OK = SessionStatus.OK
AGENT = (sys.executable, str(Path(__file__).parent.parent / "support" / "acp_agent.py"))
END = {"stopReason": "end_turn", "usage": {"totalTokens": 1234, "inputTokens": 1200, "outputTokens": 34}}


def message(text: str) -> dict[str, Any]:
    return {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}


def thought(text: str) -> dict[str, Any]:
    return {"sessionUpdate": "agent_thought_chunk", "content": {"type": "text", "text": text}}


def tool(identity: str, title: str, **more: Any) -> dict[str, Any]:
    return {"sessionUpdate": "tool_call", "toolCallId": identity, "title": title, **more}


def changed(identity: str, status: str) -> dict[str, Any]:
    return {"sessionUpdate": "tool_call_update", "toolCallId": identity, "status": status}


def price(usd: float, currency: str = "USD") -> dict[str, Any]:
    cost = {"amount": usd, "currency": currency}
    return {"sessionUpdate": "usage_update", "used": 9, "size": 99, "cost": cost}


def play(folder: Path, *steps: dict[str, Any], told: Any = nothing, **changes: Any) -> AgentOutcome:
    """The outcome of a real agent that does `steps`; `changes` are of its settings, or of the request."""
    settings = {key: changes.pop(key) for key in ("permission_mode", "effort") if key in changes}
    asked = request(folder, **changes)
    driver = agent("acp", AgentSettings(command=(*AGENT, json.dumps(steps)), **settings))
    return run(driver, asked, on_event=told)


def asked_of(folder: Path) -> dict[str, Any]:
    asked: dict[str, Any] = json.loads((folder / "asked.json").read_text())
    return asked


def test_a_turn_is_told_as_it_happens_and_judged_by_its_end(tmp_path: Path) -> None:
    told: list[AgentEvent] = []
    steps = (
        thought("hm"),
        message("I will "),
        message("write it."),
        tool("1", "Write hello.txt"),
        changed("1", "completed"),
        price(0.5),
        message("Done."),
    )
    outcome = play(tmp_path, *steps, END, told=told.append)
    assert (outcome.status, outcome.reason, outcome.text) == (OK, None, "Done.")
    assert (outcome.session_id, outcome.tool_calls) == ("new-1", 1)
    assert outcome.usage == Usage(input=1200, output=34, cost_usd=0.5)
    steps_told = [(event.kind, event.text) for event in told]
    done = iter(
        [
            (EventKind.STARTED, ""),
            (EventKind.TEXT, "I will write it."),
            (EventKind.TOOL, "Write hello.txt"),
            (EventKind.USAGE, ""),
            (EventKind.TEXT, "Done."),
            (EventKind.USAGE, ""),
        ]
    )
    assert all(step in done for step in steps_told), (
        "in order; what came at once may be told as its last step"
    )
    assert {(EventKind.STARTED, ""), (EventKind.TEXT, "Done."), (EventKind.USAGE, "")} <= set(steps_told)
    asked = asked_of(tmp_path)
    assert asked == {"cwd": str(tmp_path), "prompt": "standing instructions\n\ndo it"}


@pytest.mark.parametrize(
    ("cap", "steps"), [(0.25, (price(0.1), price(0.3))), (0.3, (price(0.3),)), (0, (price(1),))]
)
def test_the_cost_cap_ends_an_agent_that_tells_its_cost_without_tokens(
    tmp_path: Path, cap: float, steps: tuple[dict[str, Any], ...]
) -> None:
    outcome = play(tmp_path, *steps, {"wait_s": 30}, END, max_cost_usd=cap, max_seconds=15.0)
    assert (outcome.reason or "").startswith("cost_cap: ")


@pytest.mark.parametrize(("cap", "cost"), [(0.25, 0.1), (0, 0)])
def test_below_its_cap_it_ends_by_itself(tmp_path: Path, cap: float, cost: float) -> None:
    assert (
        play(tmp_path, price(cost), message("Done."), {"stopReason": "end_turn"}, max_cost_usd=cap).status
        is OK
    )


CHOICES = [
    {"id": key, "name": key, "category": category, "type": "select", "currentValue": "a", "options": []}
    for key, category in (("which", "model"), ("hard", "thought_level"))
]


def test_model_effort_and_mode_are_set_where_the_agent_offers_them(tmp_path: Path) -> None:
    asked = request(tmp_path, model="fast-1")
    asked.env["ACP_OPTIONS"] = json.dumps(CHOICES)
    outcome = play(tmp_path, END, model="fast-1", env=asked.env, effort="high", permission_mode="yolo")
    assert (outcome.status, outcome.model) == (OK, "fast-1")
    said = asked_of(tmp_path)
    assert (said["which"], said["hard"], said["mode"]) == ("fast-1", "high", "yolo")


def test_a_model_that_cannot_be_chosen_is_not_quietly_another(tmp_path: Path) -> None:
    outcome = run(agent("acp", AgentSettings(command=(*SHELL, "true"))), request(tmp_path, model="fast-1"))
    assert outcome.reason == "not_found: the agent offers no choice of model, and fast-1 was asked for"
    assert outcome.usage == Usage()


OFFERED = [
    {
        "id": "which",
        "name": "Model",
        "category": "model",
        "type": "select",
        "currentValue": "slow-1",
        "options": [{"value": "slow-1", "name": "Slow"}, {"value": "$via|fast-1", "name": "fast-1"}],
    }
]


def offered(folder: Path, *options: dict[str, Any], **modes: Any) -> dict[str, str]:
    """The environment of an agent that offers `options` and `modes`."""
    env = request(folder).env | {"ACP_OPTIONS": json.dumps(options)}
    return env | ({"ACP_MODES": json.dumps(modes)} if modes else {})


def test_a_model_that_is_not_offered_is_refused_with_those_that_are(tmp_path: Path) -> None:
    outcome = play(tmp_path, END, model="gpt-0", env=offered(tmp_path, *OFFERED))
    words = "the agent does not offer the model gpt-0; it offers slow-1, $via|fast-1"
    assert (outcome.reason, outcome.usage) == (f"not_found: {words}", Usage())
    assert "which" not in asked_of(tmp_path)


def test_a_model_that_the_agent_calls_invalid_is_one_that_it_does_not_offer(tmp_path: Path) -> None:
    outcome = play(tmp_path, END, model="wrong", env=offered(tmp_path, CHOICES[0]))
    words = "the agent does not offer the model wrong; it offers none"
    assert outcome.reason == f"not_found: {words}"


def test_a_mode_that_is_not_offered_is_refused_with_those_that_are(tmp_path: Path) -> None:
    mode = {"id": "ask", "name": "Ask"}
    env = offered(tmp_path, currentModeId="ask", availableModes=[mode])
    outcome = play(tmp_path, END, permission_mode="yolo", env=env)
    assert outcome.reason == "not_found: the agent does not offer the mode yolo; it offers ask"


def test_a_model_may_be_chosen_by_its_name_and_the_one_in_use_is_told(tmp_path: Path) -> None:
    assert play(tmp_path, END, model="fast-1", env=offered(tmp_path, *OFFERED)).status is OK
    assert asked_of(tmp_path)["which"] == "$via|fast-1"
    assert play(tmp_path, END, env=offered(tmp_path, *OFFERED)).model == "slow-1"
    named = OFFERED[0] | {"currentValue": "$via|fast-1"}
    assert play(tmp_path, END, env=offered(tmp_path, named)).model == "fast-1"


def test_permission_is_granted_as_narrowly_as_can_be(tmp_path: Path) -> None:
    offers = (["reject_once", "allow_always", "allow_once"], ["allow_always"], ["reject_once"])
    outcome = play(
        tmp_path,
        *(tool(f"{each}", "write") for each in offers),
        *({"permission": each} for each in offers),
        END,
    )
    assert asked_of(tmp_path)["answers"] == ["id-allow_once", "id-allow_always", "cancelled"]
    assert (outcome.status, outcome.tool_calls) == (OK, 3)


def test_permission_is_refused_where_it_is_to_be_and_nothing_else_was_done(tmp_path: Path) -> None:
    steps = (tool("call-1", "write a file"), {"permission": ["allow_once", "reject_once"]}, END)
    outcome = play(tmp_path, *steps, permission_mode="deny")
    assert asked_of(tmp_path)["answers"] == ["id-reject_once"]
    assert outcome.reason == "permission_denied: every tool call was refused"


def test_an_earlier_session_is_loaded_and_its_past_is_not_told_again(tmp_path: Path) -> None:
    earlier = Resume(session_id="old-7", usage=Usage(input=1000, output=30, cost_usd=0.25))
    outcome = play(tmp_path, price(0.75), message("more"), END, resume=earlier)
    assert asked_of(tmp_path)["loaded"] == "old-7"
    assert (outcome.session_id, outcome.text) == ("old-7", "more")
    assert b"said long ago" not in (tmp_path / "session-0001.log").read_bytes()
    assert outcome.usage == Usage(input=200, output=4, cost_usd=0.5)


def test_a_stop_cancels_the_turn_and_what_it_says_it_used_is_billed(tmp_path: Path) -> None:
    script = ": > running; exec sleep 300"
    running = tmp_path / "running"
    outcome = run(
        agent("acp", AgentSettings(command=(*SHELL, script))),
        request(tmp_path),
        stop=lambda: StopRequest.SKIP if running.exists() else None,
    )
    assert (outcome.status, outcome.reason) == (SessionStatus.SKIPPED, "skipped")
    assert tokens(outcome.usage) == (7, 7, 0, 0)


def test_a_request_that_fails_is_named_by_its_words(tmp_path: Path) -> None:
    error = {"code": -32603, "message": "Internal error", "data": {"details": "You've hit your 5-hour limit"}}
    outcome = play(tmp_path, message("hm"), {"error": error})
    assert outcome.reason == "rate_limited: Internal error: You've hit your 5-hour limit"
    assert not outcome.usage.cost_known


def test_an_agent_that_goes_without_ending_its_turn_is_an_error_of_unknown_cost(tmp_path: Path) -> None:
    outcome = play(tmp_path, message("bye"))
    assert outcome.reason == "agent_error: the agent ended without ending its turn"
    assert (outcome.text, outcome.usage) == ("bye", Usage(cost_known=False))


def test_a_module_in_the_working_folder_is_not_taken_for_the_library(tmp_path: Path) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit(9)\n")
    assert run(agent("acp", AgentSettings(command=(*SHELL, "true"))), request(tmp_path)).status is OK


def test_an_agent_without_a_command_is_refused_with_the_key_to_set() -> None:
    with pytest.raises(StartError, match="the agent `acp` has no command") as refused:
        AcpAgent().binary(AgentSettings())
    assert "[agent.acp] command" in (refused.value.hint or "")


def test_the_library_of_the_protocol_is_loaded_by_nobody_but_the_client() -> None:
    code = (
        "import sys; from pitboss.agents.table import find_backend; from pathlib import Path; "
        "from tests.support.agents import request; from pitboss.core.config import AgentSettings as S; "
        "asked = request(Path('/nowhere')); find_backend('acp').launch(asked, S(binary='sh')); "
        "find_backend('acp').reader(asked); print([m for m in sys.modules if m in ('acp', 'pydantic', 'asyncio')])"
    )
    answer = capture([sys.executable, "-c", code], cwd=Path(__file__).parent.parent.parent)
    assert (answer.stdout, answer.stderr) == (b"[]\n", b"")


def read(*lines: dict[str, Any], resume: Resume | None = None) -> AcpReader:
    reader = AcpReader(request(Path("/nowhere"), resume=resume))
    for line in lines:
        list(reader.feed(json.dumps(line).encode() + b"\n"))
    return reader


def update(what: dict[str, Any]) -> dict[str, Any]:
    return {"type": "update", "update": what}


PROMPT: dict[str, Any] = {"type": "prompt"}
SESSION: dict[str, Any] = {"type": "session", "id": "s", "resumed": True}


def ended(reason: str = "end_turn", usage: dict[str, int] | None = None) -> dict[str, Any]:
    return {"type": "end", "stopReason": reason, "usage": usage}


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        ("max_tokens", "its answer was cut off at its token limit"),
        ("max_turn_requests", "it used up its requests"),
        ("refusal", "it refused to go on"),
        ("cancelled", "its turn was cancelled"),
        ("tired", "its turn ended with tired"),
    ],
)
def test_a_turn_that_ends_otherwise_is_no_success(stop: str, words: str) -> None:
    assert read(PROMPT, ended(stop)).verdict(AgentExit(code=0)).reason == f"agent_error: {words}"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": -32000, "message": "Authentication required"}, "auth: Authentication required"),
        ({"code": -32000, "message": "No"}, "auth: No"),
        (
            {"code": -32000, "message": "You have hit your usage limit. Try again in 3 hours."},
            "rate_limited: You have hit your usage limit. Try again in 3 hours.",
        ),
        ({"message": "x", "data": {"code": "insufficient_quota"}}, "billing: x"),
        ({"message": "x", "data": {"status": 529}}, "overloaded: x"),
        ({"message": "x", "data": "model m does not exist"}, "not_found: x: model m does not exist"),
        ({"message": "x", "data": None}, "agent_error: x"),
        ({}, "agent_error: error"),
    ],
)
def test_an_error_is_named_by_what_is_told_with_it(error: dict[str, Any], reason: str) -> None:
    assert read({"type": "error", **error}).verdict(AgentExit(code=1)).reason == reason


@pytest.mark.parametrize(
    ("told", "used"),
    [
        ({"totalTokens": 15, "inputTokens": 10, "outputTokens": 5}, (10, 5, 0, 0)),
        ({"totalTokens": 15, "inputTokens": 10, "outputTokens": 5, "cachedReadTokens": 4}, (10, 5, 4, 0)),
        ({"totalTokens": 115, "inputTokens": 10, "outputTokens": 5, "cachedReadTokens": 60,
          "cachedWriteTokens": 40}, (110, 5, 60, 40)),
        ({"totalTokens": 18, "inputTokens": 10, "outputTokens": 5, "thoughtTokens": 3}, (10, 8, 0, 0)),
        ({"totalTokens": 15, "inputTokens": 10, "outputTokens": 5, "thoughtTokens": 3}, (10, 5, 0, 0)),
        ({"inputTokens": 10, "outputTokens": 5, "cachedReadTokens": 60}, (60, 5, 60, 0)),
    ],
)  # fmt: skip
def test_cached_input_and_thoughts_are_counted_once(told: dict[str, int], used: tuple[int, ...]) -> None:
    spend = read(PROMPT, ended(usage=told)).spend()
    assert tokens(sum(spend.tokens.values(), Usage())) == used


def test_totals_that_leave_earlier_attempts_out_are_billed_whole() -> None:
    earlier = Resume(session_id="s", usage=Usage(input=1000, output=30, cost_usd=2.0))
    told = {"totalTokens": 15, "inputTokens": 10, "outputTokens": 5}
    spend = read(SESSION, PROMPT, update(price(0.5)), ended(usage=told), resume=earlier).spend()
    assert (spend.tokens, spend.reported_usd) == ({None: Usage(input=10, output=5)}, 0.5)


def test_a_turn_of_which_nothing_was_told_is_of_unknown_cost() -> None:
    assert not read(SESSION).spend().unreadable
    assert read(SESSION, PROMPT).spend().unreadable
    assert read(PROMPT, ended()).spend().unreadable
    assert read(PROMPT, update(price(3.0, "EUR"))).spend().unreadable
    assert not read(PROMPT, update(price(3.0))).spend().unreadable


def test_a_tool_runs_until_it_is_told_to_be_over_or_the_turn_is() -> None:
    reader = read(PROMPT, update(tool("1", "make test")))
    assert reader.tool_running
    list(reader.feed(json.dumps(update(changed("1", "failed"))).encode() + b"\n"))
    assert not reader.tool_running
    assert not read(PROMPT, update(tool("1", "read", status="completed"))).tool_running
    assert not read(PROMPT, update(tool("1", "read")), ended()).tool_running


def of_agent(name: str) -> dict[str, Any]:
    return {"type": "session", "id": "s", "resumed": False, "agent": name}


def listed(*models: tuple[str, int, int]) -> dict[str, Any]:
    """The end of a turn that lists counts by model."""
    usage = [
        {
            "model": model,
            "token_count": {"totalTokens": used + said, "inputTokens": used, "outputTokens": said},
        }
        for model, used, said in models
    ]
    return ended() | {"_meta": {"quota": {"model_usage": usage}}}


def test_tokens_are_counted_by_model_where_the_agent_lists_them() -> None:
    reader = read(PROMPT, listed(("big", 10, 2), ("small", 5, 1), ("big", 1, 1)))
    assert reader.spend().tokens == {"big": Usage(input=11, output=3), "small": Usage(input=5, output=1)}
    one = read(PROMPT, listed(("big", 10, 2)))
    assert (one.model, one.spend().tokens) == ("big", {"big": Usage(input=10, output=2)})


def test_a_list_of_a_resumed_session_is_about_all_of_it() -> None:
    earlier = Resume(session_id="s", usage=Usage(input=8, output=1))
    assert read(SESSION, PROMPT, listed(("big", 10, 2)), resume=earlier).spend().tokens == {
        "big": Usage(input=2, output=1)
    }
    several = listed(("big", 10, 2), ("small", 5, 1)) | {
        "usage": {"totalTokens": 9, "inputTokens": 8, "outputTokens": 1}
    }
    assert read(SESSION, PROMPT, several, resume=earlier).spend().tokens == {}


def test_the_tokens_of_a_last_step_are_not_those_of_the_turn() -> None:
    told = {"totalTokens": 15, "inputTokens": 10, "outputTokens": 5}
    opencode = of_agent("OpenCode")
    assert read(opencode, PROMPT, ended(usage=told)).spend().tokens == {None: Usage(input=10, output=5)}
    lines = (opencode, PROMPT, update(tool("1", "bash", status="completed")))
    assert read(*lines, ended(usage=told)).spend().unreadable
    spend = read(*lines, update(price(0.25)), ended(usage=told)).spend()
    assert (spend.tokens, spend.reported_usd, spend.unreadable) == ({}, 0.25, False)


def test_the_cost_of_an_agent_that_leaves_out_its_subagents_is_unknown() -> None:
    task = tool("1", "task") | {"rawInput": {"subagent_type": "general"}}
    lines = (PROMPT, update(task), update(price(0.25)), ended())
    assert read(of_agent("OpenCode"), *lines).spend().unreadable
    assert not read(of_agent("another"), *lines).spend().unreadable


def test_each_request_may_tell_its_tokens_as_it_ends() -> None:
    counts = {"totalTokens": 15, "inputTokens": 10, "outputTokens": 5}
    one = update(message("") | {"_meta": {"usage": counts}})
    assert read(PROMPT, one, one, ended()).spend().tokens == {None: Usage(input=20, output=10)}


def test_counts_that_leave_out_thoughts_are_of_unknown_cost() -> None:
    counts = [{"model": "g", "token_count": {"input_tokens": 10, "output_tokens": 5}}]
    spend = read(PROMPT, ended() | {"_meta": {"quota": {"model_usage": counts}}}).spend()
    assert (spend.tokens, spend.unreadable) == ({"g": Usage(input=10, output=5)}, True)


def test_the_end_of_a_limit_may_come_beside_the_usage() -> None:
    def told(status: str) -> dict[str, Any]:
        limit = {"status": status, "resetsAt": 1900000000}
        return update({"sessionUpdate": "usage_update", "_meta": {"_claude/rateLimit": limit}})

    error = {"type": "error", "message": "You've hit your 5-hour limit", "data": {"errorKind": "rate_limit"}}
    assert read(PROMPT, told("rejected"), error).verdict(AgentExit(code=1)).resets_at == 1900000000
    assert read(PROMPT, told("allowed"), error).verdict(AgentExit(code=1)).resets_at is None
    other = {"type": "error", "message": "boom"}
    assert read(PROMPT, told("rejected"), other).verdict(AgentExit(code=1)).resets_at is None


def test_an_error_in_words_after_work_is_one_if_the_agent_says_it_and_not_the_model() -> None:
    counts = {"totalTokens": 15, "inputTokens": 10, "outputTokens": 5}
    words = (
        "Error: Failed to get response from the AI model; retried. Last error: 429 The usage limit is reached"
    )
    for said, reason in ((words, "rate_limited"), ("Error: the test failed", "")):
        reader = read(of_agent("Copilot"), PROMPT, update(message(said)), ended(usage=counts))
        assert (reader.verdict(AgentExit(code=0)).reason or "").partition(":")[0] == reason
        assert reader.spend().tokens == {None: Usage(input=10, output=5)}


def test_an_error_in_an_agents_words_is_one_only_of_an_agent_that_reports_none() -> None:
    lines = (PROMPT, update(message("Error: 401 no such key")), ended())
    assert read(of_agent("Copilot"), *lines).verdict(AgentExit(code=0)).reason == "auth: 401 no such key"
    assert read(of_agent("another"), *lines).verdict(AgentExit(code=0)).status is OK


_odd: st.SearchStrategy[Any] = st.sampled_from([None, True, -1, 2**80, 1e300, "", "end_turn", [], [{}], {}])
_part = _odd | st.dictionaries(
    st.sampled_from(
        ["sessionUpdate", "content", "text", "toolCallId", "cost", "amount", "inputTokens", "data"]
    ),
    _odd | st.just("tool_call") | st.just("usage_update"),
)
_line = st.fixed_dictionaries(
    {"type": st.sampled_from(["session", "prompt", "update", "refused", "end", "error"])},
    optional=dict.fromkeys(["update", "usage", "stopReason", "message", "data", "code", "id"], _part),
)


@given(st.lists(_line, max_size=6))
def test_lines_of_any_shape_are_never_an_exception(lines: list[dict[str, Any]]) -> None:
    reader = read(*lines)
    assert sum(reader.spend().tokens.values(), Usage()).input >= 0
    assert reader.verdict(AgentExit(code=0)).status in (OK, SessionStatus.ERROR)
