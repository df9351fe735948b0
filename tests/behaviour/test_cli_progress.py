"""What `grind` shows while it runs: plain lines, JSON lines, and the live footer on a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from rich.cells import cell_len

from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.budget import Caps
from pitboss.core.events import (
    AgentStep,
    Draining,
    Phase,
    PhaseChanged,
    Repaired,
    RunEnded,
    RunEvent,
    RunStarted,
    SessionEnded,
    SessionStarted,
    Warned,
    WorkersAwaited,
)
from pitboss.core.session import SessionStatus
from pitboss.core.stops import RunStatus, StopReason
from pitboss.core.usage import Usage
from pitboss.engine.bus import Bus
from pitboss.screens.json_lines import JsonProgress
from pitboss.screens.progress import for_stderr
from pitboss.store.paths import RunPaths
from pitboss.store.record_codec import encode_record
from tests.behaviour.test_cli_observers import documented
from tests.support.cli import Project, wait_until
from tests.support.values import record, run_state

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
CAPS = Caps(max_iterations=10, max_cost_usd=5.0, max_tokens=1_000_000)
ENDED = RunEnded(
    run_id="rid",
    branch="pitboss/grind/rid",
    status=RunStatus.ABORTED,
    stop_reason=StopReason.BUDGET,
    message="max-iterations reached: 3 >= 3",
    exit_code=3,
    used=run_state().budget_consumed,
    resume="pitboss grind --resume rid",
)
STARTED = RunStarted(run_id="rid", branch="pitboss/grind/rid", caps=CAPS, next_pick="alpha")
BEGUN = SessionStarted(seq=2, prompt="alpha", agent="claude_code", model="opus")
FAILED = record(
    2, status=SessionStatus.ERROR, commit=None, reason="exit_code: 3", tokens=(1200, 300), cost_usd=0.02
)
EVENTS: Sequence[RunEvent | AgentStep] = (
    Repaired(text="resuming rid after session 1"),
    STARTED,
    BEGUN,
    PhaseChanged(seq=2, phase=Phase.HOOK, detail="make warm"),
    PhaseChanged(seq=2, phase=Phase.AGENT),
    AgentStep(seq=2, event=AgentEvent(kind=EventKind.TOOL, text="Bash: make")),
    AgentStep(seq=2, event=AgentEvent(kind=EventKind.RETRY, text="overloaded\nattempt 2")),
    AgentStep(seq=2, event=AgentEvent(kind=EventKind.USAGE, usage=Usage(input=10))),
    PhaseChanged(seq=2, phase=Phase.VERIFY),
    PhaseChanged(seq=2, phase=Phase.FIX, detail="attempt 1"),
    PhaseChanged(seq=2, phase=Phase.LAND),
    SessionEnded(record=FAILED, next_pick="bravo"),
    Warned(text="max-cost at 80%: $4.00 of $5.00"),
    Draining(in_flight=(3, 4)),
    Draining(),
    ENDED,
)


def test_away_from_a_terminal_each_event_worth_reading_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    with closing(Bus([for_stderr(json=False)])) as emit:
        for event in EVENTS:
            emit(event)

    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "resuming rid after session 1",
        "run rid on branch pitboss/grind/rid",
        "0 of 10 sessions, $0.00 of $5.00, 0 of 1.00M tokens; next alpha",
        "session-0002 alpha started (claude_code, opus)",
        "session-0002 alpha: running a hook (make warm)",
        "session-0002 alpha: retrying: overloaded attempt 2",
        "session-0002 alpha: running the tests",
        "session-0002 alpha: fixing (attempt 1)",
        "session-0002 error   alpha         1m00s   1.5k tok    $0.02 [exit code: 3] session 2",
        "warning: max-cost at 80%: $4.00 of $5.00",
        "draining: no new session starts, waiting for session-0003, session-0004; stop again to abort",
        "draining: no new session starts, nothing is in flight",
        "run rid stopped at its limit: 3 of 3 sessions",
        "3 of 10 sessions, $0.04 of $5.00, 2.2k of 1.00M tokens",
        "nothing landed",
        "go on with `pitboss grind --resume rid`",
    ]


def test_json_is_a_line_for_each_session_and_one_for_the_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = RunPaths(tmp_path, "rid")
    paths.root.mkdir(parents=True)
    with closing(Bus([JsonProgress(paths)])) as emit:
        paths.log.write_bytes(encode_record(FAILED))
        for event in EVENTS:
            emit(event)

    session, run = capfd.readouterr().out.splitlines(keepends=True)
    assert session.encode() == encode_record(FAILED)
    assert list(json.loads(run)) == documented("Run line")
    assert json.loads(run) == {
        "run_id": "rid",
        "branch": "pitboss/grind/rid",
        "status": "aborted",
        "stop_reason": "budget",
        "message": "max-iterations reached: 3 >= 3",
        "exit_code": 3,
        "sessions": 3,
        "tokens": {"input": 1500, "output": 750},
        "cost_usd": 0.045,
        "cost_known": True,
    }


class Screen:
    """A terminal of a given width that shows what a program draws: enough of one for lines and erasing."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows = [""]
        self.row = 0

    def feed(self, text: str) -> None:
        for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", text):
            if token == "\n":
                self.row += 1
                self.rows += [""] * (self.row + 1 - len(self.rows))
            elif token == "\x1b[2K":
                self.rows[self.row] = ""
            elif token == "\x1b[1A":
                self.row -= 1
            elif not token.startswith(("\x1b", "\r")):
                self.rows[self.row] += token

    def lines(self) -> list[str]:
        return [row for row in self.rows if row]


