"""Notices of a run that is crashed: what is told, by a command that keeps each notice, and what must be (SPEC 12)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.chaos.checks import records_of
from tests.chaos.scenario import CONFIG, PROMPTS, Place, furnish

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.chaos.aftermath import Aftermath

# A notice has arrived once it has its name: one that is cut short leaves none.
NOTIFY = """
[notify]
command = 'n="$CHAOS_LOG-notice-$(date +%s%N)"; cat >"$n.part" && mv "$n.part" "$n.json"'
min_interval_s = 3600
"""
MOST_IN_A_LIFE = 2
"""One at once, and the last, which has what was held back since: news waits for an hour."""

FINISHED = "the run finished: every prompt has had its runs"
KILLED = "the run crashed"


def build_notified(root: Path) -> Place:
    """Make the repository: the prompts of the crashed run, once each, and somebody who is told of it."""
    verify = {"e-breaks-tests": "verify: true\n"}
    return furnish(
        Place(root), {name: f"max_runs: 1\n{verify.get(name, '')}" for name in PROMPTS}, CONFIG + NOTIFY
    )


def notices(place: Place) -> list[list[str]]:
    """The texts of each notice that arrived, in order."""
    files = sorted(place.root.glob(f"{place.log.name}-notice-*.json"))
    return [[event["text"] for event in json.loads(file.read_text())["events"]] for file in files]


def mistold(place: Place, crashes: Sequence[Aftermath], *, guarded: bool = True) -> list[str]:
    """What does not hold of the notices of a run at its end; not `guarded`: its guardian was killed."""
    found, records = notices(place), records_of(place)
    told = [text for notice in found for text in notice]
    wrong = [f"not told: session {seq}" for seq in _kept(records) if not _is_told(seq, told)]
    lives = len(crashes) + 1
    if len(found) > MOST_IN_A_LIFE * lives:
        wrong.append(f"{len(found)} notices in {lives} lives")
    for n, notice in enumerate(found):
        if len(set(notice)) < len(notice):
            wrong.append(f"notice {n} says something twice: {notice}")
    if told.count(KILLED) > len(crashes):
        wrong.append(f"killed {len(crashes)} times, which was told {told.count(KILLED)} times")
    if guarded:
        wrong += [] if told.count(FINISHED) == 1 else [f"its end was told {told.count(FINISHED)} times"]
        # At its beginning or that of a resume a run may not have been announced, at its end it may have finished.
        late = [crash for crash in crashes[:1] if 1 < crash.recorded < len(PROMPTS)]
        wrong += [] if told.count(KILLED) >= len(late) else [f"told of {told.count(KILLED)} kills: {late}"]
    return wrong


def _kept(records: Sequence[dict[str, Any]]) -> list[int]:
    """The sessions whose work is kept and needs a person."""
    return [record["seq"] for record in records if record.get("rescue")]


def _is_told(seq: int, told: Sequence[str]) -> bool:
    return any(text.startswith(f"session {seq} (") for text in told)
