"""What needs a person: each with a command that works as it is pasted and starts no session."""

from __future__ import annotations

import shlex
from typing import Any

import msgspec
import pytest

from pitboss.core.budget import BudgetSnapshot
from pitboss.core.condition import Condition
from pitboss.core.needs import InGit, Need, NeedKind, Situation, after_applying, asks_git, may_need, needs
from pitboss.core.session import SessionRecord, SessionStatus
from pitboss.core.stops import RunStatus
from pitboss.core.tone import Tone
from tests.support.values import RUN_ID, flying, fresh_run, record

REF = f"refs/pitboss/rescue/{RUN_ID}/session-0003"


def failed(seq: int, reason: str, **changes: Any) -> SessionRecord:
    kept: dict[str, Any] = {
        "status": SessionStatus.ERROR,
        "commit": None,
        "rescue": (f"refs/pitboss/rescue/{RUN_ID}/session-{seq:04}",),
    }
    return record(seq, reason=reason, **(kept | changes))


def asked(
    *records: SessionRecord, condition: Condition = Condition.COMPLETED, **changes: Any
) -> tuple[Need, ...]:
    found = Situation(
        run_id=RUN_ID,
        condition=condition,
        state=fresh_run(status=RunStatus.COMPLETED),
        problem=None,
        paused=False,
        records=records,
        tasks={},
    )
    return needs(msgspec.structs.replace(found, **changes))


def stopped(reason: str) -> tuple[Need, ...]:
    state = fresh_run(status=RunStatus.ABORTED, stop_reason=reason)
    return asked(condition=Condition.ABORTED, state=state)


def lines(listed: tuple[Need, ...]) -> list[tuple[str, str, str]]:
    return [(need.what, need.why, need.command) for need in listed]


# --- runs ------------------------------------------------------------------------------------------------------


def test_a_good_night_needs_nobody() -> None:
    assert asked(record(1), record(2, commit=None)) == ()
    assert stopped("max-iterations reached: 3 >= 3") == ()
    assert asked(condition=Condition.LIVE) == ()


def test_a_run_that_cannot_be_read_or_failed_or_was_killed_is_repaired() -> None:
    assert lines(asked(condition=Condition.UNREADABLE, state=None, problem="parsing state.json: no")) == [
        ("run rid cannot be read", "parsing state.json: no", "pitboss repair rid --dry-run")
    ]
    gone = asked(problem="its directory is gone; `pitboss repair rid` brings it back")
    assert [need.command for need in gone] == ["pitboss repair rid"]
    short = asked(problem="the log is damaged", git=InGit(onto="main", not_landed=2))
    assert lines(short) == [("run rid cannot be read in full", "the log is damaged", "pitboss repair rid")]
    broken = fresh_run(status=RunStatus.FAILED, stop_reason="internal error: no")
    assert lines(asked(condition=Condition.FAILED, state=broken)) == [
        ("run rid failed", "internal error: no", "pitboss repair rid")
    ]
    for flights, why in (
        ((), ""),
        ((flying(1),), "1 session in flight left work to settle"),
        ((flying(1), flying(2)), "2 sessions in flight left work to settle"),
    ):
        killed = asked(condition=Condition.CRASHED, state=fresh_run(in_flight=flights))
        assert lines(killed) == [("run rid crashed", why, "pitboss repair rid")]
    [full] = asked(condition=Condition.CRASHED, state=fresh_run(in_flight=(flying(1),)), disk_full=True)
    assert full.why == "the disk is full; 1 session in flight left work to settle"


@pytest.mark.parametrize(
    ("reason", "need"),
    [
        (
            "session 4 met a dead end: auth: no; no; log in",
            (
                "session 4 met a dead end: auth: no; no",
                "log in",
                "pitboss doctor",
            ),
        ),
        (
            "1 session failed in a row (limit 1)",
            ("1 session failed in a row (limit 1)", "", "pitboss log rid"),
        ),
        (
            "3 sessions failed in a row (limit 3)",
            ("3 sessions failed in a row (limit 3)", "", "pitboss log rid"),
        ),
        (
            "the cost of session 2 is unknown (model m)",
            (
                "the cost of session 2 is unknown (model m)",
                "",
                "pitboss show rid 2",
            ),
        ),
    ],
)
def test_a_run_that_stopped_because_going_on_was_no_use_says_what_to_look_at(
    reason: str, need: tuple[str, str, str]
) -> None:
    assert lines(stopped(reason)) == [need]


