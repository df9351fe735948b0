"""A service that stays away is waited for and is no failure; a login that was refused is asked again once (SPEC 6)."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from signal import SIGINT, SIGKILL
from typing import TYPE_CHECKING

import pytest

from tests.support.acts import BUSY, Player, done, init, replayed, result, said
from tests.support.cli import Project, wait_until
from tests.support.runs import Run, configure, grinding, instruct, the_run, verdict

if TYPE_CHECKING:
    from pathlib import Path

AWAY = f"{said(init(), result((0, 0), 0.0, error=BUSY))}\nexit 1"
"""An agent whose service had no answer at all."""

SOON = "[limits]\nretries = 1\nretry_base_seconds = 0.05\n"
LATE = '[limits]\nretries = 0\nretry_base_seconds = 600\nmax_wait = "1h"\n'
STOPPED = "overloaded: stopped while it waited for claude_code's service"
REFUSED = {"result": "API Error: 401 token expired", "api_error_status": 401}


def stage(folder: Path, *acts: str, more: str = SOON, **meta: object) -> tuple[Project, Player]:
    """A project with one prompt for Claude Code, which plays these acts; one failure in a row is too many."""
    project = Project.create(folder / "repo")
    configure(project, agent="claude_code", more=more)
    config = project.root / ".pitboss/config.toml"
    config.write_text(config.read_text().replace("failure_limit = 0", "failure_limit = 1"))
    instruct(project, "chore", **{"max_runs": 1, **meta})
    return project, Player(project, "claude", *acts)


def waiting(project: Project) -> Run:
    """The run, once its session is seen to wait."""
    runs = project.root / ".pitboss/grind/runs"
    wait_until(lambda: any(runs.glob("*/state.json")))
    run = the_run(project)
    wait_until(lambda: any(s.get("waits_until") for s in run.state.get("in_flight", [])))
    return run


def test_an_outage_is_waited_for_within_the_session_beyond_its_retries(tmp_path: Path) -> None:
    project, claude = stage(tmp_path, *[AWAY] * 6, done())
    ended = project.pitboss("grind", "--max-cost", "5")
    (record,) = the_run(project).records
    assert ended.code == 0, ended
    assert (record["status"], record["attempts"], claude.starts) == ("ok", 7, 7)
    assert record["waited_s"] >= 0.05 * (2**6 - 1)
    assert "cost_known" not in record
    assert "waiting for claude_code's service: overloaded: Overloaded until 20" in ended.err


def test_an_outage_beyond_max_wait_is_a_dead_end_and_no_failure_in_a_row(tmp_path: Path) -> None:
    project, _ = stage(tmp_path, *[AWAY] * 9, more=f'{SOON}max_wait = "1s"\n')
    ended = project.pitboss("grind")
    run = the_run(project)
    assert ended.code == 5, ended
    assert run.record("chore")["status"] == "error"
    assert "session 1 met a dead end: overloaded: Overloaded; resume once the service is back" in ended.err
    assert run.state["budget_consumed"]["consecutive_failures"] == 0


def test_what_was_used_before_its_service_went_away_makes_it_a_failure(tmp_path: Path) -> None:
    worked = f"{said(init(), result((100, 5), 0.01, error=BUSY))}\nexit 1"
    project, claude = stage(tmp_path, worked, AWAY)
    ended = project.pitboss("grind")
    run = the_run(project)
    assert (ended.code, claude.starts) == (5, 2), ended
    assert "1 session failed in a row" in ended.err
    assert run.state["budget_consumed"]["consecutive_failures"] == 1


def test_without_max_wait_an_outage_is_for_its_retries_only(tmp_path: Path) -> None:
    project, claude = stage(tmp_path, AWAY, AWAY, done(), more=f'{SOON}max_wait = "0s"\n', max_runs=2)
    ended = project.pitboss("grind")
    assert (ended.code, claude.starts) == (1, 3), ended
    assert [r["status"] for r in the_run(project).records] == ["error", "ok"]


@pytest.mark.parametrize("how", ["drain", "stop", "skip", "until"])
def test_whoever_ends_a_run_or_a_session_ends_its_wait(tmp_path: Path, how: str) -> None:
    project, claude = stage(tmp_path, AWAY, more=LATE)
    until = (datetime.now(UTC) + timedelta(seconds=6)).isoformat()
    with grinding(project, *(["--until", until] if how == "until" else [])) as live:
        run = waiting(project)
        if how == "drain":
            live.send(SIGINT)
        elif how != "until":
            assert project.pitboss(how).code == 0
        ended = live.ended()
    skipped = how == "skip"
    assert ended.code == (3 if how == "until" else 0), ended
    assert verdict(run.record("chore"))[:2] == (("skipped", "skipped") if skipped else ("aborted", STOPPED))
    assert "cost_known" not in run.record("chore")
    assert claude.starts == 1


def test_a_runner_killed_in_the_wait_leaves_a_record_that_cost_nothing_and_the_run_goes_on(
    tmp_path: Path,
) -> None:
    project, claude = stage(tmp_path, AWAY, AWAY, done(), more=LATE, max_runs=2)
    with grinding(project, "--max-cost", "5") as live:
        run = waiting(project)
        wait_until(lambda: "waiting for claude_code's service" in project.pitboss("status").out)
        os.kill(live.runner(), SIGKILL)
        live.ended()
    config = project.root / ".pitboss/config.toml"
    config.write_text(config.read_text().replace("= 600", "= 0.05"))
    ended = project.pitboss("grind", "--resume")
    first, second = run.records
    assert ended.code == 0, ended
    assert (first["status"], first["reason"], first["cost_usd"]) == ("aborted", "interrupted", 0.0)
    assert "cost_known" not in first
    assert (second["status"], second["attempts"], claude.starts) == ("ok", 2, 3)


def test_another_agent_goes_on_during_an_outage_and_the_next_session_starts_with_it(tmp_path: Path) -> None:
    more = '[limits]\nretries = 0\nfallback = ["codex"]\n[agent.codex]\nmodel = "gpt-5.1-codex"\n'
    project, claude = stage(tmp_path, AWAY, more=more, max_runs=2)
    codex = Player(project, "codex", *[replayed("codex", "ok")] * 2)
    ended = project.pitboss("grind")
    assert (ended.code, claude.starts, codex.starts) == (0, 1, 2), ended
    assert "session-0001 chore: codex goes on: overloaded: Overloaded\n" in ended.err
    assert "session-0002 chore: codex instead: claude_code's service\n" in ended.err


@pytest.mark.parametrize(("refusals", "code"), [(1, 0), (2, 5)])
def test_a_login_that_was_refused_is_asked_again_once(tmp_path: Path, refusals: int, code: int) -> None:
    refused = f"{said(init(), result((0, 0), 0.0, error=REFUSED))}\nexit 1"
    project, claude = stage(tmp_path, *[refused] * refusals, done())
    ended = project.pitboss("grind")
    assert (ended.code, claude.starts) == (code, 2), ended
    assert "waiting for retry: auth: API Error: 401 token expired until 20" in ended.err
