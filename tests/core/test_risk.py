"""Why a landed session deserves a closer look."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.diff_stat import DiffStat
from pitboss.core.events import Phase
from pitboss.core.risk import Level, Risk, RiskReason, Verification, risk, riskiest_first, verification
from pitboss.core.session import SessionStatus, TokenUsage
from pitboss.core.timeline import Stretch, Track
from pitboss.core.touched import Fate, TouchedFile
from pitboss.core.usage import RoleTokens
from tests.support.values import STARTED, record


def touched(path: str = "src/a.py", added: int = 1, removed: int = 0, **changes: Any) -> TouchedFile:
    return TouchedFile(path=path, added=added, removed=removed, **changes)


def reasons(*files: TouchedFile, how: Verification = Verification.RAN, **changes: Any) -> tuple[str, ...]:
    return risk(record(1, **changes), files, how).texts


def test_a_small_tested_change_is_low_and_says_its_size() -> None:
    found = risk(record(1), (touched(),), Verification.RAN)
    assert found == Risk(
        reasons=(RiskReason(text="1 line in 1 file", weight=0),), diff=DiffStat(files=1, added=1)
    )
    assert (found.score, found.level) == (0, Level.LOW)


@pytest.mark.parametrize(
    ("file", "reason", "level"),
    [
        (touched("tests/test_a.py", fate=Fate.DELETED), "deletes tests: tests/test_a.py", Level.HIGH),
        (touched("a.py", fate=Fate.RENAMED, was="tests/a.py"), "deletes tests: tests/a.py", Level.HIGH),
        (touched("tests/test_a.py", 2, 12), "cuts tests by 10 lines: tests/test_a.py", Level.MEDIUM),
        (touched("tests/test_a.py", 2, 11), "changes tests: tests/test_a.py", Level.LOW),
        (touched(".gitlab-ci.yml"), "changes CI: .gitlab-ci.yml", Level.MEDIUM),
        (touched("package.json"), "changes dependencies: package.json", Level.MEDIUM),
        (TouchedFile(path="a.png", added=None, removed=None), "binary: a.png", Level.LOW),
    ],
)
def test_what_was_touched_is_a_reason(file: TouchedFile, reason: str, level: Level) -> None:
    found = risk(record(1), (file,), Verification.RAN)
    assert found.texts[0] == reason
    assert found.level is level


def test_new_tests_are_no_reason() -> None:
    assert reasons(touched("tests/test_a.py", 5, fate=Fate.ADDED)) == ("5 lines in 1 file",)


@pytest.mark.parametrize(("lines", "weight"), [(29, 0), (30, 1), (100, 2), (300, 3), (1000, 4)])
def test_more_lines_weigh_more(lines: int, weight: int) -> None:
    assert risk(record(1), (touched(added=lines),), Verification.RAN).score == weight


@pytest.mark.parametrize(("files", "weight"), [(7, 0), (8, 1), (20, 2), (50, 3)])
def test_more_files_weigh_more(files: int, weight: int) -> None:
    many = [TouchedFile(path=f"{n}.py") for n in range(files)]
    assert risk(record(1), many, Verification.RAN).score == weight


def test_reasons_name_a_few_files_and_count_the_rest_and_heaviest_come_first() -> None:
    gone = [touched(f"tests/{n}.py", 0, 1, fate=Fate.DELETED) for n in range(5)]
    assert reasons(*gone, touched("\x1b[2J.lock" * 40)) == (
        "deletes tests: tests/0.py, tests/1.py, tests/2.py and 2 more",
        "6 lines in 6 files",
    )
    assert reasons(touched("tests/\x1b[31m.py")) == ("changes tests: tests/[31m.py", "1 line in 1 file")


@pytest.mark.parametrize(
    ("changes", "how", "reason"),
    [
        ({}, Verification.NOT_RUN, "no tests ran"),
        ({}, Verification.UNKNOWN, "unknown whether tests ran"),
        ({"retry_of": 4}, Verification.RAN, "second try after session 4 ended in a conflict"),
        (
            {"status": SessionStatus.DIRTY, "reason": "head_moved: elsewhere"},
            Verification.RAN,
            "some of its work was set aside: head moved: elsewhere",
        ),
        (
            {"status": SessionStatus.ERROR, "reason": "verify_failed"},
            Verification.RAN,
            "landed although it failed: verify failed",
        ),
        ({"status": SessionStatus.TIMEOUT}, Verification.RAN, "landed although it failed: timeout"),
    ],
)
def test_how_a_session_went_is_a_reason(changes: dict[str, Any], how: Verification, reason: str) -> None:
    assert reason in reasons(touched(), how=how, **changes)


def test_what_a_fixer_had_to_mend_is_a_reason() -> None:
    assert "a fixer had to mend it for its tests" in risk(FIXED, (), Verification.RAN).texts


def test_a_commit_that_git_has_lost_is_said() -> None:
    found = risk(record(1), None, Verification.RAN)
    assert (found.texts, found.diff, found.level) == (("git has lost its commit",), None, Level.MEDIUM)


def phases(*each: Phase) -> Track:
    return Track(
        seq=1,
        stretches=tuple(
            Stretch(phase=phase, began=STARTED + timedelta(minutes=n)) for n, phase in enumerate(each)
        ),
    )


FIXED = msgspec.structs.replace(record(1), tokens=TokenUsage(by_role={"fixer": RoleTokens(output=1)}))


@pytest.mark.parametrize(
    ("of", "track", "verify", "expected"),
    [
        (record(1), phases(Phase.AGENT, Phase.VERIFY, Phase.LAND), False, Verification.RAN),
        (record(1), phases(Phase.AGENT, Phase.LAND), True, Verification.NOT_RUN),
        (record(1), phases(Phase.LAND), True, Verification.RAN),
        (record(1), None, True, Verification.RAN),
        (record(1), None, False, Verification.NOT_RUN),
        (record(1), Track(seq=1), None, Verification.UNKNOWN),
        (record(1, queued="ab"), None, False, Verification.UNKNOWN),
        (FIXED, None, None, Verification.RAN),
    ],
)
def test_events_or_the_prompt_tell_whether_tests_ran(
    of: Any, track: Track | None, verify: bool | None, expected: Verification
) -> None:
    assert verification(of, track, verify) is expected


def test_the_riskiest_come_first_then_the_larger_then_the_earlier() -> None:
    def of(weight: int, diff: DiffStat | None) -> Risk:
        return Risk(reasons=(RiskReason(text="", weight=weight),), diff=diff)

    small, large = DiffStat(files=1, added=1), DiffStat(files=1, added=5, removed=5)
    risks = {1: of(0, None), 2: of(2, small), 3: of(2, large), 4: of(2, small), 5: of(9, None)}
    assert riskiest_first(risks) == (5, 3, 2, 4, 1)


@given(st.lists(st.builds(touched, st.text(), st.integers(0, 2000), st.integers(0, 2000)), max_size=30))
def test_any_paths_make_reasons_of_one_line_and_more_files_are_never_less_risk(
    files: list[TouchedFile],
) -> None:
    all_of_them = risk(record(1), files, Verification.RAN)
    assert all("\n" not in text and text.isprintable() for text in all_of_them.texts)
    assert all_of_them.reasons == tuple(sorted(all_of_them.reasons, key=lambda reason: -reason.weight))