@pytest.mark.parametrize("condition", [Condition.COMPLETED, Condition.ABORTED])
@pytest.mark.parametrize(
    ("failures", "last", "need"),
    [
        (
            1,
            record(1, status=SessionStatus.ERROR, commit=None, reason="spawn failed: no such file"),
            ("the only session failed", "spawn failed: no such file"),
        ),
        (
            2,
            record(2, status=SessionStatus.ERROR, commit=None, reason="exit_code: 3"),
            ("all 2 sessions failed", "the last one: exit code: 3"),
        ),
        (3, None, ("all 3 sessions failed", "")),
        (3, record(3, commit=None), ("all 3 sessions failed", "")),
    ],
)
def test_a_run_whose_sessions_all_failed_says_so_however_it_ended(
    failures: int, last: SessionRecord | None, need: tuple[str, str], condition: Condition
) -> None:
    used = BudgetSnapshot(iterations=failures, consecutive_failures=failures)
    state = fresh_run(budget_consumed=used)
    assert lines(asked(condition=condition, state=state, last=last)) == [(*need, "pitboss log rid")]
    assert asked(condition=Condition.LIVE, state=state, last=last) == ()


def test_failures_are_told_once_and_not_after_they_are_settled() -> None:
    used = BudgetSnapshot(iterations=1, consecutive_failures=1)
    state, told = fresh_run(budget_consumed=used), failed(1, "exit_code: 3")
    assert [need.kind for need in asked(told, state=state)] == [NeedKind.RESCUED]
    assert asked(told, state=state, git=InGit()) == ()
    limit = fresh_run(budget_consumed=used, stop_reason="1 session failed in a row (limit 1)")
    assert len(asked(condition=Condition.ABORTED, state=limit)) == 1
    more = fresh_run(budget_consumed=BudgetSnapshot(iterations=2, consecutive_failures=1))
    assert asked(state=more) == ()


@pytest.mark.parametrize("status", [SessionStatus.ABORTED, SessionStatus.SKIPPED])
def test_sessions_that_were_stopped_do_not_hide_that_all_others_failed(status: SessionStatus) -> None:
    cut = record(3, status=status, commit=None, reason="somebody asked")
    last = record(4, status=SessionStatus.ERROR, commit=None, reason="exit_code: 3")
    used = BudgetSnapshot(iterations=3, consecutive_failures=2)
    state = fresh_run(budget_consumed=used)
    assert may_need(cut)
    (told,) = lines(asked(cut, state=state, last=last))
    assert told[:2] == ("all 2 sessions that were not stopped failed", "the last one: exit code: 3")
    assert lines(asked(cut, state=state, last=cut))[0][1] == ""
    assert asked(state=state) == ()


def test_a_paused_run_is_unpaused() -> None:
    (need,) = asked(condition=Condition.LIVE, paused=True)
    assert (need.kind, need.command) == (NeedKind.PAUSED, "pitboss unpause")
    assert asked(condition=Condition.ABORTED, paused=True) == ()


def test_work_that_git_could_not_rescue_comes_first() -> None:
    state = fresh_run(unrescued=(flying(2), flying(3, worktree="worktrees/slot-1")))
    listed = asked(failed(1, "exit_code: 3"), state=state)
    what, repair = "left work that git could not rescue", "pitboss repair rid"
    assert lines(listed[:2]) == [
        (f"session 2 {what}", "it is still in your working tree", repair),
        (f"session 3 {what}", "it is still in the run's worktrees/slot-1", repair),
    ]
    assert [need.kind for need in listed] == [NeedKind.UNRESCUED, NeedKind.UNRESCUED, NeedKind.RESCUED]
    assert [need.kind.tone for need in listed] == [Tone.BAD, Tone.BAD, Tone.WARN]


def test_commits_that_the_branch_of_the_user_lacks_are_merged() -> None:
    git = InGit(onto="main", not_landed=1)
    state = fresh_run(status=RunStatus.COMPLETED, original_branch="main")
    assert lines(asked(git=git, state=state)) == [
        ("1 commit of run rid is not on main", "", "pitboss land rid")
    ]
    two = msgspec.structs.replace(git, not_landed=2)
    assert asked(git=two)[0].what == "2 commits of run rid are not on main"
    assert asked(git=two, condition=Condition.LIVE) == ()
    elsewhere = asked(git=InGit(onto="it's", not_landed=1))
    assert lines(elsewhere) == [
        ("1 commit of run rid is not on it's", "", """pitboss land rid --onto 'it'"'"'s'""")
    ]
    assert asked(git=InGit(onto="main")) == asked(git=InGit()) == ()


