"""Whether this machine can make sandboxes; tests that need one are skipped where it cannot, with its reason."""

from __future__ import annotations

import shutil
import subprocess

import pytest

TRIED = (
    "bwrap",
    "--unshare-user",
    "--unshare-pid",
    "--ro-bind",
    "/",
    "/",
    "--dev",
    "/dev",
    "--proc",
    "/proc",
    "true",
)


def _why_not() -> str:
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    done = subprocess.run(TRIED, capture_output=True, text=True, check=False, timeout=60)
    return "" if done.returncode == 0 else f"no user namespaces here: {done.stderr.strip()}"


WHY_NOT = _why_not()
needs_bwrap = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
