"""Signals in every phase of a session, once and twice, from a terminal and from a service manager (SPEC 5)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import termios
import threading
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pitboss import proctree
from tests.support.cli import COMMAND, PATIENCE_S, Project, wait_until
from tests.support.runs import Gate, configure, grinding, the_run, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

END = b"\0END"
ONE_REQUEST = "from pitboss import guardian; guardian.SAME_REQUEST_S = 1000"
"""However late the second of two signals comes on a busy machine, it comes right after the first."""
LOG_IN = "import os, sys; os.login_tty(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"


class Scene(NamedTuple):
    """A project whose every session waits at a gate in one of its phases."""

    project: Project
    gate: Gate


def stage(folder: Path, phase: str) -> Scene:
    """Put the gate into the hook, the agent, the tests or the commit of each session."""
    project = Project.create(folder / "repo")
    gate = Gate(folder / "gate")
    phases = ("hook", "agent", "verify", "commit", "post")
    held = {name: gate.script if name == phase else ":" for name in phases}
    configure(
        project,
        more=f"[grind.hooks]\npre_session = '{held['hook']}'\n"
        f"post_session = 'echo post >>{folder}/post; {held['post']}'\n"
        f"[tests]\ncommand = '{held['verify']}'",
    )
    project.prompt("chore", f"echo text >>work.txt; {held['agent']}", verify=True)
    project.write(".git/hooks/pre-commit", f"#!/bin/sh\n{held['commit']}\n").chmod(0o755)
    return Scene(project, gate)


def post_hooks(scene: Scene) -> int:
    """How often the hook after a session has run."""
    said = scene.project.root.parent / "post"
    return len(said.read_text().splitlines()) if said.exists() else 0


@pytest.mark.parametrize(
    ("phase", "signum"),
    [
        ("hook", SIGTERM),
        ("agent", SIGINT),
        ("agent", SIGTERM),
        ("agent", SIGHUP),
        ("verify", SIGINT),
        ("commit", SIGHUP),
    ],
)
def test_one_signal_lets_the_session_finish_and_starts_no_other(
    tmp_path: Path, phase: str, signum: signal.Signals
) -> None:
    scene = stage(tmp_path, phase)
    with grinding(scene.project) as live:
        scene.gate.wait()
        live.send(signum)
        live.wait_for("draining: no new session starts, waiting for session-0001; stop again to abort\n")
        scene.gate.open()
        done = live.ended()
    run = the_run(scene.project)
    assert (done.code, done.out) == (0, "")
    assert run.ending() == ("aborted", "drained on request")
    assert [verdict(r) for r in run.records] == [("ok", None, True, 0)]
    assert run.files(run.branch) == {"work.txt": "text\n"}
    assert post_hooks(scene) == 1


@pytest.mark.parametrize(
    ("phase", "first", "second", "expected", "rescued"),
    [
        ("hook", SIGINT, SIGINT, ("aborted", "aborted", False, 0), {}),
        ("agent", SIGINT, SIGTERM, ("aborted", "aborted", False, 1), {"work.txt": "text\n"}),
        ("agent", SIGHUP, SIGINT, ("aborted", "aborted", False, 1), {"work.txt": "text\n"}),
        ("verify", SIGTERM, SIGTERM, ("aborted", "aborted", False, 1), {"work.txt": "text\n"}),
    ],
    ids=lambda value: (
        value.name if isinstance(value, signal.Signals) else value if isinstance(value, str) else ""
    ),
)
def test_a_second_signal_stops_the_session_and_rescues_its_work(
    tmp_path: Path,
    phase: str,
    first: signal.Signals,
    second: signal.Signals,
    expected: tuple[str, str | None, bool, int],
    rescued: dict[str, str],
) -> None:
    scene = stage(tmp_path, phase)
    with grinding(scene.project) as live:
        scene.gate.wait()
        live.send(first)
        live.wait_for("draining")
        live.send(second)
        done = live.ended()
    run = the_run(scene.project)
    assert done.code == 2
    assert run.ending() == ("aborted", "aborted on request")
    assert [verdict(r) for r in run.records] == [expected]
    assert run.rescued("chore") == rescued
    assert post_hooks(scene) == 0
    assert scene.project.git("status", "--porcelain") == ""


def test_a_second_signal_stops_a_hook_after_the_session_whose_record_stands(tmp_path: Path) -> None:
    scene = stage(tmp_path, "post")
    with grinding(scene.project) as live:
        scene.gate.wait()
        live.send(SIGTERM)
        live.wait_for("draining: no new session starts, nothing is in flight\n")
        live.send(SIGINT)
        done = live.ended()
    run = the_run(scene.project)
    assert (done.code, run.ending()) == (2, ("aborted", "aborted on request"))
    assert [verdict(r) for r in run.records] == [("ok", None, True, 0)]


def test_a_signal_between_sessions_or_before_the_first_is_heeded(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    project.prompt("chore", "true")
    with grinding(project) as live:
        live.wait_for("session-0002")
        live.send(SIGTERM)
        done = live.ended()
    assert done.code == 0
    assert the_run(project).ending() == ("aborted", "drained on request")


def test_an_aborted_run_resumes_with_the_next_pick(tmp_path: Path) -> None:
    scene = stage(tmp_path, "agent")
    with grinding(scene.project) as live:
        scene.gate.wait()
        for word in ("draining", "aborting"):
            live.send(SIGINT)
            live.wait_for(word)
        assert live.ended().code == 2
    scene.gate.open()
    assert scene.project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3
    assert [r["status"] for r in the_run(scene.project).records] == ["aborted", "ok"]


def test_a_service_manager_that_signals_every_process_of_pitboss_drains_it(tmp_path: Path) -> None:
    scene = stage(tmp_path, "agent")
    with grinding(scene.project) as live:
        scene.gate.wait()
        for pid in (live.process.pid, live.runner()):
            os.kill(pid, SIGTERM)
        live.wait_for("draining")
        scene.gate.open()
        done = live.ended()
    assert (done.code, the_run(scene.project).ending()) == (0, ("aborted", "drained on request"))


def test_a_signal_to_the_whole_process_group_drains_and_never_reaches_the_agent(tmp_path: Path) -> None:
    scene = stage(tmp_path, "agent")
    with grinding(scene.project) as live:
        scene.gate.wait()
        os.killpg(live.process.pid, SIGINT)
        live.wait_for("draining")
        scene.gate.open()
        done = live.ended()
    assert done.code == 0
    assert [r["status"] for r in the_run(scene.project).records] == ["ok"]


@pytest.mark.parametrize("victim", ["guardian", "runner"])
def test_when_either_process_of_pitboss_is_killed_nothing_is_left_running(
    tmp_path: Path, victim: str
) -> None:
    scene = stage(tmp_path, "agent")
    with grinding(scene.project) as live:
        scene.gate.wait()
        run = the_run(scene.project)
        wait_until(lambda: run.state["in_flight"][0].get("pid") is not None)
        pids = [live.runner(), run.state["in_flight"][0]["pid"]]
        os.kill(live.process.pid if victim == "guardian" else pids[0], SIGKILL)
        done = live.ended()
        wait_until(lambda: proctree.alive(pids) == [])
    assert done.code == (-SIGKILL if victim == "guardian" else 70)
    if victim == "guardian":
        assert run.ending() == ("aborted", "the guardian, its first process, was killed")
    scene.gate.open()
    resumed = scene.project.pitboss("grind", "--resume", "--max-iterations", "2")
    assert resumed.code == 3, resumed
    assert [(r["status"], r.get("reason")) for r in run.records] == [
        ("aborted", "aborted" if victim == "guardian" else "interrupted"),
        ("ok", None),
    ]
    assert len(run.records[0]["rescue"]) == 1


class Terminal:
    """A grind on a terminal of its own: what is typed there, and what stands there."""

    def __init__(self, project: Project) -> None:
        self._master, self.slave = os.openpty()
        self.shown = b""
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOG_IN, str(self.slave), *COMMAND, "grind"],
            cwd=project.root,
            env=project.env | {"TERM": "xterm"},
            pass_fds=(self.slave,),
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def wait_for(self, text: bytes) -> None:
        """Wait until the program has printed `text`."""
        wait_until(lambda: text in self.shown)

    def attributes(self) -> list[object]:
        """How the terminal is set now."""
        return termios.tcgetattr(self.slave)

    def disturb(self) -> None:
        """Set the terminal as a program does that reads keys, and hide its cursor."""
        attributes = termios.tcgetattr(self.slave)
        attributes[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(self.slave, termios.TCSANOW, attributes)

    def end(self) -> int:
        """Wait for the program's end."""
        return self.process.wait(PATIENCE_S)

    def unplug(self) -> None:
        """Close the terminal, as a window or a connection is closed: the kernel sends SIGHUP."""
        os.write(self.slave, END)
        self._reader.join()
        os.close(self._master)

    def close(self) -> None:
        """End what still runs, and the terminal."""
        self.process.kill()
        self.process.wait()
        if self._reader.is_alive():
            self.unplug()
        os.close(self.slave)

    def _read(self) -> None:
        while END not in self.shown:  # the program may print more, right after it
            self.shown += os.read(self._master, 4096)


