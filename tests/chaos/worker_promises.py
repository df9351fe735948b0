"""What must hold of a run on workers once it is at rest, whatever was killed, cut off or stopped (SPEC 1, 14)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.chaos.worker_night import TOKENS, in_words
from tests.support.runs import the_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.worker_night import Night


def broken_promises(night: Night, began_at: datetime) -> Iterator[str]:
    """What does not hold, in words."""
    run = the_run(night.project)
    records = run.records
    seqs = [record["seq"] for record in records]
    if sorted(seqs) != list(range(1, len(seqs) + 1)):
        yield f"the log has records of {seqs}"
    began = sorted(map(int, (night.folder / "began").read_text().split()))
    if len(began) != len(set(began)):
        yield f"sessions began twice: {began}"
    kept = night.kept()
    for seq in began:
        prompt = next((record["prompt"] for record in records if record["seq"] == seq), None)
        if prompt is None:
            yield f"session {seq} began and has no record"
        elif f"{prompt}-{seq}.txt" not in kept:
            yield f"the work of session {seq} is neither on the branch nor rescued"
    yield from _untrue_records(records, began, began_at)
    # A turn is taken once more, not twice: one that was itself taken again, and lost, is over.
    lost_ones = (r for r in records if (r.get("reason") or "").startswith("interrupted: worker"))
    for lost in (r for r in lost_ones if not r.get("retry_of")):
        if not any(record.get("retry_of") == lost["seq"] for record in records):
            yield f"the turn of session {lost['seq']} was not taken again"
    if left := night.project.git("for-each-ref", "refs/pitboss/lease", "refs/pitboss/result"):
        yield f"refs are left: {left}"


def _untrue_records(records: list[dict[str, Any]], began: list[int], began_at: datetime) -> Iterator[str]:
    until = datetime.now(UTC) + timedelta(seconds=5)
    for record in records:
        known = record.get("cost_known", True)
        if record["seq"] in began and known and record["tokens"]["input"] != TOKENS[0]:
            yield f"spend is neither known nor said to be unknown: {in_words(record)}"
        if record["seq"] not in began and (record["tokens"]["input"] or record["status"] == "ok"):
            yield f"a session that never began has been billed, or is ok: {in_words(record)}"
        if record["status"] == "ok" and not record["commit"]:
            yield f"a session is ok but has no commit: {in_words(record)}"
        times = [datetime.fromisoformat(record[name]) for name in ("started_at", "ended_at")]
        if not began_at - timedelta(seconds=5) <= times[0] <= times[1] <= until:
            yield f"a session began or ended when the run did not go: {record['seq']}, {times}"
