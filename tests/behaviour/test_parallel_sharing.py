"""Who runs beside whom: shared and exclusive prompts, and budgets that count what is in flight (SPEC 3, 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import configure, instruct, the_run, verdict
from tests.support.side_by_side import meeting, remains

if TYPE_CHECKING:
    from pathlib import Path

TESTIFY = """
echo start $PITBOSS_SESSION_SEQ >>{diary}
touch {present}/$PITBOSS_SESSION_SEQ
echo $PITBOSS_PROMPT_NAME $PITBOSS_SESSION_SEQ: $(ls {present}) >>{out}
{stay}
echo $PITBOSS_PROMPT_NAME $PITBOSS_SESSION_SEQ: $(ls {present}) >>{out}
rm {present}/$PITBOSS_SESSION_SEQ
echo end $PITBOSS_SESSION_SEQ >>{diary}
"""
"""A session says who is there as it comes and as it goes; it stays a moment, so that others would be seen."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "present").mkdir()
    project = Project.create(tmp_path / "repo")
    configure(project)
    return project


def account(project: Project, stay: str = "sleep 0.05") -> str:
    folder = project.root.parent
    return TESTIFY.format(out=folder / "out", present=folder / "present", diary=folder / "diary", stay=stay)


def in_company(project: Project) -> str:
    """The account of one that stays until it is not the only one that has come."""
    return account(project, f"{meeting(project.root.parent / 'meeting', 2)}\nsleep 0.05")


def most_at_once(project: Project) -> int:
    """How many sessions were in flight at once at most, by what they wrote when they began and ended."""
    here = most = 0
    for line in (project.root.parent / "diary").read_text().splitlines():
        here += 1 if line.startswith("start") else -1
        most = max(most, here)
    return most


def test_a_prompt_that_is_not_parallel_safe_runs_alone_and_nobody_starves(project: Project) -> None:
    project.prompt("alone", account(project), max_runs=4)
    project.prompt("shared", in_company(project), parallel_safe=True, weight=3, max_runs=12)
    done = project.pitboss("grind", "--max-parallel", "3")
    run = the_run(project)
    seen = [line.split() for line in (project.root.parent / "out").read_text().splitlines()]
    assert done.code == 0, done
    assert all(there == [seq.rstrip(":")] for name, seq, *there in seen if name == "alone")
    assert max(len(there) for name, _, *there in seen if name == "shared") > 1
    # The turns are those of a run without slots: whoever has to wait is not overtaken.
    assert [name for _, name, _ in run.sequence()] == ["alone", "shared", "shared", "shared"] * 4
    assert remains(run) == []


def test_sessions_in_flight_count_as_iterations(project: Project) -> None:
    meet = meeting(project.root.parent / "meeting", 3)
    project.prompt("chore", f"{account(project)}\n{meet}", parallel_safe=True)
    done = project.pitboss("grind", "--max-parallel", "8", "--max-iterations", "3")
    run = the_run(project)
    assert done.code == 3, done
    assert [r["status"] for r in run.records] == ["ok"] * 3
    assert run.ending() == ("aborted", "max-iterations reached: 3 >= 3")


def test_sessions_in_flight_count_as_runs_of_their_prompt(project: Project) -> None:
    meet = meeting(project.root.parent / "meeting", 4)
    project.prompt("few", meet, parallel_safe=True, max_runs=2)
    project.prompt("other", meet, parallel_safe=True, max_runs=2)
    done = project.pitboss("grind", "--max-parallel", "8")
    assert done.code == 0, done
    assert sorted(name for _, name, _ in the_run(project).sequence()) == ["few", "few", "other", "other"]


def test_no_more_run_at_once_than_allowed(project: Project) -> None:
    project.prompt("chore", in_company(project), parallel_safe=True, max_runs=8)
    assert project.pitboss("grind", "--max-parallel", "2").code == 0
    assert most_at_once(project) == 2


def test_a_rotation_says_how_many_run_at_once(project: Project) -> None:
    project.prompt("chore", in_company(project), parallel_safe=True, max_runs=6)
    project.write(".pitboss/grind/rotations/duo.toml", 'max_parallel = 2\nprompts = [{name = "chore"}]\n')
    configure(project, grind="max_parallel = 5")
    assert project.pitboss("grind", "--rotation", "duo").code == 0
    assert most_at_once(project) == 2


