"""A network of its own for a worker, joined to this machine by a cable that a test can pull out."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBERS = iter(range(1, 250))


def why_no_network() -> str | None:
    """Why no test can make a network here; None if it can."""
    lacking = [name for name in ("ip", "nsenter", "setpriv", "unshare") if shutil.which(name) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode != 0:
        return "nobody but root may make a network namespace"
    return None


class Cable:
    """Joins a network namespace to this machine: `here` and `there` are the addresses of its ends."""

    def __init__(self, namespace: int, number: int) -> None:
        self._inside = ("nsenter", f"--target={namespace}", "--net")
        self.prefix = (*self._inside, "--")
        """Before a command that is to run there."""
        self.here, self.there = f"10.213.{number}.1", f"10.213.{number}.2"
        self._end = f"pb{os.getpid() % 1_000_000}n{number}"
        _ip("link", "add", self._end, "type", "veth", "peer", "name", "eth0", "netns", str(namespace))
        _ip("address", "add", f"{self.here}/30", "dev", self._end)
        _ip("link", "set", self._end, "up")
        for command in (
            ("address", "add", f"{self.there}/30", "dev", "eth0"),
            ("link", "set", "lo", "up"),
            ("link", "set", "eth0", "up"),
            ("route", "add", "default", "via", self.here),
        ):
            subprocess.run([*self.prefix, "ip", *command], check=True)

    def pull(self) -> None:
        """Pull it out: whatever is sent is lost."""
        _ip("link", "set", self._end, "down")

    def plug_in(self) -> None:
        """Join the two again."""
        _ip("link", "set", self._end, "up")


@contextmanager
def cable() -> Iterator[Cable]:
    """A namespace with a cable to it, gone afterwards with all that runs there."""
    with subprocess.Popen(
        ["setpriv", "--pdeathsig=KILL", "unshare", "--net", "sh", "-c", "echo; exec sleep 3600"],
        stdout=subprocess.PIPE,
    ) as namespace:
        try:
            assert namespace.stdout is not None
            namespace.stdout.read(1)
            yield Cable(namespace.pid, next(_NUMBERS))
        finally:
            namespace.kill()


def _ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True)
