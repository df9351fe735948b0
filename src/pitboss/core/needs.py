"""Lists what needs a person in a run, each with its next command (SPEC 10).

The commands work as they are pasted, and start no session. `status`, the end of `grind`, the TUI and the web page show
the same list.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.condition import Condition
from pitboss.core.embed import one_line
from pitboss.core.host import lost_reason
from pitboss.core.measures import counted
from pitboss.core.patterns import lazy_pattern
from pitboss.core.rescue_name import rescue_name
from pitboss.core.run import RunState
from pitboss.core.session import Reason, SessionRecord, SessionStatus, reason_kind
from pitboss.core.settling import in_words
from pitboss.core.tone import Tone

if TYPE_CHECKING:
    from collections.abc import Iterator

_WHY_WIDTH = 160
_DEAD_END = lazy_pattern(r"(session \d+) met a dead end: (.*); (.*?)")
_IN_A_ROW = lazy_pattern(r"\d+ sessions? failed in a row.*")
_UNPRICED = lazy_pattern(r"the cost of session (\d+) is unknown.*")


class NeedKind(StrEnum):
    """What kind of thing needs a person, most urgent first."""

    UNREADABLE = "unreadable"
    FAILED = "failed"
    CRASHED = "crashed"
    UNRESCUED = "unrescued"
    DEAD_END = "dead_end"
    FAILURES = "failures"
    UNKNOWN_COST = "unknown_cost"
    PAUSED = "paused"
    CONFLICT = "conflict"
    VERIFY = "verify"
    RESCUED = "rescued"
    LOST = "lost"
    TASK = "task"
    NOT_LANDED = "not_landed"

    @property
    def tone(self) -> Tone:
        """How bad it is."""
        return Tone.BAD if self in _BAD else Tone.WARN


_BAD = (NeedKind.UNREADABLE, NeedKind.FAILED, NeedKind.CRASHED, NeedKind.UNRESCUED, NeedKind.DEAD_END)


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that needs a person: what, why (it may be empty), and the command to paste. `seq` is its session."""

    kind: NeedKind
    what: str
    why: str
    command: str
    seq: int | None = None


class InGit(msgspec.Struct, frozen=True, kw_only=True):
    """What git knows of a run's work: the rescue refs that are still there, and how many of its commits `onto` lacks.

    Each ref is there with its session, if its name says one; `applied` are those whose work a person has brought into
    the tree. `onto` is the branch that the run began on, else another that its work may go to; None if there is none.
    """

    rescued: dict[str, int | None] = {}
    applied: frozenset[str] = frozenset()
    onto: str | None = None
    not_landed: int = 0


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """All that is asked about a run; `store.situation` reads it.

    `records` may be all of the run's, or only those that can need anyone: see `may_need`. `tasks` are the files of the
    tasks that the run took from the queue, by id; one that was queued again is no longer among them. `git` is None if
    git was not asked: then all rescue refs count as still there. `last` is the run's last record, if known. `untold`
    are sessions that failed tests and have no output of them left. `disk_full`: a run that could not write down how it
    ended may have met that.
    """

    run_id: str
    condition: Condition
    state: RunState | None
    problem: str | None
    paused: bool
    records: tuple[SessionRecord, ...]
    tasks: dict[str, str]
    git: InGit | None = None
    last: SessionRecord | None = None
    untold: frozenset[int] = frozenset()
    disk_full: bool = False


def may_need(record: SessionRecord) -> bool:
    """Whether a session may need a person, or settle what another one needed."""
    kept = asks_git(record) or record.retry_of is not None or _was_stopped(record)
    return kept or failed_tests(record) or _task_not_done(record)


def _was_stopped(record: SessionRecord) -> bool:
    """Whether it neither worked nor failed, so that it is no reason against all others having failed."""
    return record.status in (SessionStatus.ABORTED, SessionStatus.SKIPPED)


def asks_git(record: SessionRecord) -> bool:
    """Whether git may know that a session left something for a person."""
    return bool(record.rescue) or _lost(record)


def _lost(record: SessionRecord) -> bool:
    """Whether its worker was lost, and nothing that it did was at home when it got its record."""
    lost = record.host is not None and record.reason == lost_reason(record.host)
    return lost and not record.rescue and record.commit is None


def needs(found: Situation) -> tuple[Need, ...]:
    """What needs a person, most urgent first, sessions in their order."""
    told = (*_of_run(found), *_of_sessions(found), *_in_no_record(found), *_not_landed(found))
    listed = told or tuple(_all_failed(found))
    return tuple(sorted(listed, key=lambda need: _URGENCY[need.kind]))


_URGENCY = {kind: place for place, kind in enumerate(NeedKind)}


