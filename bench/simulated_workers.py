"""Simulated workers: members of a real dask scheduler that speak the real messages, and whose agents only sleep.

`python -m bench.simulated_workers ADDRESS FIRST COUNT AGENT_S A_SECOND`: many of them in one process, one slot each. A
session costs a thread that waits, and changes nothing: what is measured is the runner.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from pitboss.core.agent import AgentOutcome
from pitboss.core.session import Landing, SessionStatus
from pitboss.core.usage import Usage
from pitboss.workers import messages as say
from pitboss.workers.extra import quiet_dask
from pitboss.workers.programs_here import ProgramsHere
from pitboss.workers.reception import Reception
from pitboss.workers.roster import SESSIONS
from pitboss.workers.wire import Closed
from pitboss.workers.worker_process import Setup, facts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.workers.wire import Wire

AT_ONCE = 50
"""Workers that register at the same time."""

FOREVER_S = 3600.0
PORTS = 10_000
"""Where simulated workers seem to be; nobody asks there: they are reached where their process listens."""

Facts = Callable[[], dict[str, Any]]


class SimulatedDesk:
    """What all workers of this process do for their runner.

    An agent sleeps `agent_s` seconds. The first ones, which all begin together, sleep less, so that from the beginning
    sessions end one after another, `a_second` of them, and never all at once.
    """

    def __init__(self, agent_s: float, a_second: float) -> None:
        self._agent_s = agent_s
        self._a_second = a_second
        self._lock = Lock()
        self.unkept = False
        self._seqs: dict[str, set[int]] = {}
        self.finished = 0
        self.remains: dict[str, list[tuple[int, int]]] = {}
        self.leaves = False

    @property
    def seqs(self) -> dict[str, list[int]]:
        """The sessions in flight, by run. Each worker would name its own: here nobody names any."""
        return {}

    def attend(self, wire: Wire[say.FromRunner]) -> None:
        """Attend to one session in a thread of its own."""
        Thread(target=self._attend, args=(wire,), daemon=True).start()

    def _attend(self, wire: Wire[say.FromRunner]) -> None:
        try:
            begin, _ = wire.take(FOREVER_S) or (None, None)
            if isinstance(begin, say.Begin):
                wire.put(say.Begun(has=(begin.assignment.base_commit,)))
                sleep_s = min(self._agent_s, begin.assignment.seq / self._a_second)
                while self._answer(wire, sleep_s):
                    pass
        except Closed:
            pass
        finally:
            wire.close()

    def _answer(self, wire: Wire[say.FromRunner], sleep_s: float) -> bool:
        """Answer one call; False once the session is released."""
        call, _ = wire.take(FOREVER_S) or (None, None)
        match call:
            case say.Prepare():
                wire.put(say.Ready(ready=True))
            case say.RunAgent():
                self._sleep(wire, sleep_s)
            case say.CommitWork():
                wire.put(say.Committed(landing=Landing(), whole=True))
            case say.Rescue():
                wire.put(say.Kept(landing=Landing()))
            case say.Release():
                wire.put(say.Done())
                with self._lock:
                    self.finished += 1
                return False
            case _:
                pass
        return True

    def _sleep(self, wire: Wire[say.FromRunner], sleep_s: float) -> None:
        """An agent that sleeps until its time is over or somebody wants its end."""
        wire.put(say.AgentStarted(pid=os.getpid(), pid_started=None))
        deadline = time.monotonic() + sleep_s
        while (left := deadline - time.monotonic()) > 0:
            asked = wire.take(left)
            if asked is not None and isinstance(asked[0], say.Halt):
                break
        outcome = AgentOutcome(status=SessionStatus.OK, usage=Usage(), exit_code=0)
        wire.put(say.AgentEnded(outcome=outcome))


class Member:
    """One simulated worker, as the scheduler sees it: registered, and heard of as often as that wants."""

    def __init__(self, nth: int, rpc: Any, metrics: Mapping[str, Any], facts: Facts) -> None:
        self.address = f"tcp://127.0.0.1:{PORTS + nth}"
        self._nth = nth
        self._rpc = rpc
        self._metrics = metrics
        self._facts = facts

    async def join(self, scheduler: str) -> Any:
        """Register; the connection must stay open for as long as the worker is there. Raises OSError."""
        from distributed.comm import core
        from distributed.versions import get_versions

        dask_comm: Any = core
        comm = await dask_comm.connect(scheduler, timeout=FOREVER_S)
        await comm.write(
            {
                "op": "register-worker",
                "reply": False,
                "address": self.address,
                "status": "running",
                "nthreads": 1,
                "name": f"sim-{self._nth:05}",
                "now": time.time(),
                "resources": {},
                "memory_limit": None,
                "local_directory": "",
                "services": {},
                "nanny": None,
                "pid": os.getpid(),
                "versions": get_versions(),
                "metrics": self._said(),
                "extra": {},
                "stimulus_id": f"simulated-{self._nth}",
                "server_id": f"simulated-{self._nth}",
            }
        )
        await comm.read()
        return comm

    async def beat(self) -> None:
        """Be heard of, for ever."""
        pause_s = 0.5
        while True:
            await asyncio.sleep(pause_s)
            said = await self._rpc.heartbeat_worker(
                address=self.address, now=time.time(), metrics=self._said(), executing={}, extensions={}
            )
            pause_s = said["heartbeat-interval"]

    def _said(self) -> dict[str, Any]:
        return {**self._metrics, SESSIONS: self._facts()}


async def serve(address: str, first: int, count: int, desk: SimulatedDesk, folder: str) -> None:
    """Be `count` workers of a scheduler until this process is ended."""
    from distributed import Worker, core

    dask_core: Any = core
    reception = Reception(desk.attend, Path(folder))
    await reception.open(address, None)
    setup = Setup(address=address, name="simulated", slots=1, folder=folder)
    agents = ProgramsHere({}, folder)
    facts = partial(facts_of, setup, desk, agents, reception)
    metrics = await Worker(address, dashboard=False, dashboard_address="127.0.0.1:0").get_metrics()
    members = [Member(nth, dask_core.rpc(address), metrics, facts) for nth in range(first, first + count)]
    comms = []
    for start in range(0, count, AT_ONCE):
        comms += await asyncio.gather(*(each.join(address) for each in members[start : start + AT_ONCE]))
    await asyncio.gather(*(member.beat() for member in members))


if __name__ == "__main__":
    quiet_dask()
    with TemporaryDirectory() as place:
        at, first, count, agent_s, a_second = sys.argv[1:]
        made = SimulatedDesk(float(agent_s), float(a_second))
        asyncio.run(serve(at, int(first), int(count), made, place))
