"""Tries whether this machine can make the sandbox that the settings ask for (SPEC 13)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.core.config import SandboxMode
from pitboss.core.sandbox.fence import BWRAP, bwrap_fence
from pitboss.core.sandbox.refusal import MESSAGE, Refusal, Signs, refusal
from pitboss.errors import StartError
from pitboss.process import capture
from pitboss.process.search import find_program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.config import SandboxSettings

PATIENCE_S = 30.0
_SWITCHES = "/proc/sys"
_SIGNS_OF_A_CONTAINER = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
_IN_KUBERNETES = "KUBERNETES_SERVICE_HOST"


def require_sandbox(settings: SandboxSettings, environ: Mapping[str, str]) -> None:
    """Raise StartError, with the command that helps, if the configured sandbox cannot be made."""
    refused = refused_sandbox(settings, environ)
    if refused is not None:
        raise StartError(refused.message, hint=refused.hint)


def refused_sandbox(settings: SandboxSettings, environ: Mapping[str, str]) -> Refusal | None:
    """Why the configured sandbox cannot be made; None if it can, or if none is configured."""
    match settings.mode:
        case SandboxMode.OFF:
            return None
        case SandboxMode.BWRAP:
            return _refused_bwrap(settings, environ)
        case SandboxMode.COMMAND:
            program = settings.command[0]
            if find_program(program, environ.get("PATH", os.defpath).split(os.pathsep)):
                return None
            return Refusal(f"{MESSAGE}: cannot find {program}", "install it, or mend [sandbox] command")


def _refused_bwrap(settings: SandboxSettings, environ: Mapping[str, str]) -> Refusal | None:
    linux = sys.platform.startswith("linux")
    folders = (
        folder for folder in environ.get("PATH", os.defpath).split(os.pathsep) if folder.startswith("/")
    )
    program = find_program(BWRAP, folders)
    if not linux or program is None:
        return refusal(Signs(linux=linux, installed=program is not None))
    fence = bwrap_fence(program, (), network=settings.network == "open")
    tried = capture((*fence.argv, "--", "true"), cwd="/", env=environ, timeout_s=PATIENCE_S)
    if tried.code == 0:
        return None
    return refusal(_signs(tried.stderr.decode("utf-8", "replace"), environ))


def _signs(said: str, environ: Mapping[str, str]) -> Signs:
    clone = _switch("kernel/unprivileged_userns_clone")
    return Signs(
        said=said,
        apparmor=_switch("kernel/apparmor_restrict_unprivileged_userns") == 1,
        clone=None if clone is None else clone != 0,
        most=_switch("user/max_user_namespaces"),
        container=_IN_KUBERNETES in environ or any(map(os.path.lexists, _SIGNS_OF_A_CONTAINER)),
    )


def _switch(name: str) -> int | None:
    try:
        return int(Path(_SWITCHES, name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
