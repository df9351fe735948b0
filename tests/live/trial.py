"""One `pitboss grind` over one CLI in one scenario: a home and a repository of its own, and what came of it."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import psutil

from pitboss.core.retry import LOGIN_PAUSE_S
from tests.live.clis import RETRIES
from tests.live.model import SLEEPER, Scenario

if TYPE_CHECKING:
    from tests.live.clis import Cli
    from tests.live.service import Guest, Service

STAYS_AWAY = (Scenario.OVERLOADED, Scenario.CUT, Scenario.CUT_CLEAN)

LONGEST_S = 600.0
TOOL_S = 60.0
"""How long an agent may take to start its tool."""

GONE_S = 5.0
"""SPEC 1.4: what may be left of a run, and for how long."""

CAP_USD = 0.02
"""Where what a session may cost is limited: about what five answers cost."""

PRICES = """
[budgets.pricing."{model}"]
input_per_million_usd = 1.0
output_per_million_usd = 5.0
"""

TOGETHER = 3
"""How many sessions share a HOME at the same time."""

MORE = {
    Scenario.TOGETHER: f'max_parallel = {TOGETHER}\nmode = "worktree"',
    Scenario.MAX_BUDGET: f"[grind.budgets]\nmax_cost_usd = {CAP_USD}\n[budgets]\nhard = true",
    Scenario.SANDBOX: '[sandbox]\nmode = "bwrap"',
}
"""What else is in config.toml."""

LONG_OUTAGE_S = 600.0
SOON_BACK_S = 60
"""How long an outage may last beyond the one that is staged."""

SHORT_WAIT_S = 2
"""`max_wait` where the service stays away: two retries, then the end."""

PATIENT_S = 180
"""`idle_seconds` where no stall is expected: some CLIs ask again in silence for a minute and a half."""


class Seen(NamedTuple):
    """What came of a trial: `left` are processes that outlived it, `leaked` files of the run with the key in them."""

    exit_code: int
    records: list[dict[str, Any]]
    stop_reason: str
    hello: str
    left: list[str]
    leaked: list[str]
    guest: Guest
    seconds: float
    stderr: str


class Trial:
    """A folder with a fresh HOME and a repository in which one prompt is to run once."""

    def __init__(
        self, folder: Path, cli: Cli, scenario: Scenario, bin_folder: Path, *, compression: float = 10.0
    ) -> None:
        self.root = folder / f"{cli.backend.replace(':', '-')}-{scenario}"
        self.home, self.repo = self.root / "home", self.root / "repo"
        self.cli, self.scenario = cli, scenario
        self._bin = bin_folder
        long = scenario is Scenario.LONG_OUTAGE
        self._limit_s = LONG_OUTAGE_S / compression if long else cli.limit_s
        self._key = f"sk-dummy-{secrets.token_hex(24)}"

    def run(self, service: Service) -> Seen:
        """Grind to the end; an agent that is to be stopped is stopped while its tool runs."""
        url, guest = service.welcome(self.root.name, self.scenario, self._limit_s)
        self._furnish(url)
        began = time.monotonic()
        with (self.root / "stderr").open("w+") as stderr:
            grind = subprocess.Popen(
                [str(Path(sys.executable).with_name("pitboss")), "grind"],
                cwd=self.repo,
                env=self._environment(url),
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )
            if self.scenario is Scenario.LONGTOOL:
                self._stop_at_tool(grind)
            code = self._wait(grind)
            seconds = time.monotonic() - began
            stderr.seek(0)
            words = stderr.read()
        return self._seen(guest, code, seconds, words)

    def _furnish(self, url: str) -> None:
        for folder in (self.home, self.root / "tmp", self.repo / ".pitboss/grind/prompts"):
            folder.mkdir(parents=True)
        for name, text in self.cli.files(url, self._key).items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (self.repo / ".pitboss/config.toml").write_text(self._config())
        words = f"Create the file {self.repo}/hello.txt with one line of greeting, then say Done."
        cap = f"max_session_cost_usd: {CAP_USD}\n" if self.scenario is Scenario.BUDGET else ""
        runs = TOGETHER if self.scenario is Scenario.TOGETHER else 1
        prompt = f"---\nname: hello\ndescription: greets\nmax_runs: {runs}\n{cap}---\n{words}\n"
        (self.repo / ".pitboss/grind/prompts/hello.md").write_text(prompt)
        (self.home / ".gitconfig").write_text("[user]\nname = user\nemail = user@local\n")
        (self.repo / ".gitignore").write_text(".pitboss/\n")
        self._git("init", "-q", "-b", "main")
        self._git("add", "-A")
        self._git("-c", "user.name=user", "-c", "user.email=user@local", "commit", "-qm", "start")

    def _config(self) -> str:
        arguments = msgspec.json.encode(self.cli.extra_args).decode()
        stalls = self.scenario in (Scenario.HANG, *self.cli.endless, *self.cli.silent)
        waits = SHORT_WAIT_S if self.scenario in STAYS_AWAY else int(self._limit_s) + SOON_BACK_S
        binary = self._bin / self.cli.program
        return f"""
