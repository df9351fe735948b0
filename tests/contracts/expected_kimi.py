"""What each capture of Kimi Code 2.1.0 comes to; it never says what it used, nor which model it asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.core.usage import CostSource
from tests.support.agents import executable
from tests.support.replay import Expected, Table

if TYPE_CHECKING:
    from pathlib import Path

ERROR = SessionStatus.ERROR

FAREWELL = """printf '\\n%s\\n' '{"role": "meta", "type": "session.resume_hint", "session_id": "s"}'"""


def dress(folder: Path, script: str) -> AgentSettings:
    """A kimi that does `script`; its prompt is an argument."""
    body = f"PROMPT=$2\nfarewell() {{ {FAREWELL}\n}}\ntrap farewell EXIT\n{script}"
    return AgentSettings(binary=str(executable(folder / "kimi", body)))


TABLE = Table(
    captures="kimi",
    dress=dress,
    expected={
        "auth": Expected(
            status=ERROR, reason="auth: 401 Incorrect API key provided. You can find your API key in you"
        ),
        "cut_clean": Expected(
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
            text="I will writ",
            session_id="session_995dbe96-00e7-4826-bd44-de26441f3631",
        ),
        "longtool_TERM": Expected(
            status=ERROR,
            reason="exit_code: 143",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
            text="I will write the file.",
            tool_calls=1,
        ),
        "lost": Expected(
            status=ERROR, reason='agent_error: Session "session_deadbeef-0000-4000-8000-000000000000" no'
        ),
        "notfound": Expected(
            status=ERROR, reason='not_found: Model "nosuch" is not configured in config.toml.'
        ),
        "ok": Expected(
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
            text="Done: wrote hello.txt.",
            session_id="session_ac809674-56f5-40ef-a79a-86efb10d0a7c",
            tool_calls=1,
        ),
        "rate_once": Expected(
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
            text="Done: wrote hello.txt.",
            session_id="session_41382dd4-8aa6-4157-bbfe-53924619a5d0",
            tool_calls=1,
        ),
    },
)
