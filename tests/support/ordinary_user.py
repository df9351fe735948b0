"""An ordinary user, for tests that are run by root: what a command line is put behind to become theirs."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path

NOBODY = 65534
_BECOME = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")


def user() -> int:
    """Who that is: whoever runs the tests, unless it is root."""
    return os.getuid() or NOBODY


@cache
def by_user() -> tuple[str, ...]:
    """The words before a command line, which make it the user's.

    Python, and pitboss, may lie where only root can look: in a mount namespace they alone are shown there.
    """
    if os.getuid() != 0:
        return ()
    return ("unshare", "--mount", "--propagation", "private", "sh", "-ec", _shown(), "-")


def why_not() -> str:
    """Why there is no ordinary user here; empty if there is one who can run pitboss."""
    argv = [*by_user(), sys.executable, "-m", "pitboss", "--version"]
    try:
        done = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False, timeout=60)
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else f"root cannot become an ordinary user here: {done.stderr.strip()}"


def give(folder: Path) -> None:
    """Make the user the owner of a folder and of all that is in it."""
    if os.getuid() == 0:
        subprocess.run(("chown", "-R", f"{NOBODY}:{NOBODY}", str(folder)), check=True)


def _shown() -> str:
    """The script that shows what is needed, and then becomes the user."""
    needed = sorted({sys.base_prefix, sys.prefix, str(Path(__file__).parents[2])}, key=len)
    closed = {path: folder for path in needed if (folder := _closed(Path(path)))}
    lines = ["hold=$(mktemp -d)", "mount -t tmpfs none $hold"]
    for nth, path in enumerate(closed):
        lines += [f"mkdir $hold/{nth}", f"mount --rbind {shlex.quote(path)} $hold/{nth}"]
    lines += [
        f"mount -t tmpfs -o mode=755 none {shlex.quote(folder)}" for folder in sorted({*closed.values()})
    ]
    for nth, path in enumerate(closed):
        lines += [f"mkdir -p {shlex.quote(path)}", f"mount --rbind $hold/{nth} {shlex.quote(path)}"]
    lines += ["umount -l $hold", "rmdir $hold", f'exec {shlex.join(_BECOME)} "$@"']
    return "\n".join(lines)


def _closed(path: Path) -> str | None:
    """The first folder on the way to a path that others cannot enter."""
    way = (*reversed(path.parents), path)
    return next((str(folder) for folder in way if not folder.stat().st_mode & stat.S_IXOTH), None)