def _of_run(found: Situation) -> Iterator[Need]:
    run, state = found.run_id, found.state
    if found.problem is not None or state is None:
        check, whole = (" --dry-run", "") if state is None else ("", " in full")
        what = f"run {run} cannot be read{whole}"
        yield _need(NeedKind.UNREADABLE, what, found.problem, f"pitboss repair {run}{check}")
    elif found.condition is Condition.FAILED:
        yield _need(NeedKind.FAILED, f"run {run} failed", state.stop_reason, f"pitboss repair {run}")
    elif found.condition is Condition.CRASHED:
        yield _need(
            NeedKind.CRASHED, f"run {run} crashed", _after_crash(found, state), f"pitboss repair {run}"
        )
    elif found.condition is Condition.LIVE and found.paused:
        why = "no new session starts until it is unpaused"
        yield _need(NeedKind.PAUSED, f"run {run} is paused", why, "pitboss unpause")
    elif found.condition is Condition.ABORTED:
        yield from _of_stop(run, one_line(state.stop_reason or ""))
    for session in () if state is None else state.unrescued:
        where = session.assignment.worktree
        place = "your working tree" if where is None else f"the run's {where}"
        what = f"session {session.seq} left work that git could not rescue"
        yield _need(
            NeedKind.UNRESCUED, what, f"it is still in {place}", f"pitboss repair {run}", seq=session.seq
        )


def _after_crash(found: Situation, state: RunState) -> str:
    count = len(state.in_flight)
    left = f"{counted(count, 'session')} in flight left work to settle" if count else ""
    return "; ".join(filter(None, ("the disk is full" if found.disk_full else "", left)))


def _of_stop(run: str, reason: str) -> Iterator[Need]:
    """A run that stopped because going on was no use until somebody does something."""
    if met := _DEAD_END.fullmatch(reason):
        yield _need(
            NeedKind.DEAD_END, f"{met[1]} met a dead end: {in_words(met[2])}", met[3], "pitboss doctor"
        )
    elif _IN_A_ROW.fullmatch(reason):
        yield _need(NeedKind.FAILURES, reason, "", f"pitboss log {run}")
    elif unpriced := _UNPRICED.fullmatch(reason):
        seq = int(unpriced[1])
        yield _need(NeedKind.UNKNOWN_COST, reason, "", f"pitboss show {run} {seq}", seq=seq)


def _all_failed(found: Situation) -> Iterator[Need]:
    """A run that was for nothing, though too short for the limit of failures in a row to stop it.

    Failed tests and rescued work are things of their own, and a person may have settled them.
    """
    state = found.state
    if (
        state is None
        or not _has_ended(found)
        or any(record.rescue or failed_tests(record) for record in found.records)
    ):
        return
    failed, stopped = state.budget_consumed.consecutive_failures, sum(map(_was_stopped, found.records))
    if failed and failed + stopped == state.budget_consumed.iterations:
        others = " that was not stopped" if stopped else ""
        many = " that were not stopped" if stopped else ""
        what = f"the only session{others} failed" if failed == 1 else f"all {failed} sessions{many} failed"
        last = found.last
        why = in_words(last.reason) if last is not None and last.status.failed and last.reason else ""
        if why and failed > 1:
            why = f"the last one: {why}"
        yield _need(NeedKind.FAILURES, what, why, f"pitboss log {found.run_id}")


def _of_sessions(found: Situation) -> Iterator[Need]:
    settled = {record.retry_of for record in found.records if record.commit is not None}
    retried = {record.retry_of for record in found.records}
    for record in found.records:
        waits = record.awaits_retry and record.seq not in retried and found.condition is Condition.LIVE
        if record.seq not in settled and not waits:
            yield from _of_session(found, record)


def _of_session(found: Situation, record: SessionRecord) -> Iterator[Need]:
    refs = _waiting(found.git, record)
    who, why = f"session {record.seq} ({one_line(record.prompt)})", _why(record)
    file = found.tasks.get(record.queued or "")
    if file is not None and _task_not_done(record):
        again = f"pitboss queue add -f {_quoted(file)}"
        what = f"{who}: the queued task was not done, and does not run again by itself"
        yield _need(NeedKind.TASK, what, why, again, seq=record.seq)
    if record.rescue and not refs:
        return  # somebody has applied or dropped it
    if failed_tests(record):
        what = f"{who} did not pass the tests"
        yield _need(NeedKind.VERIFY, what, why, _on_failed_tests(found, record, refs), seq=record.seq)
    elif refs:
        conflict = reason_kind(record.reason) is Reason.CONFLICT
        kind = NeedKind.CONFLICT if conflict else NeedKind.RESCUED
        what = (
            f"{who} conflicts with what had landed" if conflict else f"{who}: {_rescued(record, len(refs))}"
        )
        yield _need(kind, what, why, _show_rescued(refs), seq=record.seq)
    elif _lost(record):
        what = f"{who}: what it did may still be on worker {one_line(record.host or '')}, which did not hand it over"
        why = "a run here fetches it once that worker is there and has room for it"
        yield _need(NeedKind.LOST, what, why, f"pitboss show {found.run_id} {record.seq}", seq=record.seq)


