"""Where commands of pitboss are forked from: loading Python and all modules takes half of a short command's time.

A nursery is a process of its own, not below the test, that has loaded what `pitboss grind` loads and done nothing with
it. For each command it forks a process, which gets its directory, environment, limits and streams and then enters
`main` as `python -m pitboss` does. What Python reads when it starts is the nursery's: whoever gives a command such
variables, or wants to signal it, starts it anew (`tests.support.cli`).
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LIMITS = [number for name, number in vars(resource).items() if name.startswith("RLIMIT_")]
LOADED_WHEN_USED = (
    *("pitboss.__main__", "pitboss.agents.acp.", "pitboss.workers."),
    *("pitboss.screens.notify.", "pitboss.screens.tui.", "pitboss.screens.web."),
)
"""What a night without workers and without a browser never loads, and the libraries that it needs."""

DIGITS = 16
"""How long a number is on the line."""

_idle: list[Nursery] = []


class Command(NamedTuple):
    """What is to be run: where, and in which environment."""

    args: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]


class Nursery:
    """The test's end of one; it runs a command at a time, and ends with this process."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            self._starter = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env=env,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # as for commands: Python looks at its streams once
                stderr=subprocess.STDOUT,
            )
            self._starter.wait()

    def run(self, command: Command, patience_s: float) -> tuple[int, bytes, bytes]:
        """Run a command to its end, as `subprocess.run` would: its exit code, and what it printed."""
        deadline = time.monotonic() + patience_s
        out, its_out = os.pipe()
        err, its_err = os.pipe()
        with open(out, "rb", 0) as output, open(err, "rb", 0) as errors:  # noqa: PTH123 - descriptors
            try:
                request = _request(command)
                socket.send_fds(self._line, [_number(len(request)), request], [its_out, its_err])
            finally:
                os.close(its_out)
                os.close(its_err)
            pid = self._answer(deadline)
            try:
                printed = _read({output: bytearray(), errors: bytearray()}, deadline)
                code = self._answer(deadline)
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                raise
        return code, bytes(printed[output]), bytes(printed[errors])

    def close(self) -> None:
        """Let it end."""
        self._line.close()
        if self._starter.stdout:
            self._starter.stdout.close()

    def _answer(self, deadline: float) -> int:
        self._line.settimeout(max(0.001, deadline - time.monotonic()))
        answer = self._line.recv(DIGITS)
        if not answer:
            raise ConnectionError(f"the nursery is gone: {self._starter.communicate()}")
        return int(answer)


def run(command: Command, started_with: Mapping[str, str], patience_s: float) -> tuple[int, bytes, bytes]:
    """Run a command in a nursery that nobody uses just now, or in a new one."""
    nursery = _idle.pop() if _idle else Nursery(started_with)
    try:
        done = nursery.run(command, patience_s)
    except BaseException:
        nursery.close()
        raise
    _idle.append(nursery)
    return done


def _request(command: Command) -> bytes:
    umask = os.umask(0)
    os.umask(umask)
    limits = [(number, *resource.getrlimit(number)) for number in LIMITS]
    return json.dumps([command.args, str(command.cwd), dict(command.env), umask, limits]).encode()


def _number(number: int) -> bytes:
    return b"%*d" % (DIGITS, number)


def _read(streams: dict[Any, bytearray], deadline: float) -> dict[Any, bytearray]:
    """Read all streams to their ends."""
    with selectors.DefaultSelector() as waiting:
        for stream in streams:
            waiting.register(stream, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(deadline - time.monotonic())
            if not ready:
                raise TimeoutError("a command does not end")
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                streams[key.fileobj] += chunk
                if not chunk:
                    waiting.unregister(key.fileobj)
    return streams


# In the nursery, which knows nothing of the tests


def _serve(line: socket.socket) -> None:
    from pitboss.cli.main import main

    while True:
        length, descriptors, _, _ = socket.recv_fds(line, DIGITS, 2)
        if not length:
            return
        asked = b""
        while len(asked) < int(length):
            asked += line.recv(int(length) - len(asked))
        pid = os.fork()
        if pid == 0:
            line.close()
            _become(descriptors, *json.loads(asked))
            main()
        for descriptor in descriptors:
            os.close(descriptor)
        line.send(_number(pid))
        line.send(_number(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))


def _become(
    descriptors: list[int],
    args: list[str],
    cwd: str,
    env: dict[str, str],
    umask: int,
    limits: list[list[int]],
) -> None:
    for descriptor, stream in zip(descriptors, (1, 2), strict=True):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    os.umask(umask)
    for number, *both in limits:
        if resource.getrlimit(number) != tuple(both):
            resource.setrlimit(number, (both[0], both[1]))
    sys.argv[1:] = args


def _load() -> None:
    """Load what commands load, in the way `main` begins with."""
    import gc
    import pkgutil
    from importlib import import_module

    from pitboss.cli import main

    main._load_lean()
    for name in _modules(pkgutil.walk_packages(sys.modules["pitboss"].__path__, "pitboss.")):
        import_module(name)
    gc.freeze()


def _modules(found: Iterator[Any]) -> Iterator[str]:
    return (module.name for module in found if not module.name.startswith(LOADED_WHEN_USED))


if __name__ == "__main__":
    del sys.path[0]  # tests.support
    if os.fork() == 0:
        _load()
        _serve(socket.socket(fileno=int(sys.argv[1])))
