"""The process of a worker: a dask worker that runs sessions and no tasks, under a guardian of its own (SPEC 14)."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import sys
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from pitboss import __version__
from pitboss.core.cluster import parse_scheduler
from pitboss.core.stops import StopLevel
from pitboss.errors import CommandError, RunnerKilled
from pitboss.guardian import Meanwhile, guard
from pitboss.store.paths import PITBOSS_FOLDER
from pitboss.workers.extra import engine_version, quiet_dask, serve_no_pages
from pitboss.workers.liveness import Liveness
from pitboss.workers.messages import VERSION
from pitboss.workers.programs_here import ProgramsHere
from pitboss.workers.reception import Reception
from pitboss.workers.roster import SESSIONS
from pitboss.workers.tls import security
from pitboss.workers.trouble import why
from pitboss.workers.worker_desk import WorkerDesk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pitboss.guardian import StopChannel

    Facts = dict[str, Any]

MARKER = "PITBOSS_WORKER"
"""A variable in the environment of everything that one worker starts, by which the guardian finds leftovers."""

AT_ONCE = (signal.SIGTERM, signal.SIGHUP)
"""The senders do not wait for hours: a service manager, or a terminal that is gone."""

LOOK_S = 0.1
AGAIN_S = 2.0
"""Seconds between two tries to reach the scheduler."""

REVIVAL_S = 0.5
"""Seconds before a killed worker is started again."""

CONNECT_S = 10.0
LINGER_S = 3.0
"""Seconds after which every run knows that this worker is leaving."""
SETTLE_S = 5.0
"""Seconds between two tries to keep what a session left, and between two looks at what is no longer needed."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker was started: where its scheduler is, what it is called, and what it may use."""

    address: str
    name: str
    slots: int
    folder: str
    tls: str | None = None
    stays: bool = True
    """Whether it waits for a scheduler that has gone."""

    @property
    def private(self) -> tuple[str, ...]:
        """What no sandboxed session may see: its folder, or the whole `.pitboss` around that, and its certificates."""
        folder = Path(self.folder)
        around = [each for each in (folder, *folder.parents) if each.name == PITBOSS_FOLDER]
        return (str(around[-1] if around else folder), *filter(None, [self.tls]))


class SessionsHere(Protocol):
    """What a worker knows of its sessions: `WorkerDesk`, or one that simulates them."""

    finished: int
    unkept: bool

    @property
    def seqs(self) -> dict[str, list[int]]:
        """The sessions in flight, by run."""
        ...

    @property
    def remains(self) -> dict[str, list[tuple[int, int]]]:
        """What it holds of others, by run: session and attempt."""
        ...

    @property
    def leaves(self) -> bool:
        """Whether it takes no more sessions."""
        ...


def run_worker(setup: Setup, reporting: Callable[[Callable[[], int]], int]) -> int:
    """Serve sessions until asked to leave; returns the exit code. A process that is killed is started again.

    `reporting` runs what is to be run, says what it raises, and returns the exit code for that.

    The first Ctrl-C lets the sessions in flight finish; the second ends them, as SIGTERM and SIGHUP do at once. A
    process that hangs for longer than its sessions allow is killed, which ends its agents.

    Raises CommandError if another worker uses the same folder, or it cannot be written.
    """
    with _own(Path(setup.folder)):
        marker = {MARKER: f"{os.getpid()}-{os.urandom(4).hex()}"}
        os.environ.update(marker)
        liveness = Liveness()
        while True:
            try:
                return guard(
                    lambda channel: reporting(lambda: asyncio.run(_serve(setup, channel, liveness))),
                    marker=marker,
                    at_once=AT_ONCE,
                    meanwhile=Meanwhile(is_lost=liveness.is_lost),
                )
            except RunnerKilled:
                liveness.rest()
                time.sleep(REVIVAL_S)


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / "lock").open("a")
    except OSError as error:
        raise CommandError(
            f"cannot use {folder}: {error.strerror}", hint="--dir names a folder that this user may write"
        ) from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CommandError(
                f"another worker uses {folder}", hint="each worker needs a folder of its own: --dir"
            ) from None
        yield


async def _serve(setup: Setup, channel: StopChannel, liveness: Liveness) -> int:
    quiet_dask()
    desk = WorkerDesk(Path(setup.folder), dict(os.environ), setup.private)
    beside = [asyncio.ensure_future(work) for work in (_beat(liveness, desk), _keep_house(desk))]
    reception = Reception(desk.attend, Path(setup.folder))
    facts = partial(facts_of, setup, desk, ProgramsHere(os.environ, setup.folder), reception)
    await asyncio.to_thread(desk.settle)
    await reception.open(setup.address, setup.tls)
    said = None
    while channel.level() is StopLevel.NONE:
        try:
            await _enlist(setup, channel, desk, facts)
            said = None
        except (OSError, ValueError, RuntimeError) as error:
            if said != (said := f"waits for the scheduler at {setup.address}: {why(error)}"):
                _say(setup, said)
        if not setup.stays:
            break
        if channel.level() is StopLevel.NONE:
            await asyncio.sleep(AGAIN_S)
    if channel.level() is StopLevel.DRAIN and desk.seqs:  # without a scheduler
        await _finish(setup, channel, desk)
    await asyncio.to_thread(desk.leave, channel.level())  # also if the scheduler has gone
    reception.close()
    for task in beside:
        task.cancel()
    return 0


