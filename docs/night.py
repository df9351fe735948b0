"""A short night for pictures: a repository, four prompts, and an agent that talks like Claude Code and does as told.

Nothing here is drawn: the run is a real one, of `pitboss grind`, in a folder of its own.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PITBOSS = (sys.executable, "-m", "pitboss")
PATIENCE_S = 120.0

AGENT = '''\
#!{python} -IS
"""Plays one agent: what it does depends on its task, and on how often that task came before."""
import json, os, pathlib, sys, time

def say(value):
    print(json.dumps(value), flush=True)

def work(*steps, tokens=18000):
    for number, step in enumerate(steps):
        content = [{{"type": "text", "text": step[0]}}]
        if len(step) == 3:
            content = [{{"type": "tool_use", "id": f"t{{number}}", "name": step[0], "input": {{step[1]: step[2]}}}}]
        usage = {{"input_tokens": tokens, "output_tokens": 900}}
        say({{"type": "assistant", "session_id": "s", "message":
            {{"id": f"m{{number}}", "model": "claude-opus-4-5", "content": content, "usage": usage}}}})
        time.sleep(0.4)

def window(used, status="allowed", resets=9000):
    at = int(time.time()) + resets
    say({{"type": "rate_limit_event", "rate_limit_info": {{"status": status, "rateLimitType": "five_hour",
        "resetsAt": at, "unifiedWindows": {{"five_hour": {{"utilization": used, "resetsAt": at, "status": status}},
        "seven_day": {{"utilization": 0.34, "resetsAt": at + 300000, "status": "allowed"}}}}}}}})

def end(words, cost, error=False, **more):
    say({{"type": "result", "subtype": "success", "is_error": error, "result": words, "session_id": "s",
        "total_cost_usd": cost, "usage": {{"input_tokens": 54000, "output_tokens": 2700}}, **more}})
    sys.exit(int(error))

asked = sys.stdin.read()
task = next(name for name in ("ADD-TESTS", "TIDY", "CHANGELOG", "TASK") if name in asked)
folder = pathlib.Path({counts!r})
nth = 1
while True:
    try:
        (folder / f"{{task}}-{{nth}}").touch(exist_ok=False)
        break
    except FileExistsError:
        nth += 1
summary = pathlib.Path(os.environ["PITBOSS_SUMMARY_FILE"])
say({{"type": "system", "subtype": "init", "session_id": "s", "model": "claude-opus-4-5"}})
window(0.41 + 0.09 * nth)
{deeds}
'''
DEEDS = '''
if task == "ADD-TESTS" and nth == 1:
    work(("I will look at what has no tests yet.",), ("Read", "file_path", "calc/sums.py"),
         ("Write", "file_path", "tests/test_sums.py"), ("Bash", "command", "python -m unittest -q"))
    pathlib.Path("tests").mkdir(exist_ok=True)
    pathlib.Path("tests/test_sums.py").write_text("""import unittest

from calc.sums import add, subtract


class Sums(unittest.TestCase):
    def test_add(self):
        self.assertEqual(add(2, 3), 5)

    def test_subtract(self):
        self.assertEqual(subtract(2, 3), -1)
""")
    summary.write_text("Tested calc.sums: both functions, and a negative result.\\n")
    end("Tested calc.sums.", 0.42)
if task == "ADD-TESTS" and nth == 2:
    work(("Read", "file_path", "calc/shares.py"), ("Write", "file_path", "tests/test_shares.py"))
    pathlib.Path("tests").mkdir(exist_ok=True)
    pathlib.Path("tests/test_shares.py").write_text("""import unittest

from calc.shares import percent


class Shares(unittest.TestCase):
    def test_a_quarter_is_25_percent(self):
        self.assertEqual(percent(1, 4), 25)
""")
    summary.write_text("Tested calc.shares: a quarter should be 25 percent.\\n")
    end("Tested calc.shares.", 0.38)
if task == "TIDY" and nth == 1:
    work(("Grep", "pattern", "[ \\t]+$"), ("Edit", "file_path", "calc/shares.py"))
    path = pathlib.Path("calc/shares.py")
    path.write_text("\\n".join(line.expandtabs(4).rstrip() for line in path.read_text().splitlines()) + "\\n")
    summary.write_text("Replaced tabs and trailing blanks in calc/shares.py.\\n")
    end("Tidied.", 0.11)
if task == "TIDY" and nth == 2:
    work(("Edit", "file_path", "calc/sums.py"),)
    pathlib.Path("calc/sums.py").write_text("# TODO\\n")
    end("I ran out of ideas half way.", 0.09, error=True)
if task == "CHANGELOG" and nth == 1:
    work(("Bash", "command", "git log --oneline -20"), ("Edit", "file_path", "CHANGELOG.md"))
    path = pathlib.Path("CHANGELOG.md")
    news = "# Changelog\\n\\n## Unreleased\\n\\n- Tests for calc.sums\\n"
    path.write_text(news + path.read_text()[len("# Changelog\\n"):])
    summary.write_text("Listed what has landed so far under Unreleased.\\n")
    end("Updated the changelog.", 0.07)
if task == "TIDY" or nth > 3:
    window(1, "rejected", 5400)
    end("You have hit your 5-hour limit", 0.0, error=True, api_error_status=429, api_error="usage_limit_reached")
(folder / f"{task}-holds").touch()
work(("I start with the edge cases: empty lists, one element, negative numbers.",),
     ("Read", "file_path", "calc/sums.py"), ("Bash", "command", "python -m unittest tests.test_sums -v"), tokens=31000)
while True:
    time.sleep(0.2)
'''
CONFIG = """\
[agent]
backend = "claude_code"

