"""Builds sandboxes from what is on this machine's disk (SPEC 13)."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pitboss.core.config import SandboxMode
from pitboss.core.sandbox.fence import BWRAP, Fence, bwrap_fence, wrapper_fence
from pitboss.core.sandbox.ground import Ground, PathKind, Spot
from pitboss.core.sandbox.policy import mounts
from pitboss.core.sandbox.secrets import named_sockets
from pitboss.process.search import installed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pitboss.core.config import SandboxSettings
    from pitboss.core.sandbox.ground import GitGround

TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - to be replaced by private ones
_OPENED = "/proc/self/fd/"
_TEMPORARY_VARIABLES = ("TMPDIR", "XDG_RUNTIME_DIR")


def look(path: str) -> Spot | None:
    """What is at a path, wherever links lead; None for nothing, and for what cannot be reached."""
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Called a hundred times a command: the kernel resolves a path in one call, `realpath` takes one a folder.
        return Spot(os.readlink(f"{_OPENED}{opened}"), _kind(os.fstat(opened).st_mode))  # noqa: PTH115 - a string
    except OSError:
        return None
    finally:
        os.close(opened)


def _kind(mode: int) -> PathKind:
    return PathKind.FOLDER if stat.S_ISDIR(mode) else PathKind.FILE


def temporary_folders(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The folders for temporary files, of the machine and of the environment."""
    own = (environ.get(name, "") for name in _TEMPORARY_VARIABLES)
    return (*TEMPORARY, *(folder for folder in own if folder.startswith("/")))


def program_folders(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Where programs are searched for."""
    return tuple(
        folder for folder in environ.get("PATH", os.defpath).split(os.pathsep) if folder.startswith("/")
    )


def ground_here(
    tree: str, git: GitGround, env: Mapping[str, str], environ: Mapping[str, str], needed: Iterable[str] = ()
) -> Ground:
    """The ground of a sandbox that is about a tree on this machine alone; its processes see `env`.

    `environ` names the sockets to put out of reach. `needed` stays visible, like HOME and programs.
    """
    home = env.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - a string is wanted
    return Ground(
        home=home,
        tree=tree,
        git=git,
        sockets=named_sockets(environ),
        temporary=temporary_folders(env),
        needed=(home, *needed, *program_folders(env)),
    )


def fence_around(
    settings: SandboxSettings, ground: Ground, environ: Mapping[str, str], *, session: str = ""
) -> Fence | None:
    """The sandbox that the settings ask for, None if they ask for none; `session` is its folder of exchanged files."""
    match settings.mode:
        case SandboxMode.OFF:
            return None
        case SandboxMode.BWRAP:
            program = installed(BWRAP, environ)
            rules = mounts(settings, ground, look)
            return bwrap_fence(program, rules, network=settings.network == "open")
        case SandboxMode.COMMAND:
            git = ground.tree if ground.git is None else ground.git.common
            values = {"worktree": ground.tree, "home": ground.home, "git": git, "session": session}
            return wrapper_fence(settings.command, values)
