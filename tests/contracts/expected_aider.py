"""What each capture of aider 0.86.2 comes to, by the rounded numbers of its text."""

from __future__ import annotations

from pitboss.core.session import SessionStatus
from tests.support.replay import Expected, Table

MODEL = "openai/gpt-4o"
WROTE_IT = Expected(tokens=(1900, 26, 0, 0), cost_usd=0.0051, model=MODEL, text="Done: wrote hello.txt.")


def failed(reason: str) -> Expected:
    """A session that got no answer; it exits 0 all the same."""
    return Expected(status=SessionStatus.ERROR, reason=reason, model=MODEL)


TABLE = Table(
    captures="aider",
    farewell="printf '\\nTokens: 0 sent, 0 received.\\n'",
    expected={
        "ok": WROTE_IT,
        "rate_once": WROTE_IT,
        # Only an answer that is not streamed has the service's own counts.
        "no_stream": Expected(
            tokens=(1200, 34, 0, 0), cost_usd=0.0029, model=MODEL, text="Done: wrote hello.txt."
        ),
        "auth": failed("auth: OpenAIException - Incorrect API key provided: sk-test-*ummy. You can find"),
        "usage_limit": failed("rate_limited: OpenAIException - The usage limit has been reached"),
        "overloaded": failed("overloaded: OpenAIException - The server is currently overloaded with other"),
    },
)
