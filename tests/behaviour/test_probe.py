"""`doctor --probe` and `[agent] probe`: agents are tried in advance, apart from the user's repository (SPEC 8)."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from tests.support.agents import executable
from tests.support.cli import Done, Project, finish, wait_until
from tests.support.runs import Live, grinding, instruct, the_run
from tests.support.sandboxes import needs_bwrap

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKS = """
word=$(sed -n 's/.*content is this word: //p'); echo "$word" >written.txt; printenv PITBOSS_PROBE >ran.txt
echo '{"input_tokens": 10, "output_tokens": 5, "cost_usd": 0.0123}' >"$PITBOSS_USAGE_FILE"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    (tmp_path / "tmp").mkdir()
    project.env["TMPDIR"] = str(tmp_path / "tmp")
    return project


def configure(project: Project, script: str, *, probe: bool = False, sandbox: str = "") -> None:
    """Make a program that does `script` the agent of the project's one prompt."""
    text = f'[agent]\nbackend = "command"\nprobe = {json.dumps(probe)}\n'
    if sandbox:
        text = f"[sandbox]\n{sandbox}\n{text}"
    project.write(
        ".pitboss/config.toml", f"{text}[agent.command]\ncommand = {json.dumps(['sh', '-c', script])}\n"
    )
    project.prompt("alpha", "true", max_runs=1)


def trials(done: Done) -> list[tuple[str, str, str | None]]:
    checks = json.loads(done.out)["checks"]
    return [(c["health"], c["finding"], c["hint"]) for c in checks if c["subject"] == "probe"]


def left(project: Project) -> list[str]:
    return [path.name for path in Path(project.env["TMPDIR"]).iterdir()]


def test_doctor_shows_what_works_and_what_it_cost(project: Project) -> None:
    configure(project, WORKS)
    project.pitboss("doctor", "--trust")
    done = project.pitboss("doctor", "--probe", "--json")
    ((health, finding, hint),) = trials(done)
    assert (done.code, health, hint) == (0, "ok", None)
    assert finding.startswith("command: writes files, runs commands and ends cleanly ($0.01, ")
    assert done.err == "trying command, for at most 180 s\n"
    assert left(project) == []
    assert project.git("status", "--porcelain") == ""
    assert project.git("worktree", "list").count("\n") == 1


def test_each_agent_is_tried_with_the_models_that_a_run_would_ask_of_it(project: Project) -> None:
    claude = executable(
        project.root.parent / "claude", f'echo "$*" >>{project.root}/../asked; cat >/dev/null'
    )
    binary = f'binary = "{claude.resolve()}"\n'
    project.write(
        ".pitboss/config.toml",
        '[agent]\nbackend = "codex"\n[models]\nimplementer = "gpt-x"\n[limits]\nfallback = ["claude_code"]\n'
        f"[agent.codex]\n{binary}[agent.claude_code]\n{binary}",
    )
    instruct(project, "alpha")
    instruct(project, "beta", model="gpt-y")
    instruct(project, "gamma", agent="shell")
    project.pitboss("doctor", "--trust")
    done = project.pitboss("doctor", "--probe")
    assert [line.removesuffix(", for at most 180 s") for line in done.err.splitlines()] == [
        "trying claude_code",
        "trying codex with gpt-x",
        "trying codex with gpt-y",
        "trying shell",
    ]
    asked = [
        line for line in (project.root.parent / "asked").read_text().splitlines() if "--version" not in line
    ]
    assert [("gpt-x" in line, "gpt-y" in line) for line in asked] == [
        (False, False),
        (True, False),
        (False, True),
    ]


def test_a_program_in_the_repository_is_tried_from_wherever_one_stands(project: Project) -> None:
    configure(project, WORKS, probe=True)
    executable(project.write("tools/agent", ""), WORKS)
    config = project.root / ".pitboss/config.toml"
    config.write_text(
        '[agent]\nbackend = "command"\nprobe = true\n[agent.command]\ncommand = ["./tools/agent"]\n'
    )
    project.commit("The agent")
    ((health, finding, _),) = trials(
        project.pitboss("doctor", "--trust", "--probe", "--json", cwd=project.root / "tools")
    )
    assert (health, finding.partition(" (")[0]) == (
        "ok",
        "command: writes files, runs commands and ends cleanly",
    )
    assert project.pitboss("grind", cwd=project.root / "tools").code == 0


