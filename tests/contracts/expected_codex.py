"""What each capture of Codex 0.169.0 comes to, by what it printed alone: no file of its thread was kept."""

from __future__ import annotations

from pitboss.core.session import SessionStatus
from pitboss.core.usage import CostSource
from tests.support.replay import Expected, Table

MODEL = "gpt-5.1-codex"
ERROR = SessionStatus.ERROR

WROTE_IT = "Done: wrote hello.txt."
TWO_REQUESTS = (1200, 34, 384, 0)
TWO_REQUESTS_USD = (816 * 1.25 + 384 * 0.125 + 34 * 10.0) / 1e6


def wrote_it(session_id: str) -> Expected:
    """The session that writes its file in two requests."""
    return Expected(
        model=MODEL,
        tool_calls=1,
        session_id=session_id,
        tokens=TWO_REQUESTS,
        cost_usd=TWO_REQUESTS_USD,
        cost_source=CostSource.PRICE_TABLE,
        text=WROTE_IT,
    )


def failed(reason: str, session_id: str, **other: object) -> Expected:
    """A session that ends in an error; before it was answered unless `other` says so."""
    return Expected(status=ERROR, reason=reason, model=MODEL, session_id=session_id, **other)  # type: ignore[arg-type]


TABLE = Table(
    captures="codex",
    asks_model=MODEL,
    farewell="""printf '\\n%s\\n' '{"type": "turn.completed", "usage": {"input_tokens": 0, "output_tokens": 0}}'""",
    expected={
        "ok": wrote_it("01a203bf-6b28-77b3-93c9-55d4a76c2bd7"),
        "rate_once": wrote_it("01a203c2-6338-7e52-ab46-4c4b5dd281eb"),
        "auth": failed(
            "auth: unexpected status 401 Unauthorized: Incorrect API key provided",
            "01a203c2-5a48-7dc0-9a91-afa78d540737",
        ),
        "billing": failed(
            "billing: Quota exceeded. Check your plan and billing details.",
            "01a203c2-5acc-75a3-9489-4c0571695055",
        ),
        "notfound": failed(
            "not_found: The model `mock-does-not-exist` does not exist or you do not have access to it.",
            "01a203c2-5e9b-7323-8985-373faa25252e",
        ),
        "overloaded": failed(
            "overloaded: Selected model is at capacity. Please try a different model.",
            "01a203ca-54fc-7b70-a638-36dbeddaabb7",
        ),
        # A limit of tokens a minute, that is over in seconds.
        "stream_error": failed(
            "overloaded: rate limit exceeded: Rate limit reached for mock-model on tokens per min (TPM)",
            "01a203ca-6bf9-7ec1-8cad-e86907c070ad",
        ),
        # Its answers broke off: what those took is not known.
        "cut_clean": failed(
            "overloaded: stream disconnected before completion: stream closed before response.completed",
            "01a2114a-ab07-7542-953b-5dc61fa3872a",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
        ),
        "usage_limit": failed(
            "rate_limited: You\u2019ve hit your usage limit. Upgrade to Pro",
            "01a203c2-6598-7c63-9fdc-81d77cf1f2bc",
            resets_at_time="17:56",
        ),
        # Killed before its turn was completed: it was answered, and nobody says what that used.
        "longtool_TERM": failed(
            "exit_code: -15",
            "01a203d5-444f-7170-a9d2-a752dd59d829",
            tool_calls=1,
            text="I will write the file.",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
        ),
        "hang": failed(
            "exit_code: -15",
            "01a203d0-c59e-7943-bfb6-8af2bf67c9b6",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
        ),
    },
)
