"""`grind -p TEXT` and `--prompt-file FILE`: a run of one task, kept with the run (SPEC 8, 10)."""

from __future__ import annotations

import os
import signal
import stat
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Gate, configure, grinding, the_run

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = "```sh\necho line >>work.txt\n```"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "repo")


def test_a_task_runs_once_and_nothing_else_does(project: Project) -> None:
    project.prompt("alpha", "echo alpha >>work.txt")
    project.write(".pitboss/grind/prompts/broken.md", "no front matter")
    done = project.pitboss("grind", "-p", SCRIPT)
    run = the_run(project)
    assert (done.code, run.sequence()) == (0, [(1, "task", 1)])
    assert run.files(run.branch) == {"work.txt": "line\n"}
    assert (run.state["plan_name"], run.state["prompt_names"]) == ("task", ["task"])
    assert run.ending() == ("completed", "every prompt has had its runs")
    kept = run.folder / "task.md"
    assert kept.read_text() == f'---\nname: task\ndescription: "echo line >>work.txt"\n---\n{SCRIPT}\n'
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize("configured", ["max_iterations = 1", "max_iterations = 40"])
def test_a_task_runs_as_often_as_asked_and_no_budget_of_sessions_is_in_its_way(
    project: Project, configured: str
) -> None:
    configure(project, more=f"[grind.budgets]\n{configured}")
    done = project.pitboss("grind", "-p", SCRIPT, "--max-iterations", "3")
    assert done.code == 0, done
    assert the_run(project).sequence() == [(1, "task", 1), (2, "task", 2), (3, "task", 3)]