async def _keep_house(desk: WorkerDesk) -> None:
    while True:
        await asyncio.sleep(SETTLE_S)
        await asyncio.to_thread(desk.settle_again)
        await asyncio.to_thread(desk.rest)


async def _beat(liveness: Liveness, desk: WorkerDesk) -> None:
    while True:
        liveness.beat(desk.patience_s)
        await asyncio.sleep(LOOK_S)


def _say(setup: Setup, text: str) -> None:
    print(f"worker {setup.name}: {text}", file=sys.stderr, flush=True)


async def _enlist(setup: Setup, channel: StopChannel, desk: WorkerDesk, facts: Callable[[], Facts]) -> None:
    """Be a worker of the scheduler until it goes or somebody asks this one to leave."""
    worker = _worker(setup, facts)
    await _until_told(channel, worker)
    if channel.level() is not StopLevel.NONE:
        return
    serve_no_pages(worker)
    _say(setup, f"ready for sessions of {setup.address}")
    try:
        while channel.level() is StopLevel.NONE and _is_there(worker):
            await asyncio.sleep(LOOK_S)
        if channel.level() is StopLevel.DRAIN:
            desk.leaves = True
            await _tell(worker)
            await _finish(setup, channel, desk)
        if channel.level() is not StopLevel.NONE:
            desk.leaves = True
            await asyncio.gather(_tell(worker), asyncio.to_thread(desk.leave, channel.level()))
    finally:
        with suppress(TimeoutError, OSError):
            await asyncio.wait_for(worker.close(nanny=False), CONNECT_S)


async def _tell(worker: Any) -> None:
    """Tell the scheduler now what it would hear with the next heartbeat."""
    with suppress(TimeoutError, OSError):
        await asyncio.wait_for(worker.heartbeat(), CONNECT_S)


async def _until_told(channel: StopChannel, worker: Any) -> None:
    """Start a worker of dask, or give up when somebody asks this one to leave. Raises OSError and others."""
    starting = asyncio.ensure_future(asyncio.wait_for(worker, CONNECT_S + AGAIN_S))
    while not starting.done():
        await asyncio.wait([starting], timeout=LOOK_S)
        if channel.level() is not StopLevel.NONE:
            starting.cancel()
            with suppress(asyncio.CancelledError, OSError, ValueError, RuntimeError):
                await starting
            return
    await starting


def _is_there(worker: Any) -> bool:
    """Whether the scheduler still has this worker."""
    return worker.status.name in ("running", "paused")


async def _finish(setup: Setup, channel: StopChannel, desk: WorkerDesk) -> None:
    """Wait for the sessions in flight, and for those on their way from a run that has not heard of it yet.

    A second request ends the wait.
    """
    _say(
        setup,
        "takes no more sessions, and leaves when those in flight are over; a second Ctrl-C ends them now",
    )
    told = time.monotonic()
    while channel.level() is StopLevel.DRAIN:
        if not desk.seqs and time.monotonic() - told > LINGER_S:
            return
        await asyncio.sleep(LOOK_S)


def _worker(setup: Setup, facts: Callable[[], Facts]) -> Any:
    from distributed import Worker
    from distributed.worker import DEFAULT_METRICS

    def said(_worker: Any) -> Facts:
        return facts()

    return Worker(
        setup.address,
        name=setup.name,
        host=parse_scheduler(setup.address).loopback,  # else dask listens on every network
        nthreads=setup.slots,
        local_directory=str(Path(setup.folder, "dask")),
        metrics={**DEFAULT_METRICS, SESSIONS: said},
        memory_limit=0,
        dashboard=False,
        dashboard_address="127.0.0.1:0",
        security=security(setup.tls),
        death_timeout=CONNECT_S,
    )


def facts_of(setup: Setup, desk: SessionsHere, programs: ProgramsHere, reception: Reception) -> Facts:
    """The worker's report on itself, sent with every heartbeat."""
    return {
        "version": __version__,
        "messages": VERSION,
        "engine": engine_version(),
        "slots": setup.slots,
        "pid": os.getpid(),
        "port": reception.port,
        "free": shutil.disk_usage(setup.folder).free,
        "host": os.uname().nodename,
        "seqs": desk.seqs,
        "finished": desk.finished,
        "remains": desk.remains,
        "unkept": desk.unkept,
        "agents": msgspec.to_builtins(programs.agents),
        "git_unfit": programs.git_unfit,
        "leaves": desk.leaves,
    }