def _on_failed_tests(found: Situation, record: SessionRecord, refs: tuple[str, ...]) -> str:
    """What shows most of why a session failed the tests."""
    if record.seq not in found.untold:
        return f"pitboss show {found.run_id} {record.seq} --verify"
    return _show_rescued(refs) if refs else f"pitboss show {found.run_id} {record.seq}"


def _show_rescued(refs: tuple[str, ...]) -> str:
    return f"pitboss rescue show {_quoted(rescue_name(refs[0]))}"


def _waiting(git: InGit | None, record: SessionRecord) -> tuple[str, ...]:
    """The rescue refs of a session that nobody has applied or dropped.

    No record names those of a worker that came back late.
    """
    if git is None:
        return record.rescue
    named = (
        tuple(ref for ref, seq in git.rescued.items() if seq == record.seq)
        if _lost(record)
        else record.rescue
    )
    return tuple(ref for ref in named if ref in git.rescued and ref not in git.applied)


def _rescued(record: SessionRecord, refs: int) -> str:
    return f"{'some' if record.commit else 'its'} work did not land and is kept{_under(refs)}"


def _under(refs: int) -> str:
    return "" if refs == 1 else f" under {refs} refs"


def _why(record: SessionRecord) -> str:
    return in_words(record.reason) if record.reason else ""


def _task_not_done(record: SessionRecord) -> bool:
    """Whether a task ended without a result that a person is told of otherwise; it has no next turn."""
    if record.queued is None or failed_tests(record):
        return False
    failed = record.status in (SessionStatus.ERROR, SessionStatus.TIMEOUT)
    return record.status is SessionStatus.ABORTED or (failed and record.commit is None and not record.rescue)


def failed_tests(record: SessionRecord) -> bool:
    """Whether a session landed nothing because its work did not pass the tests."""
    failed = record.status is SessionStatus.ERROR
    return failed and record.commit is None and reason_kind(record.reason) is Reason.VERIFY_FAILED


def _in_no_record(found: Situation) -> Iterator[Need]:
    """Work that is kept although no record names it: what a branch or the stash lost, or what came to light late.

    As long as a run lives, or is to be repaired, a record may be to come.
    """
    git = found.git
    if git is None or found.problem is not None or not _has_ended(found):
        return
    told = git.applied.union(*(record.rescue for record in found.records))
    lost = {record.seq for record in found.records if _lost(record)}  # told with their sessions
    kept: dict[int | None, list[str]] = {}
    for ref, seq in git.rescued.items():
        if ref not in told and seq not in lost:
            kept.setdefault(seq, []).append(ref)
    for seq, refs in kept.items():
        who = "" if seq is None else f"session {seq}: "
        what = f"{who}work that no record names is kept{_under(len(refs))}"
        yield _need(NeedKind.RESCUED, what, "", _show_rescued(tuple(refs)), seq=seq)


def _has_ended(found: Situation) -> bool:
    return found.condition in (Condition.COMPLETED, Condition.ABORTED)


def _not_landed(found: Situation) -> Iterator[Need]:
    git, state = found.git, found.state
    if git is None or state is None or git.onto is None or not git.not_landed or found.problem is not None:
        return  # what cannot be read in full is repaired first
    if _has_ended(found):
        verb = "is" if git.not_landed == 1 else "are"
        what = f"{counted(git.not_landed, 'commit')} of run {found.run_id} {verb} not on {one_line(git.onto)}"
        yield _need(NeedKind.NOT_LANDED, what, "", landing_command(state, git.onto))


def _need(kind: NeedKind, what: str, why: str | None, command: str, *, seq: int | None = None) -> Need:
    return Need(
        kind=kind,
        what=one_line(what, _WHY_WIDTH),
        why=one_line(why or "", _WHY_WIDTH),
        command=command,
        seq=seq,
    )


def landing_command(state: RunState, onto: str | None) -> str:
    """The command that takes a run's work to the branch `onto`, which is None if there is none to take it to."""
    where = f" --onto {_quoted(onto)}" if onto and onto != state.original_branch else ""
    return f"pitboss land {state.run_id}{where}"


def after_applying(name: str) -> str:
    """What to do with the ref `name` (RUN_ID/session-NNNN) once its work is in the tree."""
    return f"commit it; then `pitboss rescue drop {_quoted(name)}` takes it off the list"


def _quoted(word: str) -> str:
    from shlex import quote  # mostly nobody is needed

    return quote(word)
