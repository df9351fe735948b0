"""Spend that cannot be known is never a known $0, live or recovered, and ends a run with a cost cap (SPEC 1.5, 4)."""

from __future__ import annotations

import json
import os
from signal import SIGINT, SIGKILL
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.acts import BUSY, Player, busy, done, init, message, result, said
from tests.support.cli import Project, wait_until
from tests.support.runs import Gate, Live, Run, configure, grinding, instruct, the_run

if TYPE_CHECKING:
    from pathlib import Path

PRICES = """[budgets.pricing.house-model]
input_per_million_usd = 10
output_per_million_usd = 100
"""
MENDED = "[tests]\ncommand = 'test -e mended'\n"
CAP = ("--max-cost", "5")


def stage(folder: Path, *acts: str, more: str = "", **meta: object) -> tuple[Project, Player]:
    """A project with one prompt for Claude Code, which plays these acts."""
    project = Project.create(folder / "repo")
    configure(project, agent="claude_code", more=f"[limits]\nretry_base_seconds = 0.01\n{more}")
    instruct(project, "chore", max_runs=1, **meta)
    return project, Player(project, "claude", *acts)


def known(record: dict[str, Any]) -> tuple[float, bool, str | None]:
    return record["cost_usd"], record.get("cost_known", True), record.get("cost_source")


UNKNOWN = (0.0, False, "unknown")


def held(gate: Gate, *lines: dict[str, object]) -> str:
    """An act that says `lines` and then waits for the test."""
    return f"{said(*lines) if lines else ':'}\n{gate.script}\nexec sleep 60"


def killed(project: Project, gate: Gate, kind: str = "", lines: int = 0) -> Run:
    """The run after its runner was killed once its agent had said so many lines."""
    with grinding(project, *CAP) as live:
        gate.wait()
        run = the_run(project)
        transcript = run.folder / f"transcripts/session-0001{kind}.log"
        wait_until(lambda: transcript.read_bytes().count(b"\n") >= lines)
        wait_until(lambda: run.state["in_flight"][0].get("begun", False))
        os.kill(live.runner(), SIGKILL)
        live.ended()
    return run


def lost(run: Run, gone: str | None) -> None:
    """What became of the transcript meanwhile."""
    transcript = run.folder / "transcripts/session-0001.log"
    if gone == "deleted":
        transcript.unlink()
    elif gone == "emptied":
        transcript.write_text("")
    elif gone == "cut short":
        transcript.write_bytes(transcript.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("lines", "gone"),
    [
        ((), None),
        ((init(),), None),
        ((init(), message("one", 0, 0)), None),
        ((init(), message("one", 1000, 50)), "deleted"),
        ((init(), message("one", 1000, 50)), "emptied"),
    ],
    ids=["nothing said", "init alone", "zeros", "deleted", "emptied"],
)
def test_a_killed_runner_whose_agents_use_is_lost_leaves_an_unknown_cost_that_ends_the_run(
    tmp_path: Path, lines: tuple[dict[str, object], ...], gone: str | None
) -> None:
    gate = Gate(tmp_path / "gate")
    project, _ = stage(tmp_path, held(gate, *lines), done())
    instruct(project, "later", max_runs=1)
    run = killed(project, gate, lines=len(lines))
    lost(run, gone)
    resumed = project.pitboss("grind", "--resume")
    assert known(run.records[0]) == UNKNOWN
    assert (resumed.code, len(run.records)) == (3, 1), resumed
    assert "claude_code was ended before it said what it had used; look up" in resumed.err
    assert "unknown" in project.pitboss("status").out
    again = project.pitboss("grind", "--resume")
    assert (again.code, known(run.records[1])) == (0, (0.004, True, "agent")), again