DRIVER = """
import sys
from contextlib import closing
from pitboss.screens.progress import for_stderr
from pitboss.engine.bus import Bus
from tests.behaviour.test_cli_progress import live_events

stages = live_events()
with for_stderr(json=False) as display, closing(Bus([display])) as emit:
    for event in stages[0]:
        emit(event)
    sys.stdin.readline()
    for event in stages[1]:
        emit(event)
"""


def live_events() -> tuple[list[RunEvent | AgentStep], list[RunEvent]]:
    """A session in the middle of its work; and the end of that session and of the run."""
    caps = msgspec.structs.replace(CAPS, until=datetime.now(UTC) + timedelta(hours=3, minutes=1))
    running: list[RunEvent | AgentStep] = [
        msgspec.structs.replace(STARTED, caps=caps),
        msgspec.structs.replace(BEGUN, seq=1, next_pick="alpha"),
        PhaseChanged(seq=1, phase=Phase.AGENT),
        AgentStep(seq=1, event=AgentEvent(kind=EventKind.TOOL, text="Bash: 日本語 " * 40 + "\x1b[2J")),
        AgentStep(seq=1, event=AgentEvent(kind=EventKind.USAGE), used=Usage(input=12_000, cost_usd=0.1)),
        PhaseChanged(seq=1, phase=Phase.FIX, detail="attempt 1"),
        AgentStep(seq=1, event=AgentEvent(kind=EventKind.USAGE), used=Usage(input=12_500, cost_usd=0.11)),
        AgentStep(seq=1, event=AgentEvent(kind=EventKind.TEXT, text="Looking at the test " * 20)),
    ]
    ended: list[RunEvent] = [
        SessionEnded(record=record(1, summary="Done. " * 40), next_pick="bravo"),
        ENDED,
    ]
    return running, ended


def awaited_events() -> tuple[list[RunEvent], list[RunEvent]]:
    """A run without workers; then one is there, and the run ends."""
    return [STARTED, WorkersAwaited(why="none is connected")], [WorkersAwaited(), ENDED]


