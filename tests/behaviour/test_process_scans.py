"""Who looks at all processes of the machine: a resume after a crash, and nobody else (SPEC 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project

if TYPE_CHECKING:
    from pathlib import Path

WATCH = """
import os, re, sys
seen = os.open(os.environ["PROCESSES_SEEN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def watch(event, args):
    if event == "open" and isinstance(args[0], str) and re.fullmatch(r"/proc/[0-9]+/(environ|stat)", args[0]):
        os.write(seen, args[0].encode() + b"\\n")
sys.addaudithook(watch)
"""


def looked_at(project: Project, folder: Path, *command: str) -> set[str]:
    """The processes of the machine at which a command looked."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WATCH)
    seen = folder / "seen"
    project.pitboss(*command, PYTHONPATH=str(folder), PROCESSES_SEEN=str(seen))
    assert seen.exists(), "nobody watched"
    return {line.split("/")[2] for line in seen.read_text().splitlines()}


@pytest.mark.parametrize(
    "command",
    [
        ("runs",),
        ("status",),
        ("log",),
        ("show",),
        ("rescue", "ls"),
        ("grind", "--resume"),
        ("stop",),
        ("skip",),
    ],
    ids=" ".join,
)
def test_commands_that_read_and_a_resume_that_is_refused_look_at_hardly_any(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    project = Project.create(tmp_path / "repo")
    project.prompt("chore", "echo text >work.txt", max_runs=1)
    assert project.pitboss("grind").code == 0
    assert len(looked_at(project, tmp_path / "watch", *command)) <= 4
