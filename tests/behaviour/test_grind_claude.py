"""Claude Code under budgets, and sessions of it that did nothing, through the whole program (SPEC 4, 6)."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.agents import executable
from tests.support.cli import Project
from tests.support.runs import Run, configure, instruct, the_run, verdict

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "claude-sonnet-4-5"
BUDGET, PARTIAL = "--max-budget-usd", "--include-partial-messages"


def said(**line: Any) -> str:
    return f"echo {shlex.quote(json.dumps(line))}"


def streamed(**event: Any) -> str:
    return said(type="stream_event", event=event)


def result(**fields: Any) -> str:
    whole = {
        "type": "result",
        "is_error": False,
        "num_turns": 1,
        "total_cost_usd": 0.5,
        "usage": {"input_tokens": 9},
    }
    return said(**(whole | fields))


WRITES_MUCH = "; ".join(
    (
        streamed(type="message_start", message={"id": "m1", "model": MODEL, "usage": {"output_tokens": 1}}),
        streamed(type="message_delta", usage={"output_tokens": 100_000}),
        "exec sleep 60",
    )
)


def worked(folder: Path, script: str, *options: str, more: str = "", **meta: object) -> tuple[Run, str]:
    """A run of one prompt by a `claude` that does `script`, and the options that this was started with."""
    project = Project.create(folder / "repo")
    (folder / "bin").mkdir()
    executable(folder / "bin/claude", f'echo "$*" >{folder}/options; cat >/dev/null; {script}')
    configure(project, agent="claude_code", more=more)
    instruct(project, "chore", **{"max_runs": 1, **meta})
    project.pitboss("grind", *options, PATH=f"{folder}/bin:{project.env['PATH']}")
    return the_run(project), (folder / "options").read_text()


def test_a_cost_limit_of_the_session_sees_output_while_it_is_written(tmp_path: Path) -> None:
    run, options = worked(tmp_path, WRITES_MUCH, max_session_cost_usd=1.0)
    assert f"{PARTIAL} {BUDGET} 1.000000" in options
    assert verdict(run.record("chore")) == ("error", "cost_cap: $1.5000 >= $1.0000", False, 0)


@pytest.mark.parametrize("budget", ["--max-cost=1", "--max-tokens=50000"])
def test_a_hard_budget_of_the_run_does_too(tmp_path: Path, budget: str) -> None:
    run, options = worked(tmp_path, WRITES_MUCH, budget, more="[budgets]\nhard = true")
    assert PARTIAL in options
    assert (BUDGET in options) is ("cost" in budget)
    assert run.record("chore")["reason"].startswith("cost_cap: ")


def test_a_soft_budget_of_the_run_lets_the_session_finish(tmp_path: Path) -> None:
    run, options = worked(tmp_path, f"echo x >x; {result(total_cost_usd=4.85)}", "--max-cost=1")
    assert not {BUDGET, PARTIAL} & set(options.split())
    assert (run.record("chore")["status"], run.record("chore")["cost_usd"]) == ("ok", 4.85)


@pytest.mark.parametrize(("work", "status"), [("", "error"), ("echo x >x; ", "ok")])
def test_a_session_without_a_turn_is_ok_only_if_it_changed_something(
    tmp_path: Path, work: str, status: str
) -> None:
    nothing = result(num_turns=0, total_cost_usd=0, usage={})
    run, _ = worked(tmp_path, work + nothing)
    assert run.record("chore")["status"] == status


def test_the_process_on_record_is_the_one_that_runs_where_an_older_version_had_to_be_started_again(
    tmp_path: Path,
) -> None:
    """The record that the second process finds of itself, half a second after its start."""
    refuse = f'case "$*" in *{BUDGET}*) echo "error: unknown option" >&2; exit 1;; esac'
    look = f"sleep 0.5; echo $$ >{tmp_path}/pid; cat .pitboss/grind/runs/*/state.json >{tmp_path}/state"
    run, options = worked(tmp_path, f"{refuse}; {look}; echo x >x; {result()}", max_session_cost_usd=1.0)
    assert BUDGET not in options
    assert run.record("chore")["status"] == "ok"
    (session,) = json.loads((tmp_path / "state").read_text())["in_flight"]
    assert session["pid"] == int((tmp_path / "pid").read_text())


def test_a_number_of_any_length_in_its_output_is_no_internal_error(tmp_path: Path) -> None:
    number = f'echo \'{{"type": "user", "tool_use_result": {"9" * 5000}}}\''
    run, _ = worked(tmp_path, f"{number}; echo x >x; {result()}")
    assert (run.record("chore")["status"], run.record("chore")["cost_usd"]) == ("ok", 0.5)
