"""What each capture of opencode 1.18.33 comes to."""

from __future__ import annotations

from pitboss.core.session import SessionStatus
from pitboss.core.usage import CostSource
from tests.support.replay import Expected, Table

MODEL = "mock/mock-model"
RESETS_AT = 1795370340.0
ERROR = SessionStatus.ERROR


def wrote_it(session_id: str) -> Expected:
    """Two steps: 444 + 256 cached in, 16 + 4 reasoning out; 372 + 128 in, 11 + 3 out; $0.0017088 + $0.0013644."""
    return Expected(
        tokens=(1200, 34, 384, 0),
        cost_usd=0.0030732,
        model=MODEL,
        text="Done: wrote hello.txt.",
        session_id=session_id,
        tool_calls=1,
    )


def failed(reason: str, session_id: str, **other: object) -> Expected:
    """A session that ends in an error; before anything was used unless `other` says so."""
    return Expected(status=ERROR, reason=reason, model=MODEL, session_id=session_id, **other)  # type: ignore[arg-type]


UNKNOWN = {"cost_usd": None, "cost_source": CostSource.UNKNOWN}
"""Steps began and none told what it used."""

TABLE = Table(
    captures="opencode",
    asks_model=MODEL,
    farewell="""printf '\\n%s\\n' '{"type": "text", "part": {"text": "Done."}}' \\
        '{"type": "step_finish", "part": {"reason": "stop", "tokens": {}, "cost": 0}}'""",
    expected={
        "ok": wrote_it("ses_dfc407023ffe4LX3cIgrqty7Pp"),
        "rate_once": wrote_it("ses_dfc3c5804ffe8evzYiZwaXVOY1"),
        "auth": failed("auth: Incorrect API key provided: sk-test-*ummy.", "ses_dfc3cf392ffekYz0esbK4aL99P"),
        "usage_limit": failed(
            "rate_limited: The usage limit has been reached",
            "ses_dfc3c37cdffezIZ6HF7hx096BZ",
            resets_at=RESETS_AT,
        ),
        "overloaded": failed(
            "overloaded: The server is currently overloaded", "ses_dfc32fbc1ffeEm9av52atNqmCr"
        ),
        "stream_error": failed(
            "overloaded: The server had an error processing your request (mock, in stream)",
            "ses_dfc31c537ffeZ7Pm4yEeWsmbO2",
            **UNKNOWN,
        ),
        "longtool_TERM": failed(
            "exit_code: -15", "ses_dfc2af5feffeLyKVe7L91FLrj4", text="I will write the file.", **UNKNOWN
        ),
        # Stopped while it asked for the same answer again and again.
        "cut_clean": failed(
            "exit_code: -15", "ses_dfade59efffeWN9nM1pxd1B20C", text="I will writ", **UNKNOWN
        ),
        # Run without --auto, so that nobody allowed the tool.
        "denied": failed(
            "permission_denied: opencode was not allowed to use write",
            "ses_dfadcc858ffeCZe0UG9ZsZS4Kr",
            tokens=(700, 20, 256, 0),
            cost_usd=0.0017088,
            text="I will write the file.",
            tool_calls=1,
        ),
    },
)
