"""The `command` backend: the prompt on standard input, usage by a file (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pitboss.core.agent import Resume
from pitboss.core.config import AgentSettings, Price
from pitboss.core.session import SessionStatus
from pitboss.core.usage import CostSource, Usage
from pitboss.errors import StartError
from tests.support.agents import agent, request, run
from tests.support.disk import NO_FILES, put

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.agent import AgentOutcome

PRICES = {
    "toy": Price(input_per_million_usd=10.0, output_per_million_usd=100.0, cache_read_per_million_usd=1.0)
}


def report(folder: Path, usage: str, **changes: Any) -> AgentOutcome:
    """Run a command that writes `usage` to its usage file."""
    script = f"cat > prompt.txt; printf '%s' '{usage}' > \"$PITBOSS_USAGE_FILE\""
    driver = agent("command", AgentSettings(command=("sh", "-c", script)), PRICES)
    return run(driver, request(folder, **changes))


def test_the_composed_prompt_comes_by_standard_input(tmp_path: Path) -> None:
    report(tmp_path, "{}", text="naïve ☃ text")
    assert (tmp_path / "prompt.txt").read_text() == "naïve ☃ text"


def test_extra_arguments_follow_the_command(tmp_path: Path) -> None:
    settings = AgentSettings(command=("sh", "-c", 'echo "$0 $1" > said'), extra_args=("one", "two"))
    run(agent("command", settings), request(tmp_path))
    assert (tmp_path / "said").read_text() == "one two\n"


@pytest.mark.parametrize(
    ("usage", "model", "expected"),
    [
        ("{}", None, Usage(cost_known=False)),
        ('{"input_tokens": 0, "output_tokens": 0}', None, Usage(cost_known=False)),
        ('{"cost_usd": 0}', None, Usage()),
        (
            '{"input_tokens": 1000, "output_tokens": 10, "cache_read_tokens": 600, "cost_usd": 0.5, "model": "toy"}',
            "toy",
            Usage(input=1000, output=10, cache_read=600, cost_usd=0.5),
        ),
        (
            '{"input_tokens": 1000, "output_tokens": 10, "cache_read_tokens": 600, "model": "toy-2"}',
            "toy-2",
            Usage(input=1000, output=10, cache_read=600, cost_usd=0.0056, priced_by=CostSource.CONFIGURED),
        ),
        (
            '{"input_tokens": 9, "model": "elsewhere"}',
            "elsewhere",
            Usage(input=9, cost_known=False, unpriced="elsewhere"),
        ),
        ('{"input_tokens": 9}', None, Usage(input=9, cost_known=False, unpriced="unknown")),
        ('{"cost_usd": 0.25}', None, Usage(cost_usd=0.25)),
        ('{"input_tokens": 5, "cache_write_tokens": 7, "cost_usd": 0}', None, Usage(input=7, cache_write=7)),
        ('{"input_tokens": 5, "cost_usd": 1, "of_a_later_version": []}', None, Usage(input=5, cost_usd=1.0)),
    ],
)
def test_reported_usage_is_billed(tmp_path: Path, usage: str, model: str | None, expected: Usage) -> None:
    outcome = report(tmp_path, usage)
    assert (outcome.status, outcome.model, outcome.usage) == (SessionStatus.OK, model, expected)


@pytest.mark.parametrize(
    "usage",
    [
        "",
        "{",
        "[]",
        '{"input_tokens": -1}',
        '{"input_tokens": "5"}',
        '{"input_tokens": 99999999999999999999}',
        '{"output_tokens": 9007199254740993}',
        '{"cost_usd": 1e999}',
        '{"cost_usd": 1e300}',
        "\\303",
    ],
)
def test_a_report_that_cannot_be_read_leaves_the_cost_unknown_and_the_verdict_alone(
    tmp_path: Path, usage: str
) -> None:
    outcome = report(tmp_path, usage)
    assert (outcome.status, outcome.usage) == (SessionStatus.OK, Usage(cost_known=False))


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_no_report_and_blocks_nobody(tmp_path: Path, kind: str) -> None:
    driver = agent("command", AgentSettings(command=("true",)))
    put(tmp_path / "session-0001.log", kind)
    put(tmp_path / "session-0001.usage.json", kind)
    outcome = driver.bill(request(tmp_path))
    assert (outcome.status, outcome.usage) == (SessionStatus.ABORTED, Usage(cost_known=False))


@pytest.mark.parametrize("backend", ["claude_code", "shell"])
@pytest.mark.parametrize("kind", NO_FILES)
def test_a_transcript_that_cannot_be_read_leaves_the_cost_unknown(
    tmp_path: Path, backend: str, kind: str
) -> None:
    put(tmp_path / "session-0001.log", kind)
    outcome = agent(backend, AgentSettings()).bill(request(tmp_path))
    assert (outcome.status, outcome.usage) == (SessionStatus.ABORTED, Usage(cost_known=backend == "shell"))


def test_a_directory_left_in_place_of_the_usage_file_stops_no_later_start(tmp_path: Path) -> None:
    put(tmp_path / "session-0001.usage.json", "directory")
    outcome = run(agent("command", AgentSettings(command=("true",))), request(tmp_path))
    assert (outcome.status, outcome.usage) == (SessionStatus.OK, Usage(cost_known=False))


def test_tokens_without_a_model_are_priced_by_the_model_that_was_asked_for(tmp_path: Path) -> None:
    expected = Usage(output=10, cost_usd=0.001, priced_by=CostSource.CONFIGURED)
    assert report(tmp_path, '{"output_tokens": 10}', model="toy").usage == expected


def test_a_failed_command_is_billed_too(tmp_path: Path) -> None:
    script = """echo '{"output_tokens": 1, "cost_usd": 2.5}' > "$PITBOSS_USAGE_FILE"; echo boom; exit 9"""
    outcome = run(agent("command", AgentSettings(command=("sh", "-c", script))), request(tmp_path))
    assert (outcome.status, outcome.reason) == (SessionStatus.ERROR, "exit_code: 9: boom")
    assert outcome.usage == Usage(output=1, cost_usd=2.5)


def test_the_cost_cap_ends_a_command_that_reports_while_it_runs(tmp_path: Path) -> None:
    script = """echo '{"output_tokens": 1, "cost_usd": 2.5}' > "$PITBOSS_USAGE_FILE"; exec sleep 300"""
    driver = agent("command", AgentSettings(command=("sh", "-c", script)))
    outcome = run(driver, request(tmp_path, max_cost_usd=2.0))
    assert (outcome.status, outcome.reason) == (SessionStatus.ERROR, "cost_cap: $2.5000 >= $2.0000")
    assert outcome.usage == Usage(output=1, cost_usd=2.5)


def test_a_usage_file_left_by_an_earlier_start_is_not_billed_again(tmp_path: Path) -> None:
    (tmp_path / "session-0001.usage.json").write_text('{"cost_usd": 5}')
    outcome = run(agent("command", AgentSettings(command=("true",))), request(tmp_path))
    assert outcome.usage == Usage(cost_known=False)


def test_a_program_of_which_the_user_says_that_it_costs_nothing_need_not_report(tmp_path: Path) -> None:
    free = AgentSettings(command=("true",), usage="none")
    assert run(agent("command", free), request(tmp_path)).usage == Usage()
    assert agent("command", free).bill(request(tmp_path), started=True).usage == Usage()


def test_a_dead_runners_command_is_billed_by_its_usage_file(tmp_path: Path) -> None:
    (tmp_path / "session-0001.log").write_bytes(b"\xff half")
    (tmp_path / "session-0001.usage.json").write_text('{"input_tokens": 3, "cost_usd": 5, "model": "m"}')
    outcome = agent("command", AgentSettings(command=("true",))).bill(request(tmp_path))
    assert (outcome.status, outcome.reason, outcome.model) == (SessionStatus.ABORTED, "interrupted", "m")
    assert outcome.usage == Usage(input=3, cost_usd=5.0)


def test_without_a_configured_command_there_is_no_agent() -> None:
    with pytest.raises(StartError, match="the agent `command` has no command") as refused:
        agent("command", AgentSettings())
    assert refused.value.hint is not None
    assert "[agent.command] command" in refused.value.hint


def said(folder: Path, *arguments: str, **changes: Any) -> str:
    """What a command is given as its arguments; `changes` are of its settings, or of the request."""
    settings = {key: changes.pop(key) for key in ("model", "effort") if key in changes}
    program = ("sh", "-c", 'printf "%s|" "$@" > said', "sh")
    run(
        agent("command", AgentSettings(command=(*program, *arguments), **settings)),
        request(folder, **changes),
    )
    return (folder / "said").read_text()


ARGUMENTS = ("--model={model}", "-e{effort}", "--resume={resume}", "{other}")


def test_arguments_are_filled_in_and_those_for_which_there_is_nothing_left_out(tmp_path: Path) -> None:
    assert said(tmp_path, *ARGUMENTS) == "{other}|"
    assert said(tmp_path, *ARGUMENTS, model="m-1", effort="high") == "--model=m-1|-ehigh|{other}|"
    resume = Resume(session_id="{model}")
    assert said(tmp_path, *ARGUMENTS, resume=resume) == "--resume={model}|{other}|"


def test_a_prompts_model_comes_before_that_of_the_settings(tmp_path: Path) -> None:
    assert said(tmp_path, "{model}", model="m-1") == "m-1|"
    settings = AgentSettings(command=("sh", "-c", 'echo "$1" > said', "sh", "{model}"), model="m-1")
    run(agent("command", settings), request(tmp_path, model="m-2"))
    assert (tmp_path / "said").read_text() == "m-2\n"


def test_it_can_be_resumed_if_an_argument_takes_the_session() -> None:
    assert not agent("command", AgentSettings(command=("mine", "{model}"))).resumable
    assert agent("command", AgentSettings(command=("mine", "--resume={resume}"))).resumable
    assert agent("command", AgentSettings(command=("mine",), extra_args=("{resume}",))).resumable


def test_it_names_its_session(tmp_path: Path) -> None:
    assert report(tmp_path, '{"session_id": "s-7"}').session_id == "s-7"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("auth", "auth"),
        ("rate_limited: try again in 2 hours", "rate_limited: try again in 2 hours"),
        ("You have hit your 5-hour limit", "rate_limited: You have hit your 5-hour limit"),
        ("verify_failed: mine to say", "agent_error: verify_failed: mine to say"),
        ("it broke", "agent_error: it broke"),
    ],
)
def test_it_says_why_it_failed_whatever_its_exit_code(tmp_path: Path, reason: str, expected: str) -> None:
    outcome = report(tmp_path, f'{{"cost_usd": 0, "reason": "{reason}"}}')
    assert (outcome.status, outcome.reason, outcome.exit_code) == (SessionStatus.ERROR, expected, 0)
    assert (outcome.resets_at is not None) == (reason == "rate_limited: try again in 2 hours")


def test_it_says_that_the_session_to_resume_is_gone(tmp_path: Path) -> None:
    outcome = report(tmp_path, '{"reason": "session_lost"}', resume=Resume(session_id="s-7"))
    assert (outcome.status, outcome.lost_session) == (SessionStatus.ERROR, True)


def test_an_empty_reason_is_none(tmp_path: Path) -> None:
    assert report(tmp_path, '{"cost_usd": 0, "reason": ""}').status is SessionStatus.OK


@pytest.mark.parametrize(
    ("usage", "why"),
    [
        ("{", "Input data was truncated"),
        ('{"cost_usd": "0.5"}', "Expected `float | null`, got `str` - at `$.cost_usd`"),
        ('{"input_tokens": -5}', "Expected `int` >= 0 - at `$.input_tokens`"),
        ("[7]", "Expected `object`, got `array`"),
    ],
)
def test_a_usage_file_that_cannot_be_read_is_warned_of(tmp_path: Path, usage: str, why: str) -> None:
    ended = report(tmp_path, usage)
    assert ended.warning == f"$PITBOSS_USAGE_FILE cannot be read: {why}"
    assert not ended.usage.cost_known


@pytest.mark.parametrize("usage", ["{}", '{"cost_usd": 0.5}', '{"reason": "auth"}'])
def test_any_other_is_not(tmp_path: Path, usage: str) -> None:
    assert report(tmp_path, usage).warning is None


def test_what_it_wrote_last_counts(tmp_path: Path) -> None:
    first = """printf '{"cost' >"$PITBOSS_USAGE_FILE"; sleep 0.5; """
    script = first + """printf '{"cost_usd": 0.5}' >"$PITBOSS_USAGE_FILE"; cat >/dev/null"""
    ended = run(agent("command", AgentSettings(command=("sh", "-c", script))), request(tmp_path))
    assert (ended.warning, ended.usage) == (None, Usage(cost_usd=0.5))
