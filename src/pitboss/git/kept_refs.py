"""A git that is kept running for changes of refs: to start one takes longer than the change (SPEC 1.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.git.at_work import KEPT_GIT_AT_WORK
from pitboss.git.errors import GitError
from pitboss.process.conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NO_EXIT_CODE = -1


class KeptRefs:
    """One `git update-ref --stdin`, which `argv` starts in the environment `env`; safe to call from any thread."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self._argv = argv
        self._git = Conversation(argv, env)

    def change(self, orders: str) -> bool:
        """Carry out orders; False if nothing was changed. Raises GitError if git has died and nobody knows.

        Git says why it refuses only to whoever starts it for that.
        """
        with KEPT_GIT_AT_WORK:
            if not self._said(f"start\n{orders}prepare\n", b"prepare: ok\n"):
                return False
            if not self._said("commit\n", b"commit: ok\n"):
                raise GitError(self._argv, "it was ended in the middle", code=_NO_EXIT_CODE)
            return True

    def close(self) -> None:
        """End that git, until it is needed again."""
        self._git.close()

    def _said(self, question: str, end: bytes) -> bool:
        return self._git.ask(question.encode(), is_whole=lambda said: said.endswith(end)) is not None