[agent.claude_code]
binary = "{binary}"
permission_mode = "acceptEdits"

[tests]
command = "{python} -m unittest discover -q -s tests"

[retries]
fixer_max_attempts = 0

[grind]
max_parallel = 3
"""
PROMPTS = {
    "add-tests": ("Test a module that has no tests.", "weight: 2\nverify: true\n"),
    "tidy": ("Tidy one file.", ""),
    "changelog": ("Bring CHANGELOG.md up to date.", ""),
}
HOLDING = ("ADD-TESTS-holds", "CHANGELOG-holds")


class Night:
    """The repository of that night."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "calc"
        self._counts = folder / "counts"
        kept = {name: os.environ[name] for name in ("PATH", "VIRTUAL_ENV") if name in os.environ}
        own = {"HOME": str(folder), "LANG": "C.UTF-8", "IS_SANDBOX": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        self._env = {**kept, **own, "ANTHROPIC_API_KEY": "for-nobody"}
        self._make()

    def _make(self) -> None:
        demo = Path(__file__).parents[1] / "src" / "pitboss" / "demo" / "repository"
        for file in demo.rglob("*.txt"):
            self._write(str(file.relative_to(demo)).removesuffix(".txt"), file.read_text(encoding="utf-8"))
        self._write(".gitignore", ".pitboss/\n__pycache__/\n")
        self._counts.mkdir()
        binary = self._write(
            ".pitboss/claude", AGENT.format(python=sys.executable, counts=str(self._counts), deeds=DEEDS)
        )
        binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
        self._write(".pitboss/config.toml", CONFIG.format(binary=binary, python=sys.executable))
        for name, (description, more) in PROMPTS.items():
            text = f"---\nname: {name}\ndescription: {description}\nparallel_safe: true\n{more}---\n{name.upper()}\n"
            self._write(f".pitboss/grind/prompts/{name}.md", text)
        self._git("init", "-q", "-b", "main")
        self._git("add", "-A")
        self._git("-c", "user.name=you", "-c", "user.email=you@local", "commit", "-q", "-m", "A calculator")

    def _write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def _git(self, *args: str) -> None:
        subprocess.run(["git", *args], cwd=self.root, env=self._env, check=True)

    def pitboss(self, *args: str) -> None:
        """Run a command to its end, whatever its exit code."""
        subprocess.run([*PITBOSS, *args], cwd=self.root, env=self._env, check=False, capture_output=True)

    @contextmanager
    def grinding(self) -> Iterator[None]:
        """A run that goes on while this is open; it is stopped at the end."""
        caps = ("--max-iterations", "40", "--max-cost", "20", "--until", "8h")
        process = subprocess.Popen(
            [*PITBOSS, "grind", *caps],
            cwd=self.root,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
        finally:
            self.pitboss("stop", "--now")
            process.communicate(timeout=PATIENCE_S)

    def wait(self) -> None:
        """Wait until the sessions that stay in flight are there, and one waits for its limit."""
        wait_until(lambda: all((self._counts / name).exists() for name in HOLDING))
        wait_until(lambda: any(flight.get("waits_until") for flight in self._flights()))

    def _flights(self) -> list[dict[str, object]]:
        (file,) = (self.root / ".pitboss/grind/runs").glob("*/state.json")
        flights: list[dict[str, object]] = json.loads(file.read_text(encoding="utf-8"))["in_flight"]
        return flights

    @property
    def run_id(self) -> str:
        """The one run there is."""
        (folder,) = (path.parent for path in (self.root / ".pitboss/grind/runs").glob("*/state.json"))
        return folder.name


def wait_until(done: Callable[[], bool]) -> None:
    """Wait for a condition. Raises TimeoutError."""
    give_up = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > give_up:
            raise TimeoutError("the night did not go as planned")
        time.sleep(0.1)
