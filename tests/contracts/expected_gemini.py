"""What each capture of Gemini CLI 0.61.0 comes to."""

from __future__ import annotations

from pitboss.core.session import SessionStatus
from pitboss.core.usage import CostSource
from tests.support.replay import Expected, Table

MODEL = "gemini-2.5-pro"
WROTE_IT = "Done: wrote hello.txt."
WITH_THOUGHTS = (1200, 34 + 7, 384, 0)
WITH_THOUGHTS_USD = 816 * 1.25e-6 + 384 * 0.125e-6 + 41 * 10e-6


def wrote_it(session_id: str) -> Expected:
    """The session that writes its file in two requests."""
    return Expected(
        tokens=WITH_THOUGHTS,
        cost_usd=WITH_THOUGHTS_USD,
        cost_source=CostSource.PRICE_TABLE,
        model=MODEL,
        text=WROTE_IT,
        session_id=session_id,
        tool_calls=1,
    )


def failed(reason: str, session_id: str | None, **other: object) -> Expected:
    """A session that ends in an error; before anything was used unless `other` says so."""
    fields = {"model": MODEL} | other
    return Expected(status=SessionStatus.ERROR, reason=reason, session_id=session_id, **fields)  # type: ignore[arg-type]


TABLE = Table(
    captures="gemini",
    farewell="""printf '\\n%s\\n' '{"type": "result", "status": "success", "stats": {"total_tokens": 0}}'""",
    expected={
        "ok": wrote_it("1e3c8523-8c63-4d39-8fc5-caad2ee9af3a"),
        "rate_once": wrote_it("523196f8-2df0-4f80-95b1-2f2bdb49f64d"),
        "auth": failed("auth: API key not valid.", "7cf032f0-d39d-4339-9b53-a9afae9860f2"),
        "usage_limit": failed(
            "rate_limited: You have exhausted your daily quota on this model.",
            "8f8f1d7c-de79-4667-a151-9dfb1f14ca9b",
            resets_at=1795370216.791,  # three hours, as it only says on stderr
        ),
        "overloaded": failed(
            "overloaded: The model is overloaded. Please try again later.",
            "209c0718-e7f6-4ce4-9d2b-9372982b3ac9",
        ),
        "no_trust": failed(
            "permission_denied: Gemini CLI is not running in a trusted directory.", None, model=None
        ),
        # It answered in part, four times, and counts nothing of it: what that took is not known.
        "stream_error": failed(
            "overloaded: Model stream ended without a finish reason.",
            "f7c0efc8-eecf-4f04-87a4-ff9d7d2db59e",
            text="I will writ",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
        ),
        # It says that it succeeded, after it stopped its own work. It counts whole answers alone.
        "loop": failed(
            "agent_error: Loop detected, stopping execution",
            "c3b0fc96-da5a-4f39-980c-b4227731a678",
            tokens=(2200, 75, 640, 0),
            cost_usd=0.00278,
            cost_source=CostSource.PRICE_TABLE,
            tool_calls=4,
            text="I will write the file.",
        ),
        # Cut off in the middle, twice.
        "cut": failed(
            "overloaded: terminated",
            "0b47a187-eac8-49a4-a88a-fa417e18720c",
            text="I will writ",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
        ),
        # Killed, it never said what it used.
        "longtool_TERM": failed(
            "exit_code: -9",
            "4fc64df1-7da3-4497-b410-b7245fd27019",
            text="I will write the file.",
            tool_calls=1,
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
        ),
        "hang": failed(
            "exit_code: -9",
            "213ea4b5-a396-454b-b60d-1b91415787f2",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
        ),
    },
)
