"""The report as a value: it counts every session once, sums up what the log does, and says how bad a night was."""

from __future__ import annotations

from datetime import timedelta
from math import isclose
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.budget import BudgetSnapshot, Caps
from pitboss.core.condition import Condition
from pitboss.core.measures import stamp
from pitboss.core.needs import Need, NeedKind
from pitboss.core.report.morning import MorningReport, RunFacts, morning_report
from pitboss.core.report.sessions import Known, Result, reported
from pitboss.core.report.sums import UNNAMED, Share
from pitboss.core.run import spend
from pitboss.core.session import SessionStatus
from pitboss.core.stops import RunStatus
from pitboss.core.tone import Tone
from pitboss.core.touched import Fate, TouchedFile
from pitboss.core.view import Flight
from pitboss.screens.report.as_json import report_json
from tests.support.values import STARTED, record, run_state, usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.core.session import SessionRecord

NOW = STARTED + timedelta(hours=9)
REF = "refs/pitboss/rescue/rid/session-0002"


def of(*records: SessionRecord, **changes: Any) -> MorningReport:
    facts = {
        "run_id": "rid",
        "condition": Condition.COMPLETED,
        "state": run_state(status=RunStatus.COMPLETED, caps=Caps(max_cost_usd=5.0)),
        "records": records,
    }
    return morning_report([RunFacts(**{**facts, **changes})], NOW, stamp)


LANDED = record(1, cost_usd=0.5)
RESCUED = record(2, status=SessionStatus.ERROR, commit=None, rescue=(REF,), reason="exit_code: 3")
FAILED = record(3, "bravo", SessionStatus.TIMEOUT, commit=None)
IDLE = record(4, commit=None)
SKIPPED = record(5, status=SessionStatus.SKIPPED, commit=None)
ABORTED = record(6, status=SessionStatus.ABORTED, commit=None)
ALL = (LANDED, RESCUED, FAILED, IDLE, SKIPPED, ABORTED)


def test_each_session_has_one_result() -> None:
    assert [each.result for each in reported(ALL, Known())] == [
        Result.LANDED,
        Result.RESCUED,
        Result.FAILED,
        Result.NOTHING,
        Result.STOPPED,
        Result.STOPPED,
    ]


def test_a_session_that_landed_counts_as_landed_even_if_more_of_it_was_rescued() -> None:
    found = of(record(1, status=SessionStatus.DIRTY, rescue=(REF,)))
    assert found.everything.sessions[0].result is Result.LANDED
    assert found.rescued == found.everything.sessions


@pytest.mark.parametrize(
    ("records", "changes", "verdict", "tone"),
    [
        (
            ALL,
            {},
            (
                "1 of 6 sessions landed, 1 rescued, 1 failed, 1 changed nothing, 2 stopped, $0.50 spent; "
                "the run finished; nothing needs you."
            ),
            Tone.WARN,
        ),
        (
            (LANDED,),
            {},
            "1 of 1 session landed, $0.50 spent; the run finished; nothing needs you.",
            Tone.OK,
        ),
        (
            (FAILED,),
            {"needs": (Need(kind=NeedKind.FAILURES, what="x", why="", command="y"),)},
            "Nothing landed of 1 session, 1 failed, $0.00 spent; the run finished; 1 thing needs you.",
            Tone.BAD,
        ),
        (
            (LANDED,),
            {"needs": (Need(kind=NeedKind.RESCUED, what="x", why="", command="y"),) * 2},
            "1 of 1 session landed, $0.50 spent; the run finished; 2 things need you.",
            Tone.WARN,
        ),
        (
            (LANDED,),
            {"condition": Condition.CRASHED},
            "1 of 1 session landed, $0.50 spent; the run crashed; nothing needs you.",
            Tone.BAD,
        ),
        ((), {}, "No session ran; the run finished; nothing needs you.", Tone.WARN),
        (
            (),
            {"condition": Condition.LIVE, "in_flight": (Flight(seq=1, prompt="alpha"),)},
            "No session has ended yet; the run is still going on; nothing needs you.",
            Tone.WARN,
        ),
        (
            (),
            {"condition": Condition.UNREADABLE, "state": None, "problem": "torn"},
            "No session ran; the run cannot be read: torn; nothing needs you.",
            Tone.BAD,
        ),
        (
            (),
            {"condition": Condition.UNREADABLE, "state": None},
            "No session ran; the run cannot be read; nothing needs you.",
            Tone.BAD,
        ),
        (
            (),
            {"problem": "the log is damaged"},
            "No session can be read; the run finished; the log is damaged; nothing needs you.",
            Tone.WARN,
        ),
        (
            (record(1, cost_known=False),),
            {},
            "1 of 1 session landed, cost unknown; the run finished; nothing needs you.",
            Tone.OK,
        ),
        (
            (LANDED, record(2, cost_known=False)),
            {},
            "2 of 2 sessions landed, $0.50+ spent; the run finished; nothing needs you.",
            Tone.OK,
        ),
    ],
)
def test_the_verdict_is_one_honest_line(
    records: Sequence[SessionRecord], changes: dict[str, Any], verdict: str, tone: Tone
) -> None:
    found = of(*records, **changes)
    assert (found.verdict.text, found.verdict.tone) == (verdict, tone)


