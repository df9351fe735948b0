"""Finds an agent's program and asks for its version, without giving it work (SPEC 2, 8)."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.output.lines import shortened
from pitboss.agents.programs import locate
from pitboss.agents.table import find_backend
from pitboss.errors import StartError
from pitboss.process import capture

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pitboss.agents.backend import Backend
    from pitboss.core.config import AgentSettings, Config

VERSION_TIMEOUT_S = 10.0
_VERSION_PARTS = 4
_NO_PATH = 'agents get no PATH to find programs by: [agent] env_keep = ["PATH", "HOME"] lets them have it'


class Fitness(StrEnum):
    """What is known about the installed version of a backend's program."""

    KNOWN = "known to work"
    UNTRIED = "untried"
    TOO_OLD = "too old"


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a backend's program without giving it work.

    `version` is the first line the program prints with a version in it, else its first line. It is None if the
    program was not found, did not answer, or has no such option. `fitness` is what is known about that version, and
    `known_version` the one known to work; both are None for programs of the user's own. `problem` says what is wrong,
    `hint` what to do.
    """

    name: str
    path: str | None = None
    version: str | None = None
    fitness: Fitness | None = None
    known_version: str | None = None
    problem: str | None = None
    hint: str | None = None


def rooted(config: Config, root: Path) -> Config:
    """`config` with programs such as `tools/agent` resolved from `root`, where sessions start them from any folder."""

    def program(word: str) -> str:
        return str(root / word) if "/" in word else word

    def settled(settings: AgentSettings) -> AgentSettings:
        binary, command = settings.binary and program(settings.binary), settings.command
        return replace(settings, binary=binary, command=(*map(program, command[:1]), *command[1:]))

    replace = msgspec.structs.replace
    return replace(config, agents={name: settled(settings) for name, settings in config.agents.items()})


def find_installation(
    name: str,
    settings: AgentSettings,
    *,
    environ: Mapping[str, str] | None = None,
    root: Path | None = None,
    asking: bool = True,
    timeout_s: float = VERSION_TIMEOUT_S,
) -> Installation:
    """Look for a backend's program on the PATH of `environ` (ours if None) and ask it for its version.

    With `asking` false nothing is run. Relative entries of PATH start from `root`, else from the working directory.
    Without a PATH, the system's default is searched. Raises StartError if there is no such backend.
    """
    environ = os.environ if environ is None else environ
    backend = find_backend(name)
    try:
        program = backend.binary(settings)
    except StartError as error:
        return Installation(name=name, problem=error.message, hint=error.hint)
    path = locate(program, environ.get("PATH", os.defpath), root)
    hint = backend.install if "PATH" in environ else _NO_PATH
    if path is None:
        return Installation(name=name, problem=f"cannot find {program}", hint=hint)
    if backend.version_args is None or not asking:
        return Installation(name=name, path=path)
    answer = capture([path, *backend.version_args], cwd="/", env=environ, timeout_s=timeout_s)
    if answer.cut_short:
        return Installation(
            name=name, path=path, problem=f"{path} did not print its version within {timeout_s:g} s"
        )
    lines = list(filter(None, map(shortened, answer.stdout.decode("utf-8", "replace").splitlines())))
    if answer.code != 0 or not lines:
        asked = " ".join((path, *backend.version_args))
        return Installation(name=name, path=path, problem=f"{asked} failed", hint=hint)
    return _judged(backend, path, next(filter(_numbers, lines), lines[0]))


def _judged(backend: Backend, path: str, version: str) -> Installation:
    """A program that answered; a version that cannot be parsed, or was never tested, is untried."""
    found, oldest = _numbers(version), _numbers(backend.oldest_version)
    fitness = Fitness.UNTRIED
    if found and found == _numbers(backend.known_version):
        fitness = Fitness.KNOWN
    elif found and found < oldest:
        fitness = Fitness.TOO_OLD
    return Installation(
        name=backend.name,
        path=path,
        version=version,
        fitness=None if backend.known_version is None else fitness,
        known_version=backend.known_version,
        hint=backend.install if fitness is Fitness.TOO_OLD else None,
    )


def _numbers(version: str | None) -> tuple[int, ...]:
    """The first `1.2.3` in `version`, padded with zeros; empty if there is none."""
    from re import ASCII, search

    found = search(r"\d{1,9}(?:\.\d{1,9})+", version or "", ASCII)
    if found is None:
        return ()
    parts = tuple(map(int, found[0].split(".")))
    return (*parts, *(0,) * (_VERSION_PARTS - len(parts)))
