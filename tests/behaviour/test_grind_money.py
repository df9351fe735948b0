"""What sessions cost: the agent's figure, else the user's prices, else a public table, else unknown (SPEC 1.5, 4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.agents import executable
from tests.support.cli import Project
from tests.support.runs import Run, configure, instruct, the_run, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

CAPTURES = Path(__file__).parents[1] / "fixtures/agents/claude"
FAKE_CLAUDE = f"""
capture={CAPTURES}/$(tail -n 1)
[ -e "$capture/stdout" ] || exit 64
echo "$PITBOSS_PROMPT_NAME" >made.txt
cat "$capture/stdout"
cat "$capture/stderr" >&2
exit "$(sed -n 's/.*"exit_code": \\([0-9]*\\).*/\\1/p' "$capture/meta.json")"
"""
"""Replays the capture that the prompt's last line names."""

PRICES = """
[budgets.pricing.house-model]
input_per_million_usd = 10
output_per_million_usd = 100
cache_read_per_million_usd = 1
"""
USED = {"input_tokens": 1000, "output_tokens": 100, "cache_read_tokens": 600}


def replayed(folder: Path, *captures: str, code: int) -> Run:
    """One run of Claude Code as it was captured, a session for each capture, nothing waited for."""
    project = Project.create(folder / "repo")
    limits = '[limits]\nretries = 0\nretry_base_seconds = 0.01\nmax_wait = "0s"\n'
    configure(project, agent="claude_code", more=limits)
    (folder / "bin").mkdir()
    executable(folder / "bin/claude", FAKE_CLAUDE)
    for name in captures:
        instruct(project, name.lower(), f"Replay this:\n{name}", max_runs=1)
    done = project.pitboss("grind", PATH=f"{folder}/bin:{project.env['PATH']}")
    assert done.code == code, done
    return the_run(project)