def test_a_run_keeps_its_caps_and_its_branch_and_one_that_cannot_be_read_has_none() -> None:
    (run,) = of(LANDED).runs
    assert (run.caps.max_cost_usd, run.branch) == (5.0, "pitboss/grind/rid")
    (run,) = of(condition=Condition.UNREADABLE, state=None).runs
    assert (run.caps, run.branch) == (Caps(), "")
    (run,) = of(state=run_state(caps=None)).runs
    assert run.caps == Caps()


def test_landed_sessions_come_riskiest_first() -> None:
    gone = (TouchedFile(path="tests/test_a.py", fate=Fate.DELETED, removed=3),)
    known = Known(touched={1: (TouchedFile(path="a.py", added=1),), 2: gone}, verify={"alpha": True})
    found = of(record(1), record(2), IDLE, known=known)
    assert [(each.session.seq, each.risk.texts) for each in found.landed] == [
        (2, ("deletes tests: tests/test_a.py", "3 lines in 1 file")),
        (1, ("1 line in 1 file",)),
    ]


def test_what_is_still_kept_and_what_landed_in_its_place_is_known() -> None:
    retry = record(3, retry_of=2)
    (_, rescued, _) = reported((LANDED, RESCUED, retry), Known(kept=frozenset()))
    assert (rescued.kept, rescued.settled_by) == ((), 3)
    (_, rescued) = reported((LANDED, RESCUED), Known(kept=frozenset({REF})))
    assert (rescued.kept, rescued.settled_by) == ((REF,), None)
    (_, rescued) = reported((LANDED, RESCUED), Known())
    assert rescued.kept == (REF,)
    assert rescued.run_id == "rid"


def test_sums_are_by_prompt_and_by_agent_the_dearest_first() -> None:
    found = of(
        record(1, cost_usd=0.1, agent="claude-code", model="opus"),
        record(2, "bravo", cost_usd=0.3, agent="codex"),
        record(3, cost_usd=0.1, queued="ab"),
        record(4, cost_known=False),
    )
    assert [(each.name, len(each.sessions), each.cost_known) for each in found.prompts] == [
        ("bravo", 1, True),
        ("alpha", 2, False),
        ("(queued)", 1, True),
    ]
    assert [each.name for each in found.agents] == ["codex", UNNAMED, "claude-code opus"]
    assert [each.seq for each in found.everything.unpriced] == [4]


def test_half_of_some_sessions_took_longer_than_the_median() -> None:
    slow = record(2, ended_at=STARTED + timedelta(hours=1, minutes=3))
    assert of(record(1), slow).everything.median_s == 120.0
    assert Share(name="none", sessions=()).median_s == 0.0


