"""Says which agents may do anything although nothing stands around them and nobody wrote that down (SPEC 6, 13).

At night nobody is there to answer, so agents ask nothing. Inside a sandbox that is safe. Elsewhere it is the user's
decision, which `permission_mode` in config.toml notes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.agents.table import find_backend

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.core.config import Config


def unfenced(agents: Iterable[str], config: Config, *, fenced: bool) -> str | None:
    """A warning that names the `agents` to which this applies; None if there is none. Raises StartError."""
    modes = (
        {} if fenced else {name: mode for name in agents if (mode := _unwritten(name, config)) is not None}
    )
    if not modes:
        return None
    who, first = " and ".join(modes), next(iter(modes))
    table = f'[agent."{first}"]' if ":" in first else f"[agent.{first}]"
    return (
        f'{who} may do whatever you may, without asking: `[sandbox] mode = "bwrap"` fences agents in, '
        f'`{table} permission_mode = "{modes[first]}"` says that you want it so'
    )


def _unwritten(name: str, config: Config) -> str | None:
    """The mode that agent `name` gets because the configuration names none."""
    settings = config.agents.get(name)
    return find_backend(name).unattended if settings is None or settings.permission_mode is None else None
