"""What `pitboss doctor` finds out about the workers that the configuration names (SPEC 8, 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.cli.shared.verdicts import Check, ok, problem, warning
from pitboss.core.cluster import LocalWorkers, parse_cluster
from pitboss.core.embed import one_line
from pitboss.workers.requirements import require_workers
from pitboss.workers.roster import agents_shown, needed_agents

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pitboss.core.config import Config
    from pitboss.workers.roster import WorkerInfo

_START = "`pitboss worker ADDRESS` starts one on each machine"


def look_at_workers(address: str, config: Config, used: Collection[str]) -> Iterator[Check]:
    """Yield what is known of the workers at `address`, for runs that use the agents in `used`. Raises StartError."""
    require_workers(address, config)
    where = parse_cluster(address)
    if isinstance(where, LocalWorkers):
        yield ok("workers", f"{where}: a run starts {where.number} on this machine")
        return
    from pitboss.workers.cluster import Membership, members
    from pitboss.workers.trouble import why

    asked = Membership(address=address, tls=config.workers.tls, agents=needed_agents(sorted(used), config))
    try:
        found = members(asked)
    except (OSError, TimeoutError) as error:
        finding = f"cannot ask the scheduler at {address}: {why(error)}"
        yield problem(
            "workers", one_line(finding, 300), hint="a run would wait for it; `dask scheduler` starts one"
        )
        return
    yield from _judged(found, asked.agents)


def _judged(found: tuple[WorkerInfo, ...], needed: Collection[str]) -> Iterator[Check]:
    if not found:
        yield problem("workers", "the scheduler has none: a run would wait for one", hint=_START)
    elif all(worker.unfit for worker in found):
        listed = "; ".join(f"{worker.name}: {worker.unfit}" for worker in found)
        yield problem("workers", one_line(f"none is fit: {listed}", 400), hint=_START)
    else:
        yield from (check for worker in found for check in _worker(worker, needed))


def _worker(worker: WorkerInfo, needed: Collection[str]) -> Iterator[Check]:
    facts = worker.facts
    if worker.unfit is not None or facts is None:
        yield warning("workers", one_line(f"{worker.name} gets no session: {worker.unfit}"))
        return
    agents = {name: facts.agents[name] for name in needed if name in facts.agents}
    what = f"{worker.name} on {facts.host}, {facts.slots} at once: {agents_shown(agents) or 'no agent is needed'}"
    if any(agent.logged_in is False for agent in agents.values()):
        yield warning(
            "workers",
            one_line(what, 300),
            hint="log in on that machine, as the user that runs `pitboss worker`",
        )
    else:
        yield ok("workers", one_line(what, 300))
