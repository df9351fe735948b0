"""Busy services are asked again, other agents take over, dead ends stop the run, fixers are no exception (SPEC 6)."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from signal import SIGINT, SIGKILL
from typing import TYPE_CHECKING

import pytest

from pitboss.core.text import CONTINUE
from tests.contracts.expected_codex import TWO_REQUESTS_USD
from tests.support.acts import (
    BUSY,
    SESSION,
    Player,
    busy,
    done,
    init,
    limited,
    message,
    replayed,
    result,
    said,
)
from tests.support.cli import Project, wait_until
from tests.support.disk import names
from tests.support.runs import Gate, Run, billed, configure, grinding, instruct, the_run, verdict
from tests.support.side_by_side import meeting

if TYPE_CHECKING:
    from pathlib import Path

AT_ONCE = "[limits]\nretry_base_seconds = 0.01\n"
HALF = "echo half >>work.txt"
WHOLE = "echo whole >>work.txt"
CODEX_MODEL = '[agent.codex]\nmodel = "gpt-5.1-codex"\n'


def stage(folder: Path, *acts: str, more: str = AT_ONCE, **meta: object) -> tuple[Project, Player]:
    """A project with one prompt for Claude Code, which plays these acts."""
    project = Project.create(folder / "repo")
    configure(project, agent="claude_code", more=more)
    instruct(project, "chore", max_runs=1, **meta)
    return project, Player(project, "claude", *acts)


def transcripts(run: Run) -> list[str]:
    """What agents printed, by file, without their complaints and the tests."""
    logs = names(run.folder / "transcripts")
    return [n for n in logs if n.endswith(".log") and "stderr" not in n and "verify" not in n]


# Another agent takes over


def test_another_agent_takes_over_in_the_same_tree_at_once(tmp_path: Path) -> None:
    project, claude = stage(
        tmp_path, f"{HALF}\n{limited()}", more=f'[limits]\nfallback = ["codex"]\n{CODEX_MODEL}'
    )
    codex = Player(project, "codex", f"{WHOLE}\n{replayed('codex', 'ok')}")
    ended = project.pitboss("grind")
    run = the_run(project)
    (record,) = run.records
    assert ended.code == 0, ended
    assert verdict(record) == ("ok", None, True, 0)
    assert run.files(run.branch) == {"work.txt": "half\nwhole\n"}
    assert (record["agent"], record["model"], record["attempts"]) == ("codex", "gpt-5.1-codex", 2)
    assert billed(record) == (1000 + 1200, 50 + 34, round(0.01 + TWO_REQUESTS_USD, 6), True)
    assert "waited_s" not in record
    assert (claude.starts, codex.starts) == (1, 1)
    assert "Do it." in codex.stdin(1)
    assert CONTINUE not in codex.stdin(1)
    assert "session-0001 chore: codex goes on: rate_limited: You've hit your 5-hour limit\n" in ended.err


def test_a_runner_killed_while_the_other_agent_worked_bills_each_by_its_own_reading(tmp_path: Path) -> None:
    project, _ = stage(
        tmp_path, f"{HALF}\n{limited()}", more=f'[limits]\nfallback = ["codex"]\n{CODEX_MODEL}'
    )
    shown = replayed("codex", "ok").partition("; exit")[0]
    Player(project, "codex", f"{shown}\n: >{tmp_path}/on\nexec sleep 60")
    with grinding(project) as live:
        wait_until((tmp_path / "on").exists)
        run = the_run(project)
        transcript = run.folder / "transcripts/session-0001.attempt-02.log"
        wait_until(lambda: b"turn.completed" in transcript.read_bytes())
        os.kill(live.runner(), SIGKILL)
        live.ended()
    (run.folder / "ended").write_text("live\n")  # as after a power cut, which nobody saw
    os.utime(run.folder / "transcripts/session-0001.log", (0, 0))
    assert project.pitboss("grind", "--resume").code == 0
    (record,) = run.records
    assert verdict(record) == ("aborted", "interrupted", False, 1)
    died = datetime.fromtimestamp(transcript.stat().st_mtime, UTC)
    assert abs(datetime.fromisoformat(record["ended_at"]) - died) < timedelta(milliseconds=1)
    assert billed(record) == (1000 + 1200, 50 + 34, round(0.01 + TWO_REQUESTS_USD, 6), True)
    assert (record["agent"], record["attempts"]) == ("codex", 2)


@pytest.mark.parametrize("more", ["", "pause_at = 0.95\n"])
def test_while_an_agent_is_limited_sessions_start_with_the_fallback_and_do_not_wait(
    tmp_path: Path, more: str
) -> None:
    limits = f'[limits]\n{more}fallback = ["codex"]\n{CODEX_MODEL}'
    project, claude = stage(tmp_path, limited(), more=limits, model="opus")
    instruct(project, "later", max_runs=1, model="opus")
    codex = Player(project, "codex", *[replayed("codex", "ok")] * 2)
    ended = project.pitboss("grind")
    run = the_run(project)
    assert (ended.code, claude.starts, codex.starts) == (0, 1, 2), ended
    later = run.record("later")
    assert (later["status"], later["agent"]) == ("ok", "codex")
    assert ("attempts" in later, "waited_s" in later) == (False, False)
    assert billed(later) == (1200, 34, round(TWO_REQUESTS_USD, 6), True)
    assert "session-0002 later: codex instead: claude_code's usage limit\n" in ended.err
    assert "opus" in claude.args(1)
    assert "opus" not in codex.args(1) + codex.args(2)


def test_a_runner_killed_under_an_agent_that_took_the_first_attempt_bills_it_by_that(tmp_path: Path) -> None:
    project, _ = stage(tmp_path, limited(), more=f'[limits]\nfallback = ["codex"]\n{CODEX_MODEL}')
    instruct(project, "later", max_runs=1)
    shown = replayed("codex", "ok").partition("; exit")[0]
    Player(project, "codex", replayed("codex", "ok"), f"{shown}\n: >{tmp_path}/on\nexec sleep 60")
    with grinding(project) as live:
        wait_until((tmp_path / "on").exists)
        run = the_run(project)
        transcript = run.folder / "transcripts/session-0002.log"
        wait_until(lambda: b"turn.completed" in transcript.read_bytes())
        os.kill(live.runner(), SIGKILL)
        live.ended()
    assert project.pitboss("grind", "--resume").code == 0
    later = run.record("later")
    assert (later["reason"], later["agent"], "attempts" in later) == ("interrupted", "codex", False)
    assert billed(later) == (1200, 34, round(TWO_REQUESTS_USD, 6), True)


def test_a_second_fallback_follows_the_first(tmp_path: Path) -> None:
    project, _ = stage(tmp_path, limited(), more='[limits]\nfallback = ["codex", "gemini"]')
    codex = Player(project, "codex", replayed("codex", "usage_limit"))
    gemini = Player(project, "gemini", f"{WHOLE}\n{replayed('gemini', 'ok')}")
    ended = project.pitboss("grind")
    (record,) = the_run(project).records
    assert ended.code == 0, ended
    assert (record["status"], record["agent"], record["attempts"]) == ("ok", "gemini", 3)
    assert (codex.starts, gemini.starts) == (1, 1)


def test_a_fallback_that_cannot_be_started_is_no_loss(tmp_path: Path) -> None:
    limits = f'[limits]\nfallback = ["codex"]\n{CODEX_MODEL}'
    project, claude = stage(tmp_path, limited(resets_in=2), f"{WHOLE}\n{done()}", more=limits, model="opus")
    ended = project.pitboss("grind")
    run = the_run(project)
    (record,) = run.records
    assert (ended.code, record["status"], record["agent"], record["attempts"]) == (0, "ok", "claude_code", 3)
    assert record["waited_s"] >= 2
    assert "claude_code goes on: spawn_failed: cannot start codex" in ended.err
    assert "opus" in claude.args(2)
    assert SESSION in claude.args(2)


def test_the_agent_whose_limit_ends_first_is_waited_for(tmp_path: Path) -> None:
    limits = f'[limits]\nfallback = ["codex"]\n{CODEX_MODEL}'
    project, claude = stage(tmp_path, limited(resets_in=2), f"{WHOLE}\n{done()}", more=limits)
    codex = Player(project, "codex", replayed("codex", "usage_limit"))
    ended = project.pitboss("grind")
    (record,) = the_run(project).records
    assert (ended.code, record["status"], record["agent"]) == (0, "ok", "claude_code")
    assert (claude.starts, codex.starts, record["attempts"]) == (2, 1, 3)


def test_sessions_start_with_the_fallback_while_nobody_knows_when_a_limit_ends(tmp_path: Path) -> None:
    limits = f'[limits]\nfallback = ["codex"]\n{CODEX_MODEL}'
    project, claude = stage(tmp_path, replayed("claude", "usage_limit"), more=limits)
    instruct(project, "later", max_runs=1)
    ok = replayed("codex", "ok")
    codex = Player(project, "codex", ok, ok)
    assert project.pitboss("grind").code == 0
    assert (claude.starts, codex.starts) == (1, 2)


def test_a_session_that_has_reached_its_cap_is_not_tried_again(tmp_path: Path) -> None:
    dear = f"{said(init(), result((1000, 50), 1.5, error=BUSY))}\nexit 1"
    project, claude = stage(
        tmp_path, dear, done(), more="[limits]\nretry_base_seconds = 0.01", max_session_cost_usd=1.0
    )
    assert project.pitboss("grind").code == 1
    (record,) = the_run(project).records
    assert (record["reason"], record["cost_usd"], claude.starts) == ("cost_cap: $1.5000 >= $1.0000", 1.5, 1)


def test_a_fallback_that_is_no_agent_is_refused_before_anything_runs(tmp_path: Path) -> None:
    project, claude = stage(tmp_path, done(), more='[limits]\nfallback = ["kodex"]')
    ended = project.pitboss("grind")
    assert (ended.code, claude.starts) == (4, 0)
    assert "unknown agent `kodex`" in ended.err
    assert "did you mean `codex`?" in ended.err


# A busy service is asked again


def test_a_busy_service_is_asked_again_within_the_session(tmp_path: Path) -> None:
    again = busy(100, 5, usd=0.011, whole=(1100, 55))
    acts = (f"{HALF}\n{busy()}", again, f"{WHOLE}\n{done(usd=0.015, whole=(1400, 75))}")
    project, claude = stage(tmp_path, *acts)
    ended = project.pitboss("grind")
    run = the_run(project)
    (record,) = run.records
    assert (ended.code, claude.starts) == (0, 3)
    assert verdict(record) == ("ok", None, True, 0)
    assert (record["attempts"], *billed(record)) == (3, 1400, 75, 0.015, True)
    assert run.files(run.branch) == {"work.txt": "half\nwhole\n"}
    assert "session-0001 chore: waiting for retry: overloaded: Overloaded until 20" in ended.err
    shown = project.pitboss("show", run.run_id, "1").out
    assert re.search(r"^attempts +3, waited 0", shown, re.MULTILINE)
    printed = project.pitboss("show", run.run_id, "1", "--transcript").out
    assert [printed.count(text) for text in ("On it.", '"text": "Done."', "Overloaded")] == [2, 1, 2]


@pytest.mark.parametrize(("interrupts", "code", "status"), [(1, 0, "ok"), (2, 2, "aborted")])
def test_a_drain_lets_a_retry_finish_and_an_abort_does_not(
    tmp_path: Path, interrupts: int, code: int, status: str
) -> None:
    more = f"[limits]\nretry_base_seconds = {2 if interrupts == 1 else 600}\n"
    gate = Gate(tmp_path / "gate")
    second = f"{gate.script}\n{done(usd=0.014, whole=(1300, 70))}"
    project, claude = stage(tmp_path, f"{HALF}\n{busy()}", second, more=more)
    with grinding(project) as live:
        live.wait_for("waiting for retry: overloaded: Overloaded until")
        live.send(SIGINT)
        live.wait_for("draining")
        gate.open()
        if interrupts == 2:
            live.send(SIGINT)
        ended = live.ended()
    (record,) = the_run(project).records
    assert (ended.code, record["status"]) == (code, status), ended
    assert record.get("reason") == (None if status == "ok" else "aborted")
    assert claude.starts == 3 - interrupts


@pytest.mark.parametrize(
    ("cli", "scenario", "said_by"),
    [
        ("claude", "overloaded", "overloaded: API Error: 529 Overloaded."),
        ("codex", "overloaded", "overloaded: Selected model is at capacity."),
        ("gemini", "overloaded", "overloaded: "),
    ],
)
def test_after_so_many_retries_the_session_failed_and_the_next_prompt_has_its_turn(
    tmp_path: Path, cli: str, scenario: str, said_by: str
) -> None:
    project = Project.create(tmp_path / "repo")
    configure(
        project, agent={"claude": "claude_code"}.get(cli, cli), more=f'{AT_ONCE}retries = 2\nmax_wait = "0s"'
    )
    instruct(project, "a", max_runs=1)
    project.prompt("b", "echo b >b.txt", agent="shell", max_runs=1)
    agent = Player(project, cli, *[replayed(cli, scenario)] * 3)
    assert project.pitboss("grind").code == 1
    run = the_run(project)
    assert agent.starts == 3
    assert (run.record("a")["status"], run.record("a")["attempts"]) == ("error", 3)
    assert run.record("a")["reason"].startswith(said_by)
    assert run.record("b")["status"] == "ok"


def test_a_cut_connection_is_tried_again(tmp_path: Path) -> None:
    cut = {"result": "Connection closed mid-response", "api_error": "connection_failed"}
    lines = said(init(), message("one", 1000, 50), result((1000, 50), 0.01, error=cut))
    project, claude = stage(tmp_path, f"{lines}\nexit 1", done(usd=0.014))
    assert project.pitboss("grind").code == 0
    (record,) = the_run(project).records
    assert (record["status"], record["attempts"], claude.starts) == ("ok", 2, 2)


def test_a_session_of_the_agents_own_that_is_gone_is_begun_anew_with_the_whole_prompt(tmp_path: Path) -> None:
    gone = "echo 'No conversation found with session ID: 795ba411' >&2; exit 1"
    project, claude = stage(tmp_path, busy(), gone, f"{WHOLE}\n{done()}")
    ended = project.pitboss("grind")
    (record,) = the_run(project).records
    assert (ended.code, record["status"], record["attempts"]) == (0, "ok", 3)
    assert ["--resume" in claude.args(n) for n in (1, 2, 3)] == [False, True, False]
    assert claude.stdin(3) == claude.stdin(1)
    assert "claude_code starts over: " in ended.err


def test_without_retries_a_busy_service_fails_the_session_at_once(tmp_path: Path) -> None:
    project, claude = stage(tmp_path, busy(), more="[limits]\nretries = 0")
    assert project.pitboss("grind").code == 1
    (record,) = the_run(project).records
    assert verdict(record) == ("error", "overloaded: Overloaded", False, 0)
    assert ("attempts" in record, claude.starts) == (False, 1)


def test_without_retries_a_limit_that_ends_after_max_wait_ends_the_run_at_once(tmp_path: Path) -> None:
    limits = '[limits]\nretries = 0\nmax_wait = "1h"\n'
    project, claude = stage(tmp_path, limited(resets_in=7200), more=limits)
    ended = project.pitboss("grind")
    (record,) = the_run(project).records
    assert ended.code == 5, ended
    assert (record["status"], record["reason"].split(":")[0]) == ("error", "rate_limited")
    assert "resume once the limit is over" in ended.err
    assert claude.starts == 1


def test_waiting_between_attempts_is_not_counted_as_the_sessions_time(tmp_path: Path) -> None:
    limits = "[limits]\nretry_base_seconds = 4\n"
    project, _ = stage(tmp_path, busy(), done(usd=0.014), more=limits, max_session_seconds=4)
    assert project.pitboss("grind").code == 0
    (record,) = the_run(project).records
    assert (record["status"], record["attempts"]) == ("ok", 2)
    assert record["waited_s"] >= 3.9


def test_the_time_of_all_attempts_together_is_the_sessions(tmp_path: Path) -> None:
    slow = f"sleep 0.5\n{busy()}"
    project, claude = stage(tmp_path, slow, "exec sleep 60", max_session_seconds=3)
    assert project.pitboss("grind").code == 1
    (record,) = the_run(project).records
    assert (record["status"], record["attempts"], claude.starts) == ("timeout", 2, 2)
    left = float(record["reason"].removeprefix("wall_clock: not done within ").removesuffix(" s"))
    assert left <= 2.5


def test_the_cost_of_all_attempts_together_is_capped(tmp_path: Path) -> None:
    working = said(init(), message("two", 100_000, 10))
    project, _ = stage(
        tmp_path,
        busy(usd=0.9),
        f"{working}\nexec sleep 60",
        max_session_cost_usd=1.0,
    )
    assert project.pitboss("grind").code == 1
    (record,) = the_run(project).records
    assert record["reason"].startswith("cost_cap: $0.3")
    assert record["cost_usd"] == pytest.approx(0.9 + (100_000 * 3 + 10 * 15) / 1e6)


# Fixers


MENDED = "[tests]\ncommand = 'echo broken; test -e mended'\n"


def test_a_fixer_whose_service_is_busy_is_asked_again_and_billed_once(tmp_path: Path) -> None:
    fix = f"touch mended\n{done(200, 10, usd=0.013)}"
    project, claude = stage(tmp_path, done(), busy(), fix, more=f"{AT_ONCE}{MENDED}", verify=True)
    ended = project.pitboss("grind")
    run = the_run(project)
    (record,) = run.records
    assert (ended.code, claude.starts) == (0, 3), ended
    assert verdict(record) == ("ok", None, True, 0)
    assert billed(record)[:2] == (300 + 1000 + 200, 20 + 50 + 10)
    assert record["tokens"]["by_role"]["fixer"] == {"input": 1200, "output": 60}
    assert transcripts(run) == [
        "session-0001.fix-01.attempt-02.log",
        "session-0001.fix-01.log",
        "session-0001.log",
    ]
    assert "broken" in claude.stdin(2)
    assert claude.stdin(3) == CONTINUE


def test_a_runner_killed_in_a_fixers_second_attempt_bills_everything_once(tmp_path: Path) -> None:
    fixing = f"{said(init(), message('fix', 200, 10))}\n: >{tmp_path}/on\nexec sleep 60"
    project, _ = stage(tmp_path, done(), busy(), fixing, more=f"{AT_ONCE}{MENDED}", verify=True)
    with grinding(project) as live:
        wait_until((tmp_path / "on").exists)
        run = the_run(project)
        transcript = run.folder / "transcripts/session-0001.fix-01.attempt-02.log"
        wait_until(lambda: b'"fix"' in transcript.read_bytes())
        os.kill(live.runner(), SIGKILL)
        live.ended()
    configure(project, agent="claude_code", more="[tests]\ncommand = 'true'\n")
    assert project.pitboss("grind", "--resume").code == 0
    (record,) = run.records
    assert record["status"] == "ok"
    assert record["tokens"]["by_role"]["fixer"] == {"input": 1200, "output": 60}
    assert billed(record) == (1500, 80, round(0.004 + 0.01 + (200 * 3 + 10 * 15) / 1e6, 6), True)


def test_a_fixer_that_meets_a_dead_end_stops_the_run_with_its_words(tmp_path: Path) -> None:
    auth = replayed("claude", "auth")
    project, claude = stage(tmp_path, done(), auth, auth, more=f"{AT_ONCE}{MENDED}", verify=True)
    instruct(project, "later", max_runs=1)
    ended = project.pitboss("grind")
    assert (ended.code, claude.starts) == (5, 3), ended
    (record,) = the_run(project).records
    assert (record["status"], record["reason"]) == ("error", "auth: Invalid API key · Fix external API key")
    assert "log in" in ended.err


# Dead ends


@pytest.mark.parametrize(
    ("cli", "scenario", "reason", "hint"),
    [
        ("claude", "auth", "auth: Invalid API key", "log in"),
        ("claude", "no_key", "auth: ", "log in"),
        ("claude", "notfound", "not_found: There's an issue with the selected model", "check the model"),
        ("claude", "no_bypass", "permission_denied: every tool call was denied: Write", "permission_mode"),
        ("codex", "auth", "auth: unexpected status 401", "log in"),
        ("codex", "billing", "billing: Quota exceeded.", "payment"),
        ("codex", "notfound", "not_found: The model `mock-does-not-exist`", "check the model"),
        ("gemini", "auth", "auth: ", "log in"),
        ("gemini", "no_trust", "permission_denied: ", "permission_mode"),
    ],
)
def test_a_dead_end_stops_the_run_at_once_with_the_agents_words_and_a_hint(
    tmp_path: Path, cli: str, scenario: str, reason: str, hint: str
) -> None:
    project = Project.create(tmp_path / "repo")
    more = f'{AT_ONCE}fallback = ["shell"]'
    configure(project, agent={"claude": "claude_code"}.get(cli, cli), more=more)
    instruct(project, "a", max_runs=1)
    instruct(project, "b", max_runs=1)
    agent = Player(project, cli, *[replayed(cli, scenario)] * 2)
    ended = project.pitboss("grind")
    run = the_run(project)
    (record,) = run.records
    assert (ended.code, agent.starts) == (5, 2 if reason.startswith("auth") else 1)
    assert record["status"] == "error"
    assert record["reason"].startswith(reason)
    assert f"session 1 met a dead end: {record['reason']}; " in ended.err
    assert hint in ended.err
    assert f"go on with `pitboss grind --resume {run.run_id}`" in ended.err


def test_a_run_that_met_a_dead_end_goes_on_once_the_way_is_free(tmp_path: Path) -> None:
    project, claude = stage(tmp_path, *[replayed("claude", "auth")] * 2, done())
    instruct(project, "later", max_runs=1)
    assert project.pitboss("grind").code == 5
    resumed = project.pitboss("grind", "--resume")
    assert (resumed.code, claude.starts) == (1, 3), resumed
    run = the_run(project)
    assert [r["status"] for r in run.records] == ["error", "ok"]
    assert run.ending()[0] == "completed"


def test_a_dead_end_lets_the_session_beside_it_finish(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    configure(project, agent="claude_code", grind="max_parallel = 2", more=AT_ONCE)
    instruct(project, "a", max_runs=1, parallel_safe=True)
    log = "${PITBOSS_SUMMARY_FILE%/transcripts/*}/sessions.jsonl"
    waits = f"for _ in $(seq 1500); do ! grep -q auth {log} || break; sleep 0.02; done"
    project.prompt("b", f"{waits}\necho b >b.txt", agent="shell", max_runs=1, parallel_safe=True)
    instruct(project, "c", max_runs=1, parallel_safe=True)
    claude = Player(project, "claude", *[replayed("claude", "auth")] * 2)
    assert project.pitboss("grind").code == 5
    run = the_run(project)
    assert {r["prompt"]: r["status"] for r in run.records} == {"a": "error", "b": "ok"}
    assert claude.starts == 2


# Hard budgets


def spender(folder: Path, tokens: int) -> str:
    """A script of one that says what it used once all are there, and would go on for ever."""
    meet = meeting(folder, 3)
    lines = said(init(), message("one", tokens, 0))
    return f"{meet}\n{HALF}\n{lines}\nexec sleep 60"


@pytest.mark.parametrize(
    ("cap", "message_of_run"),
    [
        (("--max-cost", "0.8"), "max-cost reached: $0.9000 >= $0.8000"),
        (("--max-tokens", "250000"), "max-tokens reached: 300000 >= 250000"),
    ],
)
def test_a_hard_cap_stops_all_sessions_in_flight_when_they_reach_it_together(
    tmp_path: Path, cap: tuple[str, str], message_of_run: str
) -> None:
    project = Project.create(tmp_path / "repo")
    configure(project, agent="claude_code", grind="max_parallel = 3", more="[budgets]\nhard = true")
    config = project.root / ".pitboss/config.toml"
    config.write_text(config.read_text().replace("consecutive_failure_limit = 0\n", ""))
    for name in ("a", "b", "c", "d"):
        instruct(project, name, max_runs=1, parallel_safe=True)
    Player(project, "claude", *[spender(tmp_path / "there", 100_000)] * 3)
    ended = project.pitboss("grind", *cap)
    run = the_run(project)
    assert ended.code == 3, ended
    assert run.state["stop_reason"] == message_of_run
    assert [r["status"] for r in run.records] == ["error"] * 3
    assert {r["reason"].partition(":")[0] for r in run.records} == {"cost_cap"}
    assert [billed(r)[:2] for r in run.records] == [(100_000, 0)] * 3
    assert all(run.rescued(r["prompt"]) == {"work.txt": "half\n"} for r in run.records)


def test_a_soft_cap_lets_sessions_in_flight_finish(tmp_path: Path) -> None:
    project, _ = stage(tmp_path, done(100_000, 0, usd=0.3))
    ended = project.pitboss("grind", "--max-cost", "0.1")
    assert ended.code == 3
    assert verdict(the_run(project).record("chore"))[0] == "ok"


def test_a_hard_end_of_time_aborts_what_is_in_flight_and_calls_it_no_failure(tmp_path: Path) -> None:
    project, _ = stage(tmp_path, "sleep 60", more="[budgets]\nhard = true")
    ended = project.pitboss("grind", "--until", "4s")
    (record,) = the_run(project).records
    assert ended.code == 3, ended
    assert verdict(record)[:2] == ("aborted", "aborted")
    assert the_run(project).state["budget_consumed"]["consecutive_failures"] == 0


def test_what_records_and_earlier_attempts_used_counts_towards_a_hard_cap(tmp_path: Path) -> None:
    acts = (
        done(1000, 0, usd=0.5),
        busy(usd=0.2),
        f"{said(init(), message('two', 100_000, 0))}\nexec sleep 60",
    )
    project, _ = stage(tmp_path, *acts, more=f"{AT_ONCE}[budgets]\nhard = true")
    instruct(project, "later", max_runs=1)
    ended = project.pitboss("grind", "--max-cost", "0.95")
    assert ended.code == 3, ended
    later = the_run(project).record("later")
    assert (later["status"], later["reason"].partition(":")[0]) == ("error", "cost_cap")
    assert later["cost_usd"] == pytest.approx(0.5)


def test_what_a_session_used_before_its_fixer_counts_towards_a_hard_cap_of_tokens(tmp_path: Path) -> None:
    fixing = f"{said(init(), message('fix', 60_000, 0))}\nexec sleep 60"
    more = f"{MENDED}[budgets]\nhard = true"
    project, _ = stage(tmp_path, done(50_000, 0), fixing, more=more, verify=True)
    ended = project.pitboss("grind", "--max-tokens", "100000")
    assert ended.code == 3, ended
    (record,) = the_run(project).records
    assert record["tokens"]["input"] == 110_000
    assert record["reason"] == "cost_cap: the run's cap"


# Secrets

KEY = "sk-ant-api03-" + "Ab1_" * 23 + "-AA"
HOUSE = "correct-horse-battery-staple"


@pytest.mark.parametrize("mode", ["in-place", "worktree"])
def test_no_secret_gets_into_records_logs_commits_or_notes(tmp_path: Path, mode: str) -> None:
    project = Project.create(tmp_path / "repo")
    configure(project, grind=f'mode = "{mode}"\nmax_parallel = 2')
    told = f"the key is {KEY} and the password {HOUSE}"
    script = f"echo '{told}' | tee $PITBOSS_SUMMARY_FILE >>$PITBOSS_SCRATCHPAD\necho '{told}'\necho x >x.txt"
    project.prompt("chore", script, max_runs=1, parallel_safe=True)
    ended = project.pitboss("grind", "--json", DB_PASSWORD=HOUSE)
    assert ended.code == 0, ended
    run = the_run(project)
    clean = "the key is [redacted] and the password [redacted]"
    assert run.record("chore")["summary"] == clean
    assert clean in run.project.git("log", "-1", "--format=%B", run.branch)
    assert clean in (run.folder / "sessions.md").read_text()
    assert clean in (run.folder / "scratchpad.md").read_text()
    shown = [ended.out, ended.err, run.project.git("log", "--all", "--format=%B")]
    kept = [run.folder / name for name in ("sessions.jsonl", "sessions.md", "scratchpad.md", "state.json")]
    texts = [*shown, *(path.read_text() for path in kept)]
    texts += [path.read_text() for path in (run.folder / "transcripts").glob("*.log")]
    assert [text for text in texts if KEY in text or HOUSE in text] == []


def test_the_words_of_a_dead_end_are_told_without_the_key_in_them(tmp_path: Path) -> None:
    refused = {"result": f"Invalid API key {KEY}", "api_error_status": 401}
    lines = said(init(), result((0, 0), 0.0, error=refused))
    project, _ = stage(tmp_path, *[f"{lines}\nexit 1"] * 2)
    ended = project.pitboss("grind")
    assert ended.code == 5
    assert the_run(project).record("chore")["reason"] == "auth: Invalid API key [redacted]"
    assert KEY not in ended.err + json.dumps(the_run(project).state)


def test_busy_lines_are_what_the_service_says(tmp_path: Path) -> None:
    lines = said(init(), result((0, 0), 0.0, error=BUSY))
    project, _ = stage(tmp_path, f"{lines}\nexit 1", more=f"{AT_ONCE}retries = 0")
    assert project.pitboss("grind").code == 1
    assert billed(the_run(project).record("chore")) == (0, 0, 0.0, True)