def test_a_prompt_file_brings_its_settings_and_may_go_once_the_run_is_live(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    file = tmp_path / "odd name.txt"
    front = "---\nname: other\nevery: 4\nmax_runs: 9\nverify: true\n---\n"
    file.write_text(f"{front}```sh\n{gate.script}\necho line >>work.txt\n```\n")
    configure(project, more='[tests]\ncommand = "test -e work.txt"')
    with grinding(project, "--prompt-file", str(file), "--max-iterations", "2") as live:
        gate.wait()
        file.unlink()
        os.kill(live.runner(), signal.SIGKILL)
        assert live.ended().code == 70
    gate.open()
    run = the_run(project)
    assert project.pitboss("grind", "--resume").code == 0
    assert [(r["prompt"], r["status"]) for r in run.records] == [
        ("task", "aborted"),
        ("task", "ok"),
        ("task", "ok"),
    ]
    assert (run.folder / "transcripts/session-0002.verify.log").exists()


def test_status_and_dry_run_know_what_a_stopped_task_would_do_next(project: Project) -> None:
    configure(project, more="[grind.budgets]\nmax_tokens = 0")
    assert project.pitboss("grind", "-p", "Fix it.").code == 3
    assert project.pitboss("status", "--json").json()["next_pick"] == "task"
    shown = project.pitboss("grind", "--resume", "--max-tokens", "none", "--dry-run")
    assert "- task weight=1 every=1 max_runs=1\n" in shown.out
    assert "1. task (rotation 1)\n(nothing left to run)\n" in shown.out
    more = project.pitboss("grind", "--resume", "--max-tokens", "none", "--max-iterations", "2", "--dry-run")
    assert "max_runs=2" in more.out


def test_more_turns_given_to_a_resume_are_kept(project: Project) -> None:
    configure(project, more="[grind.budgets]\nmax_tokens = 0")
    assert project.pitboss("grind", "-p", SCRIPT).code == 3
    run = the_run(project)
    assert project.pitboss("grind", "--resume", "--max-tokens", "none", "--max-iterations", "2").code == 0
    assert run.state["selection"]["task_runs"] == 2
    assert len(run.records) == 2


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("-p", "x", "--prompt-file", "f"), "-p and --prompt-file are two ways to give one task: use either"),
        (("-p", "x", "alpha"), "-p is all that the run works on: NAME chooses among other prompts"),
        (
            ("--prompt-file", "f", "--rotation", "r"),
            "--prompt-file is all that the run works on: --rotation chooses among other prompts",
        ),
        (("-p", "x", "--tag", "t"), "-p is all that the run works on: --tag chooses among other prompts"),
        (
            ("-p", "x", "--prompts-dir", "d"),
            "-p is all that the run works on: --prompts-dir chooses among other prompts",
        ),
        (("-p", "x", "--resume"), "-p is for a new run: a resumed one keeps what it works on"),
        (
            ("-p", "x", "--max-iterations", "none"),
            "-p has to end: --max-iterations takes the number of its sessions",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_options_that_contradict_a_task(project: Project, args: tuple[str, ...], error: str) -> None:
    done = project.pitboss("grind", *args)
    hint = "hint: `pitboss grind --help` shows how to use it\n"
    assert (done.code, done.out, done.err) == (4, "", f"error: {error}\n{hint}")


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (
            ("--rotation", "task"),
            "works on a task of its own, and on no other prompt",
        ),
        (("--max-iterations", "none"), "a task has to end"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_options_that_contradict_a_resumed_task(project: Project, args: tuple[str, ...], error: str) -> None:
    configure(project, more="[grind.budgets]\nmax_tokens = 0")
    assert project.pitboss("grind", "-p", "Fix it.").code == 3
    done = project.pitboss("grind", "--resume", "--max-tokens", "none", *args)
    assert done.code == 4
    assert error in done.err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has no text to give to an agent"),
        (b"x" * (1024 * 1024 + 1), "is larger than 1024 KiB"),
        (b"a\0b", "contains a NUL byte: this is not a text file"),
        (b"\xff\xfe", "is not UTF-8 text (byte 0xff)"),
        (b"---\nagent: 3\n---\nx", "agent: must be a string, not 3"),
        (None, "does not exist"),
    ],
    ids=["empty", "large", "binary", "latin", "bad setting", "missing"],
)
def test_a_file_that_cannot_be_a_task(
    project: Project, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "task.txt"
    if content is not None:
        file.write_bytes(content)
    done = project.pitboss("grind", "--prompt-file", str(file))
    assert done.code == 4
    assert done.err.startswith(f"error: {file}"), done.err
    assert reason in done.err
    assert not (project.root / ".pitboss/grind/runs").exists()


def test_neither_a_pipe_nor_a_folder_nor_bytes_that_are_no_text_are_a_task(
    project: Project, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in project.pitboss("grind", "--prompt-file", str(tmp_path / "pipe")).err
    assert "is a directory" in project.pitboss("grind", "--prompt-file", str(tmp_path)).err
    assert project.pitboss("grind", "-p", "\udcff").err == "error: -p: is not UTF-8 text\n"
    assert project.pitboss("grind", "-p", " \n").err == "error: -p: has no text to give to an agent\n"


def test_a_large_task_and_one_with_awkward_text_reach_the_agent_whole(
    project: Project, tmp_path: Path
) -> None:
    body = "---\nnot: front matter\n" + "".join(f"line {n} 'q' \"q\" é\n" for n in range(20_000))
    configure(project, agent="command", more='[agent.command]\ncommand = ["sh", "-c", "cat >got.txt"]')
    assert project.pitboss("grind", "-p", body[:100_000]).code == 0
    run = the_run(project)
    assert run.files(run.branch)["got.txt"].endswith(body[:100_000].rstrip("\n") + "\n")


def test_a_run_whose_directory_an_agent_removed_keeps_its_task(project: Project) -> None:
    text = "```sh\nuntil rm -rf .pitboss/grind/runs; do :; done\necho line >>work.txt\n```"
    done = project.pitboss("grind", "-p", text, "--max-iterations", "2")
    assert done.code == 0, done
    assert (the_run(project).folder / "task.md").read_text().endswith(f"{text}\n")


def test_a_killed_run_whose_directory_is_gone_is_restored_with_its_task(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    with grinding(project, "-p", f"```sh\n{gate.script}\necho line >>work.txt\n```") as live:
        gate.wait()
        os.kill(live.runner(), signal.SIGKILL)
        assert live.ended().code == 70
    gate.open()
    project.git("clean", "-fdxq")
    project.write(".pitboss/config.toml", '[agent]\nbackend = "shell"\n')
    done = project.pitboss("grind", "--resume")
    assert done.code == 0, done
    assert [record["status"] for record in the_run(project).records] == ["aborted", "ok"]


def test_a_kept_task_that_is_gone_is_read_from_its_copy_and_without_one_it_is_named(
    project: Project,
) -> None:
    configure(project, more="[grind.budgets]\nmax_tokens = 0")
    assert project.pitboss("grind", "-p", "Fix it.").code == 3
    run = the_run(project)
    kept = run.folder / "task.md"
    kept.unlink()
    kept.symlink_to("/etc/passwd")
    assert project.pitboss("status", "--json").json()["next_pick"] == "task"
    (project.root / ".git/pitboss/backup/runs" / run.run_id / "task.md").unlink()
    done = project.pitboss("grind", "--resume", "--max-tokens", "none")
    assert done.code == 4
    assert f"the task of run {run.run_id} is gone: {kept} is no file" in done.err
    assert project.pitboss("status", "--json").json()["next_pick"] is None
    assert project.pitboss("repair", run.run_id).code == 0
