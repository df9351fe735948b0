"""The run that is crashed: nine sessions that end in every way a session can end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
PROMPTS = (
    "a-commit",
    "b-nothing",
    "c-commits-itself",
    "d-fails",
    "e-breaks-tests",
    "f-hook-fails",
    "g-commit",
)
REPEATED = {"a-commit": "weight: 2\nmax_runs: 2\n", "g-commit": "weight: 2\nevery: 2\nmax_runs: 2\n"}
"""Prompts whose turn depends on the rotation and on who ran before: a lost or doubled count changes the order."""

CONFIG = """
[agent]
backend = "command"
[agent.command]
command = ["sh", "-c", 'exec sh "$CHAOS_AGENT"']
[retries]
fixer_max_attempts = 1
[tests]
command = "test ! -e broken"
[grind]
consecutive_failure_limit = 0
hook_env_passthrough = ["CHAOS_LOG"]
[grind.hooks]
pre_session = '[ "$PITBOSS_PROMPT_NAME" != f-hook-fails ]'
post_session = 'echo "post $PITBOSS_SESSION_SEQ" >>"$CHAOS_LOG"'
"""


class Ended(NamedTuple):
    """How a `pitboss` command ended."""

    code: int
    stdout: str
    stderr: str


class Place:
    """A repository of its own, and the log in which its agents testify."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repo = root / "repo"
        self.log = root / "testimony"
        self.prefix: tuple[str, ...] = ()

    def pitboss(self, *args: str, **env: str) -> Ended:
        """Run one command in the repository, to its end."""
        done = subprocess.run(
            [*self.prefix, sys.executable, "-m", "pitboss", *args],
            cwd=self.repo,
            env=self.environment(**env),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def environment(self, **extra: str) -> dict[str, str]:
        """What commands here see: no settings of the person who runs the tests, no coverage measuring."""
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "GIT_", "PITBOSS_", "LD_"))
        }
        return {
            **kept,
            "HOME": str(self.root),
            "GIT_CONFIG_NOSYSTEM": "1",
            "CHAOS_LOG": str(self.log),
            "CHAOS_AGENT": str(HERE / "agent.sh"),
            **extra,
        }

    def git(self, *args: str) -> str:
        """Run git in the repository and return what it prints."""
        done = subprocess.run(
            ["git", *args], cwd=self.repo, env=self.environment(), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def testimony(self) -> list[list[str]]:
        """What the agents and hooks said they did, in order."""
        return [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def run_id(self) -> str | None:
        """The run's id; None when it never came to be."""
        runs = self.repo / ".pitboss/grind/runs"
        found = sorted(p.parent.name for p in runs.glob("*/state.json")) if runs.exists() else []
        return found[-1] if found else None


def build(
    root: Path, prompts: tuple[str, ...] = PROMPTS, *, repeated: Mapping[str, str] = MappingProxyType({})
) -> Place:
    """Make a repository with a prompt for each way to end; each runs once unless `repeated` says else."""
    verify = {"e-breaks-tests": "verify: true\n"}
    about = {name: repeated.get(name, "max_runs: 1\n") + verify.get(name, "") for name in prompts}
    return furnish(Place(root), about, CONFIG)


def furnish(place: Place, prompts: Mapping[str, str], config: str) -> Place:
    """Make the repository of a place; `prompts` are names and what their front matter says beside the name."""
    folder = place.repo / ".pitboss/grind/prompts"
    folder.mkdir(parents=True)
    for name, about in prompts.items():
        text = f"---\nname: {name}\ndescription: {name}\n{about}---\nDo it.\n"
        (folder / f"{name}.md").write_text(text)
    (place.repo / ".pitboss/config.toml").write_text(config)
    (place.repo / ".gitignore").write_text(".pitboss/\n")
    (place.repo / "readme.txt").write_text("hello\n")
    place.git("init", "-q", "-b", "main")
    place.git("add", "-A")
    place.git("-c", "user.name=user", "-c", "user.email=user@local", "commit", "-qm", "start")
    return place


def copy(template: Place, root: Path) -> Place:
    """A fresh copy of a place."""
    shutil.copytree(template.root, root, symlinks=True)
    return Place(root)
