"""Knows the words in which CLIs say that the session they are to go on with is gone (SPEC 6).

Their exit codes do not tell: opencode even exits with 0. Starting anew in the same tree is then the way on.
"""

from __future__ import annotations

import re

_WORDS = re.compile(
    r"no conversation found with session id"  # claude
    r"|no rollout found|thread not loaded|no saved session found|\bthread [0-9a-f-]{36} not found"  # codex, qwen
    r"|invalid session identifier|no previous sessions found"  # gemini
    r"|no session(, task, or name| or task) matched"  # copilot
    r"|session not found|unknown session",  # opencode, acp
    re.IGNORECASE,
)


def says_lost(*said: str | bytes | None) -> bool:
    """Whether any of these words of a CLI that was to go on with a session mean that there is no such session."""
    texts = (words.decode("utf-8", "replace") if isinstance(words, bytes) else words for words in said)
    return any(_WORDS.search(text) for text in texts if text)