[agent]
backend = "{self.cli.backend}"
idle_seconds = {self.cli.stall_s if stalls else PATIENT_S}
[agent."{self.cli.backend}"]
binary = "{binary}"
model = "{self.cli.model}"
extra_args = {arguments}
[limits]
max_wait = "{waits}s"
retries = {RETRIES}
retry_base_seconds = {LOGIN_PAUSE_S if self.scenario is Scenario.AUTH_ONCE else 1}
[grind]
consecutive_failure_limit = 0
{MORE.get(self.scenario, "")}
{"" if self.cli.has_price else PRICES.format(model=self.cli.model)}
"""

    def _environment(self, url: str) -> dict[str, str]:
        """Nothing of the user's; the CLI's own folder first, since its Node.js may be there."""
        node = shutil.which("node")
        found = [str(self._bin), *([] if node is None else [str(Path(node).parent)])]
        return {
            "PATH": ":".join([*found, "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(self.home),
            "TMPDIR": str(self.root / "tmp"),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "GIT_CONFIG_NOSYSTEM": "1",
            **self.cli.env(url, self._key),
        }

    def _git(self, *args: str) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", *args], cwd=self.repo, env=env, capture_output=True, text=True, check=False
        )
        return done.stdout

    def _stop_at_tool(self, grind: subprocess.Popen[bytes]) -> None:
        """Ask twice to stop once the tool runs: the second time it is an abort."""
        until = time.monotonic() + TOOL_S
        tool = SLEEPER.rpartition("'")[0].rpartition("'")[2]
        while time.monotonic() < until and grind.poll() is None:
            if any(tool in command and "-c" in command for command in self._processes()):
                break
            time.sleep(0.2)
        for _ in range(2):
            grind.send_signal(signal.SIGTERM)
            time.sleep(1.0)

    def _wait(self, grind: subprocess.Popen[bytes]) -> int:
        try:
            return grind.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            grind.kill()  # the guardian ends the rest
            return grind.wait()

    def _processes(self) -> list[str]:
        """The command lines of live processes that have this trial's HOME."""
        found = []
        for process in psutil.process_iter():
            try:
                if (
                    process.environ().get("HOME") == str(self.home)
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found

    def _left(self) -> list[str]:
        until = time.monotonic() + GONE_S
        while (left := self._processes()) and time.monotonic() < until:
            time.sleep(0.2)
        return left

    def _hello(self, run: str) -> str:
        """What the sessions wrote, as far as it landed; several wrote the same."""
        branch = f"pitboss/grind/{run}"
        if self.scenario is not Scenario.TOGETHER:
            return self._git("show", f"{branch}:hello.txt")
        wrote = [self._git("show", f"{branch}:hello-{seq}.txt") for seq in range(1, TOGETHER + 1)]
        return wrote[0] if len(set(wrote)) == 1 else repr(wrote)

    def _seen(self, guest: Guest, code: int, seconds: float, words: str) -> Seen:
        left = self._left()
        runs = list((self.repo / ".pitboss/grind/runs").glob("2*"))
        log = runs[0] / "sessions.jsonl" if runs else self.root / "none"
        lines = log.read_bytes().splitlines() if log.exists() else []
        state = msgspec.json.decode((runs[0] / "state.json").read_bytes()) if runs else {}
        kept = [path for run in runs for path in run.rglob("*") if path.is_file()]
        return Seen(
            exit_code=code,
            records=[msgspec.json.decode(line) for line in lines],
            stop_reason=state.get("stop_reason") or "",
            hello=self._hello(runs[0].name) if runs else "",
            left=left,
            leaked=[path.name for path in kept if self._key.encode() in path.read_bytes()],
            guest=guest,
            seconds=seconds,
            stderr=words,
        )
