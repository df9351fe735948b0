"""What was seen of a sandbox when it was tried, in words (SPEC 8, 13)."""

from __future__ import annotations

import msgspec

from pitboss.core.config import SandboxMode, SandboxSettings
from pitboss.core.sandbox.refusal import Refusal


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a sandbox; if `refused`, there is none. `keys`: whether `~/.ssh` holds any outside."""

    settings: SandboxSettings
    name: str
    refused: Refusal | None = None
    committed: bool = False
    wrote: bool = False
    keys: bool = False
    read: bool = False
    connected: bool = False

    @property
    def works(self) -> bool:
        """Whether sessions can work in it."""
        return self.refused is None and self.committed and self.connected is self._is_open

    @property
    def holds(self) -> bool:
        """Whether it stopped what it is there to stop."""
        return not self.wrote and not self.read

    @property
    def finding(self) -> str:
        """What was seen, in a line."""
        if self.refused is not None:
            return self.refused.message
        keys = "there is no ~/.ssh to read" if not self.keys else f"~/.ssh {_could(self.read)} be read"
        done = (
            f"{_could(self.committed)} commit",
            f"{_could(self.wrote)} write outside its tree",
            keys,
            f'{_could(self.connected)} connect (network = "{self.settings.network}")',
        )
        return f"{self.name}: {', '.join(done)}"

    @property
    def hint(self) -> str | None:
        """What to do about it; None if it works and holds."""
        if self.refused is not None:
            return self.refused.hint
        if not self.holds:
            return "it is no sandbox like this: see what its program lets through"
        if not self.committed:
            return "a session must be able to write its tree and git's folder"
        return None if self.works else "the network is not as `[sandbox] network` says"

    @property
    def _is_open(self) -> bool:
        """Whether connections are wanted; a wrapper decides that for itself."""
        return self.settings.network == "open" if self.settings.mode is SandboxMode.BWRAP else self.connected


def _could(did: bool) -> str:
    return "can" if did else "cannot"
