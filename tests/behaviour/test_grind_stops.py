"""Why a run stops, and what its exit code and state.json then say: every row of SPEC 5's table."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Gate, Run, configure, grinding, instruct, the_run, verdict

if TYPE_CHECKING:
    from pathlib import Path

METERED = """
[agent.command]
command = ["sh", "-c", '''
cat >/dev/null
echo "$PITBOSS_SESSION_SEQ" >work.txt
echo '{"input_tokens": 100, "output_tokens": 10, "cost_usd": 0.25}' >$PITBOSS_USAGE_FILE
''']
"""
"""An agent that says what it used: 110 tokens and a quarter of a dollar."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "repo")


@pytest.fixture
def metered(project: Project) -> Project:
    configure(project, agent="command", more=METERED)
    instruct(project, "chore")
    return project


def last_words(err: str, run: Run) -> list[str]:
    """What a run says at its end, from the line about it on, before it names its report."""
    *lines, report = err.splitlines()
    assert report == f"report: {run.folder / 'report.html'}"
    return lines[
        next(
            n
            for n, line in enumerate(lines)
            if line.startswith(f"run {run.run_id} ") and " on branch " not in line
        ) :
    ]


def test_a_run_whose_prompts_have_all_run_is_completed(project: Project) -> None:
    project.prompt("one", "echo text >added.txt", max_runs=2)
    done = project.pitboss("grind")
    run = the_run(project)
    assert (done.code, done.out) == (0, "")
    assert run.ending() == ("completed", "every prompt has had its runs")
    assert last_words(done.err, run) == [
        f"run {run.run_id} finished: every prompt has had its runs",
        "2 sessions",
        f"the work is on {run.branch}; main is checked out again",
        f"`pitboss land {run.run_id}` takes it home",
    ]


def test_a_completed_run_with_failures_says_so_by_its_exit_code_alone(project: Project) -> None:
    project.prompt("fails", "exit 1", max_runs=1)
    project.prompt("works", "echo text >added.txt", max_runs=1)
    assert project.pitboss("grind").code == 1
    assert the_run(project).ending() == ("completed", "every prompt has had its runs")


@pytest.mark.parametrize(
    ("options", "limit", "reason"),
    [
        (("--max-iterations", "2"), 0, "stopped at its limit: 2 of 2 sessions"),
        ((), 2, "stopped: 2 sessions failed in a row (limit 2)"),
    ],
    ids=["budget", "failures"],
)
def test_a_stopped_run_that_has_nothing_left_to_do_is_not_said_to_go_on(
    project: Project, options: tuple[str, ...], limit: int, reason: str
) -> None:
    settings = f'[agent]\nbackend = "shell"\n[grind]\nconsecutive_failure_limit = {limit}\n'
    project.write(".pitboss/config.toml", settings)
    project.prompt("fails", "exit 3", max_runs=2)
    done = project.pitboss("grind", *options)
    words = last_words(done.err, the_run(project))
    assert words[0] == f"run {the_run(project).run_id} {reason}"
    assert not [line for line in words if "go on with" in line]


def test_a_run_whose_sessions_all_failed_says_at_its_end_what_to_do(project: Project) -> None:
    project.prompt("one", "exit 3", max_runs=1)
    project.prompt("two", "exit 3", max_runs=1)
    done = project.pitboss("grind")
    run = the_run(project)
    assert done.code == 1
    what = ["all 2 sessions failed: the last one: exit code: 3", f"  pitboss log {run.run_id}"]
    assert last_words(done.err, run)[-2:] == [f"needs you: {what[0]}", what[1]]
    for command in ("status", "report"):
        assert f"pitboss log {run.run_id}" in project.pitboss(command).out
    assert "nothing needs you" not in project.pitboss("report").out


def test_a_run_whose_other_sessions_were_stopped_says_so_too(project: Project) -> None:
    project.prompt("fails", "exit 3", max_runs=1)
    project.prompt("gives-up", 'touch "$PITBOSS_SKIP_FILE"; sleep 60', max_runs=1)
    done = project.pitboss("grind")
    run = the_run(project)
    assert [each["status"] for each in run.records] == ["error", "skipped"]
    need = "the only session that was not stopped failed"
    assert last_words(done.err, run)[-2:] == [f"needs you: {need}", f"  pitboss log {run.run_id}"]
    for command in ("status", "report"):
        assert need in project.pitboss(command).out


