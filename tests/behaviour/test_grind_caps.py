"""Caps and selection belong to the run: it goes on under them until it is given others (SPEC 4, 7)."""

from __future__ import annotations

import os
import shlex
from datetime import UTC, datetime, timedelta
from signal import SIGKILL
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Gate, Run, configure, grinding, instruct, the_run

if TYPE_CHECKING:
    from pathlib import Path

METERED = """
[agent.command]
command = ["sh", "-c", '''
cat >/dev/null
echo '{"input_tokens": 100, "output_tokens": 10, "cost_usd": 0.25}' >$PITBOSS_USAGE_FILE
''']
"""
NO_CAPS = dict.fromkeys(("max_iterations", "until", "max_cost_usd", "max_tokens"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    configure(project, agent="command", more=METERED)
    instruct(project, "alpha")
    return project


def caps(run: Run) -> dict[str, object]:
    kept: dict[str, object] = run.state["caps"]
    return kept


def test_a_run_keeps_its_caps_and_the_printed_command_goes_on_under_them(project: Project) -> None:
    ended = project.pitboss("grind", "--max-iterations", "2", "--max-cost", "0.8")
    run = the_run(project)
    assert (ended.code, caps(run)) == (3, NO_CAPS | {"max_iterations": 2, "max_cost_usd": 0.8})
    printed = ended.err.splitlines()[-2].partition("`")[2].rstrip("`")
    assert printed == f"pitboss grind --resume {run.run_id} --max-iterations 4"
    assert f"`{printed}` goes on" in project.pitboss("status").out
    assert project.pitboss(*shlex.split(printed)[1:]).code == 3
    assert run.ending() == ("aborted", "max-iterations reached: 4 >= 4")
    assert caps(run) == NO_CAPS | {"max_iterations": 4, "max_cost_usd": 0.8}
    both = f"pitboss grind --resume {run.run_id} --max-iterations 8 --max-cost 1.80"
    assert f"`{both}` goes on" in project.pitboss("status").out


def warnings(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("warning")]


def test_a_cap_that_is_near_is_warned_of_once_also_across_a_stop_a_kill_and_other_caps(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    held = METERED.replace(
        ">$PITBOSS_USAGE_FILE", f">$PITBOSS_USAGE_FILE; [ $PITBOSS_SESSION_SEQ != 6 ] || {{ {gate.script}; }}"
    )
    configure(project, agent="command", more=held)
    stopped = project.pitboss("grind", "--max-iterations", "5", "--max-cost", "1.5")
    assert warnings(stopped.err) == [
        "warning: max-iterations at 80%: 4 of 5",
        "warning: max-cost at 80%: $1.25 of $1.50",
    ]
    with grinding(project, "--resume", "--max-iterations", "7", "--max-cost", "1.5") as live:
        gate.wait()
        assert project.pitboss("budget", "--max-cost", "1.9").code == 0
        live.kill()
        assert warnings(live.err) == []
    run = the_run(project)
    resumed = project.pitboss("grind", "--resume", "--max-iterations", "8")
    assert (resumed.code, len(run.records)) == (3, 8)
    assert warnings(resumed.err) == [
        "warning: max-iterations at 80%: 7 of 8",
        "warning: max-cost at 80%: $1.75 of $1.90",
    ]


def test_a_run_still_at_a_cap_is_refused_with_the_option_and_nothing_is_written(project: Project) -> None:
    project.pitboss("grind", "--max-cost", "0.5")
    run = the_run(project)
    before = (run.folder / "state.json").read_bytes(), run.records, project.git("for-each-ref")
    refused = project.pitboss("grind", "--resume")
    assert refused.code == 3
    assert refused.err == (
        f"error: run {run.run_id} is still at its cap: max-cost reached: $0.5000 >= $0.5000\n"
        f"hint: `pitboss grind --resume {run.run_id} --max-cost 1.00` goes on with as much again, "
        "`--max-cost none` without that cap\n"
    )
    assert ((run.folder / "state.json").read_bytes(), run.records, project.git("for-each-ref")) == before
    previewed = project.pitboss("grind", "--dry-run", "--resume")
    assert "- problem: run " in previewed.out
    assert "- max_cost_usd: $0.5000" in previewed.out


def test_a_run_at_a_cap_whose_prompts_are_used_up_is_not_sent_to_a_larger_one(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "short")
    project.prompt("one", "date +%N >one", max_runs=2)
    assert project.pitboss("grind", "--max-iterations", "2").code == 3
    refused = project.pitboss("grind", "--resume")
    assert (refused.code, "a larger cap would not help" in refused.err) == (3, True)
    assert "--max-iterations" not in refused.err
    assert project.pitboss("queue", "add", "echo more").code == 0
    refused = project.pitboss("grind", "--resume")
    assert (refused.code, "--max-iterations 4` goes on" in refused.err) == (3, True)


def test_a_cap_is_lifted_by_name_and_the_others_stay(project: Project) -> None:
    project.pitboss("grind", "--max-iterations", "1", "--max-tokens", "300")
    run = the_run(project)
    assert project.pitboss("grind", "--resume", "--max-iterations", "none").code == 3
    assert run.ending() == ("aborted", "max-tokens reached: 330 >= 300")
    assert caps(run) == NO_CAPS | {"max_tokens": 300}
    assert project.pitboss("status", "--json").json()["caps"] == caps(run)


def test_configured_caps_of_the_start_go_on_whatever_the_configuration_says_later(project: Project) -> None:
    configure(project, agent="command", more=f"{METERED}[grind.budgets]\nmax_iterations = 1\n")
    assert project.pitboss("grind").code == 3
    configure(project, agent="command", more=f"{METERED}[grind.budgets]\nmax_iterations = 9\n")
    assert project.pitboss("grind", "--resume").code == 3
    assert len(the_run(project).records) == 1


def test_without_kept_caps_those_of_the_configuration_count_and_it_says_so(project: Project) -> None:
    project.pitboss("grind", "--max-iterations", "1")
    run = the_run(project)
    text = (run.folder / "state.json").read_text()
    head, _, tail = text.partition('  "caps": {')
    (run.folder / "state.json").write_text(head + tail.partition("},\n")[2])
    configure(project, agent="command", more=f"{METERED}[grind.budgets]\nmax_iterations = 3\n")
    ended = project.pitboss("grind", "--resume")
    assert (ended.code, len(run.records)) == (3, 3)
    assert "warning: state.json does not record the run's budgets" in ended.err
    assert caps(run)["max_iterations"] == 3


def test_until_is_kept_as_a_moment(project: Project) -> None:
    begun = datetime.now(UTC)
    project.pitboss("grind", "--until", "8h", "--max-iterations", "1")
    kept = datetime.fromisoformat(str(caps(the_run(project))["until"]))
    assert begun + timedelta(hours=8) <= kept <= datetime.now(UTC) + timedelta(hours=8)
    project.pitboss("grind", "--resume", "--max-iterations", "2")
    assert datetime.fromisoformat(str(caps(the_run(project))["until"])) == kept


def test_a_run_that_was_killed_keeps_its_caps(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("held", gate.script, agent="shell", max_runs=1)
    instruct(project, "alpha", every=2)
    with grinding(project, "--max-cost", "0.5") as live:
        gate.wait()
        os.kill(live.runner(), SIGKILL)
        live.ended()
    assert project.pitboss("grind", "--resume").code == 3
    assert the_run(project).ending() == ("aborted", "max-cost reached: $0.5000 >= $0.5000")


def test_a_run_killed_past_its_cap_is_refused_by_what_its_log_says(project: Project) -> None:
    project.pitboss("grind", "--max-iterations", "2")
    run = the_run(project)
    state = (run.folder / "state.json").read_text().replace('"iterations": 2', '"iterations": 1')
    state = state.replace('"last_session_seq": 2', '"last_session_seq": 1').replace('"aborted"', '"active"')
    (run.folder / "state.json").write_text(state.replace('"alpha": 2', '"alpha": 1'))
    refused = project.pitboss("grind", "--resume")
    assert (refused.code, "max-iterations reached: 2 >= 2" in refused.err) == (3, True), refused


def test_what_the_command_line_chose_goes_on_where_it_is_not_chosen_again(
    project: Project, tmp_path: Path
) -> None:
    for name in ("one", "two", "three"):
        tags = ["x"] if name != "three" else ["y"]
        front = f"name: {name}\ndescription: test\ntags: {tags}\nparallel_safe: true"
        project.write(f"mine/{name}.md", f"---\n{front}\n---\nDo it.\n")
    project.commit("Prompts")
    chosen = ("--prompts-dir", "mine", "--tag", "x", "--agent", "command", "--max-parallel", "2")
    configure(project, agent="claude_code", more=METERED)
    assert project.pitboss("grind", *chosen, "--max-iterations", "2").code == 3
    run = the_run(project)
    nothing = dict.fromkeys(("rotation", "mode", "workers", "sandbox", "task_runs"))
    assert run.state["selection"] == nothing | {
        "names": [],
        "tags": ["x"],
        "prompts_dir": "mine",
        "agent": "command",
        "max_parallel": 2,
    }
    (project.root / "deep/er").mkdir(parents=True)
    project.prompt("elsewhere", "true")
    resumed = project.pitboss("grind", "--resume", "--max-iterations", "4", cwd=project.root / "deep/er")
    assert resumed.code == 3, resumed
    assert {record["prompt"] for record in run.records} == {"one", "two"}
    assert {record["agent"] for record in run.records} == {"command"}
    assert "- max_parallel: 2" in project.pitboss("grind", "--dry-run", "--resume").out
    refused = project.pitboss("grind", "--resume", "--tag", "y", "--max-iterations", "9")
    assert (refused.code, 'added: ["three"], removed: ["one", "two"]' in refused.err) == (4, True), refused


def test_a_prompt_outside_the_selection_is_no_change_and_one_inside_is(project: Project) -> None:
    instruct(project, "alpha", tags=["x"])
    project.pitboss("grind", "--tag", "x", "--max-iterations", "1")
    instruct(project, "beta", tags=["y"])
    assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3
    instruct(project, "gamma", tags=["x"])
    refused = project.pitboss("grind", "--resume", "--max-iterations", "3")
    assert (refused.code, 'added: ["gamma"]' in refused.err) == (4, True), refused


@pytest.mark.parametrize("option", ["--max-iterations", "--until", "--max-cost", "--max-tokens"])
def test_a_configured_cap_is_lifted_by_none_at_the_start_too(project: Project, option: str) -> None:
    budgets = "max_iterations = 5\nuntil = 2000-01-01T00:00:00Z\nmax_cost_usd = 5\nmax_tokens = 5\n"
    configure(project, agent="command", more=f"{METERED}[grind.budgets]\n{budgets}")
    shown = project.pitboss("grind", "--dry-run", option, "none").out
    name = option.removeprefix("--").replace("-", "_").replace("max_cost", "max_cost_usd")
    assert f"- {name}: (none)\n" in shown
    assert shown.count(": (none)") == project.pitboss("grind", "--dry-run").out.count(": (none)") + 1