def test_doctor_says_what_does_not_work_and_exits_1(project: Project) -> None:
    configure(project, "echo 'no such luck' >&2; exit 3")
    done = project.pitboss("doctor", "--trust", "--probe")
    assert done.code == 1
    (line,) = (line for line in done.out.splitlines() if "probe" in line)
    assert line.startswith("problem  probe")
    assert (
        "it did not write its file, it did not run its command, it failed: exit_code: 3: no such luck" in line
    )
    assert left(project) == []


def test_doctor_tries_nothing_unless_asked(project: Project) -> None:
    configure(project, f"touch {project.root}/tried")
    assert trials(project.pitboss("doctor", "--json")) == []
    assert not (project.root / "tried").exists()


def test_the_shell_agent_is_tried_too_and_without_a_prompt(project: Project) -> None:
    ((health, finding, _),) = trials(project.pitboss("doctor", "--trust", "--probe", "--json"))
    assert health == "ok"
    assert finding.startswith("shell: writes files, runs commands and ends cleanly ($0.00, ")


REACHES = """
echo x >"$HOME/planted"; echo x >"%(root)s/planted"; echo x >"%(root)s/.pitboss/planted"
"""


def reaching(project: Project) -> str:
    """A task that is done well, by an agent that reaches for HOME and the user's repository beside it."""
    return f"{WORKS}\n{REACHES % {'root': project.root}}\ntrue"


def planted(project: Project) -> list[Path]:
    folders = (Path(project.env["HOME"]), project.root, project.root / ".pitboss")
    return [folder for folder in folders if (folder / "planted").exists()]


@needs_bwrap
def test_where_sessions_have_a_sandbox_the_trial_has_one_too(project: Project) -> None:
    configure(project, reaching(project), sandbox='mode = "bwrap"')
    ((health, finding, _),) = trials(project.pitboss("doctor", "--trust", "--probe", "--json"))
    assert health == "ok"
    assert finding.startswith("command: writes files, runs commands and ends cleanly ($0.01, ")
    assert planted(project) == []
    assert left(project) == []
    configure(project, reaching(project))
    project.pitboss("doctor", "--trust", "--probe")
    assert len(planted(project)) == 3


@needs_bwrap
def test_a_run_in_a_sandbox_tries_its_agents_in_one(project: Project) -> None:
    configure(project, reaching(project), probe=True, sandbox='mode = "bwrap"')
    done = project.pitboss("grind")
    assert done.code == 0, done
    assert "probe of command: writes files, runs commands and ends cleanly ($0.01, " in done.err
    assert [folder for folder in planted(project) if folder != project.root] == []


def test_no_agent_is_tried_without_the_sandbox_that_is_asked_for(project: Project) -> None:
    configure(project, f"touch {project.root}/tried", sandbox='mode = "command"\ncommand = ["not-there"]')
    ((health, finding, _),) = trials(project.pitboss("doctor", "--trust", "--probe", "--json"))
    assert (health, "cannot find not-there" in finding) == ("problem", True)
    assert not (project.root / "tried").exists()


def test_a_wrapper_that_is_new_here_is_not_started_for_a_trial(project: Project) -> None:
    wrapper = executable(project.root.parent / "wrapper", f'touch {project.root}/wrapped; exec "$@"')
    project.write(
        ".pitboss/config.toml",
        f'[agent]\nbackend = "shell"\n[sandbox]\nmode = "command"\ncommand = ["{wrapper.resolve()}"]\n',
    )
    ((health, finding, _),) = trials(project.pitboss("doctor", "--probe", "--json"))
    assert (health, "not tried" in finding) == ("warning", True)
    assert not (project.root / "wrapped").exists()
    ((health, _, _),) = trials(project.pitboss("doctor", "--trust", "--probe", "--json"))
    assert health == "ok"
    assert (project.root / "wrapped").exists()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_trial_and_leaves_nothing(project: Project, signum: signal.Signals) -> None:
    pids = project.root.parent / "pids"
    configure(project, f"setsid sleep 300 & echo $! $$ >{pids}; wait")
    with project.started("doctor", "--trust", "--probe") as doctor:
        wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        doctor.send_signal(signum)
        done = finish(doctor)
    assert done.code == 130
    assert proctree.alive([int(pid) for pid in pids.read_text().split()]) == []
    assert left(project) == []


