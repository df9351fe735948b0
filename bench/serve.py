"""How long `pitboss serve` takes to its first page, against a bare starlette app that says hello (SPEC 10)."""

from __future__ import annotations

import http.client
import os
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.figures import Figure
from bench.measure import PITBOSS, PYTHON, interleave, median, say
from bench.repositories import CHANGES_NOTHING, make_repository
from bench.startup import add_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ROUNDS = 21
RUNS = 20
LIMIT = 1.3
PATIENCE_S = 30.0
HELLO = """\
import socket
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

async def hello(request):
    return HTMLResponse("<p>hello</p>")

listening = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
config = uvicorn.Config(Starlette(routes=[Route("/", hello)]), log_level="critical")
uvicorn.Server(config).run(sockets=[listening])
"""


def measure(scratch: Path) -> list[Figure]:
    """Start both in turn; each says its address, and is asked for its first page."""
    say(f"first page of `pitboss serve`: {ROUNDS} rounds")
    repository = make_repository(scratch / "serve", files=10, agent=CHANGES_NOTHING)
    add_runs(repository, RUNS)
    cases: dict[str, Callable[[], float]] = {
        "bare": lambda: first_answer([PYTHON, "-c", HELLO], repository),
        "serve": lambda: first_answer([PITBOSS, "serve"], repository),
    }
    for case in cases.values():
        case()  # compiles what would be compiled in an installation
    taken = interleave(cases, ROUNDS)
    bare, served = (median(taken[name]) for name in ("bare", "serve"))
    return [
        Figure("a bare starlette app: to its first 200", bare * 1000, "ms"),
        Figure(
            f"pitboss serve, {RUNS} runs: to its first 200 / a bare starlette app", served / bare, "x", LIMIT
        ),
    ]


def first_answer(argv: Sequence[str], cwd: Path) -> float:
    """Seconds from the start of a server, which says its address first, to its first page. Raises RuntimeError."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    began = time.perf_counter()
    with subprocess.Popen(
        argv, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            url = urlsplit(process.stdout.readline().decode().strip())
            connection = http.client.HTTPConnection("127.0.0.1", url.port or 0, timeout=PATIENCE_S)
            with closing(connection):
                connection.request("GET", f"{url.path}?{url.query}")
                answer = connection.getresponse()
                answer.read()
                seconds = time.perf_counter() - began
            if answer.status != http.HTTPStatus.OK:
                raise RuntimeError(f"{' '.join(argv)} answered {answer.status}")
            return seconds
        finally:
            process.kill()
