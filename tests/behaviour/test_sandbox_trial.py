"""`doctor` and `init` try the sandbox and say what they saw (SPEC 8, 13)."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.agents import executable
from tests.support.cli import COMMAND, PATIENCE_S, Project
from tests.support.sandboxes import needs_bwrap

NOT_INSTALLED = "the sandbox does not work here: bubblewrap is not installed"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    project.prompt("alpha", "true")
    return project


def configure(project: Project, sandbox: str) -> None:
    project.write(".pitboss/config.toml", f'[agent]\nbackend = "shell"\n[sandbox]\n{sandbox}\n')


def examined(project: Project, *args: str, path: str = "") -> dict[str, Any]:
    """What doctor finds about the sandbox."""
    report = project.pitboss("doctor", "--json", *args, PATH=path or project.env["PATH"])
    (found,) = (check for check in json.loads(report.out)["checks"] if check["subject"] == "sandbox")
    return dict(found)


def without_bwrap(folder: Path, script: str = "") -> str:
    """A PATH where git and sh are, and of bubblewrap only what the script does."""
    folder.mkdir()
    for name in ("git", "sh", "head"):
        for place in os.environ["PATH"].split(os.pathsep):
            if (Path(place) / name).exists():
                (folder / name).symlink_to(Path(place) / name)
                break
    if script:
        executable(folder / "bwrap", script)
    return str(folder)


@needs_bwrap
@pytest.mark.parametrize(("network", "connects"), [("open", "can"), ("none", "cannot")])
def test_doctor_commits_writes_reads_and_connects_inside(
    project: Project, network: str, connects: str
) -> None:
    home = Path(project.env["HOME"])
    (home / ".ssh").mkdir()
    (home / ".ssh/id_ed25519").write_text("key\n")
    configure(project, f'mode = "bwrap"\nnetwork = "{network}"')
    found = examined(project)
    said = f'~/.ssh cannot be read, {connects} connect (network = "{network}")'
    assert (found["health"], found["hint"]) == ("ok", None)
    assert found["finding"].partition(": ")[2] == f"can commit, cannot write outside its tree, {said}"
    assert sorted(path.name for path in home.iterdir()) == [".ssh"]


@needs_bwrap
def test_doctor_tries_it_while_it_is_off(project: Project) -> None:
    found = examined(project)
    assert found["health"] == "ok"
    assert found["finding"].startswith("off; bubblewrap ")
    assert "can commit, cannot write outside" in found["finding"]


def test_doctor_says_how_to_install_it(project: Project, tmp_path: Path) -> None:
    path = without_bwrap(tmp_path / "bin")
    assert examined(project, path=path)["finding"] == f"off; {NOT_INSTALLED}"
    configure(project, 'mode = "bwrap"')
    found = examined(project, path=path)
    assert (found["health"], found["finding"]) == (
        "problem",
        NOT_INSTALLED,
    )
    assert "apt install bubblewrap" in found["hint"]


def test_doctor_says_why_it_makes_no_sandbox(project: Project, tmp_path: Path) -> None:
    path = without_bwrap(tmp_path / "bin", "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1")
    configure(project, 'mode = "bwrap"')
    found = examined(project, path=path)
    assert found["health"] == "problem"
    assert found["finding"] == "the sandbox does not work here: setting up uid map: Permission denied"
    assert found["hint"]


def test_doctor_sees_through_a_wrapper_that_holds_nothing(project: Project) -> None:
    (Path(project.env["HOME"]) / ".ssh").mkdir()
    (Path(project.env["HOME"]) / ".ssh/id").write_text("key\n")
    configure(project, 'mode = "command"\ncommand = ["env"]')
    found = examined(project, "--trust")
    assert found["health"] == "warning"
    assert "can commit, can write outside its tree, ~/.ssh can be read" in found["finding"]
    assert not list(Path(project.env["HOME"]).glob(".pitboss-probe*"))


def test_doctor_runs_no_wrapper_of_a_repository_never_used_here(project: Project, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    wrapper = executable(tmp_path / "wrapper", f'echo >>{ran}; exec "$@"')
    configure(project, f'mode = "command"\ncommand = ["{wrapper}"]')
    found = examined(project)
    assert (found["health"], ran.exists()) == ("warning", False)
    assert found["finding"].startswith("[sandbox] command: not tried, because ")
    assert examined(project, "--trust")["health"] == "warning"
    assert ran.exists()


def test_doctor_finds_that_sessions_cannot_work_in_a_wrapper(project: Project) -> None:
    configure(project, 'mode = "command"\ncommand = ["false"]')
    found = examined(project, "--trust")
    assert (found["health"], "cannot commit" in found["finding"]) == ("problem", True)


@needs_bwrap
def test_the_recipe_for_bubblewrap_by_hand_works_and_holds(project: Project) -> None:
    page = (Path(__file__).parents[2] / "docs/sandbox.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"by hand \| `(.*?)`", page)
    configure(project, f'mode = "command"\ncommand = {recipe}')
    found = examined(project, "--trust")
    assert found["health"] == "ok"
    assert "can commit, cannot write outside its tree" in found["finding"]


def sandbox_section(root: Path) -> list[str]:
    text = (root / ".pitboss/config.toml").read_text()
    return text.partition("[sandbox]\n")[2].partition("\n[")[0].splitlines()


@needs_bwrap
def test_init_writes_what_it_saw_and_asks_nobody(project: Project) -> None:
    (project.root / ".pitboss/config.toml").unlink()
    done = project.pitboss("init")
    assert "Switch it on?" not in done.err
    section = sandbox_section(project.root)
    assert section[0].startswith("# Tried by `pitboss init`: bubblewrap ")
    assert "can commit, cannot write outside its tree" in section[0]
    assert '#mode = "off"' in section


def test_init_writes_why_there_is_none(project: Project, tmp_path: Path) -> None:
    (project.root / ".pitboss/config.toml").unlink()
    project.pitboss("init", PATH=without_bwrap(tmp_path / "bin"))
    assert sandbox_section(project.root)[0] == f"# Tried by `pitboss init`: {NOT_INSTALLED}"


@needs_bwrap
@pytest.mark.parametrize(("answer", "line"), [("y", 'mode = "bwrap"'), ("", '#mode = "off"')])
def test_init_asks_on_a_terminal(project: Project, answer: str, line: str) -> None:
    (project.root / ".pitboss/config.toml").unlink()
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        env = project.env | {"TERM": "xterm"}
        subprocess.run(
            [*COMMAND, "init"],
            cwd=project.root,
            env=env,
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            check=True,
            timeout=PATIENCE_S,
        )
        assert b"Switch it on? [y/N] " in os.read(ours, 65536)
    finally:
        os.close(theirs)
        os.close(ours)
    assert line in sandbox_section(project.root)
