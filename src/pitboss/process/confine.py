"""Puts a command into its sandbox (SPEC 13)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.sandbox.fence import BWRAP_LAYERS
from pitboss.process.command import EndedBy
from pitboss.process.search import find_program

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.process.command import Command, Exit

_SAYS = b"bwrap: "
_REFUSED = 1


def confine(command: Command) -> Command:
    """The command as it is to be started: inside its sandbox, if it has one.

    A program that cannot be started is left unconfined, so that the system reports why.
    """
    fence = command.fence
    if fence is None or not _can_start(command):
        return command
    return msgspec.structs.replace(
        command, argv=(*fence.argv, *_arguments(command)), fence=None, layers=fence.layers
    )


def judged(command: Command, ended: Exit, said: Iterable[bytes]) -> Exit:
    """How a confined command ended: without its sandbox it never started.

    `said` are the ends of what it printed: if bubblewrap fails it prints one line, and the program prints none.
    """
    last = b"".join(said).strip()
    refused = command.layers == BWRAP_LAYERS and ended.code == _REFUSED and ended.ended_by is EndedBy.EXIT
    if not refused or not last.startswith(_SAYS) or b"\n" in last:
        return ended
    why = last.removeprefix(_SAYS).decode("utf-8", "replace")
    return msgspec.structs.replace(
        ended, code=None, ended_by=EndedBy.SPAWN_FAILED, error=f"the sandbox could not be made: {why}"
    )


def _arguments(command: Command) -> tuple[str, ...]:
    """Bubblewrap works in the root of its new file system unless told otherwise; a wrapper keeps our folder."""
    if command.fence is not None and command.fence.layers:
        return ("--chdir", command.cwd, "--", *command.argv)
    return command.argv


def _can_start(command: Command) -> bool:
    """Whether the program exists outside; what a wrapper of the user's runs, only that wrapper knows."""
    if not command.argv or not os.path.isdir(command.cwd):  # noqa: PTH112 - a string, asked once a command
        return False
    if command.fence is not None and not command.fence.layers:
        return True
    program = command.argv[0]
    if "/" in program:
        program = os.path.join(command.cwd, program)  # noqa: PTH118 - the same
    path = (os.environ if command.env is None else command.env).get("PATH", os.defpath)
    return find_program(program, path.split(os.pathsep)) is not None
