"""How an outcome and a landing settle into the one record, and how bills add up (SPEC 6, 7)."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.session import (
    FIXER,
    IMPLEMENTER,
    Landing,
    Outcome,
    Progress,
    Reason,
    SessionRecord,
    SessionStatus,
    TokenUsage,
    transcript_name,
)
from pitboss.core.settling import settle
from pitboss.core.usage import MOST_TOKENS, RoleTokens, Usage
from tests.support.values import STARTED, flying, usd

ENDED = STARTED + timedelta(minutes=5)
OK, DIRTY, ERROR = SessionStatus.OK, SessionStatus.DIRTY, SessionStatus.ERROR


def outcome(status: SessionStatus = OK, reason: str | None = None, summary: str | None = "did it") -> Outcome:
    return Outcome(status=status, ended_at=ENDED, reason=reason, summary=summary)


def settled(
    status: SessionStatus = OK,
    reason: str | None = None,
    *,
    landing: Landing | None = None,
    summary: str | None = "did it",
) -> SessionRecord:
    return settle("rid", flying(7), outcome(status, reason, summary), landing or Landing())


def test_a_record_holds_all_that_is_known_of_its_session() -> None:
    session = flying(
        7,
        prompt="alpha",
        rotation=9,
        started_at=STARTED,
        base_commit="b" * 40,
        worktree="/w",
        branch="x",
        pid=1,
        pid_started=2,
        attempt=3,
    )
    tokens = TokenUsage(input=5, output=6, by_role={IMPLEMENTER: RoleTokens(input=5, output=6)})
    ended = Outcome(
        status=ERROR,
        ended_at=ENDED,
        reason="verify_failed: 2 tests",
        summary="tried",
        tokens=tokens,
        cost_usd=0.5,
        cost_known=False,
        cache_read=3,
        cache_write=1,
        model="m",
        agent="claude_code",
    )
    assert settle("rid", session, ended, Landing(rescue=("refs/a",), hidden="where")) == SessionRecord(
        seq=7,
        run_id="rid",
        prompt="alpha",
        started_at=STARTED,
        ended_at=ENDED,
        status=ERROR,
        summary="tried",
        commit=None,
        tokens=tokens,
        cost_usd=0.5,
        transcript_path="transcripts/session-0007.log",
        rotation=9,
        cost_known=False,
        cost_source="unknown",
        reason="verify_failed: 2 tests",
        rescue=("refs/a",),
        hidden="where",
        attempts=3,
        model="m",
        agent="claude_code",
        cache_read=3,
        cache_write=1,
    )


@pytest.mark.parametrize(
    ("landing_reason", "status"),
    [
        (None, OK),
        ("head_moved", DIRTY),
        ("head_moved: to feature", DIRTY),
        ("history_rewritten", DIRTY),
        ("commit_refused", ERROR),
        ("commit_refused: pre-commit said no", ERROR),
        ("conflict: a.py b.py", ERROR),
        ("git_failed: git add failed: no", ERROR),
        ("aborted", SessionStatus.ABORTED),
        ("aborted: on request", SessionStatus.ABORTED),
    ],
)
def test_landing_decides_about_a_session_whose_agent_was_ok(
    landing_reason: str | None, status: SessionStatus
) -> None:
    record = settled(landing=Landing(commit="c", reason=landing_reason))
    assert (record.status, record.reason, record.commit) == (status, landing_reason, "c")


@pytest.mark.parametrize("landing_reason", [None, "head_moved", "conflict: a.py"])
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (DIRTY, "head_moved"),
        (ERROR, "exit_code: 3"),
        (SessionStatus.TIMEOUT, "wall_clock"),
        (SessionStatus.ABORTED, "interrupted"),
        (SessionStatus.SKIPPED, "skipped"),
    ],
)
def test_a_verdict_of_the_agent_is_never_changed_by_landing(
    status: SessionStatus, reason: str, landing_reason: str | None
) -> None:
    record = settled(status, reason, landing=Landing(rescue=("r",), reason=landing_reason))
    assert (record.status, record.reason, record.rescue) == (status, reason, ("r",))


@pytest.mark.parametrize(
    ("landing", "refs", "expected"),
    [
        (Landing(commit="c"), (), Landing(commit="c")),
        (Landing(commit="c"), ("r",), Landing(commit="c", rescue=("r",), reason="in the way")),
        (
            Landing(commit="c", reason="hook_failed"),
            ("r",),
            Landing(commit="c", rescue=("r",), reason="hook_failed"),
        ),
    ],
)
def test_what_landing_set_aside_is_a_reason_unless_there_is_one(
    landing: Landing, refs: tuple[str, ...], expected: Landing
) -> None:
    assert landing.with_rescued(refs, "in the way") == expected


@pytest.mark.parametrize(
    ("landing", "retry"),
    [
        (Landing(reason="conflict: with a.py", retry=True), True),
        (Landing(reason="conflict: unmerged a.py"), False),
        (Landing(reason="head_moved", retry=True), False),
        (Landing(commit="c", retry=True), False),
    ],
)
def test_only_a_conflict_with_what_landed_meanwhile_earns_another_turn(landing: Landing, retry: bool) -> None:
    record = settled(landing=landing)
    assert (record.retry, record.awaits_retry) == (retry, retry)


@pytest.mark.parametrize("status", [ERROR, DIRTY, SessionStatus.TIMEOUT, SessionStatus.ABORTED])
def test_a_session_that_failed_by_itself_earns_no_other_turn(status: SessionStatus) -> None:
    conflict = Landing(rescue=("r",), reason="conflict: with a.py", retry=True)
    assert not settled(status, "exit_code: 1", landing=conflict).retry


def test_a_session_whose_worker_was_lost_is_aborted_and_earns_its_prompt_another_turn() -> None:
    lost = "interrupted: worker rack-2 lost"
    left = Landing(rescue=("r",), retry=True)
    never_home = msgspec.structs.replace(left, reason=lost)
    flight = flying(7, host="rack-2")
    for ended, landing in ((outcome(SessionStatus.ABORTED, lost), left), (outcome(), never_home)):
        record = settle("rid", flight, ended, landing)
        assert (record.status, record.reason, record.host) == (SessionStatus.ABORTED, lost, "rack-2")
        assert record.awaits_retry


def test_the_second_turn_says_whose_it_takes_and_is_the_last() -> None:
    conflict = Landing(rescue=("r",), reason="conflict: with a.py", retry=True)
    record = settle("rid", flying(7, retry_of=4), outcome(), conflict)
    assert (record.status, record.retry_of, record.retry, record.awaits_retry) == (ERROR, 4, False, False)


def test_a_queued_task_names_itself_in_its_record_and_is_not_retried_by_itself() -> None:
    conflict = Landing(rescue=("r",), reason="conflict: with a.py", retry=True)
    record = settle("rid", flying(7, queued="6fr1mzz"), outcome(), conflict)
    assert (record.status, record.queued, record.retry) == (ERROR, "6fr1mzz", False)
    assert not msgspec.structs.replace(record, retry=True).awaits_retry


def test_only_a_conflict_awaits_its_retry_whatever_a_record_claims() -> None:
    claims = msgspec.structs.replace(settled(ERROR, "exit_code: 1"), retry=True)
    assert not claims.awaits_retry
    assert not msgspec.structs.replace(claims, reason=None).awaits_retry
    assert not msgspec.structs.replace(claims, reason="conflict", retry_of=2).awaits_retry
    assert msgspec.structs.replace(claims, reason="conflict").awaits_retry


@pytest.mark.parametrize(
    ("written", "status", "landing", "summary"),
    [
        (None, OK, Landing(), "I did it."),
        (" ", OK, Landing(commit="c"), "I did it."),
        ("did it", OK, Landing(commit="c"), "did it"),
        (None, OK, Landing(commit="c", rescue=("r",), reason="head_moved: dev"), "I did it."),
        (None, OK, Landing(rescue=("r",), reason="conflict: a.py"), "conflict: a.py"),
        (None, ERROR, Landing(), "cost cap"),
        (None, SessionStatus.SKIPPED, Landing(), "cost cap"),
    ],
)
def test_last_words_stand_in_for_a_summary_unless_something_failed(
    written: str | None, status: SessionStatus, landing: Landing, summary: str
) -> None:
    ended = msgspec.structs.replace(
        outcome(status, None if status is OK else "cost_cap", written), said="I did it."
    )
    assert settle("rid", flying(7), ended, landing).summary == summary


@pytest.mark.parametrize(
    ("written", "status", "reason", "summary"),
    [
        ("did it", OK, None, "did it"),
        ("\n did it \n\n", OK, None, "did it"),
        (None, OK, None, "(no summary provided)"),
        (" \n\t", OK, None, "(no summary provided)"),
        (None, ERROR, "exit_code: 3", "exit code: 3"),
        (None, ERROR, "exit_code: -9", "killed by SIGKILL"),
        (None, ERROR, "exit_code: -15: Warning: headless", "killed by SIGTERM: Warning: headless"),
        (None, ERROR, "exit_code: -99", "killed by signal 99"),
        (None, ERROR, "exit_code: -9000", "exit code: -9000"),
        ("", ERROR, "agent_error: file_name is odd", "agent error: file_name is odd"),
        (None, SessionStatus.TIMEOUT, "wall_clock", "wall clock"),
        ("half done", SessionStatus.TIMEOUT, "wall_clock", "half done"),
    ],
)
def test_the_summary_is_what_was_written_or_else_the_failure_in_words(
    written: str | None, status: SessionStatus, reason: str | None, summary: str
) -> None:
    assert settled(status, reason, summary=written).summary == summary


def test_a_conflict_with_no_summary_says_so_in_words() -> None:
    record = settled(landing=Landing(rescue=("r",), reason="conflict: a_b.py"), summary=None)
    assert record.summary == "conflict: a_b.py"


@pytest.mark.parametrize(
    ("detail", "written"),
    [
        (None, "exit_code"),
        ("", "exit_code"),
        (" \n", "exit_code"),
        ("3", "exit_code: 3"),
        ("two\nlines\t here", "exit_code: two lines here"),
    ],
)
def test_a_reason_is_one_line_with_its_detail_after_a_colon(detail: str | None, written: str) -> None:
    assert Reason.EXIT_CODE.because(detail) == written


def test_only_error_and_timeout_are_failures() -> None:
    assert [s for s in SessionStatus if s.failed] == [ERROR, SessionStatus.TIMEOUT]


@pytest.mark.parametrize(
    ("seq", "name"), [(1, "session-0001"), (9999, "session-9999"), (10_000, "session-10000")]
)
def test_a_transcript_is_named_for_its_session(seq: int, name: str) -> None:
    assert transcript_name(seq) == f"transcripts/{name}.log"


usages = st.builds(
    Usage,
    input=st.integers(0, 10**6),
    output=st.integers(0, 10**6),
    cache_read=st.integers(0, 10**6),
    cache_write=st.integers(0, 10**6),
    cost_usd=usd,
    cost_known=st.booleans(),
)
bills = st.lists(st.tuples(st.sampled_from([IMPLEMENTER, FIXER]), usages), max_size=6)


def test_tokens_are_counted_for_each_role_that_used_any() -> None:
    tokens = TokenUsage().add(IMPLEMENTER, Usage(input=5, output=1)).add(FIXER, Usage(cost_usd=0.5))
    assert tokens == TokenUsage(input=5, output=1, by_role={IMPLEMENTER: RoleTokens(input=5, output=1)})
    assert tokens.add(IMPLEMENTER, Usage(input=2)).by_role == {IMPLEMENTER: RoleTokens(input=7, output=1)}


@given(bills)
def test_totals_are_the_sums_of_the_roles_and_idle_roles_are_not_named(bill: list[tuple[str, Usage]]) -> None:
    tokens = TokenUsage()
    for role, usage in bill:
        tokens = tokens.add(role, usage)
    assert tokens.input == sum(r.input for r in tokens.by_role.values()) == sum(u.input for _, u in bill)
    assert tokens.output == sum(r.output for r in tokens.by_role.values()) == sum(u.output for _, u in bill)
    assert set(tokens.by_role) == {role for role, usage in bill if usage.has_tokens}


@given(bills)
def test_billing_one_by_one_is_billing_the_sum(bill: list[tuple[str, Usage]]) -> None:
    billed, total = outcome(), Usage()
    for role, usage in bill:
        billed, total = billed.bill(role, usage), total + usage
    assert msgspec.structs.replace(billed, tokens=TokenUsage()) == msgspec.structs.replace(
        outcome(),
        cost_usd=total.cost_usd,
        cost_known=total.cost_known,
        cache_read=total.cache_read,
        cache_write=total.cache_write,
    )
    assert (billed.tokens.input, billed.tokens.output) == (total.input, total.output)


def test_a_fixer_is_billed_and_counted() -> None:
    used = Usage(input=7, output=3, cost_usd=0.25)
    billed = outcome().bill_fix(used).bill_fix(used)
    assert billed == msgspec.structs.replace(outcome().bill(FIXER, used).bill(FIXER, used), fixes=2)


def test_a_bill_stops_at_what_every_reader_can_hold() -> None:
    most = Usage(input=MOST_TOKENS, output=1, cache_read=MOST_TOKENS, cache_write=1, cost_usd=1e308)
    billed = outcome().bill(IMPLEMENTER, most).bill(FIXER, most).bill(FIXER, most)
    role = RoleTokens(input=MOST_TOKENS, output=2)
    assert billed.tokens == TokenUsage(
        input=MOST_TOKENS,
        output=3,
        by_role={IMPLEMENTER: RoleTokens(input=MOST_TOKENS, output=1), FIXER: role},
    )
    assert (billed.cache_read, billed.cache_write) == (MOST_TOKENS, 3)
    assert billed.cost_usd == sys.float_info.max


@pytest.mark.parametrize(
    ("since", "until", "seen", "waited_s"),
    [
        (None, None, 60, 0.0),
        (10, None, 60, 50.0),
        (10, 40, 60, 30.0),
        (10, 90, 60, 50.0),
        (10, 90, 5, 0.0),
    ],
)
def test_a_wait_that_was_cut_short_lasted_until_its_run_was_gone(
    since: int | None, until: int | None, seen: int, waited_s: float
) -> None:
    def moment(at: int | None) -> datetime | None:
        return None if at is None else STARTED + timedelta(seconds=at)

    waiting = Progress(waits_since=moment(since), waits_until=moment(until))
    assert waiting.cut_wait_s(STARTED + timedelta(seconds=seen)) == waited_s


@pytest.mark.parametrize(
    ("landing", "status"),
    [
        (Landing(), SessionStatus.ERROR),
        (Landing(commit="c"), SessionStatus.OK),
        (Landing(rescue=("refs/a",)), SessionStatus.OK),
        (Landing(reason="head_moved: x"), SessionStatus.DIRTY),
    ],
)
def test_who_did_nothing_by_its_own_word_needs_work_to_show(landing: Landing, status: SessionStatus) -> None:
    idle = msgspec.structs.replace(outcome(), idle=True)
    record = settle("rid", flying(7), idle, landing)
    assert record.status is status
    assert (record.reason or "").startswith("agent_error: it reports success but did nothing") is (
        status is SessionStatus.ERROR
    )
    assert (
        settle("rid", flying(7), outcome(SessionStatus.SKIPPED, "skipped"), landing).status
        is SessionStatus.SKIPPED
    )


def test_a_session_whose_runner_died_and_whose_worker_stays_away_says_where_its_work_may_be() -> None:
    lost = Landing(reason="interrupted: worker anna lost")
    record = settled(SessionStatus.ABORTED, "interrupted", landing=lost)
    assert (record.status, record.reason, record.retry) == (SessionStatus.ABORTED, lost.reason, False)
    for reason in ("aborted", "interrupted: worker ben lost"):
        assert settled(SessionStatus.ABORTED, reason, landing=lost).reason == reason
    here = Landing(reason="git_failed: no")
    assert settled(SessionStatus.ABORTED, "interrupted", landing=here).reason == "interrupted"