@contextlib.contextmanager
def on_a_terminal(project: Project) -> Iterator[Terminal]:
    """Run `pitboss grind` on a terminal."""
    terminal = Terminal(project)
    try:
        yield terminal
    finally:
        terminal.close()


def test_ctrl_c_typed_once_drains_and_never_reaches_the_agent(tmp_path: Path) -> None:
    scene = stage(tmp_path, "agent")
    with on_a_terminal(scene.project) as terminal:
        scene.gate.wait()
        terminal.type(b"\x03")
        terminal.wait_for(b"draining")
        scene.gate.open()
        assert terminal.end() == 0
        assert terminal.attributes() == terminal.before
    run = the_run(scene.project)
    assert [verdict(r) for r in run.records] == [("ok", None, True, 0)]


def test_ctrl_c_typed_twice_aborts_and_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    scene = stage(tmp_path, "agent")
    with on_a_terminal(scene.project) as terminal:
        scene.gate.wait()
        terminal.type(b"\x03")
        terminal.wait_for(b"draining")
        terminal.type(b"\x03")
        assert terminal.end() == 2
        assert terminal.attributes() == terminal.before
    assert [r["status"] for r in the_run(scene.project).records] == ["aborted"]


def runner_killed(terminal: Terminal) -> None:
    """Kill the process that works and draws."""
    os.kill(proctree.children(terminal.process.pid)[0], SIGKILL)


