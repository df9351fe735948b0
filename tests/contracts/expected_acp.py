"""How agents behind the Agent Client Protocol are judged: a real one does a script, a small one replays captures.

A capture's `wire` is what the agent wrote to its client, `stdout` what our client made of it; it is named after the
preset.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.core.usage import CostSource
from tests.support.replay import Expected, Table

SUPPORT = Path(__file__).parent.parent / "support"
SHELL = (sys.executable, str(SUPPORT / "acp_shell.py"))
ERROR = SessionStatus.ERROR
REPLAY = f"{sys.executable} {SUPPORT / 'acp_replay.py'} $CAPTURE/wire"

TABLE = Table(
    captures="acp",
    dress=lambda _folder, script: AgentSettings(command=(*SHELL, script)),
    verbatim=False,
    replay=REPLAY,
    expected={
        "claude-agent-acp_auth": Expected(
            status=ERROR,
            reason="auth: Authentication required",
            model="default",
            session_id="190b40e4-0ca1-4017-ac0e-9b8dbcebd7e4",
        ),
        "claude-agent-acp_ok": Expected(
            tokens=(2862, 40, 1300, 340),
            cost_usd=0.003824,
            model="claude-sonnet-5-5",
            text="Done: wrote hello.txt.",
            session_id="8353d47f-0aa4-4ad0-9648-1002745dfbd4",
            tool_calls=1,
        ),
        "claude-agent-acp_limit_midway": Expected(
            status=ERROR,
            reason="rate_limited: Internal error: You've hit your 5-hour limit · resets 3:",
            cost_usd=0.003052,
            model="claude-sonnet-5-5",
            text="You've hit your 5-hour limit · resets 3:18pm (UTC)",
            session_id="ea1135c6-274c-42d2-b40f-c3e7069c05b3",
            tool_calls=1,
            resets_at=1795706336,
        ),
        "claude-agent-acp_usage_limit": Expected(
            status=ERROR,
            reason="rate_limited: Internal error: You've hit your 5-hour limit · resets 11",
            model="default",
            text="You've hit your 5-hour limit · resets 11:33am (UTC)",
            session_id="db505ac2-df0b-4ab1-9b21-ad1be9a81f97",
            resets_at_time="11:33 UTC",
        ),
        "codex-acp_auth": Expected(
            status=ERROR,
            reason="auth: Authentication required",
            model="gpt-6.1-sol",
            session_id="01a217a1-c37b-7552-b38d-8e762769b87d",
        ),
        "codex-acp_ok": Expected(
            tokens=(2840, 34, 1300, 0),
            cost_usd=0.00355,
            cost_source=CostSource.PRICE_TABLE,
            model="gpt-6.1-sol",
            text="Done: wrote hello.txt.",
            session_id="01a217a1-8b21-7fd3-b5f7-f2cbb8cddf67",
            tool_calls=1,
        ),
        "codex-acp_usage_limit": Expected(
            status=ERROR,
            reason="rate_limited: Internal error: You",
            model="gpt-6.1-sol",
            text="You",
            session_id="01a217a1-a56b-7d60-ab50-311d6d8866f6",
            resets_at_time="11:33",
        ),
        "copilot_auth": Expected(
            status=ERROR,
            reason="auth: Authentication failed with provider at http://127.0.0.1:44141/x/",
            text="Error: Authentication failed with provider at http://127.0.0.1:44141/x",
            session_id="5c5ddc70-7d5c-444c-b1dd-84c208818101",
        ),
        "copilot_ok": Expected(
            tokens=(2840, 34, 1300, 0),
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
            text="Done: wrote hello.txt.",
            session_id="0686becd-831c-4f1f-91b2-621cdbefc666",
            tool_calls=1,
        ),
        "gemini_auth": Expected(
            status=ERROR,
            reason='auth: {"error":{"code":400,"message":"API key not valid. Please pass a',
            session_id="2c6c4b65-3278-4ccc-aaa5-a8c6efe443f7",
        ),
        "gemini_ok": Expected(
            tokens=(2840, 27, 0, 0),
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
            model="gemini-2.5-pro",
            text="Done: wrote hello.txt.",
            session_id="5d5a6ffe-3ba4-42c3-af5c-1d88007d1268",
            tool_calls=1,
        ),
        "gemini_usage_limit": Expected(
            status=ERROR,
            reason="rate_limited: You have exhausted your daily quota on this model.",
            session_id="f1db067b-47a0-4668-9a95-f7907f84a338",
        ),
        "kimi_ok": Expected(
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
            model="local",
            text="Done: wrote hello.txt.",
            session_id="session_266e1cab-ab52-4ca1-a4d8-1d3fa3da802f",
            tool_calls=1,
        ),
        "opencode_auth": Expected(
            status=ERROR,
            reason="auth: Internal error: Incorrect API key provided. You can find your AP",
            model="local/mock-model",
            session_id="ses_de85ed713ffe2zUCcDmKd1YBnS",
        ),
        "opencode_ok": Expected(
            cost_usd=0.00552,
            model="local/mock-model",
            text="Done: wrote hello.txt.",
            session_id="ses_de85f5eb1ffeiTl0ytcziBQNQx",
            tool_calls=1,
        ),
        "qwen_auth": Expected(
            status=ERROR,
            reason="auth: Internal error: 401 Incorrect API key provided. You can find you",
            model="qwen3-coder-plus",
            session_id="e84debd3-29da-4670-8f18-b4e138033b6a",
        ),
        "qwen_ok": Expected(
            tokens=(2840, 34, 1300, 0),
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
            model="qwen3-coder-plus",
            text="Done: wrote hello.txt.",
            session_id="a738facf-de44-4bac-89cf-a4e47918601a",
            tool_calls=1,
        ),
    },
)
