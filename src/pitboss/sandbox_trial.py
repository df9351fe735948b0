"""Tries the sandbox before anything depends on it: what works inside it, and what it stops (SPEC 8, 13).

A small script of git's and the shell's commits in a scratch repository, writes into the home directory, reads `~/.ssh`
and connects to a port of ours. What came of it is seen from outside. Nothing of the user's repository runs, except the
wrapper of `mode = "command"`: whoever calls this has asked `trust` first.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from pitboss.core.config import SandboxMode, SandboxSettings
from pitboss.core.embed import one_line
from pitboss.core.sandbox.fence import BWRAP
from pitboss.core.sandbox.ground import GitGround
from pitboss.core.sandbox.seen import Seen
from pitboss.git.scratch import make_repository, scratch
from pitboss.process import capture
from pitboss.process.command import Command
from pitboss.process.confine import confine
from pitboss.process.fencing import fence_around, ground_here, program_folders
from pitboss.process.holding import refused_sandbox
from pitboss.process.search import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pitboss.core.sandbox.fence import Fence

PATIENCE_S = 60.0
_SCRIPT = """\
git -c user.name=pitboss -c user.email=pitboss@local commit --quiet --allow-empty -m Inside && echo committed
(: >"$HOME/$PITBOSS_PROBE_FILE") 2>/dev/null
for file in "$HOME"/.ssh/*; do head -c 1 "$file" >/dev/null 2>&1 && echo read; done
git ls-remote "git://127.0.0.1:$PITBOSS_PROBE_PORT/probe" >/dev/null 2>&1
"""


def try_sandbox(settings: SandboxSettings, environ: Mapping[str, str]) -> Seen:
    """Try the sandbox that these settings, which are not "off", ask for. Raises StartError without git."""
    if refused := refused_sandbox(settings, environ):
        return Seen(settings=settings, name=BWRAP, refused=refused)
    if settings.mode is SandboxMode.COMMAND:
        return _tried(settings, settings.command[0], environ)
    return _tried(settings, _version(find_program(BWRAP, program_folders(environ)) or BWRAP), environ)


def _tried(settings: SandboxSettings, name: str, environ: Mapping[str, str]) -> Seen:
    home = environ.get("HOME") or str(Path.home())
    with scratch() as folder, _listening() as (port, connections):
        tree = str(make_repository(folder))
        planted = Path(home, f".pitboss-probe-{token_hex(8)}")
        own = {"PITBOSS_PROBE_FILE": planted.name, "PITBOSS_PROBE_PORT": str(port)}
        env = {**environ, **own, "HOME": home, "GIT_CONFIG_GLOBAL": os.devnull}
        command = Command(argv=("sh", "-c", _SCRIPT), cwd=tree, fence=_fence(settings, tree, env))
        done = capture(confine(command).argv, cwd=tree, env=env, timeout_s=PATIENCE_S)
        words = done.stdout.split()
        wrote = _removed(planted)
        committed = b"committed" in words and len(_log(tree)) > 1
    return Seen(
        settings=settings,
        name=name,
        committed=committed,
        wrote=wrote,
        keys=_has_keys(home),
        read=b"read" in words,
        connected=bool(connections),
    )


def _fence(settings: SandboxSettings, tree: str, env: Mapping[str, str]) -> Fence | None:
    git = f"{tree}/.git"
    ground = ground_here(tree, GitGround(own=git, common=git, branch="main"), env, env)
    return fence_around(settings, ground, env, session=tree)


def _log(tree: str) -> list[bytes]:
    """The repository's commits, asked outside."""
    return capture(["git", "rev-list", "HEAD"], cwd=tree, timeout_s=PATIENCE_S).stdout.split()


def _version(program: str) -> str:
    """What bubblewrap calls itself."""
    said = capture([program, "--version"], cwd="/", timeout_s=PATIENCE_S).stdout.decode("utf-8", "replace")
    return one_line(said.strip(), 80) or program


def _removed(planted: Path) -> bool:
    """Remove what was written outside; returns whether it was there."""
    try:
        planted.unlink()
    except OSError:
        return False
    return True


def _has_keys(home: str) -> bool:
    """Whether there is a file in `~/.ssh` that we could read ourselves."""
    with suppress(OSError):
        return any(path.is_file() and os.access(path, os.R_OK) for path in Path(home, ".ssh").iterdir())
    return False


@contextmanager
def _listening() -> Iterator[tuple[int, list[object]]]:
    """A port of ours on loopback, and the list that each connection to it joins."""
    connections: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, address = server.accept()
                    connections.append(address)
                    client.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], connections
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
    thread.join()
