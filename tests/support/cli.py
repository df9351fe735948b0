"""Drives the real command line on real git repositories, apart from the settings of whoever runs the tests."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support import nursery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

COMMAND = (sys.executable, "-m", "pitboss")
READ_BY_PYTHON = ("LANG", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV")
READ_BY_PITBOSS = ("PATH", "HOME", "IS_SANDBOX", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL")
PATIENCE_S = 120.0
"""How long anything may take on a busy machine; only a test that fails waits for so long."""


class Done(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, read as one JSON document; it must have succeeded."""
        assert self.code == 0, self
        return json.loads(self.out)


class Project:
    """A git repository with one commit, and the environment its commands run in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        home = root.parent / f"{root.name}-home"
        home.mkdir()
        kept = {"PATH", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV", "COVERAGE_PROCESS_CONFIG"}
        self.env = {name: value for name, value in os.environ.items() if name in kept} | {
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "IS_SANDBOX": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
        }

    @classmethod
    def create(cls, root: Path) -> Project:
        """Make the repository: one commit on `main`, `.pitboss` ignored, `shell` the configured agent."""
        root.mkdir()
        project = cls(root)
        project.git("init", "-q", "-b", "main")
        project.write(".gitignore", ".pitboss/\n")
        project.write("README.md", "# Project\n")
        project.write(".pitboss/config.toml", '[agent]\nbackend = "shell"\n')
        project.commit("First")
        return project

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project, with the folders it needs."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def prompt(self, name: str, script: str, **meta: object) -> None:
        """Write a prompt for the `shell` agent."""
        front = "".join(f"{key}: {json.dumps(value)}\n" for key, value in meta.items())
        body = f"---\nname: {name}\ndescription: test\n{front}---\n```sh\n{script}\n```\n"
        self.write(f".pitboss/grind/prompts/{name}.md", body)

    def git(self, *args: str) -> str:
        """Run git and return what it printed."""
        done = subprocess.run(["git", *args], cwd=self.root, env=self.env, capture_output=True, check=True)
        return done.stdout.decode()

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "-A")
        self.git("-c", "user.name=t", "-c", "user.email=t@local", "commit", "-q", "-m", message)

    def pitboss(self, *args: str, cwd: Path | None = None, **env: str) -> Done:
        """Run one command to its end; it is forked where Python is loaded, if it needs no Python of its own."""
        env = self.env | env
        kept = nursery_env(env)
        if kept is not None:
            code, out, err = nursery.run(nursery.Command(args, cwd or self.root, env), kept, PATIENCE_S)
            return Done(code, out.decode(), err.decode())
        done = subprocess.run(
            [*COMMAND, *args],
            cwd=cwd or self.root,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    @contextlib.contextmanager
    def started(self, *args: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run one command beside the test; it is ended with the test, however that goes."""
        with subprocess.Popen(
            [*COMMAND, *args],
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def nursery_env(env: Mapping[str, str]) -> dict[str, str] | None:
    """What a nursery for commands with this environment starts with; None if they must start by themselves."""
    if env.keys() - {*READ_BY_PYTHON, *READ_BY_PITBOSS}:
        return None  # also where coverage is measured: there every command is a process of its own
    started_with = {name: value for name, value in os.environ.items() if name in READ_BY_PYTHON} | {
        "LANG": "C.UTF-8"
    }
    return started_with if all(env.get(name) == started_with.get(name) for name in READ_BY_PYTHON) else None


def finish(process: subprocess.Popen[bytes]) -> Done:
    """Wait for a started command to end by itself."""
    out, err = process.communicate(timeout=PATIENCE_S)
    return Done(process.returncode, out.decode(), err.decode())


def wait_until(what: Callable[[], object]) -> None:
    """Wait for a condition; fail when it does not come true."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