# --- sessions ----------------------------------------------------------------------------------------------------


def test_rescued_work_is_shown_with_why_it_did_not_land() -> None:
    more = failed(
        4, "head_moved", commit="c", status=SessionStatus.DIRTY, rescue=("refs/r/rid/a", "refs/r/rid/b")
    )
    first, second = asked(failed(3, "exit_code: 3"), more)
    assert (first.what, first.why) == ("session 3 (alpha): its work did not land and is kept", "exit code: 3")
    assert first.command == "pitboss rescue show rid/session-0003"
    assert second.what == "session 4 (alpha): some work did not land and is kept under 2 refs"
    assert (second.why, second.command) == ("head moved", "pitboss rescue show rid/a")


def test_whoever_has_applied_work_commits_it_and_drops_its_ref() -> None:
    assert (
        after_applying("rid/session-0003")
        == "commit it; then `pitboss rescue drop rid/session-0003` takes it off the list"
    )


def test_what_was_dropped_or_applied_since_needs_nobody_any_more() -> None:
    there, gone = failed(3, "exit_code: 3"), failed(5, "exit_code: 3")
    listed = asked(there, gone, git=InGit(rescued={REF: 3}))
    assert [need.seq for need in listed] == [3]
    assert asked(there, gone, git=InGit(rescued={REF: 3}, applied=frozenset({REF}))) == ()


def test_a_queued_task_that_was_aborted_can_be_queued_again() -> None:
    lost = record(3, status=SessionStatus.ABORTED, reason="interrupted", commit=None, queued="t1")
    kept = msgspec.structs.replace(lost, rescue=(REF,))
    listed = asked(lost, kept, tasks={"t1": "/a b/queue/t1.md"})
    assert [need.kind for need in listed] == [NeedKind.RESCUED, NeedKind.TASK, NeedKind.TASK]
    what = "session 3 (alpha): the queued task was not done, and does not run again by itself"
    assert lines(listed[1:2]) == [(what, "interrupted", "pitboss queue add -f '/a b/queue/t1.md'")]
    assert may_need(lost)
    assert asked(lost, tasks={"t2": "/queue/t2.md"}) == ()


@pytest.mark.parametrize(
    ("status", "changes", "listed"),
    [
        (SessionStatus.ERROR, {"reason": "unreachable"}, [NeedKind.TASK]),
        (SessionStatus.TIMEOUT, {"reason": "wall_clock"}, [NeedKind.TASK]),
        (SessionStatus.ERROR, {"reason": "exit_code: 3", "rescue": (REF,)}, [NeedKind.RESCUED]),
        (SessionStatus.ERROR, {"reason": "verify_failed"}, [NeedKind.VERIFY]),
        (SessionStatus.ERROR, {"reason": "exit_code: 3", "commit": "c" * 40}, []),
        (SessionStatus.SKIPPED, {"reason": "skipped"}, []),
        (SessionStatus.OK, {}, []),
    ],
)
def test_a_queued_task_that_failed_and_left_nothing_is_not_forgotten(
    status: SessionStatus, changes: dict[str, Any], listed: list[NeedKind]
) -> None:
    task = record(3, status=status, queued="t1", **({"commit": None} | changes))
    assert may_need(task) or not listed
    assert [need.kind for need in asked(task, tasks={"t1": "/queue/t1.md"})] == listed


def test_failing_tests_are_shown_whether_or_not_there_is_work() -> None:
    listed = asked(failed(3, "verify_failed: test_a"), failed(4, "verify_failed", rescue=()))
    assert lines(listed) == [
        ("session 3 (alpha) did not pass the tests", "verify failed: test_a", "pitboss show rid 3 --verify"),
        ("session 4 (alpha) did not pass the tests", "verify failed", "pitboss show rid 4 --verify"),
    ]


