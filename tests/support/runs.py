"""Runs of `pitboss grind` beside a test: started, signalled, held at a gate, and read back from what they left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from pitboss import proctree
from tests.support.cli import COMMAND, PATIENCE_S, Done, Project, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOT_TOLD = ("run_id", "started_at", "ended_at", "transcript_path", "commit", "rescue")
"""What differs from run to run; `facts` leaves it out."""


def kill_both(guardian: int, runner: int) -> None:
    """Kill a run's processes as one: a runner that hears of its guardian's end first would stop in good order."""
    os.kill(runner, signal.SIGSTOP)
    for pid in (guardian, runner):
        os.kill(pid, signal.SIGKILL)


class Run:
    """One run of a project, as its files and its branch tell it."""

    def __init__(self, project: Project, run_id: str) -> None:
        self.project = project
        self.run_id = run_id
        self.folder = project.root / ".pitboss/grind/runs" / run_id
        self.branch = f"pitboss/grind/{run_id}"

    @property
    def state(self) -> dict[str, Any]:
        """state.json."""
        state: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return state

    @property
    def records(self) -> list[dict[str, Any]]:
        """sessions.jsonl, without a line that is just being written."""
        lines = (self.folder / "sessions.jsonl").read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def record(self, prompt: str) -> dict[str, Any]:
        """The record of the one session that worked on `prompt`."""
        (record,) = (record for record in self.records if record["prompt"] == prompt)
        return record

    def ending(self) -> tuple[str, str | None]:
        """How the run ended: its status and in which words."""
        state = self.state
        return state["status"], state.get("stop_reason")

    def sequence(self) -> list[tuple[int, str, int]]:
        """What was dispatched: seq, prompt and rotation of each session."""
        return [(r["seq"], r["prompt"], r["rotation"]) for r in self.records]

    def files(self, revision: str) -> dict[str, str]:
        """What a commit or ref holds beyond the first commit of the project, by path."""
        paths = self.project.git("diff", "--name-only", "--diff-filter=AM", "main", revision).splitlines()
        return {path: self.project.git("show", f"{revision}:{path}") for path in paths}

    def rescued(self, prompt: str) -> dict[str, str]:
        """What the session's rescue refs hold between them, by path."""
        refs = self.record(prompt).get("rescue", [])
        return {path: text for ref in refs for path, text in self.files(ref).items()}


def the_run(project: Project) -> Run:
    """The one run there is."""
    (state,) = (project.root / ".pitboss/grind/runs").glob("*/state.json")
    return Run(project, state.parent.name)


def facts(record: dict[str, Any]) -> dict[str, Any]:
    """What a record says, apart from what differs from run to run."""
    return {name: value for name, value in record.items() if name not in NOT_TOLD}


def verdict(record: dict[str, Any]) -> tuple[str, str | None, bool, int]:
    """Status, reason, whether something landed, and how many rescue refs there are."""
    return record["status"], record.get("reason"), record["commit"] is not None, len(record.get("rescue", []))


def configure(project: Project, *, grind: str = "", more: str = "", agent: str = "shell") -> None:
    """Write config.toml: the backend, the keys of `[grind]`, then `more` tables."""
    text = f'[agent]\nbackend = "{agent}"\n[grind]\nconsecutive_failure_limit = 0\n{grind}\n{more}\n'
    project.write(".pitboss/config.toml", text)


def instruct(project: Project, name: str, body: str = "Do it.", /, **meta: object) -> None:
    """Write a prompt for an agent that reads it."""
    front = "".join(f"{key}: {json.dumps(value)}\n" for key, value in meta.items())
    text = f"---\nname: {name}\ndescription: test\n{front}---\n{body}\n"
    project.write(f".pitboss/grind/prompts/{name}.md", text)


class Gate:
    """A place in a script where it waits for the test, though not for ever."""

    def __init__(self, folder: Path, looks: int = 3000) -> None:
        """A script that waits looks so many times whether it may go on, fifty times a second."""
        folder.mkdir()
        self._reached = folder / "reached"
        self._opened = folder / "opened"
        waits = f"for _ in $(seq {looks}); do [ ! -e {self._opened} ] || break; sleep 0.02; done"
        self.script = f": >{self._reached}; {waits}"

    def wait(self) -> None:
        """Wait until a script has come to the gate."""
        wait_until(self._reached.exists)

    def open(self) -> None:
        """Let whoever waits, or will come, go on."""
        self._opened.touch()


class Live:
    """A `pitboss grind` that goes on beside the test."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.process = process
        self._out = out
        self._err = err

    @property
    def err(self) -> str:
        """What it has said on stderr so far."""
        return self._err.read_text()

    def wait_for(self, text: str) -> None:
        """Wait until it has said `text` on stderr."""
        wait_until(lambda: text in self.err)

    def runner(self) -> int:
        """The pid of the process that works, below the one that guards."""
        wait_until(lambda: proctree.children(self.process.pid) != [])
        return proctree.children(self.process.pid)[0]

    def send(self, signum: signal.Signals) -> None:
        """Signal the process the user knows of."""
        self.process.send_signal(signum)

    def kill(self) -> None:
        """Kill all of it, and wait until it is gone."""
        runner = self.runner()
        kill_both(self.process.pid, runner)
        self.process.wait(PATIENCE_S)
        wait_until(lambda: proctree.alive([runner]) == [])

    def ended(self) -> Done:
        """Wait for its end."""
        self.process.wait(PATIENCE_S)
        return Done(self.process.returncode, self._out.read_text(), self.err)


@contextlib.contextmanager
def grinding(project: Project, *args: str, stdout: int | None = None) -> Iterator[Live]:
    """Run `pitboss grind ARGS` beside the test; it is ended with the test, however that goes.

    What it prints is kept, unless it is to write its results to the descriptor `stdout`.
    """
    number = sum(1 for _ in project.root.parent.glob("*.stderr"))
    out, err = (project.root.parent / f"grind-{number}.{name}" for name in ("stdout", "stderr"))
    with out.open("wb") as results, err.open("wb") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "grind", *args],
            cwd=project.root,
            env=project.env,
            stdin=subprocess.DEVNULL,
            stdout=results if stdout is None else stdout,
            stderr=stderr,
            start_new_session=True,
        )
    live = Live(process, out, err)
    try:
        yield live
    finally:
        if process.poll() is None:
            runners = proctree.children(process.pid)
            process.kill()
            process.wait()
            wait_until(lambda: proctree.alive(runners) == [])  # alone, a runner aborts its session and ends


def ends(run: Run) -> list[tuple[str, str | None]]:
    """How each session of a run ended: its status and reason."""
    return [(record["status"], record.get("reason")) for record in run.records]


def billed(record: dict[str, Any]) -> tuple[int, int, float, bool]:
    """Tokens in and out, US dollars, and whether these are known, according to a record."""
    tokens = record["tokens"]
    return tokens["input"], tokens["output"], round(record["cost_usd"], 6), record.get("cost_known", True)
