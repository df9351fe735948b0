"""What it means to lose the machine that a session runs on (SPEC 14)."""

from __future__ import annotations

from pitboss.core.session import Reason


class HostLost(Exception):
    """The worker that a session ran on can no longer be reached; `name` is what people call it."""

    def __init__(self, name: str) -> None:
        super().__init__(lost_reason(name))
        self.name = name


def lost_reason(name: str) -> str:
    """The reason of a session that ended because its worker was lost."""
    return Reason.INTERRUPTED.because(f"worker {name} lost")
