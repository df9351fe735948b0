"""Connects a run to its workers, by a scheduler of its own or an existing one (SPEC 14)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.core.cluster import LocalWorkers, parse_cluster
from pitboss.store.files import make_directory, write_atomic
from pitboss.store.opening import remove_tree
from pitboss.store.tls_files import make_tls_files
from pitboss.workers.background_loop import BackgroundLoop
from pitboss.workers.crowds import allow_open_files, spread_waits
from pitboss.workers.extra import quiet_dask, serve_no_pages
from pitboss.workers.heartbeat import Heartbeat
from pitboss.workers.messages import from_worker
from pitboss.workers.roster import Roster, Silences, workers_of
from pitboss.workers.tls import security
from pitboss.workers.trouble import reached
from pitboss.workers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pitboss.workers.messages import FromWorker
    from pitboss.workers.roster import WorkerInfo

POLL_S = 0.25
"""Seconds between two looks at the list of workers."""

POLL_SHARE = 0.0025
"""The largest share of a processor that such looks may take: more workers make each look longer."""

LONGEST_POLL_S = 10.0
"""Seconds between two looks at most."""

AGAIN_S = 1.0
"""Seconds between two looks whether a worker of the run's own has to be started again."""

CONNECT_S = 10.0
END_S = 15.0


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """Where the workers of a run are to be found, and which `agents` each must have: what its run directory says."""

    address: str
    tls: str | None = None
    agents: tuple[str, ...] = ()


