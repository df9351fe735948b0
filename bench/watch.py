"""How long `pitboss watch` takes to its first screen, against a bare textual program that shows one table (SPEC 10)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.measure import PITBOSS, PYTHON, interleave, median, say
from bench.repositories import CHANGES_A_FILE, grind, make_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

ROUNDS = 21
SESSIONS = 20
BUDGET_STOP = 3
LIMIT = 1.5
PATIENCE_S = 30.0
ROW = "the-only-row"
BARE = f"""\
from textual.app import App
from textual.widgets import DataTable


class Bare(App):
    def compose(self):
        yield DataTable()

    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns("what", "how")
        table.add_row("{ROW}", "ok")


Bare().run()
"""


def measure(scratch: Path) -> list[Figure]:
    """Start both in turn, each in a terminal of its own, until the text that matters is there."""
    say(f"watch: a run of {SESSIONS} sessions, {ROUNDS} rounds")
    repository = make_repository(scratch / "watched", files=10, agent=CHANGES_A_FILE)
    done = subprocess.run(
        grind("--max-iterations", str(SESSIONS)), cwd=repository, check=False, capture_output=True
    )
    if done.returncode != BUDGET_STOP:
        raise RuntimeError(f"grind exited with {done.returncode}: {done.stderr.decode()[-2000:]}")
    cases: dict[str, Callable[[], float]] = {
        "bare": lambda: first_screen([PYTHON, "-c", BARE], repository, ROW),
        "watch": lambda: first_screen([PITBOSS, "watch"], repository, f"{SESSIONS} sessions"),
    }
    for case in cases.values():
        case()  # compiles what would be compiled in an installation
    taken = interleave(cases, ROUNDS)
    bare, watch = median(taken["bare"]), median(taken["watch"])
    return [
        Figure("a bare textual program: first screen", bare, "s"),
        Figure("pitboss watch: first screen", watch / bare, "x", LIMIT),
    ]


def first_screen(argv: Sequence[str], cwd: Path, text: str) -> float:
    """Seconds until a program has drawn `text` on its terminal; it is killed then. Raises RuntimeError."""
    started = time.perf_counter()
    with on_terminal(argv, cwd) as terminal:
        _wait_for(terminal, text.encode())
        return time.perf_counter() - started


@contextlib.contextmanager
def on_terminal(argv: Sequence[str], cwd: Path) -> Iterator[int]:
    """A program on a terminal of its own, 80x24, which is killed at the end; what is on our side of the terminal."""
    terminal, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    program = subprocess.Popen(
        argv,
        cwd=cwd,
        env={**env, "TERM": "xterm-256color"},
        stdin=side,
        stdout=side,
        stderr=side,
        start_new_session=True,
    )
    os.close(side)
    try:
        yield terminal
    finally:
        program.kill()
        program.wait()
        os.close(terminal)


def _wait_for(terminal: int, text: bytes) -> None:
    seen = b""
    give_up = time.monotonic() + PATIENCE_S
    while text not in seen:
        if time.monotonic() > give_up or not select.select([terminal], [], [], PATIENCE_S)[0]:
            raise RuntimeError(f"{text!r} never appeared: {seen[-2000:]!r}")
        seen += os.read(terminal, 1 << 16)
