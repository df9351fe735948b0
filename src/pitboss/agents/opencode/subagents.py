"""Reads what the subagents of an opencode session used from its own database; it prints nothing of them (SPEC 6).

`~/.local/share/opencode/opencode.db` has each session with its parent, and each answer with its model, tokens and cost.
Agents can write that file: it is read with a limit on time and size, and whatever is wrong with it means unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.agents.output.json_values import amount, count, object_in, table, word
from pitboss.agents.output.session_file import home_of
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MOST_STEPS = 50_000_000
"""Of SQLite's machine: more than any honest database takes."""

MOST_BYTES = 16 * 1024 * 1024
"""Of a row; one that is larger was not written by opencode."""

BUSY_S = 1.0

ANSWERS = """
WITH RECURSIVE below(id) AS (
    SELECT id FROM session WHERE parent_id = ?1 UNION SELECT s.id FROM session s JOIN below b ON s.parent_id = b.id
)
SELECT data FROM message WHERE session_id IN (SELECT id FROM below) AND time_created >= ?2 LIMIT 20000
"""


class SubagentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer used; `model` as `provider/name`."""

    model: str | None
    used: Usage
    cost_usd: float


def answers_below(env: Mapping[str, str], session_id: str, *, since_ms: float) -> list[SubagentAnswer] | None:
    """The answers to subagents of a session since then; None if the database does not say."""
    import sqlite3

    path = home_of(env, "XDG_DATA_HOME", ".local/share") / "opencode" / "opencode.db"
    try:
        return list(_read(path, session_id, since_ms)) if path.is_file() else None
    except (sqlite3.Error, OSError, UnicodeError):
        return None


def _read(path: Path, session_id: str, since_ms: float) -> Iterator[SubagentAnswer]:
    import sqlite3
    from contextlib import closing

    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
    ) as database:
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
        database.execute("PRAGMA trusted_schema = OFF")
        database.set_progress_handler(lambda: 1, MOST_STEPS)
        for row in database.execute(ANSWERS, (session_id, int(since_ms))):
            if (answer := _answer(row)) is not None:
                yield answer


def _answer(row: Any) -> SubagentAnswer | None:
    told = object_in(row[0] if isinstance(row[0], str | bytes) else None)
    used = tokens(table(told, "tokens"))
    if not used.has_tokens:
        return None
    name = "/".join(filter(None, (word(told, "providerID"), word(told, "modelID"))))
    return SubagentAnswer(model=name or None, used=used, cost_usd=amount(told, "cost") or 0.0)


def tokens(counts: dict[str, Any]) -> Usage:
    """Counts as opencode writes them: input leaves out cached tokens, and output reasoning; ours include them."""
    cache = table(counts, "cache")
    read, write = count(cache, "read"), count(cache, "write")
    return Usage(
        input=count(counts, "input") + read + write,
        output=count(counts, "output") + count(counts, "reasoning"),
        cache_read=read,
        cache_write=write,
    )
