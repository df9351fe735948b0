"""The recipes work as pasted, as far as a machine without cron, systemd, GitHub and containers can tell (SPEC 10)."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import lock_holder
from tests.support.cli import COMMAND, PATIENCE_S, Done, Project, wait_until
from tests.support.runs import the_run

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FINISHED = ("completed", "every prompt has had its runs")


def blocks(heading: str, kind: str) -> list[str]:
    """The code of one kind under a heading of the page."""
    section = PAGE.partition(f"\n## {heading}")[2].partition("\n## ")[0]
    return [code for found, code in BLOCK.findall(section) if found == kind]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with pitboss in ~/.local/bin."""
    home = tmp_path / "me"
    program = home / ".local/bin/pitboss"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    return home


@pytest.fixture
def project(home: Path) -> Iterator[Project]:
    """The repository in ~/my-project."""
    project = Project.create(home / "my-project")
    project.env |= {"HOME": str(home), "PATH": f"{home}/.local/bin:{project.env['PATH']}"}
    project.prompt("alpha", "echo done >a.txt", max_runs=1)
    yield project
    wait_until(lambda: lock_holder(*lock_paths(project.root)) is None)


def paste(script: str, cwd: Path, env: dict[str, str]) -> Done:
    """Run a script in a plain shell."""
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def finished(project: Project) -> bool:
    """Whether the run has come to its end."""
    states = list((project.root / ".pitboss/grind/runs").glob("*/state.json"))
    return bool(states) and the_run(project).ending() == FINISHED


def test_detach(project: Project, home: Path) -> None:
    script = blocks("Leave the terminal", "sh")[0]
    done = paste(script, home, project.env)
    assert done.code == 0, done
    assert the_run(project).run_id in done.out
    wait_until(lambda: finished(project))


def test_tmux(project: Project, home: Path, tmp_path: Path) -> None:
    (tmp_path / "tmux").mkdir()
    env = project.env | {"TMUX_TMPDIR": str(tmp_path / "tmux"), "TERM": "xterm"}
    (script,) = blocks("tmux", "sh")
    try:
        assert paste(script, home, env) == (0, "", "")
        wait_until(lambda: finished(project))
    finally:
        subprocess.run(["tmux", "kill-server"], env=env, check=False, capture_output=True)


def bare(home: Path) -> dict[str, str]:
    """All that cron sets."""
    return {"HOME": str(home), "LOGNAME": "me", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}


def test_cron(project: Project, home: Path) -> None:
    (crontab,) = blocks("cron", "crontab")
    env = bare(home)
    for line in crontab.splitlines():
        if found := re.fullmatch(r"(\w+)=(.*)", line):
            env[found[1]] = found[2].replace("/home/me", str(home))
            continue
        command = line.split(maxsplit=5)[5]
        assert "%" not in command  # to cron it is the end of the command
        done = paste(command, home, env)
        assert done.code == 0, done
        assert the_run(project).run_id in done.out
    wait_until(lambda: finished(project))


def test_a_shell_as_bare_as_crons_says_whether_it_works(project: Project, home: Path) -> None:
    (script,) = blocks("cron", "sh")
    done = paste(script, home, project.env | {"LOGNAME": "me"})
    assert done.code == 0, done
    assert "agent" in done.out
    assert not (project.root / ".pitboss/grind/runs").exists()


def test_the_units_name_what_there_is_and_start_a_run(project: Project, home: Path, tmp_path: Path) -> None:
    service, timer = blocks("A systemd user unit", "ini")
    keys = dict(line.split("=", 1) for line in service.splitlines() if "=" in line)
    where = keys["WorkingDirectory"].replace("%h", str(home))
    path = keys["Environment"].removeprefix("PATH=").replace("%h", str(home))
    done = paste(keys["ExecStart"].replace("%h", str(home)), Path(where), bare(home) | {"PATH": path})
    assert done.code == 0, done
    assert finished(project)
    for name, text in (("service", service), ("timer", timer)):
        (tmp_path / f"pitboss-my-project.{name}").write_text(text)
    if (analyze := shutil.which("systemd-analyze")) is not None:
        (tmp_path / "run").mkdir()
        units = [str(tmp_path / f"pitboss-my-project.{name}") for name in ("service", "timer")]
        env = project.env | {"XDG_RUNTIME_DIR": str(tmp_path / "run")}
        checked = subprocess.run(
            [analyze, "--user", "verify", *units], env=env, capture_output=True, check=False
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def steps() -> dict[str, Any]:
    """The steps of the workflow that have a name."""
    (workflow,) = blocks("GitHub Actions", "yaml")
    listed = yaml.safe_load(workflow)["jobs"]["grind"]["steps"]
    return {step["name"]: step for step in listed if "name" in step}


def test_the_workflow_grinds_and_pushes(project: Project, tmp_path: Path) -> None:
    for name, script in (("good", "echo done >a.txt"), ("bad", "echo half >b.txt; exit 1")):
        body = f"---\nname: {name}\ndescription: test\nagent: shell\nmax_runs: 1\n---\n```sh\n{script}\n```\n"
        project.write(f"prompts/{name}.md", body)
    (project.root / ".gitignore").unlink()
    project.git("rm", "-q", "--cached", "-r", ".gitignore")
    shutil.rmtree(project.root / ".pitboss")
    project.commit("Prompts")
    origin, clone = tmp_path / "origin.git", tmp_path / "clone"
    project.git("clone", "-q", "--bare", str(project.root), str(origin))
    project.git("clone", "-q", str(origin), str(clone))
    for name in ("grind", "push"):
        done = paste(steps()[name]["run"], clone, project.env)
        assert done.code == 0, done
    refs = project.git("--git-dir", str(origin), "for-each-ref", "--format=%(refname)").split()
    assert [ref.rsplit("/", 1)[0] for ref in refs if "pitboss/grind" in ref] == ["refs/heads/pitboss/grind"]
    assert len([ref for ref in refs if ref.startswith("refs/pitboss/rescue/")]) == 1


def test_the_command_of_a_container_may_be_its_first_process(project: Project) -> None:
    """In a process namespace of its own, where the kernel grants one."""
    (_, run) = blocks("A container", "sh")[0].split("docker run ")
    words = shlex.split(run.replace("\\\n", " "))
    command = words[words.index("pitboss") :]
    first = [
        "unshare",
        "--pid",
        "--fork",
        "--mount-proc",
        *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]),
    ]
    if subprocess.run([*first, "true"], capture_output=True, check=False).returncode != 0:
        first = []
    done = subprocess.run(
        [*first, *command],
        cwd=project.root,
        env=project.env,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert finished(project)
