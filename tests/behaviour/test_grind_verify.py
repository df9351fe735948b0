"""The project's tests before landing, and the fixer that gets another try when they fail (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Run, configure, instruct, the_run, verdict

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
case $PITBOSS_USAGE_FILE in
*.fix-*) role=fixer ;;
*) role=agent ;;
esac
cat >{out}/$role-$PITBOSS_SESSION_SEQ
if [ $role = agent ]; then
    echo "{{\\"input_tokens\\": 100, \\"output_tokens\\": 10, \\"cost_usd\\": 0.5}}" >$PITBOSS_USAGE_FILE
    echo broken >state.txt; echo "By the agent." >$PITBOSS_SUMMARY_FILE
else
    echo "{{\\"input_tokens\\": 7, \\"output_tokens\\": 3, \\"cost_usd\\": 0.25}}" >$PITBOSS_USAGE_FILE
    {fix}
fi
"""
TESTS = "seq 1 60; grep -q works state.txt"


def grind(folder: Path, fix: str, *, retries: str = "", code: int) -> Run:
    """Run one session whose agent breaks the tests and whose fixer does `fix`."""
    project = Project.create(folder / "repo")
    (folder / "out").mkdir()
    script = AGENT.format(out=folder / "out", fix=fix)
    more = f"[agent.command]\ncommand = ['sh', '-c', '''{script}''']\n[tests]\ncommand = '{TESTS}'\n{retries}"
    configure(project, agent="command", more=more)
    instruct(project, "chore", "Do the chore.", verify=True, max_runs=1)
    done = project.pitboss("grind")
    assert done.code == code, done
    return the_run(project)


def transcripts(run: Run) -> list[str]:
    return sorted(path.name for path in (run.folder / "transcripts").glob("*.log"))


def test_a_fixer_that_makes_the_tests_pass_saves_the_session_and_is_billed_to_it(tmp_path: Path) -> None:
    run = grind(tmp_path, "echo works >state.txt; echo 'Mended, too.' >>$PITBOSS_SUMMARY_FILE", code=0)
    record = run.record("chore")
    assert verdict(record) == ("ok", None, True, 0)
    assert run.files(run.branch) == {"state.txt": "works\n"}
    assert (record["cost_usd"], record["tokens"]) == (
        0.75,
        {
            "input": 107,
            "output": 13,
            "by_role": {"implementer": {"input": 100, "output": 10}, "fixer": {"input": 7, "output": 3}},
        },
    )
    assert record["summary"] == "By the agent.\nMended, too."
    assert run.state["budget_consumed"] == {
        "iterations": 1,
        "tokens_input": 107,
        "tokens_output": 13,
        "cost_usd": 0.75,
        "consecutive_failures": 0,
    }
    assert transcripts(run) == [
        "session-0001.fix-01.log",
        "session-0001.log",
        "session-0001.verify-01.log",
        "session-0001.verify.log",
    ]


def test_a_fixer_is_given_the_task_the_command_and_the_last_40_lines(tmp_path: Path) -> None:
    grind(tmp_path, "echo works >state.txt", code=0)
    given = (tmp_path / "out/fixer-1").read_text()
    assert given.startswith("<!-- pitboss:standing-instruction:start -->\n")
    numbers = "\n".join(map(str, range(21, 61)))
    assert given.partition("<!-- pitboss:standing-instruction:end -->\n")[2] == (
        "\nThe task was:\n\nDo the chore.\n"
        f"\nThis command failed:\n\n    {TESTS}\n"
        f"\n<!-- pitboss:test-output -->\n{numbers}\n<!-- /pitboss:test-output -->\n"
    )


@pytest.mark.parametrize(
    ("retries", "fixers"),
    [("", 2), ("[retries]\nfixer_max_attempts = 1", 1), ("[retries]\nfixer_max_attempts = 0", 0)],
    ids=["two by default", "one", "none"],
)
def test_when_no_fixer_helps_the_session_fails_and_all_of_its_work_is_rescued(
    tmp_path: Path, retries: str, fixers: int
) -> None:
    run = grind(tmp_path, "echo tried >>tries.txt", retries=retries, code=1)
    record = run.record("chore")
    assert verdict(record) == ("error", "verify_failed: 60", False, 1)
    assert record["summary"] == "By the agent."
    assert record["cost_usd"] == 0.5 + 0.25 * fixers
    tries = {"tries.txt": "tried\n" * fixers} if fixers else {}
    assert run.rescued("chore") == {"state.txt": "broken\n"} | tries
    assert len([name for name in transcripts(run) if ".fix-" in name]) == fixers


def test_a_prompt_that_wants_tests_where_there_are_none_fails_and_says_what_to_set(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    project.prompt("chore", "echo text >added.txt", verify=True, max_runs=1)
    assert project.pitboss("grind").code == 1
    assert the_run(project).record("chore")["reason"] == (
        "verify_failed: no tests found: set [tests] command in .pitboss/config.toml, "
        "or take `verify` out of the prompt"
    )


def test_tests_run_in_the_session_with_the_agents_environment_and_a_failed_agent_is_not_tested(
    tmp_path: Path,
) -> None:
    project = Project.create(tmp_path / "repo")
    said = tmp_path / "said"
    configure(
        project, more=f"[tests]\ncommand = 'echo $PITBOSS_SESSION_SEQ $PITBOSS_PROMPT_NAME $PWD >>{said}'"
    )
    project.prompt("a-works", "true", verify=True, max_runs=1)
    project.prompt("b-fails", "exit 1", verify=True, max_runs=1)
    assert project.pitboss("grind").code == 1
    assert said.read_text() == f"1 a-works {project.root}\n"
