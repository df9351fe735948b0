"""Which attempt of which agent of a session: what names its files and tells whom to bill (SPEC 6, 7)."""

from __future__ import annotations

import msgspec

from pitboss.core.agent import Resume
from pitboss.store.paths import attempt_kind


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of one agent of a session: its implementer, or the fixer numbered `fix` from 1."""

    agent: str
    model: str | None = None
    fix: int = 0
    attempt: int = 1
    resume: Resume | None = None

    @property
    def is_fix(self) -> bool:
        """Whether it is a fixer's."""
        return self.fix > 0

    @property
    def kind(self) -> str:
        """The kind of transcript it writes, as store.paths names it."""
        words = (
            f"fix-{self.fix:02}" if self.is_fix else "",
            attempt_kind(self.attempt),
        )
        return ".".join(filter(None, words))