def test_a_run_whose_agent_works_says_so_and_begins(project: Project) -> None:
    configure(project, f"{WORKS}echo done >done.txt", probe=True)
    done = project.pitboss("grind")
    assert done.code == 0, done
    assert done.err.startswith(
        "trying command, for at most 180 s\nprobe of command: writes files, runs commands and ends cleanly ("
    )
    run = the_run(project)
    assert "done.txt" in run.files(run.branch)
    assert [record["seq"] for record in run.records] == [1]
    assert left(project) == []


def test_a_run_whose_agent_does_not_work_does_not_begin(project: Project) -> None:
    configure(project, "exit 0", probe=True)
    done = project.pitboss("grind")
    assert done.code == 4
    assert "error: probe of command: it did not write its file" in done.err
    assert "hint: " in done.err
    assert not (project.root / ".pitboss/grind/runs").exists()
    assert project.git("branch", "--list").split() == ["*", "main"]
    assert left(project) == []


def test_what_costs_nothing_is_looked_at_before_the_agents_are_tried(project: Project) -> None:
    configure(project, f"touch {project.root.parent}/tried", probe=True)
    project.write("mine.txt", "not committed")
    done = project.pitboss("grind")
    assert done.code == 4
    assert "the working tree is not clean" in done.err
    assert "trying" not in done.err
    assert not (project.root.parent / "tried").exists()


@pytest.mark.parametrize("command", [("grind", "--max-cost", "0.25"), ("doctor", "--trust", "--probe")])
def test_a_trial_may_not_cost_more_than_the_run(project: Project, command: tuple[str, ...]) -> None:
    spend = """echo '{"input_tokens": 10, "cost_usd": 0.5}' >"$PITBOSS_USAGE_FILE"; exec sleep 300"""
    configure(project, spend, probe=True)
    with (project.root / ".pitboss/config.toml").open("a") as config:
        config.write("[grind.budgets]\nmax_cost_usd = 0.25\n")
    done = project.pitboss(*command)
    assert done.code == (4 if command[0] == "grind" else 1)
    assert "it failed: cost_cap: $0.5000 >= $0.2500" in done.out + done.err


@contextlib.contextmanager
def probing(project: Project) -> Iterator[Live]:
    """A run whose agent never ends its small task, once it has begun with it."""
    begun = project.root.parent / "begun"
    configure(project, f"touch {begun}; exec sleep 300", probe=True)
    with grinding(project) as live:
        wait_until(begun.exists)
        yield live


@pytest.mark.parametrize("command", [("stop",), ("stop", "--now"), ("status",), ("skip",), ("log",)])
def test_while_it_tries_its_agents_a_run_can_be_told_of_and_ended(
    project: Project, command: tuple[str, ...]
) -> None:
    with probing(project) as live:
        done = project.pitboss(*command)
        assert done.code == 1
        error, hint = done.err.splitlines()
        assert re.fullmatch(
            r"error: run \d+T\d+Z-\w+ has not begun: it is still trying its agents, or just starting", error
        )
        assert hint.endswith(f"`kill -INT {live.process.pid}`")
        live.send(signal.SIGINT)
        assert live.ended().code == 4
    assert "stopped while trying the agents" in live.err


def test_nothing_is_to_be_resumed_of_a_run_killed_while_it_tried_its_agents(project: Project) -> None:
    with probing(project) as live:
        os.kill(live.runner(), signal.SIGKILL)
        done = live.ended()
    assert done.code == 70
    assert done.err.splitlines()[1:] == ["error: the runner was killed (signal 9)"]
    assert not (project.root / ".pitboss/grind/runs").exists()
