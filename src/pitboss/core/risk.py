"""How closely a landed session deserves to be looked at, explained by its reasons (SPEC 11).

A pure function of the record and of what git says of its commit: no model is asked. The report and `review` go through
landed sessions in this order.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.diff_stat import DiffStat
from pitboss.core.embed import one_line
from pitboss.core.events import Phase
from pitboss.core.measures import first_few
from pitboss.core.session import FIXER, SessionStatus
from pitboss.core.settling import in_words
from pitboss.core.touched import Fate, diff_of, is_ci, is_dependency_list, is_test, takes_tests_away

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pitboss.core.session import SessionRecord
    from pitboss.core.timeline import Track
    from pitboss.core.touched import TouchedFile

MOST_NAMED = 3
"""How many files a reason names before it counts the rest."""

_LONGEST_PATH = 80
_CUT_TESTS = 10
"""From so many lines on, tests that lost more than they gained are a reason of their own."""

_LINE_STEPS = ((1000, 4), (300, 3), (100, 2), (30, 1))
_FILE_STEPS = ((50, 3), (20, 2), (8, 1))
_HIGH, _MEDIUM = 6, 3


class Level(StrEnum):
    """How risky a change is, in a word."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Verification(StrEnum):
    """Whether the project's tests ran before a session landed."""

    RAN = "ran"
    NOT_RUN = "not_run"
    UNKNOWN = "unknown"


class RiskReason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason to look closely, and how much it weighs; 0 is only there to be known."""

    text: str
    weight: int


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """Why a landed session is risky, heaviest reason first; `diff` is None if git has lost its commit."""

    reasons: tuple[RiskReason, ...]
    diff: DiffStat | None

    @property
    def score(self) -> int:
        """The sum of all weights: it puts sessions in order, and means nothing by itself."""
        return sum(reason.weight for reason in self.reasons)

    @property
    def level(self) -> Level:
        """The score in a word."""
        if self.score >= _HIGH:
            return Level.HIGH
        return Level.MEDIUM if self.score >= _MEDIUM else Level.LOW

    @property
    def texts(self) -> tuple[str, ...]:
        """The reasons in words."""
        return tuple(reason.text for reason in self.reasons)


def risk(record: SessionRecord, touched: Sequence[TouchedFile] | None, tested: Verification) -> Risk:
    """The risk of a session that landed; `touched` is what it changed, None if git no longer knows."""
    reasons = [*_of_size(touched), *_of_files(touched or ()), *_of_session(record, tested)]
    heaviest = sorted(reasons, key=lambda reason: -reason.weight)
    return Risk(reasons=tuple(heaviest), diff=None if touched is None else diff_of(touched))


def riskiest_first(risks: Mapping[int, Risk]) -> tuple[int, ...]:
    """Sessions by seq, riskiest first; of two that are as risky the larger change, then the earlier session."""

    def place(seq: int) -> tuple[int, int, int]:
        found = risks[seq]
        lines = 0 if found.diff is None else found.diff.added + found.diff.removed
        return -found.score, -lines, seq

    return tuple(sorted(risks, key=place))


def verification(record: SessionRecord, track: Track | None, verify: bool | None) -> Verification:
    """Whether tests ran before a session landed, from what events said of it: its phases, or its prompt's `verify`.

    `verify` is None if no event told. One that failed its tests and landed nonetheless has its failure in its record.
    """
    if FIXER in record.tokens.by_role:
        return Verification.RAN
    phases = () if track is None else track.stretches
    if any(each.phase is Phase.VERIFY for each in phases):
        return Verification.RAN
    if phases and phases[0].phase in (Phase.HOOK, Phase.AGENT):
        return Verification.NOT_RUN  # all of its phases are known
    if verify is None or record.queued is not None:
        return Verification.UNKNOWN
    return Verification.RAN if verify else Verification.NOT_RUN


def _of_size(touched: Sequence[TouchedFile] | None) -> Iterator[RiskReason]:
    if touched is None:
        yield RiskReason(text="git has lost its commit", weight=_MEDIUM)
        return
    diff = diff_of(touched)
    lines = diff.added + diff.removed
    weight = _step(lines, _LINE_STEPS) + _step(diff.files, _FILE_STEPS)
    yield RiskReason(text=f"{_many(lines, 'line')} in {_many(diff.files, 'file')}", weight=weight)


def _of_files(touched: Sequence[TouchedFile]) -> Iterator[RiskReason]:
    gone = [file for file in touched if takes_tests_away(file)]
    tests = [file for file in touched if is_test(file.path) and file not in gone]
    if gone:
        yield RiskReason(text=f"deletes tests: {_named(gone)}", weight=6)
    yield from _of_tests(tests)
    if ci := [file for file in touched if is_ci(file.path)]:
        yield RiskReason(text=f"changes CI: {_named(ci)}", weight=4)
    if lists := [file for file in touched if is_dependency_list(file.path)]:
        yield RiskReason(text=f"changes dependencies: {_named(lists)}", weight=3)
    if binary := [file for file in touched if file.is_binary]:
        yield RiskReason(text=f"binary: {_named(binary)}", weight=1)


def _of_tests(tests: Sequence[TouchedFile]) -> Iterator[RiskReason]:
    diff = diff_of(tests)
    changed = [file for file in tests if file.fate is not Fate.ADDED]
    if diff.removed - diff.added >= _CUT_TESTS:
        yield RiskReason(text=f"cuts tests by {diff.removed - diff.added} lines: {_named(changed)}", weight=3)
    elif changed:
        yield RiskReason(text=f"changes tests: {_named(changed)}", weight=1)


def _of_session(record: SessionRecord, tests: Verification) -> Iterator[RiskReason]:
    why = one_line(in_words(record.reason), 160) if record.reason else str(record.status)
    if record.status is SessionStatus.DIRTY:
        yield RiskReason(text=f"some of its work was set aside: {why}", weight=2)
    elif record.status is not SessionStatus.OK:
        yield RiskReason(text=f"landed although it failed: {why}", weight=5)
    match tests:
        case Verification.NOT_RUN:
            yield RiskReason(text="no tests ran", weight=2)
        case Verification.UNKNOWN:
            yield RiskReason(text="unknown whether tests ran", weight=1)
        case Verification.RAN if FIXER in record.tokens.by_role:
            yield RiskReason(text="a fixer had to mend it for its tests", weight=1)
        case _:  # RAN
            pass
    if record.retry_of is not None:
        yield RiskReason(text=f"second try after session {record.retry_of} ended in a conflict", weight=2)


def _step(size: int, steps: Sequence[tuple[int, int]]) -> int:
    return next((weight for least, weight in steps if size >= least), 0)


def _named(files: Sequence[TouchedFile]) -> str:
    return first_few([one_line(_gone(file), _LONGEST_PATH) for file in files], MOST_NAMED)


def _gone(file: TouchedFile) -> str:
    """The path that tells most of it: of a test that was moved away, where it was."""
    return file.was if file.was is not None and takes_tests_away(file) else file.path


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
