"""Looks for the login of a subscription in the file where a CLI keeps it (SPEC 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.agents.output.json_values import object_in, table, word
from pitboss.store.opening import open_users

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LOGIN_SIZE = 1024 * 1024
"""How many bytes of a login file are read."""


def login_in(file: Path, key: str, tokens: Iterable[str]) -> str | None:
    """The file's name if its JSON object at `key` has one of the `tokens`; an unreadable login counts as none."""
    try:
        with open_users(file) as login:
            held = table(object_in(login.read(LOGIN_SIZE)), key)
    except OSError:
        return None
    return str(file) if any(word(held, token) for token in tokens) else None