def ctrl_c_twice(terminal: Terminal) -> None:
    """End the run from its terminal, though that is no longer set to send signals by keys."""
    terminal.process.send_signal(SIGINT)
    terminal.wait_for(b"draining")
    terminal.process.send_signal(SIGINT)


@pytest.mark.parametrize(("end", "code"), [(runner_killed, 70), (ctrl_c_twice, 2)])
def test_a_terminal_that_was_disturbed_is_restored_with_its_cursor(
    tmp_path: Path, end: Callable[[Terminal], None], code: int
) -> None:
    scene = stage(tmp_path, "agent")
    with on_a_terminal(scene.project) as terminal:
        scene.gate.wait()
        terminal.disturb()
        assert terminal.attributes() != terminal.before
        end(terminal)
        assert terminal.end() == code
        assert terminal.attributes() == terminal.before
        terminal.wait_for(b"\x1b[?25h")


def test_a_terminal_that_is_closed_drains_the_run_which_ends_as_if_it_were_open(tmp_path: Path) -> None:
    scene = stage(tmp_path, "agent")
    with on_a_terminal(scene.project) as terminal:
        scene.gate.wait()
        terminal.unplug()
        scene.gate.open()
        assert terminal.end() == 0
    run = the_run(scene.project)
    assert run.ending() == ("aborted", "drained on request")
    assert [verdict(r) for r in run.records] == [("ok", None, True, 0)]


def test_a_shell_that_passes_the_kernels_hangup_on_is_not_taken_for_a_second_request(tmp_path: Path) -> None:
    scene = stage(tmp_path, "agent")
    scene.project.env["PYTHONPATH"] = str(tmp_path)
    (tmp_path / "sitecustomize.py").write_text(ONE_REQUEST)
    with grinding(scene.project) as live:
        scene.gate.wait()
        live.send(SIGHUP)
        live.wait_for("draining")
        live.send(SIGHUP)
        live.wait_for("draining")
        scene.gate.open()
        assert live.ended().code == 0
    assert the_run(scene.project).ending() == ("aborted", "drained on request")