def test_prompts_that_are_gated_are_waited_for(project: Project) -> None:
    project.prompt("rare", "true", every=4, max_runs=2)
    assert project.pitboss("grind").code == 0
    assert the_run(project).sequence() == [(1, "rare", 4), (2, "rare", 8)]


@pytest.mark.parametrize(("script", "code"), [("true", 0), ("exit 1", 1)], ids=["worked", "failed"])
def test_a_drained_run_can_be_resumed_and_its_exit_code_says_whether_a_session(
    project: Project, tmp_path: Path, script: str, code: int
) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("one", f"{gate.script}; {script}")
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        asked = project.pitboss("stop")
        live.wait_for("draining")
        gate.open()
        done = live.ended()
    assert asked.out == (
        f"run {run.run_id} stops when session-0001 (one) has ended; `pitboss stop --now` does not wait\n"
    )
    assert done.code == code
    assert run.ending() == ("aborted", "drained on request")
    assert len(run.records) == 1
    failed = ["needs you: the only session failed: exit code: 1", f"  pitboss log {run.run_id}"]
    assert last_words(done.err, run) == [
        f"run {run.run_id} stopped on request",
        "1 session",
        "nothing landed; main is checked out again",
        *(failed if code else ()),
        f"go on with `pitboss grind --resume {run.run_id}`",
    ]
    assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3


