"""What each capture of Claude Code 2.1.330 comes to."""

from __future__ import annotations

from pitboss.core.quota import Quota, QuotaWindow
from pitboss.core.session import SessionStatus
from pitboss.core.usage import CostSource
from tests.support.replay import Expected, Table

MODEL = "claude-sonnet-4-5"
RESETS_AT = 1795370340.0
WEEK_ENDS_AT = 1795715940.0
ERROR = SessionStatus.ERROR

WROTE_IT = "Done: wrote hello.txt."
TWO_REQUESTS = (2840, 34, 1300, 340)
TWO_REQUESTS_USD = 0.005775


def wrote_it(session_id: str, **other: object) -> Expected:
    """The session that writes its file in two requests."""
    fields = {"tokens": TWO_REQUESTS, "cost_usd": TWO_REQUESTS_USD, "text": WROTE_IT} | other
    return Expected(model=MODEL, tool_calls=1, session_id=session_id, **fields)  # type: ignore[arg-type]


def failed(reason: str, session_id: str, **other: object) -> Expected:
    """A session that ends in an error; before anything was used unless `other` says so."""
    return Expected(status=ERROR, reason=reason, model=MODEL, session_id=session_id, **other)  # type: ignore[arg-type]


def quota(five_hour: float, seven_day: float) -> Quota:
    """Both windows as far as they are used."""
    return Quota(
        five_hour=QuotaWindow(used=five_hour, resets_at=RESETS_AT),
        seven_day=QuotaWindow(used=seven_day, resets_at=WEEK_ENDS_AT),
    )


TABLE = Table(
    captures="claude",
    farewell="""printf '\\n%s\\n' '{"type": "result", "is_error": false, "total_cost_usd": 0, "usage": {}}'""",
    expected={
        "ok": wrote_it("795ba411-0abc-4854-975e-9417d518028f"),
        "partial": wrote_it("5207c3a6-36d2-4cd1-a824-1cc9c096ea5e"),
        "rate_once": wrote_it("cb5e484e-a01d-44f7-9284-9c290d0b5948"),
        "overload_once": wrote_it("6b26e5fb-1b93-44e2-b7f2-ce160b18d564"),
        "oauth_ok": wrote_it("ae8cb98c-8016-46c1-af61-9799df2e9105", quota=quota(0.31, 0.12)),
        # Two streams broke off and were asked again: the CLI counts their tokens and not their cost.
        "stream_error": wrote_it("58b09095-d920-4c5a-96a7-41d2b950d674", tokens=(5680, 36, 2600, 680)),
        "no_bypass": failed(
            "permission_denied: every tool call was denied: Write",
            "d3fa70f5-ceb4-4276-bbe0-cf3770938743",
            tokens=TWO_REQUESTS,
            cost_usd=TWO_REQUESTS_USD,
            tool_calls=1,
            text=WROTE_IT,
        ),
        "auth": failed(
            "auth: Invalid API key · Fix external API key",
            "4bcec709-512c-4c39-aadf-d409733c35cb",
            text="Invalid API key",
        ),
        "no_key": failed(
            "auth: Not logged in · Please run /login",
            "be418e24-22d8-48d8-a033-a4297fb0fc7e",
            text="Not logged in",
        ),
        "notfound": failed(
            "not_found: There's an issue with the selected model (claude-sonnet-4-5).",
            "4dab59b2-f6a8-4576-8b8d-8f4685afac8d",
            text="There's an issue",
        ),
        "overloaded": failed(
            "overloaded: API Error: 529 Overloaded.", "eb9fcb7e-abfc-421f-8b27-ae9397125828", text="API Error"
        ),
        # Versions that npm picks on an old Node.js name less and say `completed` of a failure, or no error of one.
        "v2.0_usage_limit": failed(
            "rate_limited: You've hit your limit",
            "e24c524d-f13d-4f84-bf4f-4ba362fdc227",
            text="You've hit",
            resets_at_time="10:02 UTC",
        ),
        "v2.0_overloaded": failed(
            "overloaded: API Error: 529", "49466c28-ca4e-4da4-9db1-83edd557e196", text="API Error: 529"
        ),
        "v2.0_max_turns": failed(
            "agent_error: error_max_turns",
            "36a2e858-09ca-43f5-b720-3dd179ce7721",
            # What smaller models were asked beside the main loop stands in `modelUsage` alone, and is paid.
            tokens=(2884, 46, 1300, 340),
            cost_usd=0.005931,
            tool_calls=2,
            text="I will write the file.",
        ),
        "v2.1.197_billing": failed(
            "billing: Credit balance is too low",
            "62893be6-f129-41bb-9e67-e0d87b39f267",
            text="Credit balance is too low",
        ),
        "v2.1.197_warn": wrote_it(
            "bc9d66d7-0d07-4d25-a3ef-bfe150e76c3d",
            quota=Quota(five_hour=QuotaWindow(used=0.93, resets_at=1795600860.0)),
        ),
        # The cost pays for the last message too, which `usage` leaves out and `modelUsage` has.
        "max_budget": failed(
            "cost_cap: Reached maximum budget ($0.02)",
            "e48cbfb1-aa50-4e87-89d5-d4c43962fad8",
            tokens=(15320, 202, 10900, 820),
            cost_usd=0.020175,
            tool_calls=14,
            text="I will write the file.",
        ),
        # Its subscription's events say `rejected` too, but of no window, and the words say what it is not.
        "rate_limit_oauth": failed(
            "overloaded: API Error: Server is temporarily limiting requests (not your usage limit)",
            "e4132918-4085-4436-acb1-12818a9b3921",
            text="API Error",
        ),
        "usage_limit": failed(
            "rate_limited: API Error: Request rejected (429)",
            "f8b1d576-b7cf-41db-91c2-911314cfec27",
            text="API Error",
        ),
        "oauth_usage_limit": failed(
            "rate_limited: You've hit your 5-hour limit · resets 5:59pm (UTC)",
            "aa632b57-d8ad-4eaa-bb44-6f13ec65ee51",
            text="You've hit your 5-hour limit",
            resets_at=RESETS_AT,
            quota=quota(1.0, 0.42),
        ),
        "max_turns3": failed(
            "agent_error: Reached maximum number of turns (3)",
            "5f53feb5-79f8-44bc-ac65-4ebf8982d096",
            tokens=(3880, 48, 2100, 380),
            cost_usd=0.006975,
            tool_calls=3,
            text="I will",
        ),
        "longtool_INT": failed(
            "agent_error: [ede_diagnostic]",
            "2e04f46a-535f-4fae-9921-21e08d7ac391",
            tokens=(1800, 20, 500, 300),
            cost_usd=0.004575,
            tool_calls=1,
            text="I will",
        ),
        # Killed before the result line: what its messages said is the bill.
        "longtool_TERM": failed(
            "exit_code: 143",
            "31b41420-a008-43ff-b9a1-b8c4a668ec10",
            tokens=(1800, 1, 500, 300),
            cost_usd=0.00429,
            cost_source=CostSource.PRICE_TABLE,
            tool_calls=1,
            text="I will",
        ),
        "hang": failed(
            "exit_code: 143",
            "62917b7a-fcb4-43a0-a25e-c16b6313a697",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
        ),
    },
)