class Cluster:
    """A connection to the workers; begun on first use. Safe to call from several threads.

    `folder` is where workers on this machine have their disk.
    """

    def __init__(self, asked: Membership, folder: Path, note: Path) -> None:
        self._asked = asked
        self._folder = folder
        self._note = note
        self._lock = Lock()
        self._loop: BackgroundLoop | None = None
        self._scheduler: Any = None
        self._rpc: Any = None
        self._processes: list[subprocess.Popen[bytes]] = []
        self._seen: tuple[WorkerInfo, ...] = ()
        self._by_name: dict[str, WorkerInfo] = {}
        self._roster = Roster(asked.agents)
        self._silences = Silences()
        self._heartbeat: Heartbeat | None = None
        self.listener: Callable[[tuple[WorkerInfo, ...]], object] | None = None
        """Called with the list of workers, again and again, in the event loop: it must not block."""
        self._where = asked
        self._looked_at = float("-inf")

    @property
    def local(self) -> int:
        """How many workers of its own the run has on this machine."""
        where = parse_cluster(self._asked.address)
        return where.number if isinstance(where, LocalWorkers) else 0

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where those have their disk."""
        return tuple(self._folder / f"local-{nth}" for nth in range(1, self.local + 1))

    def may_have(self, name: str) -> bool:
        """Whether a worker of that name may ever be there: a run has no more of its own than it starts."""
        return not self.local or name in {folder.name for folder in self.folders}

    @property
    def address(self) -> str:
        """Where the scheduler is: the run's own, once it has been started."""
        return self._where.address

    def workers(self) -> tuple[WorkerInfo, ...]:
        """The workers as of a moment ago; none while the scheduler cannot be reached."""
        with self._lock:
            self._begin()
            self._start_again()
            return self._seen

    def find(self, name: str) -> WorkerInfo | None:
        """The worker of that name, if it is connected and answers."""
        self.workers()
        return self._by_name.get(name)

    def connect(self, worker: WorkerInfo, lost_after_s: float, patience_s: float) -> Wire[FromWorker]:
        """Connect to a worker for one session, within so many seconds. Raises OSError, TimeoutError."""
        return self._live().run(self._connect(worker, lost_after_s), timeout_s=patience_s)

    def close(self) -> None:
        """Have the run's own workers and its own scheduler leave."""
        with self._lock:
            self._end()

    # Behind the lock

    def _live(self) -> BackgroundLoop:
        with self._lock:
            self._begin()
            if self._loop is None:
                raise AssertionError("the loop has begun")
            return self._loop

    def _begin(self) -> None:
        if self._loop is not None:
            return
        quiet_dask()
        allow_open_files()
        spread_waits()
        if self.local:
            self._make_tls_files()
        self._loop = BackgroundLoop()
        try:
            self._set_up(self._loop)
        except BaseException:
            self._end()
            raise

    def _set_up(self, loop: BackgroundLoop) -> None:
        if self.local:
            self._where = self._own_cluster(loop)
            for nth in range(1, self.local + 1):
                self._processes.append(self._start(nth))
        self._rpc = loop.run(_remote(self._where))
        write_atomic(self._note, msgspec.json.encode(self._where), durable=False, make=True)
        loop.soon(lambda: asyncio.ensure_future(self._watch()))

    def _end(self) -> None:
        if self._loop is None:
            return
        self._end_processes()
        if self._scheduler is not None:
            with suppress(TimeoutError, OSError):
                self._loop.run(self._scheduler.close(), timeout_s=CONNECT_S)
            self._scheduler = None
        self._loop.close()
        self._loop = self._heartbeat = None
        if self.local:
            for place in (self._own_tls, self._scratch):
                with suppress(OSError):
                    remove_tree(place)

    def _end_processes(self) -> None:
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + END_S
        for process in self._processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def _own_cluster(self, loop: BackgroundLoop) -> Membership:
        """Start the run's own scheduler. Any user of this machine can reach its port, so it asks for certificates."""
        tls = str(self._own_tls)
        self._scheduler = loop.run(_own_scheduler(tls, self._scratch), timeout_s=60.0)
        return msgspec.structs.replace(self._asked, address=self._scheduler.address, tls=tls)

    @property
    def _own_tls(self) -> Path:
        return self._folder / "tls"

    @property
    def _scratch(self) -> Path:
        """Where the run's own scheduler has its files; dask would take a folder that all users of the machine share."""
        return self._folder / "scheduler"

    def _make_tls_files(self) -> None:
        """Make new ones; a run that was killed left its own."""
        make_directory(self._folder)
        remove_tree(self._own_tls)
        make_directory(self._own_tls)
        make_tls_files(self._own_tls, datetime.now(UTC))

    def _start_again(self) -> None:
        """Replace workers of the run's own whose guardian was killed."""
        if time.monotonic() - self._looked_at < AGAIN_S:
            return
        self._looked_at = time.monotonic()
        for nth, process in enumerate(self._processes, 1):
            if process.poll() is not None:
                self._processes[nth - 1] = self._start(nth)

    def _start(self, nth: int) -> subprocess.Popen[bytes]:
        name = f"local-{nth}"
        folder = self._folder / name
        argv = [sys.executable, "-m", "pitboss", "worker", self._where.address, "--tls", str(self._where.tls)]
        argv += ["--name", name, "--dir", str(folder), "--slots", "1", "--leave-with-scheduler"]
        with (self._folder / f"{name}.log").open("ab") as log:
            # In the runner's own process session: in another one, the end of any command would end it as an orphan.
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    async def _watch(self) -> None:
        """Keep the list of workers up to date; it is empty while the scheduler does not answer."""
        while True:
            began = time.thread_time()
            try:
                identity = await asyncio.wait_for(self._identity(), CONNECT_S)
                self._learn(self._silences.judged(self._roster.members(identity), time.monotonic()))
            except (OSError, TimeoutError):
                self._learn(())
            except RuntimeError:  # such as no more threads: keep the last list, and look again
                pass
            await asyncio.sleep(poll_pause_s(time.thread_time() - began))

    def _learn(self, workers: tuple[WorkerInfo, ...]) -> None:
        self._by_name = {worker.name: worker for worker in workers if worker.answering}
        self._seen = workers
        if workers and self.listener is not None:
            self.listener(workers)

    async def _identity(self) -> Any:
        return (
            self._scheduler.identity() if self._scheduler is not None else await reached(self._rpc.identity())
        )

    async def _connect(self, worker: WorkerInfo, lost_after_s: float) -> Wire[FromWorker]:
        from distributed.comm import core

        dask_comm: Any = core
        safety = security(self._where.tls)
        how = {} if safety is None else safety.get_connection_args("client")
        comm = await reached(dask_comm.connect(worker.reception, timeout=CONNECT_S, **how))
        await comm.write(lost_after_s)
        loop, folder = asyncio.get_running_loop(), self._note.parent
        self._heartbeat = self._heartbeat or Heartbeat(loop)
        wire = Wire(
            comm, loop, from_worker, lost_after_s=lost_after_s, folder=folder, heartbeat=self._heartbeat
        )
        carrying = asyncio.ensure_future(wire.serve())
        carrying.add_done_callback(lambda done: done.cancelled() or done.exception())
        return wire


def poll_pause_s(took_s: float) -> float:
    """Seconds until the next look, after one that took so much processor time."""
    return min(LONGEST_POLL_S, max(POLL_S, took_s / POLL_SHARE))


async def _own_scheduler(tls: str, scratch: Path) -> Any:
    from distributed import Scheduler

    made = Scheduler(
        protocol="tls",
        host="127.0.0.1",
        port=0,
        dashboard=False,
        dashboard_address="127.0.0.1:0",
        security=security(tls),
        local_directory=str(scratch),
    )
    with suppress(ValueError):
        sys.path.remove(made.local_directory)  # whoever may write there may not have this process import it
    serve_no_pages(made)
    return await made


async def _remote(where: Membership) -> Any:
    from distributed import core

    dask_core: Any = core
    safety = security(where.tls)
    return dask_core.rpc(
        where.address, connection_args=None if safety is None else safety.get_connection_args("client")
    )


def members(where: Membership) -> tuple[WorkerInfo, ...]:
    """The workers of a scheduler, asked once. Raises OSError, TimeoutError."""
    quiet_dask()
    loop = BackgroundLoop()

    async def ask() -> Any:
        return await reached((await _remote(where)).identity())

    try:
        return workers_of(loop.run(ask(), timeout_s=CONNECT_S), where.agents)
    finally:
        loop.close()