def test_several_runs_are_joined() -> None:
    other = record(1, run_id="other", cost_usd=0.25)
    facts = [
        RunFacts(run_id="other", condition=Condition.COMPLETED, state=run_state(), records=(other,)),
        RunFacts(run_id="rid", condition=Condition.ABORTED, state=run_state(), records=(LANDED,)),
    ]
    found = morning_report(facts, NOW, stamp)
    assert found.is_joined
    assert found.verdict.text == "2 of 2 sessions landed, $0.75 spent; 2 runs; nothing needs you."
    assert found.verdict.tone is Tone.OK
    assert [run.ended for run in found.runs] == ["finished", "stopped"]
    assert found.needs == ()
    torn = [msgspec.structs.replace(facts[0], problem="the log is damaged"), facts[1]]
    assert "; 2 runs; other: the log is damaged; " in morning_report(torn, NOW, stamp).verdict.text
    assert morning_report([], NOW, stamp).verdict.text == "No session ran; nothing needs you."


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "no session ran"),
        ({"problem": "the log is damaged"}, "no session can be read"),
        ({"in_flight": (Flight(seq=1, prompt="alpha"),)}, "no session has ended yet"),
    ],
)
def test_a_run_without_sessions_says_why_it_has_none(changes: dict[str, Any], said: str) -> None:
    assert of(**changes).no_session == said


any_record = st.builds(
    record,
    st.integers(1, 999),
    st.sampled_from(["alpha", "bravo", "charlie"]),
    st.sampled_from(SessionStatus),
    tokens=st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)),
    cost_usd=usd,
    cost_known=st.booleans(),
    commit=st.sampled_from([None, "abc"]),
    rescue=st.sampled_from([(), (REF,)]),
    agent=st.sampled_from([None, "codex"]),
    queued=st.sampled_from([None, "ab"]),
)


@given(st.lists(any_record, max_size=30))
def test_whatever_the_log_the_sums_of_the_report_are_those_of_the_log(records: list[SessionRecord]) -> None:
    found = of(*records)
    logged = BudgetSnapshot()
    for each in records:
        logged = spend(logged, each)
    assert found.everything.used == logged
    for shares in (found.prompts, found.agents, found.results):
        assert sorted(each.seq for share in shares for each in share.sessions) == sorted(
            r.seq for r in records
        )
        assert sum(share.used.iterations for share in shares) == logged.iterations
        assert sum(share.used.tokens for share in shares) == logged.tokens
        assert isclose(sum(share.used.cost_usd for share in shares), logged.cost_usd, abs_tol=1e-9)
        assert all(share.cost_known for share in shares) is all(each.cost_known for each in records)
    assert len(found.landed) == sum(each.commit is not None for each in records)
    told = report_json(found)
    assert (told["sessions"], told["cost_usd"]) == (logged.iterations, logged.cost_usd)
    assert sum(told[key] for key in ("landed", "rescued", "failed", "changed_nothing", "stopped")) == len(
        records
    )
    for sums in (told["by_prompt"], told["by_agent"]):
        assert sum(each["sessions"] for each in sums) == len(records)
        assert isclose(sum(each["cost_usd"] for each in sums), logged.cost_usd, abs_tol=1e-9)


def test_who_took_no_further_part_is_said_and_of_several_runs_in_which() -> None:
    state = run_state(max_barren={"alpha": 1}, barren_per_prompt={"alpha": 2})
    words = "alpha takes no further part: its last 2 sessions landed nothing (max_barren 1)"
    assert of(state=state).left_out == (words,)
    two = [
        RunFacts(run_id=name, condition=Condition.COMPLETED, state=each)
        for name, each in (("one", state), ("two", run_state()))
    ]
    assert morning_report(two, NOW, stamp).left_out == (f"one: {words}",)
