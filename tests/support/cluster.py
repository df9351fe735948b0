"""A dask scheduler and workers beside a test, as processes of their own: started, looked at, ended with the test."""

from __future__ import annotations

import contextlib
import fcntl
import json
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tests.support.cli import COMMAND, wait_until
from tests.support.leftovers import Beside

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.support.cli import Project


class BesideCluster:
    """A scheduler at `address`, and the workers that a test starts."""

    def __init__(
        self,
        project: Project,
        folder: Path,
        stack: contextlib.ExitStack,
        tls: Path | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        """With a folder of TLS files, everybody in the cluster has those. The scheduler listens at `host`."""
        self._tls = () if tls is None else ("--tls", str(tls))
        self._files = tls
        self._host = host
        self._project = project
        self._folder = folder
        self._beside = Beside(folder, stack)
        self.address = ""
        self.begin_scheduler()

    def begin_scheduler(self) -> None:
        """Start the scheduler; one that was killed before, where it was."""
        file = self._folder / "scheduler.json"
        file.unlink(missing_ok=True)
        port = self.address.rpartition(":")[2] or "0"
        argv = [sys.executable, "-m", "dask", "scheduler", "--host", self._host, "--port", port]
        if self._files is not None:
            ca, cert, key = (str(self._files / name) for name in ("ca.pem", "cert.pem", "key.pem"))
            argv += ["--protocol", "tls", "--tls-ca-file", ca, "--tls-cert", cert, "--tls-key", key]
        argv += ["--no-dashboard", "--scheduler-file", str(file)]
        self.scheduler = self._beside.start(argv, "scheduler", self._project.env)
        wait_until(lambda: file.exists() and file.read_text().endswith("}"))
        said = json.loads(file.read_text())["address"]
        self.address = f"{said.partition('://')[0]}://127.0.0.1:{said.rpartition(':')[2]}"

    def worker(
        self,
        name: str,
        *options: str,
        prefix: Sequence[str] = (),
        host: str | None = None,
        env: Mapping[str, str] = MappingProxyType({}),
        awaited: bool = True,
    ) -> subprocess.Popen[bytes]:
        """Start a worker, and wait until it is there unless it is not `awaited`.

        It runs behind `prefix` with what `env` adds, and reaches the scheduler by `host`.
        """
        address = self.address
        if host is not None:
            address = f"{address.partition('://')[0]}://{host}:{address.rpartition(':')[2]}"
        argv = [*prefix, *COMMAND, "worker", address, "--name", name]
        argv += ["--dir", str(self._folder / name), *self._tls, *options]
        process = self._beside.start(argv, name, {**self._project.env, **env})
        if awaited:
            wait_until(lambda: self.listed(name))
        return process

    def listed(self, name: str) -> dict[str, Any] | None:
        """What `pitboss workers` says of a worker; None if it is not there."""
        done = self._project.pitboss("workers", self.address, *self._tls, "--json")
        return next((worker for worker in done.json() if worker["name"] == name), None)

    def is_free(self, name: str) -> bool:
        """Whether a worker has left, so that another may use its name and folder."""
        with (self._folder / name / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
        return self.listed(name) is None

    def said(self, name: str) -> str:
        """What a process printed."""
        return self._beside.said(name)


@contextlib.contextmanager
def cluster_beside(
    project: Project, folder: Path, tls: Path | None = None, host: str = "127.0.0.1"
) -> Iterator[BesideCluster]:
    """A scheduler at `host` without workers, in a new `folder`; `tls` is the folder of its TLS files, if any."""
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        yield BesideCluster(project, folder, stack, tls, host)