class Terminal:
    """A pseudo-terminal with a program on it."""

    def __init__(self, argv: Sequence[str], width: int, cwd: Path, env: dict[str, str]) -> None:
        self.screen = Screen(width)
        self._fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            cwd=cwd,
            env=env | {"TERM": "xterm"},
        )
        os.close(theirs)
        os.set_blocking(self._fd, False)
        self.raw = ""
        self._bytes = b""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._fd)

    def shows(self, text: str) -> bool:
        """Whether the text is on the screen by now."""
        self._read()
        return any(text in line for line in self.screen.lines())

    def ended(self) -> bool:
        self._read()
        return self.process.poll() is not None

    def _read(self) -> None:
        try:
            while data := os.read(self._fd, 65536):
                self._bytes += data
        except OSError:
            pass  # nothing there now, or nobody left to write
        self.raw = self._bytes.decode(errors="ignore")
        fresh = Screen(self.screen.width)
        fresh.feed(self.raw.replace("\r\n", "\n"))
        self.screen = fresh


def shows_the_whole_footer(tty: Terminal) -> bool:
    """Whether the last words of the agent are there, and what comes below them: a terminal may be read in between."""
    shown = tty.shows("Looking at")
    lines = tty.screen.lines()
    return shown and lines[-4:][0].startswith("●") and lines[-1].endswith(("stop now", "…"))


@pytest.mark.parametrize("width", [120, 40])
def test_on_a_terminal_a_footer_shows_what_runs_and_leaves_no_trace(tmp_path: Path, width: int) -> None:
    project = Project.create(tmp_path / "project")
    on_path = f"{Path(sys.executable).parent}:{project.env['PATH']}"
    env = project.env | {"PYTHONPATH": str(ROOT), "PATH": on_path}
    with Terminal([sys.executable, "-c", DRIVER], width, project.root, env) as tty:
        wait_until(lambda: shows_the_whole_footer(tty))
        running = tty.screen.lines()
        assert tty.process.stdin is not None
        tty.process.stdin.write(b"go\n")
        tty.process.stdin.close()
        wait_until(tty.ended)
        after = tty.screen.lines()

    title, doing, budget, advice = running[-4:]
    if width == 120:
        assert re.fullmatch(r"● session-0001 alpha  \d+s  fixing \(attempt 1\)  claude_code opus", title)
        assert doing.startswith("  12.5k tokens  $0.11  Looking at the test Looking")
        assert doing.endswith("…")
        assert re.fullmatch(
            r"1 of 10 sessions  ·  \$0\.11 of \$5\.00  ·  12\.5k of 1\.00M tokens  ·  3h0[01]m left",
            budget,
        )
        assert advice == "next: alpha  ·  Ctrl-C: finish what runs, then stop; twice: stop now"
    assert all(cell_len(line) < width for line in (title, doing, budget, advice))
    assert all("●" not in line for line in after)
    assert after[-1] == "go on with `pitboss grind --resume rid`"
    assert "\x1b[?25l" not in tty.raw
    assert "\x1b[2J" not in tty.raw


def test_on_a_terminal_a_run_says_that_it_waits_for_workers_for_as_long_as_it_does(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    env = project.env | {"PYTHONPATH": str(ROOT)}
    driver = DRIVER.replace("live_events()", "awaited_events()").replace("live_events", "awaited_events")
    with Terminal([sys.executable, "-c", driver], 100, project.root, env) as tty:
        wait_until(lambda: tty.shows("waiting for a worker: none is connected"))
        assert tty.process.stdin is not None
        tty.process.stdin.write(b"go\n")
        tty.process.stdin.close()
        wait_until(tty.ended)
        assert not tty.shows("waiting for a worker")


def test_a_real_run_on_a_terminal_ends_with_its_sessions_on_the_screen(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.prompt("alpha", "true", max_runs=2)
    argv = [sys.executable, "-m", "pitboss", "grind"]
    with Terminal(argv, 100, project.root, project.env) as tty:
        wait_until(tty.ended)
        lines = tty.screen.lines()

    assert tty.process.returncode == 0
    assert [line.split()[:3] for line in lines if line.startswith("session-")] == [
        ["session-0001", "ok", "alpha"],
        ["session-0002", "ok", "alpha"],
    ]
    (end,) = (n for n, line in enumerate(lines) if line.endswith(" finished: every prompt has had its runs"))
    assert lines[end + 1] == "2 sessions"
    assert any(line.startswith("report: ") for line in lines[end:])
