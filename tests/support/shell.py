"""Shell scripts that prepare or read what a test is about."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def sh(cwd: Path, script: str) -> str:
    """Run a script that must succeed; returns what it prints, without blanks around."""
    done = subprocess.run(["sh", "-ec", script], cwd=cwd, capture_output=True, check=True)
    return done.stdout.decode().strip()