@pytest.fixture(scope="module")
def claudes(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which nothing keeps the next session from running."""
    folder = tmp_path_factory.mktemp("claude")
    return replayed(folder, "longtool_INT", "ok", "overloaded", "rate_once", code=1)


def test_claudes_own_figure_is_the_cost_and_cached_tokens_count_as_input(claudes: Run) -> None:
    record = claudes.record("ok")
    tokens = {"input": 1200 + 340 + 1300, "output": 34}
    assert verdict(record) == ("ok", None, True, 0)
    assert record["cost_usd"] == pytest.approx(0.005775)
    assert record["tokens"] == tokens | {"by_role": {"implementer": tokens}}
    assert (record["cache_read"], record["cache_write"]) == (1300, 340)
    assert (record["agent"], record["model"]) == ("claude_code", "claude-sonnet-4-5")


def test_a_failure_that_claude_reports_is_named(claudes: Run) -> None:
    record = claudes.record("overloaded")
    assert (record["status"], record["reason"].partition(":")[0]) == ("error", "overloaded")
    assert claudes.rescued("overloaded")["made.txt"] == "overloaded\n"


@pytest.mark.parametrize(("capture", "reason"), [("auth", "auth"), ("usage_limit", "rate_limited")])
def test_a_dead_end_stops_the_run_at_once(tmp_path: Path, capture: str, reason: str) -> None:
    run = replayed(tmp_path, capture, "z_never", code=5)
    (record,) = run.records
    assert (record["status"], record["reason"].partition(":")[0]) == ("error", reason)
    assert run.rescued(capture)["made.txt"] == f"{capture}\n"
    assert run.state["stop_reason"].startswith(f"session 1 met a dead end: {reason}: ")


def test_a_request_that_was_retried_is_no_failure(claudes: Run) -> None:
    assert claudes.record("rate_once")["status"] == "ok"


def test_the_runs_spend_is_the_sum_of_its_records(claudes: Run) -> None:
    used = claudes.state["budget_consumed"]
    assert used["cost_usd"] == pytest.approx(sum(r["cost_usd"] for r in claudes.records))
    assert used["tokens_input"] == sum(r["tokens"]["input"] for r in claudes.records) > 0


def spend(
    folder: Path, usage: Mapping[str, Any] | str, *, prices: str = "", **meta: object
) -> dict[str, Any]:
    """The record of one session of an agent that reports `usage`."""
    project = Project.create(folder / "repo")
    said = usage if isinstance(usage, str) else json.dumps(usage)
    command = f"cat >/dev/null; echo '{said}' >$PITBOSS_USAGE_FILE"
    configure(
        project, agent="command", more=f"[agent.command]\ncommand = ['sh', '-c', '''{command}''']\n{prices}"
    )
    instruct(project, "chore", max_runs=1, **meta)
    project.pitboss("grind")
    return the_run(project).record("chore")


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (USED | {"model": "house-model-2"}, (400 * 10 + 600 * 1 + 100 * 100) / 1e6),
        (USED | {"model": "house-model-2", "cost_usd": 7}, 7),
        (USED | {"model": "claude-sonnet-4-5"}, (400 * 3 + 600 * 0.3 + 100 * 15) / 1e6),
    ],
    ids=["the user's prices", "the agent's figure first", "the public table"],
)
def test_a_session_is_priced_by(tmp_path: Path, usage: dict[str, Any], cost: float) -> None:
    record = spend(tmp_path, usage, prices=PRICES)
    assert record["cost_usd"] == pytest.approx(cost)
    assert "cost_known" not in record


def test_a_model_set_for_the_prompt_prices_what_does_not_name_its_model(tmp_path: Path) -> None:
    record = spend(tmp_path, USED, prices=PRICES, model="house-model")
    assert (record["cost_usd"], record["model"]) == (pytest.approx(0.0146), "house-model")


@pytest.mark.parametrize(
    "usage", [USED | {"model": "nobody-sells-this"}, USED, "no JSON"], ids=["no price", "no model", "no JSON"]
)
def test_what_cannot_be_priced_is_unknown_and_never_zero(tmp_path: Path, usage: dict[str, Any] | str) -> None:
    record = spend(tmp_path, usage, prices=PRICES)
    assert (record["status"], record["cost_known"], record["cost_usd"]) == ("ok", False, 0.0)


def test_a_session_is_stopped_at_its_own_cost_cap_and_billed(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    usage = json.dumps(USED | {"cost_usd": 1.5})
    command = f"cat >/dev/null; echo half >half.txt; echo '{usage}' >$PITBOSS_USAGE_FILE; exec sleep 60"
    configure(project, agent="command", more=f"[agent.command]\ncommand = ['sh', '-c', '''{command}''']")
    instruct(project, "chore", max_runs=1, max_session_cost_usd=1.25)
    assert project.pitboss("grind").code == 1
    run = the_run(project)
    assert verdict(run.record("chore")) == ("error", "cost_cap: $1.5000 >= $1.2500", False, 1)
    assert run.record("chore")["cost_usd"] == 1.5
    assert run.rescued("chore") == {"half.txt": "half\n"}


def test_a_session_that_timed_out_is_billed_what_it_said_until_then(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    (tmp_path / "bin").mkdir()
    executable(tmp_path / "bin/claude", f"cat >/dev/null; head -n 4 {CAPTURES}/ok/stdout; exec sleep 60")
    configure(project, agent="claude_code")
    instruct(project, "chore", max_runs=1, max_session_seconds=4)
    assert project.pitboss("grind", PATH=f"{tmp_path}/bin:{project.env['PATH']}").code == 1
    record = the_run(project).record("chore")
    assert (record["status"], record["reason"]) == ("timeout", "wall_clock: not done within 4 s")
    assert record["tokens"]["input"] == 1800
    assert record["cost_usd"] > 0


def test_what_is_not_known_is_no_zero_in_the_sum_of_a_run_either(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    report = """echo '{"input_tokens": 9}' >$PITBOSS_USAGE_FILE"""
    configure(project, agent="command", more=f"[agent.command]\ncommand = {json.dumps(['sh', '-c', report])}")
    instruct(project, "alpha", max_runs=1)
    ended = project.pitboss("grind")
    assert "1 session, cost unknown, 9 tokens\n" in ended.err
    assert "unknown" in project.pitboss("status").out
    assert "unknown" in project.pitboss("runs").out
    (run,) = project.pitboss("runs", "--json").json()
    assert (run["cost_usd"], run["cost_known"]) == (0.0, False)
