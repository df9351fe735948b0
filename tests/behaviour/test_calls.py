"""Commands that people are to type are written as they can be typed here (SPEC 8)."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.cli import Project, wait_until
from tests.support.runs import Gate
from tests.support.tmux import command, terminal

INSTALLED = Path(sys.executable).with_name("pitboss")


def test_commands_name_the_program_as_it_was_called_unless_its_name_finds_it(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pitboss").symlink_to(INSTALLED)
    another = tmp_path / "another"
    another.mkdir()
    (another / "pitboss").write_text("#!/bin/sh\n")
    (another / "pitboss").chmod(0o755)
    wrong = ("rescue", "show", "nothing")
    cases = (
        ("/usr/bin:/bin", command(*wrong), f"{sys.executable} -m pitboss"),
        (f"{another}:/usr/bin:/bin", f"{INSTALLED} rescue show nothing", str(INSTALLED)),
        (f"{programs}:/usr/bin:/bin", "pitboss rescue show nothing", "pitboss"),
        (f"{programs}:/usr/bin:/bin", command(*wrong), "pitboss"),
    )
    with terminal(project, width=300) as screen:
        for number, (path, line, called) in enumerate(cases):
            screen.enter(f"clear; (PATH={path}; {line}); echo ended-{number}")
            screen.wait_for(f"hint: `{called} rescue ls` lists them", f"\nended-{number}")
    assert project.pitboss(*wrong, PATH="/usr/bin:/bin").err.endswith(
        "hint: `pitboss rescue ls` lists them\n"
    )


def test_what_status_and_the_report_name_can_be_typed_too(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.prompt("fails", "echo 1 >one; exit 1")
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    with terminal(project, width=300, height=80) as screen:
        screen.enter(f"clear; export PATH=/usr/bin:/bin; {INSTALLED} status; {INSTALLED} report; echo ended")
        screen.wait_for(f"`{INSTALLED} grind --resume", f"{INSTALLED} rescue apply", "\nended")
    assert f"{INSTALLED}" not in project.pitboss("report", PATH="/usr/bin:/bin").out


def test_screens_and_the_footer_name_what_can_be_typed_too(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    gate = Gate(tmp_path / "gate")
    project.prompt("waits", gate.script)
    with terminal(project, width=200, height=40) as screen:
        screen.enter(f"clear; export PATH=/usr/bin:/bin; {INSTALLED} watch")
        screen.wait_for(f"`{INSTALLED} grind` starts one")
        screen.keys("q")
        wait_until(lambda: screen.flag("alternate_on") == "0")
        screen.enter(f"clear; {INSTALLED} grind --max-iterations 1")
        gate.wait()
        assert project.pitboss("pause").code == 0
        screen.wait_for(f"paused: no new session starts; `{INSTALLED} unpause` goes on")
        assert project.pitboss("stop").code == 0
        screen.wait_for(f"; `{INSTALLED} stop --now` does not wait")
        gate.open()
        screen.wait_for("report: ")
