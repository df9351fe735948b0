"""`pitboss watch` in a real terminal, beside real runs: attached late, killed, resized, without color."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import termios
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from tests.support.cli import COMMAND, PATIENCE_S, Project, wait_until
from tests.support.runs import Gate, configure, grinding, the_run
from tests.support.tmux import Terminal, command, terminal

if TYPE_CHECKING:
    from pathlib import Path

LOCAL_FLAGS = 3
COLORED = re.compile(r"\x1b\[[\d;]*\b(?:[349][0-7]|10[0-7])\b")


def viewer(screen: Terminal) -> int:
    """The process of `pitboss watch`: the child of the shell in the terminal."""
    shell = int(screen.flag("pane_pid"))
    wait_until(lambda: proctree.children(shell) != [])
    return proctree.children(shell)[0]


def taken_over(terminal: int) -> bool:
    """Whether a program reads each key of the terminal as it is pressed."""
    return not termios.tcgetattr(terminal)[LOCAL_FLAGS] & termios.ICANON


def settings(project: Project, screen: Terminal) -> str:
    """What `stty` says of the terminal now."""
    shell = int(screen.flag("pane_pid"))
    wait_until(lambda: proctree.children(shell) == [])  # a program that ends drops what was typed meanwhile
    told, done = project.root.parent / "stty", project.root.parent / "told"
    screen.enter(f"stty -g > {told}; mv {told} {done}")
    wait_until(done.exists)
    said = done.read_text()
    done.unlink()
    return said


def test_attached_late_it_shows_what_runs_and_follows_until_the_run_is_over(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    configure(project)
    project.prompt("fast", "echo one > one.txt; echo Did it. > $PITBOSS_SUMMARY_FILE", max_runs=1, weight=9)
    project.prompt("slow", f"echo at the gate; {gate.script}; echo two > two.txt", max_runs=1)
    with grinding(project) as live, terminal(project) as screen:
        gate.wait()
        screen.enter(command("watch"))
        screen.wait_for("● live", "session 2", "slow", "agent at work", "fast", "Did it.")
        gate.open()
        assert live.ended().code == 0
        screen.wait_for("✓ finished", "Landed 2")
        screen.keys("q")
        wait_until(lambda: screen.flag("alternate_on") == "0")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_the_terminal_as_it_was(project: Project, signum: signal.Signals) -> None:
    project.prompt("once", "true", max_runs=1)
    assert project.pitboss("grind").code == 0
    with terminal(project) as screen:
        before = settings(project, screen)
        screen.enter(command("watch"))
        screen.wait_for("finished", "Landed")
        os.kill(viewer(screen), signum)
        wait_until(lambda: screen.flag("alternate_on") == "0")
        assert settings(project, screen) == before
        assert (screen.flag("cursor_flag"), screen.flag("mouse_any_flag")) == ("1", "0")


def test_it_ends_when_its_terminal_goes_away(project: Project) -> None:
    project.prompt("once", "true", max_runs=1)
    assert project.pitboss("grind").code == 0
    with terminal(project) as screen:
        screen.enter(command("watch"))
        screen.wait_for("finished", "Landed")
        process = viewer(screen)
        screen.tmux("kill-server")
        wait_until(lambda: proctree.alive([process]) == [])


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_though_its_terminal_takes_no_more_output(
    project: Project, signum: signal.Signals
) -> None:
    project.prompt("once", "true", max_runs=1)
    assert project.pitboss("grind").code == 0
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    before = termios.tcgetattr(slave)
    env = {**project.env, "TERM": "xterm-256color"}
    with subprocess.Popen(
        [*COMMAND, "watch"], stdin=slave, stdout=slave, stderr=slave, cwd=project.root, env=env
    ) as process:
        wait_until(lambda: taken_over(slave))
        termios.tcflow(slave, termios.TCOOFF)  # as Ctrl-S does
        process.send_signal(signum)
        assert process.wait(PATIENCE_S) == 128 + signum
    assert termios.tcgetattr(slave) == before
    os.close(slave)
    os.close(master)


def test_killed_outright_it_leaves_the_run_alone(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    configure(project)
    project.prompt("slow", f"{gate.script}; echo two > two.txt", max_runs=1)
    with grinding(project) as live, terminal(project) as screen:
        gate.wait()
        screen.enter(command("watch"))
        screen.wait_for("● live", "slow")
        os.kill(viewer(screen), signal.SIGKILL)
        gate.open()
        assert live.ended().code == 0
    assert [record["status"] for record in the_run(project).records] == ["ok"]


def test_it_follows_a_run_across_a_kill_and_a_resume(project: Project, tmp_path: Path) -> None:
    first, second, resumed = Gate(tmp_path / "first"), Gate(tmp_path / "second"), tmp_path / "resumed"
    configure(project)
    script = (
        f"if [ -e {resumed} ]; then {second.script}; else {first.script}; fi; echo > $PITBOSS_SESSION_SEQ.txt"
    )
    project.prompt("slow", script, max_runs=2)
    with terminal(project) as screen:
        with grinding(project) as live:
            first.wait()
            screen.enter(command("watch"))
            screen.wait_for("● live", "session 1")
            os.kill(live.runner(), signal.SIGKILL)
            live.ended()
            screen.wait_for("✗ crashed")
        resumed.touch()
        with grinding(project, "--resume") as live:
            second.wait()
            screen.wait_for("● live", "session 2", "Not landed 1")
            second.open()
            live.ended()
            screen.wait_for("✓ finished", "Landed 1")


def test_the_run_is_steered_from_it_and_each_key_asks_first(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    configure(project)
    project.prompt("slow", f"{gate.script}; echo two > $PITBOSS_SESSION_SEQ.txt", max_runs=3)
    with grinding(project, "--max-iterations", "5") as live, terminal(project, width=100) as screen:
        gate.wait()
        screen.enter(command("watch"))
        screen.wait_for("● live", "session 1 of 5")
        screen.keys("p")
        screen.wait_for("Pause the run?", "session-0001 (slow) will finish")
        screen.keys("n")
        screen.wait_without("Pause the run?")
        assert "paused" not in live.err
        screen.keys("p")
        screen.wait_for("Pause the run?")
        screen.keys("y")
        screen.wait_for("is paused: no new session starts", "Needs you")
        live.wait_for("paused")
        screen.keys("p")
        screen.wait_for("Let the run go on?")
        screen.keys("Enter")
        screen.wait_for("goes on: sessions start again")
        screen.keys("+")
        screen.wait_for("Which cap", "5 → 6")
        screen.keys("Enter")
        screen.wait_for("Set the cap on sessions to 6?")
        screen.keys("y")
        screen.wait_for("1 of 6 sessions")
        screen.keys("x")
        screen.wait_for("Skip session-0001 (slow)?")
        screen.keys("y")
        screen.wait_for("skips session-0001 (slow)", "Not landed 1", "session 2")
        screen.keys("S")
        screen.wait_for("Stop the run now?", "session-0002 (slow) will be ended")
        screen.keys("y")
        screen.wait_for("◐ stopped")
        assert live.ended().code == 2
        screen.keys("p")
        screen.wait_for("is not live: `", "pitboss grind --resume")
    assert [record["status"] for record in the_run(project).records] == ["skipped", "aborted"]


def test_a_task_is_queued_from_it_and_rescued_work_applied(project: Project) -> None:
    configure(project)
    project.prompt("fail", "echo half > half.txt; exit 3", max_runs=1)
    assert project.pitboss("grind").code == 1
    with terminal(project, width=100) as screen:
        screen.enter(command("watch"))
        screen.wait_for("✓ finished", "Needs you 1")
        screen.keys("n")
        screen.wait_for("What should an agent do?")
        screen.say("Mend the [red]lexer[/]")
        screen.keys("C-s")
        screen.wait_for("Queue this task?", "Mend the [red]lexer[/]")
        screen.keys("y")
        screen.wait_for("queued ", "the next run takes it")
        assert "Mend the [red]lexer[/]" in project.pitboss("queue", "ls").out
        screen.keys("Tab", "a")
        screen.wait_for("Apply ", "session-0001 to the working tree?")
        screen.keys("y")
        screen.wait_for("1 file changed, nothing committed")
    assert (project.root / "half.txt").read_text() == "half\n"


def test_a_transcript_follows_its_agent_and_lets_nothing_act_on_the_terminal(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    configure(project)
    evil = r"printf 'before \033]0;owned\007\033[2J[red]x[/]\n'"
    project.prompt("slow", f"{evil}; {gate.script}; echo after the gate; sleep 60", max_runs=1)
    with grinding(project) as live, terminal(project) as screen:
        gate.wait()
        screen.enter(command("watch"))
        screen.wait_for("● live", "slow")
        screen.keys("t")
        seen = screen.wait_for("[ Transcript ]", "before ^[]0;owned^G^[[2J[red]x[/]")
        assert "after the gate" not in seen
        gate.open()
        screen.wait_for("before", "after the gate")
        assert screen.flag("pane_title") != "owned"
        screen.keys("Escape")
        screen.wait_for("In flight 1")
        assert project.pitboss("stop", "--now").code == 0
        assert live.ended().code == 2


def test_resizing_moves_the_parts_and_loses_nothing(project: Project) -> None:
    project.prompt("once", "echo x > x.txt", max_runs=1)
    assert project.pitboss("grind").code == 0
    with terminal(project) as screen:
        screen.enter(command("watch"))
        screen.wait_for("[ Landed 1 ]")
        screen.resize(200, 50)
        screen.wait_for("─ Landed 1 ", "─ Timeline ", "─ Scratchpad ")
        screen.resize(60, 15)
        screen.wait_for("[ Landed 1 ]", "q quit")
        screen.resize(80, 24)
        screen.wait_for("[ Landed 1 ]")


def test_no_color_means_none(project: Project) -> None:
    project.prompt("once", "echo x > x.txt", max_runs=1)
    assert project.pitboss("grind").code == 0
    with terminal(project, NO_COLOR="1") as screen:
        screen.enter(command("watch"))
        screen.wait_for("[ Landed 1 ]")
        assert COLORED.findall(screen.colored) == []


@pytest.mark.parametrize("name", ["xterm-256color", "xterm-16color", "xterm"])
def test_any_terminal_gets_the_sixteen_colors_of_its_own_theme(project: Project, name: str) -> None:
    project.prompt("once", "echo x > x.txt", max_runs=1)
    assert project.pitboss("grind").code == 0
    with terminal(project) as screen:
        screen.enter(f"TERM={name} {command('watch')}")
        screen.wait_for("[ Landed 1 ]")
        wait_until(lambda: "\x1b[32m" in screen.colored)
        assert "[38;" not in screen.colored
        assert "[48;" not in screen.colored


def test_without_a_terminal_it_says_what_to_use_instead(project: Project) -> None:
    done = project.pitboss("watch")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "error: `pitboss watch` needs a terminal\n"
        "hint: `pitboss status` shows the run once, `pitboss events -f` follows it line by line\n"
    )


@pytest.mark.parametrize("words", ["TERM=dumb {} watch", "TERM= {} watch", "env -u TERM {} grind --tui"])
def test_in_a_terminal_that_cannot_draw_it_says_why(project: Project, words: str) -> None:
    project.prompt("once", "true", max_runs=1)
    with terminal(project, width=300) as screen:
        screen.enter(words.format(command()))
        screen.wait_for("needs a terminal that can move its cursor, and TERM names none", "hint: `")


def test_without_any_run_it_says_how_to_begin(project: Project) -> None:
    with terminal(project) as screen:
        screen.enter(command("watch"))
        screen.wait_for("no runs yet", "pitboss grind` starts one")
        project.prompt("once", "echo x > x.txt", max_runs=1)
        assert project.pitboss("grind").code == 0
        screen.wait_for("finished", "every prompt has had its runs"[:8])
        screen.keys("Enter")
        screen.wait_for("[ Landed 1 ]")
        screen.keys("Escape")
        screen.wait_for("1 run of")
