"""Finds API keys that would be billed even though the agent's subscription is logged in (SPEC 4).

A CLI takes the key from its environment without asking, and a night's work goes on the wrong bill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.table import find_backend
from pitboss.core.environment import agent_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pitboss.core.config import Config


class PaidKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The `variables` (at least one) that hold keys in `agent`'s environment, despite the login in `login`."""

    agent: str
    variables: tuple[str, ...]
    login: str

    @property
    def finding(self) -> str:
        """What is wrong, in a sentence."""
        billed = " or ".join(self.variables)
        return f"{self.agent} may be billed by {billed}, although a subscription is logged in ({self.login})"

    @property
    def hint(self) -> str:
        """How to use the login instead."""
        names = ", ".join(f'"{variable}"' for variable in self.variables)
        what = "the key" if len(self.variables) == 1 else "the keys"
        return f"[agent] env_remove = [{names}] in .pitboss/config.toml keeps {what} from agents"


def paid_keys(agents: Iterable[str], config: Config, environ: Mapping[str, str]) -> tuple[PaidKeys, ...]:
    """The keys that each of `agents` would be billed through. Raises StartError if there is no such agent."""
    env = agent_environment(environ, remove=config.env_remove, keep=config.env_keep)
    return tuple(found for agent in agents for found in _of_agent(agent, env))


def _of_agent(agent: str, env: Mapping[str, str]) -> Iterator[PaidKeys]:
    backend = find_backend(agent)
    present = tuple(variable for variable in backend.key_variables if env.get(variable))
    login = backend.subscription(env) if present else None
    if login is not None:
        yield PaidKeys(agent=agent, variables=present, login=login)