def spender(project: Project, costs: dict[str, float], *, then: str = "true") -> None:
    """Agents that cost what `costs` says of their prompt, and give account of themselves."""
    prices = " ".join(f"{name}) cost={cost} ;;" for name, cost in costs.items())
    bill = (
        'echo "{\\"input_tokens\\": 1, \\"output_tokens\\": 1, \\"cost_usd\\": $cost}" >$PITBOSS_USAGE_FILE'
    )
    script = f"cat >/dev/null; case $PITBOSS_PROMPT_NAME in {prices} esac\n{account(project)}\n{bill}\n{then}"
    configure(project, agent="command", more=f"[agent.command]\ncommand = ['sh', '-c', '''{script}''']")


def test_a_session_whose_expected_cost_no_longer_fits_waits_until_it_is_alone(project: Project) -> None:
    spender(project, {"dear": 1.0})
    instruct(project, "dear", parallel_safe=True)
    done = project.pitboss("grind", "--max-parallel", "4", "--max-cost", "6.5")
    run = the_run(project)
    assert done.code == 3, done
    # The first four know of no cost; two more fit beside each other; the last one runs although it may not fit.
    assert len(run.records) == 7
    assert run.state["budget_consumed"]["cost_usd"] == 7.0
    diary = (project.root.parent / "diary").read_text().splitlines()
    assert diary[-2:] == ["start 7", "end 7"]
    assert run.ending() == ("aborted", "max-cost reached: $7.0000 >= $6.5000")


def test_a_cost_cap_of_one_session_ends_it_alone(project: Project) -> None:
    meet = meeting(project.root.parent / "meeting", 2)
    linger = f"{meet}; [ $PITBOSS_PROMPT_NAME = cheap ] || exec sleep 60"
    spender(project, {"dear": 3.0, "cheap": 0.5}, then=linger)
    instruct(project, "dear", parallel_safe=True, max_runs=1, max_session_cost_usd=1.0)
    instruct(project, "cheap", parallel_safe=True, max_runs=1, max_session_cost_usd=1.0)
    done = project.pitboss("grind", "--max-parallel", "2")
    run = the_run(project)
    assert done.code == 1, done
    assert verdict(run.record("cheap")) == ("ok", None, False, 0)
    assert verdict(run.record("dear")) == ("error", "cost_cap: $3.0000 >= $1.0000", False, 0)


def test_failures_in_a_row_stop_the_run_and_those_in_flight_finish(project: Project) -> None:
    meet = meeting(project.root.parent / "meeting", 2)
    configure(project, grind="")
    config = project.root / ".pitboss/config.toml"
    config.write_text(
        config.read_text().replace("consecutive_failure_limit = 0", "consecutive_failure_limit = 2")
    )
    project.prompt("chore", f"{meet}; echo text >made-$PITBOSS_SESSION_SEQ; exit 1", parallel_safe=True)
    done = project.pitboss("grind", "--max-parallel", "2")
    run = the_run(project)
    assert done.code == 5, done
    assert 2 <= len(run.records) <= 3
    assert all(r["status"] == "error" and len(r["rescue"]) == 1 for r in run.records)
    assert remains(run) == []


HOOKS = """
[grind.hooks]
pre_session = 'echo "pre $PITBOSS_SESSION_SEQ $PITBOSS_SESSION_PROMPT $PITBOSS_WORKTREE $(pwd)" >>{out}/hooks'
post_session = 'echo "post $PITBOSS_SESSION_SEQ $PITBOSS_SESSION_STATUS $PITBOSS_SESSION_SUMMARY $(pwd)" >>{out}/hooks'
on_failure = 'echo "failed $PITBOSS_SESSION_SEQ $PITBOSS_PROMPT_NAME $(pwd)" >>{out}/hooks'
"""


def test_hooks_run_once_a_session_with_its_environment_and_in_its_working_copy(project: Project) -> None:
    folder = project.root.parent
    configure(project, more=HOOKS.format(out=folder))
    meet = meeting(folder / "meeting", 2)
    for name, end in {"a-fails": "exit 1", "b-works": "true"}.items():
        script = f"{meet}; echo said by $PITBOSS_PROMPT_NAME >$PITBOSS_SUMMARY_FILE; {end}"
        project.prompt(name, script, parallel_safe=True, max_runs=1)
    assert project.pitboss("grind", "--max-parallel", "2").code == 1
    run = the_run(project)
    one, two = (run.folder / f"worktrees/slot-{n}" for n in (1, 2))
    assert sorted((folder / "hooks").read_text().splitlines()) == [
        f"failed 1 a-fails {one}",
        f"post 1 error said by a-fails {one}",
        f"post 2 ok said by b-works {two}",
        f"pre 1 a-fails {one} {one}",
        f"pre 2 b-works {two} {two}",
    ]