def test_failing_tests_whose_output_is_gone_are_shown_as_far_as_can_be() -> None:
    sessions = (failed(3, "verify_failed"), failed(4, "verify_failed", rescue=()), failed(5, "verify_failed"))
    assert [need.command for need in asked(*sessions, untold=frozenset({3, 4}))] == [
        "pitboss rescue show rid/session-0003",
        "pitboss show rid 4",
        "pitboss show rid 5 --verify",
    ]


def test_a_conflict_needs_nobody_while_it_is_retried_or_once_that_has_landed() -> None:
    clash = failed(3, "conflict: a.txt", retry=True)
    (need,) = asked(clash)
    assert (need.kind, need.what) == (NeedKind.CONFLICT, "session 3 (alpha) conflicts with what had landed")
    assert asked(clash, condition=Condition.LIVE) == ()
    again = failed(5, "conflict: a.txt", retry_of=3)
    assert [need.seq for need in asked(clash, again, condition=Condition.LIVE)] == [3, 5]
    assert asked(clash, record(5, retry_of=3)) == ()


def test_records_that_can_need_nobody_may_be_left_out() -> None:
    assert [may_need(each) for each in (record(1), record(2, retry_of=1), failed(3, "exit_code"))] == [
        False,
        True,
        True,
    ]
    assert may_need(failed(4, "verify_failed", rescue=()))
    assert not may_need(failed(5, "exit_code", rescue=()))


def test_the_most_urgent_need_of_a_session_comes_first() -> None:
    git = InGit(onto="m", not_landed=1, rescued={REF: 3})
    listed = asked(failed(3, "exit_code: 3"), state=fresh_run(unrescued=(flying(3),)), git=git)
    assert next(need.kind for need in listed if need.seq == 3) is NeedKind.UNRESCUED
    assert len(listed) == 3


def test_what_agents_wrote_stays_on_one_line_and_out_of_commands() -> None:
    odd = failed(3, "exit_code: \x1b[2J\n" + "x" * 500, prompt="a", rescue=("refs/r/rid/$(reboot) x",))
    (need,) = asked(odd)
    assert len(need.why) <= 160
    assert "\x1b" not in need.why
    assert shlex.split(need.command) == ["pitboss", "rescue", "show", "rid/$(reboot) x"]


def lost(seq: int, **changes: Any) -> SessionRecord:
    reason = "interrupted: worker anna lost"
    return failed(
        seq,
        reason,
        **({"status": SessionStatus.ABORTED, "rescue": (), "host": "anna", "retry": True} | changes),
    )


def test_what_may_still_be_on_a_lost_worker_is_said_until_it_is_here_or_its_turn_has_landed() -> None:
    (need,) = asked(lost(3), git=InGit())
    assert (need.kind, need.command) == (NeedKind.LOST, "pitboss show rid 3")
    assert (
        need.what == "session 3 (alpha): what it did may still be on worker anna, which did not hand it over"
    )
    assert need.why == "a run here fetches it once that worker is there and has room for it"
    late = InGit(rescued={REF: 3})
    (kept,) = asked(lost(3), git=late)
    assert (kept.kind, kept.command) == (NeedKind.RESCUED, "pitboss rescue show rid/session-0003")
    assert asked(lost(3), condition=Condition.LIVE) == ()
    assert asked(lost(3), record(4, retry_of=3)) == ()
    assert [asks_git(each) for each in (lost(3), lost(3, commit="c"), lost(3, host=None))] == [
        True,
        False,
        False,
    ]


def test_work_that_no_record_names_is_told_once_the_run_has_ended() -> None:
    ref = "refs/pitboss/rescue/rid/session-{}".format
    kept = {
        ref("0003"): 3,
        ref("0003-2"): 3,
        ref("0004"): 4,
        ref("0005"): 5,
        "refs/pitboss/rescue/rid/odd": None,
    }
    git = InGit(rescued=kept, applied=frozenset([ref("0005")]))
    told = failed(4, "exit_code: 3")
    assert lines(asked(told, git=git)[1:]) == [
        (
            "session 3: work that no record names is kept under 2 refs",
            "",
            "pitboss rescue show rid/session-0003",
        ),
        ("work that no record names is kept", "", "pitboss rescue show rid/odd"),
    ]
    assert len(asked(told, git=git, condition=Condition.LIVE)) == 1
    damaged = asked(told, git=git, problem="the log is damaged")
    assert [need.kind for need in damaged] == [NeedKind.UNREADABLE, NeedKind.RESCUED]
