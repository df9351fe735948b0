"""How a program of the user's own is judged: there is nothing to capture."""

from __future__ import annotations

from pitboss.core.config import AgentSettings
from tests.support.replay import Table

TABLE = Table(dress=lambda _folder, script: AgentSettings(command=("sh", "-c", script)))
