"""The blows of the kill matrix: who is killed, stopped, cut off or misled, and what it takes to make that good."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import pitboss
from pitboss import proctree
from tests.chaos.worker_night import HOUR_S, STRUCK, Gear, Night, When, within
from tests.support.cli import wait_until
from tests.support.network import why_no_network
from tests.support.runs import the_run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

SHORT_S = 5.0
"""A network that is cut for so long loses nothing."""

LOST_AFTER_S = 4.0
LOST_AFTER_ON_NETWORK_S = 15.0
"""Enough for what was sent during `SHORT_S` to be sent again: TCP waits twice as long each time, and a third may
have passed since the last beat."""

COMES_HOME_S = 90.0
POLITE_S = 30.0


class Who(StrEnum):
    """Whom the blow hits."""

    WORKER = "worker"
    WORKERS_GUARDIAN = "worker's guardian"
    WORKER_AND_GUARDIAN = "worker and its guardian"
    ALL_WORKERS = "all workers"
    IDLE_WORKER = "worker that is idle, having finished some"
    AGENT = "agent"
    GIT = "git on the worker"
    RUNNER = "runner"
    GUARDIAN = "guardian"
    RUNNER_AND_GUARDIAN = "runner and guardian"
    STOPPED_WORKER = "worker, stopped for longer than it may be silent"
    PAUSED_WORKER = "worker, stopped for a moment"
    MACHINE = "a cluster's worker and its guardian, back later"
    RUNNER_OF_CLUSTER = "runner, whose workers live on"
    SCHEDULER = "scheduler, back later"
    SHORT_CUT = "network, for five seconds"
    LONG_CUT = "network, for longer than it may be silent"
    FULL_DISK = "disk of the worker, full"
    CLOCK = "clock of the worker, two hours back"
    SAME_NAME = "another worker of the same name"
    OTHER_VERSION = "a worker of another version"
    REMOTE = "remote, gone for a while"


GEAR = {
    Who.MACHINE: Gear.CLUSTER,
    Who.RUNNER_OF_CLUSTER: Gear.CLUSTER,
    Who.SCHEDULER: Gear.CLUSTER,
    Who.SHORT_CUT: Gear.NETWORK,
    Who.LONG_CUT: Gear.NETWORK,
    Who.FULL_DISK: Gear.DISK,
    Who.CLOCK: Gear.CLOCK,
    Who.SAME_NAME: Gear.CLUSTER,
    Who.OTHER_VERSION: Gear.CLUSTER,
    Who.REMOTE: Gear.REMOTE,
}
"""What the workers need for a blow; for others, they are the run's own."""

FATAL = (
    *(Who.WORKER, Who.WORKERS_GUARDIAN, Who.WORKER_AND_GUARDIAN, Who.ALL_WORKERS, Who.MACHINE),
    *(
        Who.RUNNER,
        Who.GUARDIAN,
        Who.RUNNER_AND_GUARDIAN,
        Who.RUNNER_OF_CLUSTER,
        Who.STOPPED_WORKER,
        Who.LONG_CUT,
    ),
)
"""A session that works when one of these falls is lost, and its processes have to end."""


def why_not(gear: Gear) -> str | None:
    """Why there can be no such night here; None if there can."""
    match gear:
        case Gear.NETWORK:
            return why_no_network()
        case Gear.DISK if os.geteuid() != 0:
            return "nobody but root may mount a small disk"
        case Gear.CLOCK if shutil.which("cc") is None:
            return "there is no C compiler"
        case _:
            return None


def lost_after_s(who: Who) -> float:
    """`[workers] lost_after_s` for a blow."""
    return LOST_AFTER_ON_NETWORK_S if GEAR.get(who) is Gear.NETWORK else LOST_AFTER_S


