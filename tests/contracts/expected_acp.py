"""How an agent behind the Agent Client Protocol is judged: by a real one, and there is nothing to capture."""

from __future__ import annotations

import sys
from pathlib import Path

from pitboss.core.config import AgentSettings
from tests.support.replay import Table

SHELL = (sys.executable, str(Path(__file__).parent.parent / "support" / "acp_shell.py"))

TABLE = Table(dress=lambda _folder, script: AgentSettings(command=(*SHELL, script)), verbatim=False)
