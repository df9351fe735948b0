"""One session as the report tells of it: what came of it, and how risky that is (SPEC 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from pitboss.core.risk import Risk, risk, verification
from pitboss.core.session import SessionRecord, SessionStatus
from pitboss.core.timeline import Track
from pitboss.core.touched import TouchedFile


class Result(StrEnum):
    """What came of a session; each has exactly one, in the order in which the report lists them."""

    LANDED = "landed"
    RESCUED = "rescued"
    FAILED = "failed"
    NOTHING = "changed nothing"
    STOPPED = "stopped"


class ReportedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session with its record. `settled_by` is the later session that landed instead.

    `kept` are its rescue refs that are still there, so far as git was asked.
    """

    record: SessionRecord
    result: Result
    kept: tuple[str, ...] = ()
    settled_by: int | None = None

    @property
    def seq(self) -> int:
        """Its number in its run."""
        return self.record.seq

    @property
    def run_id(self) -> str:
        """The run that it belongs to."""
        return self.record.run_id

    @property
    def took_s(self) -> float:
        """Seconds from its beginning to its end."""
        return max((self.record.ended_at - self.record.started_at).total_seconds(), 0.0)


class LandedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session that landed, and why it deserves a closer look."""

    session: ReportedSession
    risk: Risk


def result_of(record: SessionRecord) -> Result:
    """What came of a session. One that landed counts as landed, even if more of its work was rescued."""
    if record.commit is not None:
        return Result.LANDED
    if record.rescue:
        return Result.RESCUED
    if record.status.failed:
        return Result.FAILED
    stopped = record.status in (SessionStatus.ABORTED, SessionStatus.SKIPPED)
    return Result.STOPPED if stopped else Result.NOTHING


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run's sessions beside their records.

    `touched` are the files of those that landed, by seq; `tracks` are what events said; `verify` says of each prompt
    whether its sessions are verified, and is empty if no event told. `kept` are the rescue refs that are still there,
    None if git was not asked.
    """

    touched: Mapping[int, Sequence[TouchedFile]] = {}
    tracks: Mapping[int, Track] = {}
    verify: Mapping[str, bool] = {}
    kept: frozenset[str] | None = None


def reported(records: Sequence[SessionRecord], known: Known) -> tuple[ReportedSession, ...]:
    """The sessions of one run, in the order of their records."""
    settled = {
        record.retry_of: record.seq
        for record in records
        if record.retry_of is not None and record.commit is not None
    }
    return tuple(
        ReportedSession(
            record=record,
            result=result_of(record),
            kept=tuple(ref for ref in record.rescue if known.kept is None or ref in known.kept),
            settled_by=settled.get(record.seq),
        )
        for record in records
    )


def graded(session: ReportedSession, known: Known) -> LandedSession:
    """A session that landed, with its risk."""
    record = session.record
    ran = verification(record, known.tracks.get(record.seq), known.verify.get(record.prompt))
    return LandedSession(session=session, risk=risk(record, known.touched.get(record.seq), ran))