class Blow:
    """One blow to a night whose session waits."""

    def __init__(self, night: Night, who: Who, when: When, process: subprocess.Popen[bytes]) -> None:
        self._night = night
        self._who = who
        self._when = when
        self._process = process
        self.complaints: list[str] = []

    def fall(self) -> None:
        """Strike, make good what is not for ever, and let the session go on."""
        if self._who is Who.IDLE_WORKER:
            self._night.others.open()
        name = self._night.struck()
        with self._struck(name, self._night.pid(name)):
            if self._who in FATAL:
                self._end_is_near()
            self._night.gate.open()
            if self._who not in FATAL:
                self._has_record()

    def _end_is_near(self) -> None:
        # A runner whose guardian was killed lives: it ends its agents as politely as ever.
        limit_s = POLITE_S if self._who is Who.GUARDIAN else self._night.lost_after_s + 5.0
        if self._when in (When.IN_AGENT, When.IN_VERIFY) and not within(
            limit_s, lambda: not self._night.agents()
        ):
            self.complaints.append(f"agents go on after {limit_s:g} s: {self._night.agents()}")

    def _has_record(self) -> None:
        if not within(COMES_HOME_S, lambda: self._process.poll() is not None or self._night.record()):
            self.complaints.append("the session that was struck has no record")

    def _struck(self, name: str, pid: int) -> AbstractContextManager[None]:
        """Struck on entry; made good on leaving."""
        blows: dict[Who, Callable[[], AbstractContextManager[None]]] = {
            Who.STOPPED_WORKER: lambda: self._sending(signal.SIGSTOP, pid),
            Who.PAUSED_WORKER: lambda: self._paused(pid),
            Who.MACHINE: lambda: self._machine(name, pid),
            Who.SCHEDULER: self._scheduler,
            Who.SHORT_CUT: lambda: self._short_cut(name),
            Who.LONG_CUT: lambda: self._long_cut(name),
            Who.FULL_DISK: lambda: self._full_disk(name),
            Who.CLOCK: lambda: self._wrong_clock(name),
            Who.SAME_NAME: lambda: self._same_name(name),
            Who.OTHER_VERSION: self._other_version,
            Who.REMOTE: self._no_remote,
        }
        if (blow := blows.get(self._who)) is not None:
            return blow()
        return self._sending(signal.SIGKILL, *self._victims(name, pid))

    def _victims(self, name: str, pid: int) -> Sequence[int]:
        runner = proctree.children(self._process.pid)[0]
        whose = runner if self._when is When.IN_LANDING else pid
        victims: dict[Who, Callable[[], Sequence[int]]] = {
            Who.WORKER: lambda: [pid],
            Who.WORKERS_GUARDIAN: lambda: [parent(pid)],
            Who.WORKER_AND_GUARDIAN: lambda: [parent(pid), pid],
            Who.ALL_WORKERS: lambda: [worker["pid"] for worker in self._night.workers()],
            Who.IDLE_WORKER: lambda: [self._idle(name)],
            Who.AGENT: self._night.agents,
            Who.GIT: lambda: [each for each in proctree.descendants(whose) if _is_git(each)],
            Who.RUNNER: lambda: [runner],
            Who.RUNNER_OF_CLUSTER: lambda: [runner],
            Who.GUARDIAN: lambda: [self._process.pid],
            Who.RUNNER_AND_GUARDIAN: lambda: [self._process.pid, runner],
        }
        return victims[self._who]()

    def _idle(self, busy: str) -> int:
        found: list[int] = []

        def look() -> bool:
            found[:] = [
                worker["pid"]
                for worker in self._night.workers()
                if worker["name"] != busy and not worker["seqs"] and worker["finished"]
            ]
            return bool(found)

        wait_until(look)
        return found[0]

    @contextmanager
    def _sending(self, signum: signal.Signals, *pids: int) -> Iterator[None]:
        if not pids:
            self.complaints.append("there was nobody to strike")
        for pid in pids:
            proctree.send(pid, signum)
        yield

    @contextmanager
    def _paused(self, pid: int) -> Iterator[None]:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(1.0)
        os.kill(pid, signal.SIGCONT)
        yield
        self._costs_nothing()

    @contextmanager
    def _machine(self, name: str, pid: int) -> Iterator[None]:
        for each in (parent(pid), pid):
            proctree.send(each, signal.SIGKILL)
        yield
        wait_until(lambda: self._night.cluster is not None and self._night.cluster.is_free(name))
        self._night.begin_worker(name)
        self._comes_home()

    @contextmanager
    def _scheduler(self) -> Iterator[None]:
        cluster = self._night.cluster
        assert cluster is not None
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        yield
        self._costs_nothing()
        cluster.begin_scheduler()

    @contextmanager
    def _short_cut(self, name: str) -> Iterator[None]:
        self._night.cables[name].pull()
        time.sleep(SHORT_S)
        self._night.cables[name].plug_in()
        yield
        self._costs_nothing()

    def _costs_nothing(self) -> None:
        record = self._night.record()
        if record is None or record["status"] != "ok":
            self.complaints.append(f"it cost the session: {record}")

    @contextmanager
    def _long_cut(self, name: str) -> Iterator[None]:
        self._night.cables[name].pull()
        cut = time.monotonic()
        yield
        time.sleep(max(0.0, self._night.lost_after_s + 3.0 - (time.monotonic() - cut)))
        self._night.cables[name].plug_in()
        self._comes_home()

    @contextmanager
    def _full_disk(self, name: str) -> Iterator[None]:
        filler = self._night.disk(name).parent / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            for size in (1 << 20, 1 << 12, 1):
                with suppress(OSError):
                    while True:
                        file.write(b"x" * size)
        yield
        filler.unlink()
        self._comes_home()

    @contextmanager
    def _wrong_clock(self, name: str) -> Iterator[None]:
        self._night.set_clock(name, -HOUR_S)
        yield
        self._costs_nothing()

    @contextmanager
    def _same_name(self, name: str) -> Iterator[None]:
        cluster, folder = self._night.cluster, self._night.folder / "double"
        assert cluster is not None
        double = cluster.worker(name, "--dir", str(folder), awaited=False)
        wait_until(lambda: "already: give each a --name" in cluster.said(name))
        yield
        self._costs_nothing()
        if any((folder / "begun").iterdir()):
            self.complaints.append("the second worker of a name got a session")
        double.terminate()
        double.wait()

    @contextmanager
    def _other_version(self) -> Iterator[None]:
        cluster, folder = self._night.cluster, self._night.folder / "other"
        assert cluster is not None
        package = Path(pitboss.__file__).parent
        shutil.copytree(package, folder / "pitboss", ignore=shutil.ignore_patterns("__pycache__"))
        init = folder / "pitboss/__init__.py"
        init.write_text(init.read_text().replace(pitboss.__version__, "0.0.1"))
        cluster.worker("odd", env={"PYTHONPATH": str(folder)})
        if (cluster.listed("odd") or {}).get("version") != "0.0.1":
            self.complaints.append(f"not of another version: {cluster.listed('odd')}")
        yield
        self._costs_nothing()
        if any(record["host"] == "odd" for record in the_run(self._night.project).records):
            self.complaints.append("a worker of another version got a session")

    @contextmanager
    def _no_remote(self) -> Iterator[None]:
        remote = self._night.remote
        away = remote.rename(remote.with_name("away"))
        yield
        self._costs_nothing()
        away.rename(remote)

    def _comes_home(self) -> None:
        """What a session did that was lost is fetched once its worker is back."""
        if not within(COMES_HOME_S, lambda: self._night.record() and self._night.work_of(STRUCK)):
            self.complaints.append("what the session did has not come home")


def parent(pid: int) -> int:
    """The parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _is_git(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "git\n"
    except OSError:
        return False
