"""The landed sessions of a run as a review goes through them: riskiest first, each with its mark (SPEC 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.review import Mark
from pitboss.core.risk import Level, Risk, Verification, risk, riskiest_first, verification
from pitboss.core.session import SessionRecord
from pitboss.core.summary import first_line
from pitboss.core.tone import Tone
from pitboss.store.run_watch import RunWatch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pitboss.screens.desk import Desk

LEVEL_TONES = {Level.HIGH: Tone.BAD, Level.MEDIUM: Tone.WARN, Level.LOW: Tone.OK}
MARK_TONES = {Mark.ACCEPT: Tone.OK, Mark.LEAVE: Tone.BAD}
MARK_WORDS = {Mark.ACCEPT: "accepted", Mark.LEAVE: "left out"}

TESTED = {
    Verification.RAN: "the tests ran before it landed",
    Verification.NOT_RUN: "no tests ran",
    Verification.UNKNOWN: "unknown whether tests ran",
}


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """A landed session to look at; `landed_before` is the commit that its diff is against, None for the run's base."""

    record: SessionRecord
    risk: Risk
    tested: Verification
    landed_before: str | None

    @property
    def seq(self) -> int:
        """Its number."""
        return self.record.seq

    @property
    def summary(self) -> str:
        """The first line of what its agent says it did."""
        return first_line(self.record.summary)


def to_review(repo: Path, run_id: str, desk: Desk) -> tuple[Reviewed, ...]:
    """The run's landed sessions, riskiest first. Raises RunNotFound, AmbiguousRun."""
    seen = RunWatch(repo, run_id).look()
    verify = {each.name: each.verify for each in seen.view.prompts} if seen.view.version else {}
    touched = desk.touched(seen.records)
    found, before = {}, None
    for record in seen.records:
        if record.commit is None:
            continue
        tested = verification(record, seen.tracks.get(record.seq), verify.get(record.prompt))
        how = risk(record, touched.get(record.seq), tested)
        found[record.seq] = Reviewed(record=record, risk=how, tested=tested, landed_before=before)
        before = record.commit
    order = riskiest_first({seq: each.risk for seq, each in found.items()})
    return tuple(found[seq] for seq in order)


def as_json(each: Reviewed, marks: Mapping[int, Mark]) -> dict[str, object]:
    """A session of `review --json` (docs/reference/json.md)."""
    return {
        "seq": each.seq,
        "prompt": each.record.prompt,
        "commit": each.record.commit,
        "summary": each.record.summary,
        "risk": each.risk.level,
        "reasons": each.risk.texts,
        "mark": marks.get(each.seq),
    }
