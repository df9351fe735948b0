"""What each capture of Kimi Code 2.1.0 comes to; what it used, and which model it asked, is in its own files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


LEFT = """for session in $CAPTURE/sessions/*/; do
    [ -d "$session" ] || continue
    mkdir -p "$HOME/.kimi-code/sessions/here" && cp -r "$session" "$HOME/.kimi-code/sessions/here"
    printf '{"sessionId": "%s", "workDir": "%s"}\\n' "$(basename "$session")" "$(pwd -P)" \\
        >>"$HOME/.kimi-code/session_index.jsonl"
done"""
"""The files of its session, and where that is."""


def wrote_it(session_id: str, **more: Any) -> Expected:
    """It called one tool and said that it was done."""
    usual = {"tokens": (2840, 34, 1300, 0), "text": "Done: wrote hello.txt.", "tool_calls": 1, **UNPRICED}
    return Expected(**(usual | {"session_id": session_id} | more))


UNPRICED: dict[str, Any] = {
    "cost_usd": None,
    "cost_source": CostSource.UNKNOWN,
    "model": "mock-model",
}

TABLE = Table(
    captures="kimi",
    dress=dress,
    beside=LEFT,
    expected={
        "auth": Expected(
            status=ERROR, reason="auth: 401 Incorrect API key provided. You can find your API key in you"
        ),
        "cut_clean": Expected(
            status=ERROR,
            reason="overloaded: the model's answer broke off",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
            text="I will writ",
            session_id="session_acb03d2c-dead-4b5c-8d1f-69973f6b2948",
        ),
        "longtool_TERM": Expected(
            status=ERROR,
            reason="exit_code: 143",
            tokens=(1800, 20, 500, 0),
            text="I will write the file.",
            session_id="session_0fabe20a-6967-4ba2-b6a1-cecafc91c093",
            tool_calls=1,
            **UNPRICED,
        ),
        "lost": Expected(
            status=ERROR, reason='agent_error: Session "session_deadbeef-0000-4000-8000-000000000000" no'
        ),
        "notfound": Expected(
            status=ERROR, reason='not_found: Model "nosuch" is not configured in config.toml.'
        ),
        "ok": wrote_it("session_c76b33fc-ccd9-4401-9e26-92afa1be3d6d"),
        "rate_once": wrote_it("session_e96e5e96-20ec-4bb7-936e-aecdddc4c016"),
        "subagent": wrote_it("session_3fee5ebb-db7e-48b3-85f7-62e831c98055", tokens=(5680, 68, 2600, 0)),
    },
)
