"""What each capture of Qwen Code 0.24.4 comes to; nobody lists a price of its model."""

from __future__ import annotations

from pitboss.core.session import SessionStatus
from pitboss.core.usage import CostSource
from tests.support.replay import Expected, Table

MODEL = "qwen3-coder-plus"
WROTE_IT = "Done: wrote hello.txt."
TWO_REQUESTS = (1200, 34, 384, 0)
ONE_REQUEST = (700, 20, 256, 0)


def wrote_it(session_id: str) -> Expected:
    """The session that writes its file in two requests."""
    return Expected(
        tokens=TWO_REQUESTS,
        cost_usd=None,
        cost_source=CostSource.UNKNOWN,
        model=MODEL,
        text=WROTE_IT,
        session_id=session_id,
        tool_calls=1,
    )


def failed(reason: str, session_id: str, **other: object) -> Expected:
    """A session that ends in an error; before anything was used unless `other` says so."""
    return Expected(
        status=SessionStatus.ERROR,
        reason=reason,
        model=MODEL,
        session_id=session_id,
        **other,  # type: ignore[arg-type]
    )


TABLE = Table(
    captures="qwen",
    farewell="""printf '\\n%s\\n' '{"type": "result", "subtype": "success", "is_error": false, "usage": {}}'""",
    expected={
        "ok": wrote_it("8b280b45-82d6-4638-8caa-365f12a208db"),
        "rate_once": wrote_it("da4c4ec4-8e96-4510-8c11-c75fce2d07e6"),
        "auth": failed(
            "auth: Incorrect API key provided: sk-test-*ummy.", "5c3ccb34-578a-4c12-a3f6-39c36b933dcf"
        ),
        "err500": failed(
            "overloaded: The server had an error while processing your request.",
            "f003e0c2-e3d6-4423-8b59-7c390e7cd3d6",
        ),
        # An old version calls every failure a success.
        "v0.15_auth": failed(
            "auth: Incorrect API key provided: sk-test-*ummy.", "abcb578c-a418-4149-9dfd-1bc6cc0f4b1e"
        ),
        "v0.15_cut": failed(
            "overloaded: terminated (cause: read ECONNRESET)",
            "dcc14412-f1b5-4239-a0fd-d36418a2377e",
            text="I will writ",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
        ),
        "cut_clean": failed(
            "overloaded: Model stream ended without a finish reason.",
            "234a5191-2808-4e82-9f35-047cb57b1d0a",
            text="I will writ",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
        ),
        # It had begun to answer, and an error's usage is zeros: what that took is not known.
        "stream_error": failed(
            "overloaded: The server had an error processing your request (mock, in stream)",
            "fa53dd2f-c8bb-46af-a70a-6b3810c51164",
            text="I will writ",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
        ),
        "longtool_TERM": failed(
            "exit_code: -15: Warning: running headless",
            "0e7d2c93-1f05-4623-9d40-e88979f41de6",
            tokens=ONE_REQUEST,
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
            text="I will write the file.",
            tool_calls=1,
        ),
    },
)
