"""`pitboss agents`: which agents are there, how each is logged in, and what trying it may cost (SPEC 8, 11)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pitboss.cli.shared.declare import command, option
from pitboss.cli.shared.project import project_root
from pitboss.core.measures import money
from pitboss.screens.columns import Column
from pitboss.screens.output import note, write_json
from pitboss.screens.table import say_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.agents.installation import Installation

_COLUMNS = (
    Column("AGENT", 5, 20),
    Column("VERSION", 7, 30),
    Column("LOGIN", 5, 20),
    Column("COST", 4, 20, gives_way=1),
    Column("PROBE", 5, 20, gives_way=2),
    Column("PATH", 16, 1000, grows=True, keeps_end=True),
)


class KnownAgent(msgspec.Struct, frozen=True, kw_only=True):
    """What one line says of an agent; `login` says what it would be billed through, by the look of its environment.

    `log_in` is how to log in, `cost` how its cost is known.
    """

    name: str
    chosen: bool
    path: str | None
    version: str | None
    fitness: str | None
    login: str | None
    log_in: str | None
    cost: str
    probe_usd: float
    problem: str | None
    hint: str | None


@command()
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def agents(*, as_json: bool) -> None:
    """List the agents: what is installed, its version and login, and what `doctor --probe` may cost.

    Listing costs nothing. Whether a login still works, only a probe can tell.
    """
    found = list(_known(project_root()))
    if as_json:
        write_json(found)
        return
    say_table(_COLUMNS, [*map(_row, found)])
    note("* is used by default")
    note("`pitboss doctor --probe` gives the agents of a run a small task")


def _known(root: Path) -> Iterator[KnownAgent]:
    from pitboss.agents.installation import find_installation, rooted
    from pitboss.agents.table import agent_names
    from pitboss.core.config import AgentSettings
    from pitboss.core.environment import agent_environment
    from pitboss.store.config import load_config
    from pitboss.trust import look

    config = load_config(root)
    env = agent_environment(os.environ, remove=config.env_remove, keep=config.env_keep)
    trust, placed = look(root, config, os.environ), rooted(config, root).agents
    for name in agent_names():
        asking = not trust.withheld(name, working=False)
        settings = placed.get(name, AgentSettings())
        found = find_installation(name, settings, environ=env, root=root, asking=asking)
        yield _described(found, env, chosen=name == config.backend, free=settings.usage == "none")


def _described(found: Installation, env: dict[str, str], *, chosen: bool, free: bool) -> KnownAgent:
    from pitboss.agents.table import find_backend
    from pitboss.core.worker import SHELL
    from pitboss.preflight import MOST_USD

    backend = find_backend(found.name)
    keys = [variable for variable in backend.key_variables if env.get(variable)]
    return KnownAgent(
        name=found.name,
        chosen=chosen,
        path=found.path,
        version=found.version,
        fitness=found.fitness,
        login=keys[0] if keys else backend.subscription(env),
        log_in=backend.log_in,
        cost=backend.cost,
        probe_usd=0.0 if free or found.name == SHELL else MOST_USD,
        problem=found.problem,
        hint=found.hint,
    )


def _row(agent: KnownAgent) -> tuple[str, ...]:
    from pitboss.core.embed import one_line

    there = agent.version or "found" if agent.problem is None else "-"
    return (
        f"{agent.name}{'*' if agent.chosen else ''}",
        one_line(f"{there} ({agent.fitness})" if agent.fitness else there, 40),
        one_line(agent.login or "-"),
        agent.cost,
        f"up to {money(agent.probe_usd)}" if agent.probe_usd else "free",
        one_line(agent.problem or agent.path or "-"),
    )
