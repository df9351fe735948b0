"""The CLIs at the versions that are known to work, installed once into a cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

PATIENCE_S = 900.0


class Install(msgspec.Struct, frozen=True, kw_only=True):
    """One CLI: the packages to install by exact version, its program, and a command that npm may not have run."""

    program: str
    version: str
    packages: tuple[str, ...]
    afterwards: tuple[str, ...] = ()
    python: bool = False

    def bin(self, cache: Path) -> Path:
        """The folder with its program, to be first on PATH: the Node.js it needs may be there too."""
        own = cache / f"{self.program}-{self.version}"
        return own / "bin" if self.python else own / "node_modules/.bin"


INSTALLS = {
    "claude-agent-acp": Install(
        program="claude-agent-acp",
        version="0.101.0",
        packages=("@agentclientprotocol/claude-agent-acp@0.101.0", "node@22"),
    ),
    "codex-acp": Install(
        program="codex-acp", version="2.6.0", packages=("@agentclientprotocol/codex-acp@2.6.0", "node@22")
    ),
    "kimi": Install(program="kimi", version="2.1.0", packages=("@moonshot-ai/kimi-code@2.1.0", "node@22")),
    "aider": Install(program="aider", version="0.86.2", packages=("aider-chat==0.86.2",), python=True),
    "claude": Install(program="claude", version="2.1.332", packages=("@anthropic-ai/claude-code@2.1.332",)),
    "codex": Install(program="codex", version="0.169.0", packages=("@openai/codex@0.169.0",)),
    "copilot": Install(program="copilot", version="1.0.102", packages=("@github/copilot@1.0.102",)),
    "gemini": Install(program="gemini", version="0.61.0", packages=("@google/gemini-cli@0.61.0",)),
    "opencode": Install(
        program="opencode",
        version="1.18.33",
        packages=("opencode-ai@1.18.33",),
        afterwards=("node", "node_modules/opencode-ai/postinstall.mjs"),
    ),
    "qwen": Install(program="qwen", version="0.24.4", packages=("@qwen-code/qwen-code@0.24.4", "node@22")),
}


class CannotInstallError(Exception):
    """Why a CLI cannot be had here."""


def cache_folder() -> Path:
    """Where the CLIs are kept from one time to the next."""
    named = os.environ.get("PITBOSS_AGENTS_CACHE")
    return Path(named).absolute() if named else Path.home() / ".cache/pitboss-agents"


def latest(install: Install) -> Install:
    """The newest version of the same CLI that its registry has; raises CannotInstallError."""
    name, mark, _ = (
        install.packages[0].partition("==") if install.python else install.packages[0].rpartition("@")
    )
    if install.python:
        newest = (
            _answer((sys.executable, "-m", "pip", "index", "versions", name))
            .partition("(")[2]
            .partition(")")[0]
        )
    else:
        newest = _answer(("npm", "view", name, "version"))
    packages = (f"{name}{mark}{newest}", *install.packages[1:])
    return msgspec.structs.replace(install, version=newest, packages=packages)


def _answer(command: tuple[str, ...]) -> str:
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=60.0, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstallError(f"{command[0]}: {error}") from error
    if asked.returncode != 0:
        raise CannotInstallError(f"{' '.join(command)} failed")
    return asked.stdout.strip()


def installed(install: Install, cache: Path) -> Path:
    """The folder of a CLI that answers with its version, installed if need be; raises CannotInstallError."""
    if not _answers(install, cache):
        folder = cache / f"{install.program}-{install.version}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        for command in _commands(install, folder):
            _run(command, folder)
        if not _answers(install, cache):
            raise CannotInstallError(f"{install.program} does not say that it is {install.version}")
    return install.bin(cache)


def _commands(install: Install, folder: Path) -> list[tuple[str, ...]]:
    if install.python:
        pip = (str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        return [(sys.executable, "-m", "venv", str(folder)), (*pip, *install.packages)]
    npm = ("npm", "install", "--no-audit", "--no-fund", "--no-save", "--prefix", ".", *install.packages)
    return [npm, *([install.afterwards] if install.afterwards else [])]


def _run(command: tuple[str, ...], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstallError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or "no words").splitlines()
        raise CannotInstallError(f"{' '.join(command[:2])} failed: {lines[-1]}")


def _answers(install: Install, cache: Path) -> bool:
    """Whether its program is there and of that version; its home is not the user's."""
    folder = install.bin(cache)
    home = cache / "home"
    home.mkdir(parents=True, exist_ok=True)
    env = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(home)}
    try:
        asked = subprocess.run(
            (str(folder / install.program), "--version"),
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and install.version in asked.stdout
