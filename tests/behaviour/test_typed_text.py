"""What is typed while a run draws its footer is not shown; afterwards the terminal is as it was (SPEC 5)."""

from __future__ import annotations

import os
import signal
import termios
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from tests.support.cli import Project, wait_until
from tests.support.runs import Gate
from tests.support.tmux import Terminal, command, terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def echoes(screen: Terminal) -> bool:
    """Whether the terminal shows what is typed."""
    opened = os.open(screen.flag("pane_tty"), os.O_RDWR | os.O_NOCTTY)
    try:
        return bool(termios.tcgetattr(opened)[3] & termios.ECHO)
    finally:
        os.close(opened)


def guardian(screen: Terminal) -> int:
    """The process that the shell started."""
    return proctree.children(int(screen.flag("pane_pid")))[0]


def finishes(_screen: Terminal, gate: Gate) -> None:
    gate.open()


def stopped_at_once(screen: Terminal, _gate: Gate) -> None:
    screen.keys("C-c")
    screen.wait_for("draining")
    screen.keys("C-c")


def runner_killed(screen: Terminal, _gate: Gate) -> None:
    os.kill(proctree.children(guardian(screen))[0], signal.SIGKILL)


def guardian_killed(screen: Terminal, _gate: Gate) -> None:
    os.kill(guardian(screen), signal.SIGKILL)


@pytest.mark.parametrize("end", [finishes, stopped_at_once, runner_killed, guardian_killed])
def test_nothing_typed_is_shown_until_the_run_is_over_or_the_shell_has_the_terminal(
    tmp_path: Path, end: Callable[[Terminal, Gate], None]
) -> None:
    project, gate = Project.create(tmp_path / "project"), Gate(tmp_path / "gate")
    project.prompt("work", gate.script, max_runs=1)
    with terminal(project) as screen:
        assert echoes(screen)
        screen.enter(f"{command('grind')}; echo ended")
        gate.wait()
        wait_until(lambda: not echoes(screen))
        screen.say("xyzzy")
        screen.keys("Enter")

        screen.keys("C-z")
        wait_until(lambda: echoes(screen))
        screen.enter("fg")
        wait_until(lambda: not echoes(screen))

        end(screen, gate)
        wait_until(lambda: echoes(screen) and not proctree.children(int(screen.flag("pane_pid"))))
        assert "xyzzy" not in screen.screen