def test_output_that_was_cut_off_in_the_middle_makes_what_was_seen_a_lower_bound(tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project, _ = stage(tmp_path, held(gate, init(), message("one", 1000, 50), message("two", 9, 9)))
    run = killed(project, gate, lines=3)
    lost(run, "cut short")
    resumed = project.pitboss("grind", "--resume")
    (record,) = run.records
    assert (record["tokens"]["input"], record["cost_known"]) == (1000, False)
    assert (resumed.code, "some of what claude_code printed is lost" in resumed.err) == (3, True), resumed
    assert "$0.0037+" in project.pitboss("log").out


def test_what_a_killed_runners_agent_had_said_is_its_bill(tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project, _ = stage(tmp_path, held(gate, init(), message("one", 1000, 50)))
    run = killed(project, gate, lines=2)
    assert project.pitboss("grind", "--resume").code == 0
    assert known(run.records[0])[1:] == (True, "price_table")


def skip(project: Project, _: Live) -> None:
    assert project.pitboss("skip").code == 0


def abort(project: Project, live: Live) -> None:
    live.send(SIGINT)
    assert project.pitboss("stop", "--now").code == 0


@pytest.mark.parametrize("ask", [skip, abort])
def test_an_agent_that_printed_only_its_first_line_and_was_stopped(tmp_path: Path, ask: Any) -> None:
    gate = Gate(tmp_path / "gate")
    project, _ = stage(tmp_path, held(gate, init()))
    with grinding(project, *CAP) as live:
        gate.wait()
        run = the_run(project)
        wait_until((run.folder / "transcripts/session-0001.log").read_bytes)
        ask(project, live)
        live.ended()
    assert known(run.records[0]) == UNKNOWN


def test_an_agent_whose_time_was_up_before_it_said_anything(tmp_path: Path) -> None:
    project, _ = stage(tmp_path, "exec sleep 60", max_session_seconds=1)
    ended = project.pitboss("grind", *CAP)
    assert (ended.code, known(the_run(project).record("chore"))) == (3, UNKNOWN), ended
    assert (
        "cost of session 1 is unknown (model unknown) and there is a cost cap; claude_code was" in ended.err
    )


def test_a_gateway_that_counts_nothing(tmp_path: Path) -> None:
    project, _ = stage(tmp_path, said(init(), message("one", 0, 0), result((0, 0), 0.0)))
    ended = project.pitboss("grind", *CAP)
    record = the_run(project).record("chore")
    assert (record["status"], known(record)) == ("ok", UNKNOWN)
    assert (ended.code, "claude_code did not say what it used" in ended.err) == (3, True), ended


def test_an_agent_that_was_refused_is_known_to_have_used_nothing(tmp_path: Path) -> None:
    away = f"{said(init(), result((0, 0), 0.0, error=BUSY))}\nexit 1"
    project, _ = stage(tmp_path, away, away, done())
    assert project.pitboss("grind", *CAP).code == 0
    assert known(the_run(project).record("chore"))[1] is True


def test_an_attempt_of_unknown_cost_makes_that_of_all_attempts_unknown(tmp_path: Path) -> None:
    unseen = {"result": "Connection closed", "api_error": "connection_failed"}
    tool = message("one", 0, 0)
    tool["message"]["content"] = [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]  # type: ignore[index]
    act = f"{said(init(), tool, result((0, 0), 0.0, error=unseen))}\nexit 1"
    project, _ = stage(tmp_path, act, done())
    ended = project.pitboss("grind", *CAP)
    record = the_run(project).record("chore")
    assert (record["status"], record["attempts"], known(record)) == ("ok", 2, (0.004, False, "unknown"))
    assert ended.code == 3, ended


def test_a_session_that_waits_with_its_transcript_gone(tmp_path: Path) -> None:
    project, _ = stage(tmp_path, busy(), more="")
    config = project.root / ".pitboss/config.toml"
    config.write_text(config.read_text().replace("0.01", "600"))
    with grinding(project) as live:
        live.wait_for("waiting for retry")
        run = the_run(project)
        os.kill(live.runner(), SIGKILL)
        live.ended()
    lost(run, "deleted")
    assert project.pitboss("grind", "--resume").code == 0
    assert known(run.records[0]) == UNKNOWN


@pytest.mark.parametrize("gone", [None, "deleted"])
def test_a_killed_fixer_with_nothing_in_its_transcript(tmp_path: Path, gone: str | None) -> None:
    gate = Gate(tmp_path / "gate")
    project, claude = stage(tmp_path, done(), held(gate), more=MENDED, verify=True)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        wait_until(lambda: run.state["in_flight"][0].get("begun", False))
        os.kill(live.runner(), SIGKILL)
        live.ended()
    if gone:
        (run.folder / "transcripts/session-0001.fix-01.log").unlink()
    configure(project, agent="claude_code", more="[tests]\ncommand = 'true'\n")
    assert project.pitboss("grind", "--resume").code == 0
    assert known(run.records[0]) == (0.004, False, "unknown")
    assert claude.starts == 2


def test_a_fixer_whose_model_has_no_price_is_named_although_the_implementers_has_one(tmp_path: Path) -> None:
    mends = 'touch mended; printf \'{"input_tokens": 9, "model": "no-such-model"}\' >$PITBOSS_USAGE_FILE'
    more = f"{MENDED}{PRICES}[agent.command]\ncommand = ['sh', '-c', '''{mends}''']\n"
    project, _ = stage(tmp_path, more=more)
    configure(project, agent="command", more=more)
    project.prompt("chore", "true", agent="shell", verify=True, max_runs=1)
    ended = project.pitboss("grind", *CAP)
    assert ended.code == 3, ended
    assert 'set [budgets.pricing."no-such-model"] in .pitboss/config.toml' in ended.err
    assert the_run(project).record("chore")["unpriced"] == "no-such-model"


@pytest.mark.parametrize(
    ("script", "usage", "expected"),
    [
        ("true", "", (3, UNKNOWN)),
        ("true", 'usage = "none"', (0, (0.0, True, None))),
        ("""printf '{"cost_usd": 0}' >$PITBOSS_USAGE_FILE""", "", (0, (0.0, True, None))),
        ("""printf '{"input_tokens": 0, "output_tokens": 0}' >$PITBOSS_USAGE_FILE""", "", (3, UNKNOWN)),
    ],
)
def test_a_program_of_the_users_own(
    tmp_path: Path, script: str, usage: str, expected: tuple[int, tuple[float, bool, str | None]]
) -> None:
    project = Project.create(tmp_path / "repo")
    command = json.dumps(["sh", "-c", script])
    configure(project, agent="command", more=f"[agent.command]\ncommand = {command}\n{usage}\n")
    instruct(project, "chore", max_runs=1)
    ended = project.pitboss("grind", *CAP)
    assert (ended.code, known(the_run(project).record("chore"))) == expected, ended
    assert ('set [agent.command] usage = "none" if it costs nothing' in ended.err) == (ended.code == 3)


def test_a_usage_file_that_cannot_be_read_is_named_in_a_warning(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    command = json.dumps(["sh", "-c", """printf '{"cost_usd": "0.5"}' >$PITBOSS_USAGE_FILE"""])
    configure(project, agent="command", more=f"[agent.command]\ncommand = {command}\n")
    instruct(project, "chore", max_runs=1)
    ended = project.pitboss("grind")
    words = "warning: session 1: $PITBOSS_USAGE_FILE cannot be read: Expected `float | null`"
    assert words in ended.err


def test_usage_none_is_for_programs_of_the_users_own(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    configure(project, agent="claude_code", more='[agent.claude_code]\nusage = "none"\n')
    assert "agent.claude_code.usage" in project.pitboss("config").err + project.pitboss("doctor").out
