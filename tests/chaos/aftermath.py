"""What a crash leaves of sessions side by side: a checkpoint that is true, and who may be aborted (SPEC 7)."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.chaos.checks import spent

if TYPE_CHECKING:
    from tests.chaos.scenario import Place


class Aftermath(NamedTuple):
    """The sessions that recovery may record as aborted, what is wrong with the files already, and how many records."""

    cut_short: frozenset[int] = frozenset()
    wrong: tuple[str, ...] = ()
    recorded: int = 0


def look(place: Place) -> Aftermath:
    """Read log and checkpoint right after a crash, as they are."""
    run = place.repo / f".pitboss/grind/runs/{place.run_id()}"
    state = json.loads((run / "state.json").read_bytes())
    log = run / "sessions.jsonl"
    lines = (
        log.read_bytes().split(b"\n")[:-1] if log.exists() else []
    )  # what follows the last newline is torn
    records = [json.loads(line) for line in lines]
    recorded = {r["seq"] for r in records}
    cut_short = (s["seq"] for s in state.get("in_flight", ()) if s.get("outcome") is None)
    wrong = (*_checkpoint(state, records), *_unknown(place, state, recorded))
    return Aftermath(frozenset(cut_short) - recorded, wrong, len(records))


def _checkpoint(state: dict[str, Any], records: list[dict[str, Any]]) -> list[str]:
    """The checkpoint is the fold of records 1 to its last one, all of which are in the log."""
    last = state["last_session_seq"]
    folded = [r for r in records if r["seq"] <= last]
    if sorted(r["seq"] for r in folded) != list(range(1, last + 1)):
        return [f"the checkpoint covers {last} sessions, the log has {[r['seq'] for r in records]}"]
    used = state["budget_consumed"]
    found = [
        f"checkpoint: {name} is {used[name]}, not {n}" for name, n in spent(folded).items() if used[name] != n
    ]
    picked = [r for r in folded if not r.get("retry_of") and not r.get("queued")]
    runs = {name: n for name, n in state["scheduler_state"]["runs_per_prompt"].items() if n}
    if runs != Counter(r["prompt"] for r in picked):
        found.append(f"checkpoint: {runs} after {picked}")
    if state["scheduler_state"]["rotation"] != max((r["rotation"] for r in picked), default=0):
        found.append(f"checkpoint: rotation {state['scheduler_state']['rotation']} after {picked}")
    return found


def _unknown(place: Place, state: dict[str, Any], recorded: set[int]) -> list[str]:
    """Whoever started is in flight or recorded."""
    known = recorded | {s["seq"] for s in state.get("in_flight", ())}
    return [
        f"{line} is neither in flight nor recorded"
        for line in place.testimony()
        if line[0] in ("agent", "setup") and int(line[1]) not in known
    ]
