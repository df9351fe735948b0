"""Which agent works on a prompt, with which model, and which one fixes what it broke (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.session import FIXER, IMPLEMENTER

if TYPE_CHECKING:
    from pitboss.core.config import Config
    from pitboss.core.prompt import PromptMeta

SHELL = "shell"


class Worker(msgspec.Struct, frozen=True):
    """An agent and the model it is asked to use; None leaves the choice to its program."""

    agent: str
    model: str | None = None

    def __str__(self) -> str:
        return self.agent if self.model is None else f"{self.agent} with {self.model}"


def implementer(config: Config, meta: PromptMeta) -> Worker:
    """Who works on a prompt: the agent it names, else the configured one."""
    agent = meta.agent or config.backend
    return Worker(agent, _model(config, meta, IMPLEMENTER, agent))


def fixer(config: Config, meta: PromptMeta) -> Worker | None:
    """Who fixes the work on a prompt: its own agent; the configured one for `shell`, which can fix nothing."""
    agent = meta.agent or config.backend
    agent = config.backend if agent == SHELL else agent
    return None if agent == SHELL else Worker(agent, _model(config, meta, FIXER, agent))


def stand_in(config: Config, agent: str) -> Worker:
    """`agent` when it takes over from another, with its own model: roles and prompts name the other agent's models."""
    settings = config.agents.get(agent)
    return Worker(agent, settings.model if settings else None)


def _model(config: Config, meta: PromptMeta, role: str, agent: str) -> str | None:
    """The prompt's model, else the role's, else the agent's own."""
    return meta.model or config.models.get(role) or stand_in(config, agent).model
