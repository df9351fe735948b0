"""Title and body of a run's pull request (SPEC 8)."""

from __future__ import annotations

from pitboss.core.embed import last_bytes

# GitHub refuses bodies of more than 65,536 characters.
BODY_LIMIT = 60_000


def pr_title(rotation: str, run_id: str) -> str:
    """`grind/ROTATION: RUN_ID`, to the letter."""
    return f"grind/{rotation}: {run_id}"


def pr_body(sessions_md: str) -> str:
    """sessions.md as it is; of one that GitHub would refuse, the newest sessions."""
    return last_bytes(sessions_md, BODY_LIMIT)
