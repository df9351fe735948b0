"""What viewers cost a run: with two `pitboss watch` and twenty clients of `pitboss serve`, against nobody (SPEC 9, 10).

The viewers are there before the run begins, and turn to it when it appears, so that their start is not measured.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import stat
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.figures import Figure
from bench.measure import PITBOSS, interleave, median, say, time_child
from bench.outlets import AGENT, BUDGET_STOP, CONFIG
from bench.repositories import SHARED, grind, make_repository
from bench.watch import on_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SESSIONS = 32
SLOTS = 16
SECONDS = 3
STEPS_A_SECOND = 4
TERMINALS = 2
CLIENTS = 20
PAIRS = 9
LIMIT = 1.05
PATIENCE_S = 60.0
SETTLED_S = 2.0
"""How long viewers have to start before the run does."""

_RUN = re.compile(rb"runs/(\d{8}T\d{6}Z-[0-9a-f]{4})")


def measure(scratch: Path) -> list[Figure]:
    """The wall time of the same run, in turn with and without viewers."""
    say(
        f"{SESSIONS} sessions in {SLOTS} slots, with {TERMINALS} terminals and {CLIENTS} clients: {PAIRS} pairs"
    )
    numbers = iter(range(10**6))
    heard: list[int] = []

    def run(*, watched: bool) -> float:
        repository = _repository(scratch / f"run-{next(numbers)}")
        with contextlib.ExitStack() as viewers:
            if watched:
                viewers.enter_context(_viewers(repository, heard))
            options = ("--max-iterations", str(SESSIONS), "--max-parallel", str(SLOTS))
            return time_child(grind(*options), repository, expect=BUDGET_STOP).seconds

    cases: dict[str, Callable[[], float]] = {
        "watched": lambda: run(watched=True),
        "alone": lambda: run(watched=False),
    }
    taken = interleave(cases, PAIRS)
    if len(heard) < PAIRS * CLIENTS:
        raise RuntimeError("not every client saw the run")
    ratios = [watched / alone for watched, alone in zip(taken["watched"], taken["alone"], strict=True)]
    return [
        Figure(f"{SESSIONS} sessions in {SLOTS} slots, nobody looks", median(taken["alone"]), "s"),
        Figure(f"with {TERMINALS} terminals and {CLIENTS} web clients / without", median(ratios), "x", LIMIT),
    ]


def _repository(place: Path) -> Path:
    repository = make_repository(place, files=100, agent="", prompt=SHARED)
    binary = repository / ".pitboss" / "claude"
    text = AGENT.format(python=sys.executable, steps=STEPS_A_SECOND, seconds=SECONDS)
    binary.write_text(text, encoding="utf-8")
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    config = CONFIG.format(binary=binary)
    (repository / ".pitboss" / "config.toml").write_text(config, encoding="utf-8")
    return repository


@contextlib.contextmanager
def _viewers(repository: Path, heard: list[int]) -> Iterator[None]:
    """Terminals and clients that wait for a run; `heard` gets how many bytes each client was sent of it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with contextlib.ExitStack() as stack:
        argv, quiet = [PITBOSS, "serve"], subprocess.DEVNULL
        server = stack.enter_context(
            subprocess.Popen(argv, cwd=repository, env=env, stdout=subprocess.PIPE, stderr=quiet)
        )
        stack.callback(server.kill)
        address = server.stdout.readline().decode().strip() if server.stdout else ""
        terminals = [
            stack.enter_context(on_terminal([PITBOSS, "watch"], repository)) for _ in range(TERMINALS)
        ]
        clients = [threading.Thread(target=_client, args=(address, heard)) for _ in range(CLIENTS)]
        readers = [threading.Thread(target=_reader, args=(each, repository)) for each in terminals]
        for thread in (*clients, *readers):
            thread.start()
        time.sleep(SETTLED_S)
        yield
        server.kill()
        for client in clients:
            client.join(PATIENCE_S)


def _client(address: str, heard: list[int]) -> None:
    """Waits on the list for a run, then follows its page to the end of the server."""
    run = next(iter(_found(_stream(address, "/events"))), None)
    if run is not None:
        heard.append(sum(map(len, _stream(address, f"/runs/{run}/events"))))


def _found(lines: Iterator[bytes]) -> Iterator[str]:
    return (match[1].decode() for line in lines if (match := _RUN.search(line)))


def _stream(address: str, path: str) -> Iterator[bytes]:
    url = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", url.port or 0, timeout=PATIENCE_S)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", f"{path}?{url.query}")
        answer = connection.getresponse()
        while line := answer.readline():
            yield line


def _reader(terminal: int, repository: Path) -> None:
    """Opens the run when it is there, and reads what is drawn until the program is gone."""
    runs, opened = repository / ".pitboss" / "grind" / "runs", False
    with contextlib.suppress(OSError):
        while os.read(terminal, 1 << 16):
            if not opened and any(runs.glob("*/state.json")):
                opened = True
                os.write(terminal, b"\r")
