"""How the shell is judged: it takes its script from the prompt, and there is nothing to capture."""

from __future__ import annotations

from pitboss.core.config import AgentSettings
from tests.support.replay import Table

TABLE = Table(dress=lambda _folder, _script: AgentSettings())