def test_an_aborted_run_stops_its_agent_and_rescues_the_work(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("one", f"echo half >half.txt; {gate.script}")
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        asked = project.pitboss("stop", "--now")
        done = live.ended()
    assert asked.out == (
        f"run {run.run_id} stops now: session-0001 (one) will be recorded as aborted, its work rescued\n"
    )
    assert done.code == 2
    assert run.ending() == ("aborted", "aborted on request")
    assert verdict(run.record("one")) == ("aborted", "aborted", False, 1)
    assert run.rescued("one") == {"half.txt": "half\n"}
    assert "warning: aborting: sessions in flight are being stopped\n" in done.err


def test_a_budget_of_sessions_pauses_the_run(metered: Project) -> None:
    done = metered.pitboss("grind", "--max-iterations", "2")
    run = the_run(metered)
    assert done.code == 3
    assert run.ending() == ("aborted", "max-iterations reached: 2 >= 2")
    assert last_words(done.err, run) == [
        f"run {run.run_id} stopped at its limit: 2 of 2 sessions",
        "2 of 2 sessions, $0.50, 220 tokens",
        f"the work is on {run.branch}; main is checked out again",
        f"`pitboss land {run.run_id}` takes it home",
        f"go on with `pitboss grind --resume {run.run_id} --max-iterations 4`",
    ]


@pytest.mark.parametrize(
    ("cap", "sessions", "message"),
    [
        (("--max-tokens", "300"), 3, "max-tokens reached: 330 >= 300"),
        (("--max-cost", "0.5"), 2, "max-cost reached: $0.5000 >= $0.5000"),
        (("--max-iterations", "0"), 0, "max-iterations reached: 0 >= 0"),
        (("--max-cost", "0.2", "--max-tokens", "50"), 1, "max-tokens reached: 110 >= 50"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_budget_is_checked_after_each_session(
    metered: Project, cap: tuple[str, ...], sessions: int, message: str
) -> None:
    assert metered.pitboss("grind", *cap).code == 3
    run = the_run(metered)
    assert (len(run.records), run.ending()) == (sessions, ("aborted", message))


def test_a_run_stops_at_its_time(project: Project) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=5)).replace(microsecond=0)
    project.prompt("one", "sleep 0.3")
    done = project.pitboss("grind", "--until", until.strftime("%Y-%m-%dT%H:%M:%SZ"))
    status, said = the_run(project).ending()
    assert (done.code, status) == (3, "aborted")
    assert (said or "").startswith("until reached: ")
    assert (said or "").endswith(f" >= {until:%Y-%m-%dT%H:%M:%SZ}")


def test_budgets_layer_field_by_field_from_config_over_rotation_to_the_command_line(metered: Project) -> None:
    caps = "[grind.budgets]\nmax_iterations = 1\nmax_tokens = 1\nmax_cost_usd = 0.01"
    configure(metered, agent="command", more=METERED + caps)
    metered.write(
        ".pitboss/grind/rotations/night.toml",
        'prompts = [{name = "chore"}]\n[budgets]\nmax_iterations = 5\nmax_tokens = 100000\n',
    )
    assert metered.pitboss("grind", "--rotation", "night", "--max-cost", "0.75").code == 3
    run = the_run(metered)
    assert (len(run.records), run.ending()[1]) == (3, "max-cost reached: $0.7500 >= $0.7500")


def test_each_cap_is_warned_of_once_at_80_percent(metered: Project) -> None:
    done = metered.pitboss("grind", "--max-iterations", "6", "--max-cost", "1.5")
    assert [line for line in done.err.splitlines() if line.startswith("warning")] == [
        "warning: max-iterations at 80%: 5 of 6",
        "warning: max-cost at 80%: $1.25 of $1.50",
    ]


def test_the_price_to_set_for_an_agent_that_names_no_model_is_the_one_that_it_then_has(
    project: Project,
) -> None:
    command = """cat >/dev/null; echo '{"input_tokens": 10, "output_tokens": 5}' >$PITBOSS_USAGE_FILE"""
    program = f"[agent.command]\ncommand = ['sh', '-c', '''{command}''']"
    configure(project, agent="command", more=program)
    instruct(project, "chore")
    assert project.pitboss("grind", "--max-cost", "100").code == 3
    _, said = the_run(project).ending()
    key = (said or "").partition("set ")[2].partition(" in ")[0]
    price = f"{key}\ninput_per_million_usd = 1000\noutput_per_million_usd = 2000\n"
    configure(project, agent="command", more=program + "\n" + price)
    resumed = project.pitboss("grind", "--resume", "--max-iterations", "3")
    run = the_run(project)
    assert (resumed.code, run.ending()[1]) == (3, "max-iterations reached: 3 >= 3")
    assert [(r["cost_usd"], r["cost_source"]) for r in run.records] == [
        (0.0, "unknown"),
        (0.02, "configured"),
        (0.02, "configured"),
    ]


def test_under_a_cost_cap_a_session_of_unknown_cost_ends_the_run_and_names_the_price_to_set(
    project: Project,
) -> None:
    usage = json.dumps({"input_tokens": 10, "output_tokens": 5, "model": "house-model-1"})
    command = f"cat >/dev/null; echo '{usage}' >$PITBOSS_USAGE_FILE"
    configure(project, agent="command", more=f"[agent.command]\ncommand = ['sh', '-c', '''{command}''']")
    instruct(project, "chore")
    done = project.pitboss("grind", "--max-cost", "100")
    run = the_run(project)
    assert done.code == 3
    assert run.ending() == (
        "aborted",
        (
            "the cost of session 1 is unknown (model house-model-1) and there is a cost cap; "
            'set [budgets.pricing."house-model-1"] in .pitboss/config.toml'
        ),
    )
    assert (run.record("chore")["cost_known"], run.record("chore")["cost_usd"]) == (False, 0.0)


def test_failures_in_a_row_stop_the_run(project: Project) -> None:
    project.write(
        ".pitboss/config.toml", '[agent]\nbackend = "shell"\n[grind]\nconsecutive_failure_limit = 2\n'
    )
    project.prompt("a-works", "true", max_runs=1)
    project.prompt("b-skips", "touch $PITBOSS_SKIP_FILE; exec sleep 60", max_runs=1)
    project.prompt("c-fails", "exit 1")
    done = project.pitboss("grind")
    run = the_run(project)
    assert done.code == 5
    assert run.ending() == ("aborted", "2 sessions failed in a row (limit 2)")
    assert [r["status"] for r in run.records][-2:] == ["error", "error"]


def test_a_skip_or_an_abort_neither_adds_to_failures_in_a_row_nor_ends_them(project: Project) -> None:
    project.write(
        ".pitboss/config.toml", '[agent]\nbackend = "shell"\n[grind]\nconsecutive_failure_limit = 2\n'
    )
    for name, script in (
        ("a-fails", "exit 1"),
        ("b-skips", "touch $PITBOSS_SKIP_FILE; exec sleep 60"),
        ("c-fails", "exit 1"),
    ):
        project.prompt(name, script, max_runs=1)
    project.prompt("d-never", "true", max_runs=1)
    assert project.pitboss("grind").code == 5
    assert [r["status"] for r in the_run(project).records] == ["error", "skipped", "error"]


def test_deleted_transcripts_are_lost_but_end_nothing(project: Project) -> None:
    project.prompt("one", 'rm -r "$(dirname "$PITBOSS_SUMMARY_FILE")"; echo kept >>kept.txt', max_runs=2)
    done = project.pitboss("grind")
    run = the_run(project)
    assert (done.code, [r["status"] for r in run.records]) == (0, ["ok", "ok"])
    assert run.files(run.branch)["kept.txt"] == "kept\nkept\n"
