"""Throw-away repositories to measure in: a number of files, one prompt, an agent that does next to nothing."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from bench.measure import PITBOSS

if TYPE_CHECKING:
    from pathlib import Path

FILES_A_FOLDER = 100
CONFIG = """\
[agent]
backend = "command"

[agent.command]
command = ["/bin/sh", "AGENT"]

[grind]
consecutive_failure_limit = 0
"""
PROMPT = """\
---
name: chore
description: Do next to nothing.
---
Do next to nothing.
"""
SHARED = PROMPT.replace("---\nDo", "parallel_safe: true\n---\nDo")
CHANGES_A_FILE = 'echo "$PPID $$ $(cat changed)" | cut -c 1-60 > changing && mv changing changed\n'
CHANGES_NOTHING = "exit 0\n"


def git(repository: Path, *args: str) -> str:
    """Run git and return what it prints."""
    done = subprocess.run(
        ["git", "-c", "user.name=bench", "-c", "user.email=bench@local", *args],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def make_repository(path: Path, *, files: int, agent: str, prompt: str = PROMPT) -> Path:
    """A committed repository of `files` small files, ready for `pitboss grind` with this `agent` script."""
    for number in range(files - 1):
        folder = path / f"folder-{number // FILES_A_FOLDER:04}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file-{number:06}.txt").write_text(f"line one of {number}\nline two\n", encoding="utf-8")
    (path / "changed").write_text("0\n", encoding="utf-8")
    (path / ".gitignore").write_text(".pitboss/\n", encoding="utf-8")
    prompts = path / ".pitboss" / "grind" / "prompts"
    prompts.mkdir(parents=True)
    (prompts / "chore.md").write_text(prompt, encoding="utf-8")
    (path / ".pitboss" / "config.toml").write_text(
        CONFIG.replace("AGENT", str(path / ".pitboss" / "agent")), encoding="utf-8"
    )
    (path / ".pitboss" / "agent").write_text(agent, encoding="utf-8")
    git(path, "init", "--quiet", "--initial-branch=main")
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message=begin")
    return path


def grind(*options: str) -> list[str]:
    """The command line of a run that ends when its session budget does (exit code 3)."""
    return [PITBOSS, "grind", "--prompts-dir", ".pitboss/grind/prompts", *options]
