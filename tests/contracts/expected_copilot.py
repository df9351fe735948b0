"""What each capture of the Copilot CLI 1.0.102 comes to; `usage.json` is what the same scenario left beside it."""

from __future__ import annotations

from pitboss.core.session import SessionStatus
from pitboss.core.usage import CostSource
from tests.support.replay import Expected, Table

MODEL = "gpt-4.1"
ERROR = SessionStatus.ERROR

WROTE_IT = "Done: wrote hello.txt."
TWO_REQUESTS = (1200, 34, 384, 0)
TWO_REQUESTS_USD = (816 * 2.0 + 384 * 0.5 + 34 * 8.0) / 1e6

LEFT_BESIDE = """while [ $# -gt 1 ]; do
  if [ "$1" = --usage-output-file ] && [ -f "$CAPTURE/usage.json" ]; then cp "$CAPTURE/usage.json" "$2"; fi
  shift
done"""


def wrote_it(session_id: str, **other: object) -> Expected:
    """The session that writes its file in two requests."""
    fields = {"model": MODEL, "tokens": TWO_REQUESTS, "cost_usd": TWO_REQUESTS_USD} | other
    return Expected(
        session_id=session_id,
        text=WROTE_IT,
        tool_calls=1,
        cost_source=CostSource.PRICE_TABLE,
        **fields,  # type: ignore[arg-type]
    )


def failed(reason: str, session_id: str | None, **other: object) -> Expected:
    """A session that ends in an error; before it was answered unless `other` says so."""
    return Expected(status=ERROR, reason=reason, model=MODEL, session_id=session_id, **other)  # type: ignore[arg-type]


TABLE = Table(
    captures="copilot",
    beside=LEFT_BESIDE,
    farewell="""printf '\\n%s\\n' '{"type": "result", "sessionId": "s", "exitCode": 0}'""",
    expected={
        "ok": wrote_it("a5442586-ecfb-4f4e-ad33-15aa456dc94f"),
        "rate_once": wrote_it("720eb9fe-9ab4-4ef7-9948-e66ee619cd09"),
        "anthropic": wrote_it(
            "e0d3ea40-93fc-4f5c-8983-394e74e8a23f",
            model="claude-sonnet-4",
            tokens=(2840, 34, 1300, 340),
            cost_usd=0.005775,
        ),
        "auth": failed(
            "auth: Authentication failed with provider at http://127.0.0.1:8911/",
            "2d90a64d-5d54-4676-a92f-7030e1aa99b3",
        ),
        "overloaded": failed(
            "overloaded: Failed to get response from the AI model; retried 5 times",
            "94da6781-d172-438b-bb0e-1f3a7e872d6b",
        ),
        "usage_limit": failed(
            "rate_limited: Failed to get response from the AI model; retried 5 times",
            "fa0f5533-c049-4c70-bca2-a49af3ae18de",
            resets_at=1795370400.0,
        ),
        # Each of six answers began and was cut off, and its usage file counts none of them.
        "cut": failed(
            "overloaded: Failed to get response from the AI model; retried 5 times",
            "bf429e5e-2e1f-4558-b623-a45e46dea6c1",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
        ),
        # Only its wrapper was terminated: no file, no result line, and what it used is not known.
        "longtool_TERM": failed(
            "exit_code: -15",
            None,
            tool_calls=1,
            text="I will write the file.",
            cost_usd=None,
            cost_source=CostSource.UNKNOWN,
        ),
    },
)
