"""Reads Codex's own file about its thread, for what it never prints: usage so far, limits, model (SPEC 1.5, 6).

`$CODEX_HOME/sessions/YYYY/MM/DD/rollout-TIME-THREAD.jsonl` grows while a thread runs, and again when it is resumed:
- `token_usage_record` comes with each answer of the model, `token_count` after its tools; both have totals of
  the whole thread. Printed output has them only at the end of a turn that succeeds.
- The totals in `token_count` drop to 0 when the context is full: then an earlier count stands.
- `rate_limits` are a subscription's windows, of hours, days or a month, give or take a few minutes;
  `used_percent` is 100 for one that is used up. In a resumed thread's file they may date from an earlier start: a
  window that ended before the last line was written says nothing.
- A subagent is a thread of its own, with a file of its own; its parent's file names it.
A day's folder holds the threads of all projects, so a thread is looked for only in the folders that its identity,
which contains the time it was created, allows.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pitboss.agents.output.json_values import amount, count, epoch, table, word
from pitboss.agents.output.session_file import SessionFile, home_of, names_in
from pitboss.core.quota import Quota, QuotaWindow
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SPAWN = "spawn_agent"
FIVE_HOURS_MIN = 300
SEVEN_DAYS_MIN = 7 * 24 * 60
TOLERANCE = 0.05
"""How far a window's length may be off and still count as a known one."""


class Rollout:
    """The file of one thread, followed as it grows; `used` and `model` are the latest in it.

    `spawned` are the threads of its subagents, all that it ever had.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.used = Usage()
        self.model: str | None = None
        self.spawned: dict[str, None] = {}
        self._windows: list[tuple[int, QuotaWindow]] = []
        self._written_at = 0.0
        sessions = home_of(env, "CODEX_HOME", ".codex") / "sessions"
        self._file = SessionFile(lambda thread_id: _find(sessions, thread_id))

    def read(self, thread_id: str | None) -> None:
        """Take in what has been written about the thread since the last call."""
        for line in self._file.news(thread_id):
            self._take(line)

    @property
    def quota(self) -> Quota | None:
        """The subscription's windows as last reported, without those that ended before the file's last line."""
        named = dict(self._lasting())
        five_hour, seven_day = named.pop(FIVE_HOURS_MIN, None), named.pop(SEVEN_DAYS_MIN, None)
        other = max(named.values(), key=lambda window: window.used, default=None)
        quota = Quota(five_hour=five_hour, seven_day=seven_day, other=other)
        return None if quota == Quota() else quota

    def resets_at(self) -> float | None:
        """When the last of the used-up windows ends, epoch seconds; None if none is used up."""
        full = (window for _, window in self._lasting() if window.used >= 1.0)
        return max((window.resets_at for window in full if window.resets_at), default=None)

    def _lasting(self) -> list[tuple[int, QuotaWindow]]:
        return [
            (minutes, window)
            for minutes, window in self._windows
            if window.resets_at is None or window.resets_at > self._written_at
        ]

    def _take(self, line: dict[str, Any]) -> None:
        payload = table(line, "payload")
        self._written_at = epoch(word(line, "timestamp")) or self._written_at
        match line.get("type"), payload.get("type"):
            case "turn_context", _:
                self.model = word(payload, "model") or self.model
            case "token_usage_record", _:
                self.used = self.used.at_least(tokens(table(payload, "thread_token_usage")))
            case "event_msg", "item_completed":
                self.spawned.update(spawned_by(table(payload, "item")))
            case "event_msg", "token_count":
                total = table(table(payload, "info"), "total_token_usage")
                self.used = self.used.at_least(tokens(total))
                self._windows = _windows(table(payload, "rate_limits"), self._written_at) or self._windows


def spawned_by(item: dict[str, Any]) -> dict[str, None]:
    """The threads that a tool call began."""
    listed = item.get("receiver_thread_ids") if word(item, "tool") == SPAWN else None
    return {each: None for each in listed if isinstance(each, str)} if isinstance(listed, list) else {}


def tokens(usage: dict[str, Any]) -> Usage:
    """A usage as Codex always writes it: input includes cached tokens, output includes reasoning."""
    return Usage(
        input=count(usage, "input_tokens"),
        output=count(usage, "output_tokens"),
        cache_read=count(usage, "cached_input_tokens"),
        cache_write=count(usage, "cache_write_input_tokens"),
    )


def _find(sessions: Path, thread_id: str) -> Path | None:
    for day in _days(thread_id):
        for name in names_in(sessions / day):
            if name.startswith("rollout-") and name.endswith(f"-{thread_id}.jsonl"):
                return sessions / day / name
    return None


def _days(thread_id: str) -> list[str]:
    """The folders for the day the thread was created and its neighbours: the machine's time zone is unknown.

    The identity is a version 7 UUID, which begins with milliseconds since 1970.
    """
    try:
        born = datetime.fromtimestamp(int(thread_id.replace("-", "")[:12], 16) / 1000, UTC)
        return [f"{born + timedelta(days=days):%Y/%m/%d}" for days in (0, -1, 1)]
    except (ValueError, OverflowError, OSError):
        return []


def _windows(limits: dict[str, Any], written_at: float) -> list[tuple[int, QuotaWindow]]:
    """The windows by length in minutes, rounded to the nearest known length if close."""
    return [
        (
            _known_length(count(window, "window_minutes")),
            QuotaWindow(used=used / 100, resets_at=_resets_at(window, written_at)),
        )
        for window in limits.values()
        if isinstance(window, dict) and (used := amount(window, "used_percent")) is not None
    ]


def _known_length(minutes: int) -> int:
    known = (FIVE_HOURS_MIN, SEVEN_DAYS_MIN)
    return next((length for length in known if abs(minutes - length) <= TOLERANCE * length), minutes)


def _resets_at(window: dict[str, Any], written_at: float) -> float | None:
    """When a window resets; older versions give the seconds until then."""
    left_s = amount(window, "resets_in_seconds")
    return amount(window, "resets_at") or (written_at + left_s if left_s is not None and written_at else None)
