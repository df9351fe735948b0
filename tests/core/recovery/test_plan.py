"""Recovery as a plan: every row of the table in SPEC 7, and what must hold for any facts at all."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.choosers.rotation import dispatched_scheduler
from pitboss.core.recovery.facts import Checkout, Damage, Facts
from pitboss.core.recovery.plan import plan_recovery
from pitboss.core.recovery.refusals import StateOutOfSync
from pitboss.core.recovery.repairs import (
    AbortSession,
    CompleteSession,
    CutTornTail,
    DropInFlight,
    MoveTask,
    RebuildState,
    RecreateBranch,
    RemoveEmptyObjects,
    RemoveLease,
    RemoveSessionBranch,
    RemoveStaleLocks,
    RemoveWorktree,
    Repair,
    ReplayRecords,
    RescueLeft,
    RestoreRecord,
    SetAsideDamage,
    StopProcess,
    UndoSwitch,
)
from pitboss.core.run import fold, unfolded
from pitboss.core.session import InFlight, Outcome, SessionStatus
from pitboss.errors import DamagedRun, StartError
from tests.support.values import BRANCH, RUN_ID, STARTED, flying, fresh_run, record, run_state

if TYPE_CHECKING:
    from pitboss.core.run import RunState

TIP, BASE = "1" * 40, "0" * 40
ON_BRANCH = Checkout(branch=BRANCH, dirty=False)
GARBAGE = Damage(line=2, detail="not JSON")

ORDER: tuple[type | tuple[type, ...], ...] = (
    StopProcess,
    CutTornTail,
    SetAsideDamage,
    RemoveStaleLocks,
    RemoveEmptyObjects,
    RecreateBranch,
    UndoSwitch,
    RebuildState,
    ReplayRecords,
    DropInFlight,
    MoveTask,
    RescueLeft,
    CompleteSession,
    (AbortSession, RestoreRecord),
    RemoveWorktree,
    RemoveSessionBranch,
    RemoveLease,
)


def facts(state: RunState | None = None, **changes: Any) -> Facts:
    """A run at rest with three records, on its branch in a clean tree, unless told otherwise."""
    at_rest = Facts(
        run_id=RUN_ID,
        branch=BRANCH,
        state=state or run_state(),
        last_seq=3,
        branch_tip=TIP,
        last_commit=TIP,
        last_commit_exists=True,
        checkout=ON_BRANCH,
    )
    return msgspec.structs.replace(at_rest, **changes)


def ended(seq: int, minutes: int = 0, **changes: Any) -> InFlight:
    outcome = Outcome(status=SessionStatus.OK, ended_at=STARTED + timedelta(minutes=minutes))
    return flying(seq, outcome=outcome, **changes)


# --- the table ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checkout", [ON_BRANCH, None])
def test_a_run_at_rest_needs_nothing(checkout: Checkout | None) -> None:
    assert plan_recovery(facts(checkout=checkout)) == ()


def test_last_line_torn() -> None:
    assert plan_recovery(facts(torn_at=512)) == (CutTornTail(at=512),)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ([GARBAGE], "sessions.jsonl line 2 is damaged: not JSON"),
        (
            [Damage(line=3, detail="seq 1 again"), Damage(line=9, detail="run other"), GARBAGE],
            "sessions.jsonl line 3 is damaged: seq 1 again (and 2 more)",
        ),
    ],
)
def test_garbage_in_the_middle_or_a_repeated_seq_or_a_foreign_run_id(damage: list[Damage], said: str) -> None:
    with pytest.raises(DamagedRun) as refusal:
        plan_recovery(facts(torn_at=512, damage=tuple(damage)))
    assert refusal.value.message == said
    assert refusal.value.hint == (
        "`pitboss repair rid --force` sets the damage aside and rewrites lost records"
    )


def test_garbage_in_the_middle_with_force() -> None:
    """Record 2 was the garbage: its session gets a new one, and the fold is made again around it."""
    damaged = facts(last_seq=1, early=frozenset({3}), damage=(GARBAGE,), force=True)
    assert plan_recovery(damaged) == (
        SetAsideDamage(lines=(2,)),
        RebuildState(last_seq=1),
        ReplayRecords(first=2, last=3),
        RestoreRecord(seq=2, landed=False),
    )


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("last_seq", [0, 3])
def test_a_line_whose_seq_cannot_be_true_is_refused_even_with_force(last_seq: int, force: bool) -> None:
    """Else its one line would have four billion lost records rewritten."""
    state = run_state() if last_seq else fresh_run()
    with pytest.raises(DamagedRun) as refusal:
        plan_recovery(facts(state, last_seq=last_seq, early=frozenset({2**32 - 1}), force=force))
    assert refusal.value.message == (
        f"sessions.jsonl mentions session 4294967295, and {2**32 - 2 - last_seq} sessions before it have no record"
    )
    assert refusal.value.hint == (
        "remove what says 4294967295 if that is wrong, else restore sessions.jsonl from a copy"
    )


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"landed": frozenset({20_000})}, "a commit on pitboss/grind/rid"),
        ({"state": run_state(last_session_seq=20_000)}, "state.json"),
        ({"state": run_state(in_flight=(flying(20_000),))}, "state.json"),
    ],
)
def test_an_unlikely_seq_is_named_with_where_it_was_found(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(DamagedRun, match=f"{where} mentions session 20000, and 1999[67] sessions before"):
        plan_recovery(facts(force=True, **changes))


def test_with_force_many_lost_records_are_written_anew() -> None:
    lost = facts(last_seq=3, early=frozenset({10_004}), force=True)
    restored = [repair.seq for repair in plan_recovery(lost) if isinstance(repair, RestoreRecord)]
    assert restored == list(range(4, 10_004))


def test_a_repeated_record_with_force_costs_nothing_else() -> None:
    assert plan_recovery(facts(damage=(GARBAGE,), force=True)) == (SetAsideDamage(lines=(2,)),)


def test_in_flight_process_group_alive() -> None:
    state = run_state(in_flight=(flying(4, pid=77, pid_started=1234),))
    assert plan_recovery(facts(state, alive=frozenset({4}))) == (
        StopProcess(seq=4, pid=77, pid_started=1234),
        AbortSession(seq=4),
    )


def test_in_flight_pid_belongs_to_somebody_else() -> None:
    state = run_state(in_flight=(flying(4, pid=77, pid_started=1234),))
    assert plan_recovery(facts(state, alive=frozenset())) == (AbortSession(seq=4),)


def test_in_flight_and_its_agent_was_not_started_yet() -> None:
    state = run_state(in_flight=(flying(4),))
    assert plan_recovery(facts(state, alive=frozenset({4}))) == (AbortSession(seq=4),)


def test_in_flight_outcome_written_commit_with_its_trailers_on_the_branch() -> None:
    state = run_state(in_flight=(ended(4),))
    assert plan_recovery(facts(state, landed=frozenset({4}))) == (CompleteSession(seq=4, landed=True),)


def test_in_flight_outcome_written_no_commit() -> None:
    state = run_state(in_flight=(ended(4),))
    assert plan_recovery(facts(state)) == (CompleteSession(seq=4, landed=False),)


def test_in_flight_no_outcome() -> None:
    state = run_state(in_flight=(flying(4),))
    assert plan_recovery(facts(state)) == (AbortSession(seq=4),)


def test_in_flight_and_recorded() -> None:
    """The crash came between the record and the checkpoint: replayed, never redone."""
    state = run_state(in_flight=(ended(4),))
    assert plan_recovery(facts(state, last_seq=4, landed=frozenset())) == (
        ReplayRecords(first=4, last=4),
        DropInFlight(seq=4),
    )


def test_sessions_that_ended_land_in_the_order_that_was_due_and_the_others_follow() -> None:
    """First the one whose landing had begun, then by the time each ended; cut-short ones are only rescued."""
    flight = (flying(4), ended(5, 30), ended(6, 20), ended(7, 40), flying(8, worktree="/w"))
    assert plan_recovery(facts(run_state(in_flight=flight), landed=frozenset({7}))) == (
        CompleteSession(seq=7, landed=True),
        CompleteSession(seq=6, landed=False),
        CompleteSession(seq=5, landed=False),
        AbortSession(seq=4),
        AbortSession(seq=8),
    )


def test_records_past_the_checkpoint() -> None:
    assert plan_recovery(facts(fresh_run())) == (ReplayRecords(first=1, last=3),)


def test_records_that_came_before_their_turn_wait_for_the_session_that_was_in_flight() -> None:
    state = run_state(in_flight=(flying(4, worktree="/w"), ended(5, worktree="/v")))
    assert plan_recovery(facts(state, early=frozenset({5}))) == (
        ReplayRecords(first=4, last=5),
        AbortSession(seq=4),
    )


def test_finished_out_of_order_some_recorded_some_landed_some_still_at_work() -> None:
    slot = {"worktree": "worktrees/slot-1"}
    flight = (
        flying(4, **slot),
        ended(5, 9, **slot),
        ended(6, 1, **slot),
        ended(7, 5, **slot),
        ended(8, 7, **slot),
        ended(9, 3, **slot),
        flying(10, pid=77, pid_started=1, **slot),
    )
    found = facts(
        run_state(in_flight=flight),
        early=frozenset({6, 9}),
        landed=frozenset({6, 7, 9}),
        alive=frozenset({10}),
        worktrees=("worktrees/slot-1",),
    )
    assert plan_recovery(found) == (
        StopProcess(seq=10, pid=77, pid_started=1),
        ReplayRecords(first=4, last=9),
        CompleteSession(seq=7, landed=True),
        CompleteSession(seq=8, landed=False),
        CompleteSession(seq=5, landed=False),
        AbortSession(seq=4),
        AbortSession(seq=10),
        RemoveWorktree(path="worktrees/slot-1"),
    )


def test_state_json_missing_or_unreadable_log_whole() -> None:
    assert plan_recovery(msgspec.structs.replace(facts(), state=None)) == (RebuildState(last_seq=3),)


def test_state_json_missing_and_a_commit_that_has_no_record() -> None:
    lost = msgspec.structs.replace(facts(landed=frozenset({4})), state=None)
    assert plan_recovery(lost) == (RebuildState(last_seq=3), RestoreRecord(seq=4, landed=True))


def test_state_json_missing_and_the_log_not_whole() -> None:
    lost = msgspec.structs.replace(facts(early=frozenset({5})), state=None)
    with pytest.raises(DamagedRun) as refusal:
        plan_recovery(lost)
    assert refusal.value.message == "sessions.jsonl has no record of session 4"
    assert plan_recovery(msgspec.structs.replace(lost, force=True)) == (
        RebuildState(last_seq=3),
        ReplayRecords(first=4, last=5),
        RestoreRecord(seq=4, landed=False),
    )


def test_log_shorter_than_the_checkpoint() -> None:
    with pytest.raises(StateOutOfSync, match="last_session_seq=3, log tail has 1"):
        plan_recovery(facts(last_seq=1))


def test_log_shorter_than_the_checkpoint_is_not_explained_by_a_session_in_flight() -> None:
    with pytest.raises(StateOutOfSync):
        plan_recovery(facts(run_state(in_flight=(ended(3),)), last_seq=2))


def test_a_gap_below_the_checkpoint_is_named_and_not_taken_for_a_short_log() -> None:
    with pytest.raises(DamagedRun, match="no record of session 1"):
        plan_recovery(facts(last_seq=0, early=frozenset({2, 3})))
    with pytest.raises(DamagedRun, match="no record of session 2"):
        plan_recovery(facts(last_seq=1, early=frozenset({3}), landed=frozenset({2})))
    with pytest.raises(StateOutOfSync, match="last_session_seq=3, log tail has 2"):
        plan_recovery(facts(last_seq=0, early=frozenset({2})))


def test_log_with_a_gap_that_no_session_in_flight_fills() -> None:
    with pytest.raises(DamagedRun, match="no record of session 4"):
        plan_recovery(facts(early=frozenset({5})))
    with pytest.raises(DamagedRun, match="no record of session 4"):
        plan_recovery(facts(run_state(in_flight=(flying(5),))))


def test_log_shorter_than_the_checkpoint_with_force() -> None:
    assert plan_recovery(facts(last_seq=1, landed=frozenset({3}), force=True)) == (
        RebuildState(last_seq=1),
        RestoreRecord(seq=2, landed=False),
        RestoreRecord(seq=3, landed=True),
    )


@pytest.mark.parametrize(
    "checkout", [None, ON_BRANCH, Checkout(branch="main", dirty=False), Checkout(branch=None, dirty=False)]
)
def test_run_branch_gone(checkout: Checkout | None) -> None:
    assert plan_recovery(facts(branch_tip=None, last_commit=BASE, checkout=checkout)) == (
        RecreateBranch(branch=BRANCH, at=BASE),
    )


def test_run_branch_gone_while_a_session_left_its_work_in_the_tree() -> None:
    """The tree is not switched before that work is rescued."""
    left = facts(
        run_state(in_flight=(flying(4),)), branch_tip=None, checkout=Checkout(branch="main", dirty=True)
    )
    assert plan_recovery(left) == (
        RecreateBranch(branch=BRANCH, at=TIP),
        AbortSession(seq=4),
    )


@pytest.mark.parametrize(
    ("last_commit", "said"),
    [
        (BASE, f"the run branch {BRANCH} is gone, and so is its last recorded commit 0000000"),
        (None, f"the run branch {BRANCH} is gone, and so is its first commit"),
    ],
)
def test_run_branch_gone_and_its_commit_too(last_commit: str | None, said: str) -> None:
    with pytest.raises(StartError) as refusal:
        plan_recovery(facts(branch_tip=None, last_commit=last_commit, last_commit_exists=False))
    assert refusal.value.message == said
    assert (
        refusal.value.hint == f"`git branch {BRANCH} COMMIT` puts it back; `git reflog` may know the commit"
    )


def test_stale_index_lock_of_a_dead_git() -> None:
    assert plan_recovery(facts(stale_locks=(".git/index.lock",))) == (
        RemoveStaleLocks(paths=(".git/index.lock",)),
    )


def test_worktrees_and_session_branches_of_no_live_session() -> None:
    """Also those of sessions in flight: they are settled before."""
    state = run_state(in_flight=(ended(4, worktree="/w1", branch="b4"),))
    left = facts(state, worktrees=("/w1", "/w2"), session_branches=("b4", "b9"), leased=(2, 4))
    assert plan_recovery(left) == (
        CompleteSession(seq=4, landed=False),
        RemoveWorktree(path="/w1"),
        RemoveWorktree(path="/w2"),
        RemoveSessionBranch(name="b4"),
        RemoveSessionBranch(name="b9"),
        RemoveLease(seq=2),
        RemoveLease(seq=4),
    )


@pytest.mark.parametrize("branch", [BRANCH, "main", None])
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("flight", [(), (flying(4, worktree="/w"),), (ended(3),)])
def test_changes_in_the_tree_with_no_session_in_flight_there(
    flight: tuple[InFlight, ...], force: bool, branch: str | None
) -> None:
    """A session in its own worktree, or one that is recorded, explains nothing in the user's tree."""
    dirty = Checkout(branch=branch, dirty=True, way_out="put them away with `git stash -u`")
    with pytest.raises(StartError) as refusal:
        plan_recovery(facts(run_state(in_flight=flight), checkout=dirty, force=force))
    assert (refusal.value.message, refusal.value.hint) == (
        "the working tree has uncommitted changes that no session made",
        "put them away with `git stash -u`, then resume",
    )


@pytest.mark.parametrize("branch", ["main", None])
def test_another_branch_checked_out_in_a_clean_tree_is_no_refusal(branch: str | None) -> None:
    found = facts(checkout=Checkout(branch=branch, dirty=False))
    assert plan_recovery(found) == ()
    assert found.somebody_elsewhere


def test_work_that_a_session_left_in_the_tree_is_its_own_until_somebody_goes_elsewhere() -> None:
    state = run_state(unrescued=(flying(3),))
    dirty = facts(state, checkout=Checkout(branch=BRANCH, dirty=True))
    assert plan_recovery(dirty) == (RescueLeft(seq=3),)
    gone = msgspec.structs.replace(dirty, checkout=None, moved_since=True)
    assert plan_recovery(gone) == (RescueLeft(seq=3, elsewhere=True),)
    assert [repair.describe() for repair in (*plan_recovery(dirty), *plan_recovery(gone))] == [
        "the work that session 3 left where it was is rescued",
        "the work that session 3 left where it was is not looked for: another branch is checked out",
    ]
    due = facts(run_state(unrescued=(flying(4),), in_flight=(ended(4),)))
    assert plan_recovery(due) == (CompleteSession(seq=4, landed=False),)


ELSEWHERE = Checkout(branch="main", dirty=False)


@pytest.mark.parametrize(
    ("session", "landed", "settled"),
    [
        (flying(4), frozenset[int](), AbortSession(seq=4, elsewhere=True)),
        (ended(4), frozenset[int](), AbortSession(seq=4, elsewhere=True)),
        (ended(4), frozenset({4}), CompleteSession(seq=4, landed=True, elsewhere=True)),
    ],
)
def test_nothing_is_taken_from_a_tree_in_which_somebody_works_on_another_branch(
    session: InFlight, landed: frozenset[int], settled: Repair
) -> None:
    found = facts(run_state(in_flight=(session,)), checkout=ELSEWHERE, moved_since=True, landed=landed)
    assert plan_recovery(found) == (settled,)
    with pytest.raises(StartError, match="uncommitted changes that no session made"):
        plan_recovery(msgspec.structs.replace(found, checkout=Checkout(branch="main", dirty=True)))


def test_a_branch_that_the_session_itself_went_to_is_still_its_tree() -> None:
    found = facts(run_state(in_flight=(ended(4),)), checkout=ELSEWHERE, moved_since=False)
    assert plan_recovery(found) == (CompleteSession(seq=4, landed=False),)


def test_a_switch_that_was_cut_short_is_put_right_before_sessions_are_settled() -> None:
    found = facts(run_state(in_flight=(flying(4, worktree="/w"),)), cut_switch=True)
    assert plan_recovery(found) == (UndoSwitch(), AbortSession(seq=4))


def test_a_session_that_died_landing_from_elsewhere_explains_changes_on_the_run_branch_alone() -> None:
    landing = run_state(in_flight=(flying(4, worktree="/v"), ended(5, worktree="/w")))
    settled = (CompleteSession(seq=5, landed=False), AbortSession(seq=4))
    assert plan_recovery(facts(landing, checkout=Checkout(branch=BRANCH, dirty=True))) == settled
    with pytest.raises(StartError, match="uncommitted changes that no session made"):
        plan_recovery(facts(landing, checkout=Checkout(branch="main", dirty=True)))
    assert plan_recovery(facts(landing, checkout=Checkout(branch="main", dirty=False))) == settled


def test_a_session_whose_landing_is_recorded_explains_no_changes() -> None:
    recorded = run_state(in_flight=(flying(4, worktree="/v"), ended(5, worktree="/w")))
    with pytest.raises(StartError, match="uncommitted changes that no session made"):
        plan_recovery(facts(recorded, early=frozenset({5}), checkout=Checkout(branch=BRANCH, dirty=True)))


def test_a_task_is_moved_out_of_the_queue_before_its_session_is_settled() -> None:
    in_flight = (flying(4, queued="a"), flying(5, queued="b"), flying(6))
    found = facts(run_state(in_flight=in_flight), unmoved=frozenset({5, 6}))
    assert plan_recovery(found) == (
        MoveTask(seq=5, task="b"),
        AbortSession(seq=4),
        AbortSession(seq=5),
        AbortSession(seq=6),
    )


@pytest.mark.parametrize(
    "checkout", [Checkout(branch="feature", dirty=True), Checkout(branch=None, dirty=True)]
)
def test_whatever_a_session_in_flight_left_in_the_tree_is_no_refusal(checkout: Checkout) -> None:
    assert plan_recovery(facts(run_state(in_flight=(flying(4),)), checkout=checkout)) == (
        AbortSession(seq=4),
    )


@pytest.mark.parametrize(
    ("repair", "line"),
    [
        (StopProcess(seq=4, pid=77, pid_started=None), "stop process 77, left over from session 4"),
        (
            CutTornTail(at=512),
            "move the torn last line of sessions.jsonl (from byte 512) to sessions.jsonl.torn-N",
        ),
        (SetAsideDamage(lines=(2, 9)), "set aside damaged lines of sessions.jsonl: 2, 9"),
        (RemoveStaleLocks(paths=("a.lock", "b.lock")), "remove locks of a dead git: a.lock, b.lock"),
        (RemoveEmptyObjects(paths=("a", "b")), "remove empty files among git's objects: a, b"),
        (
            RemoveEmptyObjects(paths=tuple("abcdefghijkl")),
            "remove empty files among git's objects: a, b, c, d, e, f, g, h, i, j and 2 more",
        ),
        (RecreateBranch(branch="b", at=BASE), "recreate the run branch b at 0000000"),
        (UndoSwitch(), "put the working tree back: a switch of branches was cut short"),
        (
            RebuildState(last_seq=3),
            "rebuild state.json from 3 records of sessions.jsonl and the run branch",
        ),
        (ReplayRecords(first=4, last=6), "bring state.json up to date with records 4 to 6"),
        (DropInFlight(seq=4), "session 4 is recorded: it is no longer in flight"),
        (
            MoveTask(seq=4, task="6fr1mzz"),
            "move task 6fr1mzz of session 4 from the queue into the run directory",
        ),
        (CompleteSession(seq=4, landed=False), "complete session 4 by landing or rescuing its work"),
        (CompleteSession(seq=4, landed=True), "complete session 4 from its commit on the run branch"),
        (AbortSession(seq=9, elsewhere=True), "record session 9 as aborted, another branch is checked out"),
        (AbortSession(seq=4), "record session 4 as aborted, with its work rescued"),
        (RestoreRecord(seq=4, landed=False), "rewrite the lost record of session 4 as aborted"),
        (
            RestoreRecord(seq=4, landed=True),
            "rewrite the lost record of session 4 from its commit on the run branch",
        ),
        (RemoveWorktree(path="/w"), "remove the worktree /w, rescuing what it holds"),
        (
            RemoveLease(seq=4),
            "delete the lease of session 4, rescuing what its worker pushed unless that landed",
        ),
        (RemoveSessionBranch(name="b"), "delete the session branch b, rescuing what it holds"),
    ],
)
def test_each_repair_describes_itself_in_one_line(repair: Repair, line: str) -> None:
    assert repair.describe() == line


# --- any facts at all ---------------------------------------------------------------------------------------

rarely = st.sampled_from([False] * 7 + [True])
names = st.just(()) | st.just(("x",)) | st.just(("x", "y"))
outcomes = st.none() | st.builds(
    Outcome,
    status=st.sampled_from(SessionStatus),
    ended_at=st.integers(0, 3).map(lambda minutes: STARTED + timedelta(minutes=minutes)),
)
checkouts = st.builds(Checkout, branch=st.sampled_from([None, "main", BRANCH]), dirty=st.booleans())


@st.composite
def states(draw: st.DrawFn, last_seq: int) -> RunState:
    """A checkpoint that is mostly behind the log, with sessions in flight that mostly come after it."""
    last = last_seq + 1 if draw(rarely) else draw(st.integers(0, last_seq))
    first = draw(st.integers(1, last_seq)) if last_seq and draw(rarely) else last_seq + 1
    flight = [
        flying(
            seq,
            outcome=draw(outcomes),
            worktree=draw(st.none() | st.just("/w")),
            pid=draw(st.none() | st.integers(100, 101)),
            queued=draw(st.none() | st.just(f"task-{seq}")),
        )
        for seq in range(first, first + draw(st.integers(0, 4)))
        if not draw(rarely)
    ]
    twice = flight[:1] if draw(rarely) else []
    left = [flying(draw(st.integers(1, last + 1)))] if draw(rarely) else []
    return run_state(last_session_seq=last, in_flight=(*twice, *flight), unrescued=tuple(left))


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    """What may be found on disk, likely or not; about half of it is refused."""
    last_seq = draw(st.integers(0, 4))
    beyond = st.frozensets(st.integers(last_seq + 1, last_seq + 4), max_size=2)
    damage = st.lists(
        st.builds(Damage, line=st.integers(1, 8), detail=st.just("bad")), min_size=1, max_size=2
    )
    return Facts(
        run_id=RUN_ID,
        branch=BRANCH,
        state=None if draw(rarely) else draw(states(last_seq)),
        last_seq=last_seq,
        early=draw(beyond) - {last_seq + 1},
        torn_at=draw(st.none() | st.integers(0, 999)),
        damage=tuple(draw(damage)) if draw(rarely) else (),
        landed=draw(beyond),
        alive=draw(st.frozensets(st.integers(1, 8))),
        branch_tip=None if draw(rarely) else TIP,
        last_commit=None if draw(rarely) else BASE,
        last_commit_exists=not draw(rarely),
        checkout=draw(st.none() | st.just(ON_BRANCH) | checkouts),
        moved_since=draw(st.booleans()),
        cut_switch=draw(st.booleans()),
        stale_locks=draw(names),
        empty_objects=draw(names),
        worktrees=draw(names),
        session_branches=draw(names),
        leased=tuple(draw(st.frozensets(st.integers(1, 8)))),
        unmoved=draw(st.frozensets(st.integers(1, 8))),
        force=draw(st.booleans()),
    )


def planned(found: Facts) -> tuple[Repair, ...] | None:
    try:
        return plan_recovery(found)
    except StartError:
        return None


def _rescued(found: Facts, seq: int) -> Facts:
    state = found.state or fresh_run()
    left = tuple(s for s in state.unrescued if s.seq != seq)
    return _with(found, state=msgspec.structs.replace(state, unrescued=left))


def apply(found: Facts, repair: Repair) -> Facts:  # noqa: C901, PLR0911, PLR0912 - one case a kind of repair
    """What a run looks like after one repair: the model that a second planning is judged by."""
    match repair:
        case StopProcess(seq=seq):
            return _with(found, alive=found.alive - {seq})
        case CutTornTail():
            return _with(found, torn_at=None)
        case SetAsideDamage():
            return _with(found, damage=())
        case RemoveStaleLocks():
            return _with(found, stale_locks=())
        case RemoveEmptyObjects():
            return _with(found, empty_objects=())
        case RecreateBranch():
            return _with(found, branch_tip=found.last_commit)
        case UndoSwitch():
            return _with(found, cut_switch=False)
        case RebuildState():
            state = unfolded(found.state or fresh_run())
            return _folded(_with(found, state=state))
        case ReplayRecords():
            return _folded(found)
        case DropInFlight(seq=seq):
            return _dropped(found, seq)
        case MoveTask(seq=seq):
            return _with(found, unmoved=found.unmoved - {seq})
        case RescueLeft(seq=seq, elsewhere=elsewhere):
            in_tree = any(s.seq == seq and s.assignment.worktree is None for s in found.unrescued)
            cleared = {"checkout": ON_BRANCH} if in_tree and not elsewhere and found.checkout else {}
            return _with(_rescued(found, seq), **cleared)
        case CompleteSession(seq=seq) | AbortSession(seq=seq) | RestoreRecord(seq=seq):
            return _recorded(_rescued(found, seq), seq)
        case RemoveWorktree(path=path):
            return _with(found, worktrees=tuple(p for p in found.worktrees if p != path))
        case RemoveSessionBranch(name=name):
            return _with(found, session_branches=tuple(n for n in found.session_branches if n != name))
        case RemoveLease(seq=seq):
            return _with(found, leased=tuple(n for n in found.leased if n != seq))


def _with(found: Facts, **changes: Any) -> Facts:
    return msgspec.structs.replace(found, **changes)


def _recorded(found: Facts, seq: int) -> Facts:
    """A session's record is appended and folded; whatever it left in the tree is landed or rescued."""
    assert not found.is_recorded(seq), f"session {seq} would get a second record"
    session = next((s for s in found.unrecorded if s.seq == seq), None)
    early, last = found.early | {seq}, found.last_seq
    while last + 1 in early:
        last += 1
    found = _with(found, last_seq=last, early=frozenset(s for s in early if s > last))
    if session is not None and found.checkout is not None and _was_in_checkout(session, found.checkout):
        found = _with(found, checkout=ON_BRANCH)
    return _folded(found)


def _was_in_checkout(session: InFlight, checkout: Checkout) -> bool:
    ended = session.progress.outcome is not None
    return session.assignment.worktree is None or (ended and checkout.branch == BRANCH)


def _dropped(found: Facts, seq: int) -> Facts:
    assert found.state is not None, "a session settled before there was a state"
    flight = tuple(s for s in found.state.in_flight if s.seq != seq)
    return _with(found, state=msgspec.structs.replace(found.state, in_flight=flight))


def _folded(found: Facts) -> Facts:
    state = found.state
    assert state is not None, "records replayed before there was a state"
    assert state.last_session_seq <= found.last_seq, "a fold cannot go back"
    for seq in range(state.last_session_seq + 1, found.last_seq + 1):
        state = fold(state, record(seq))
    return _with(found, state=state)


def _step(repair: Repair) -> int:
    return next(n for n, kinds in enumerate(ORDER) if isinstance(repair, kinds))


@given(any_facts())
def test_planning_never_fails_in_any_other_way_than_a_refusal(found: Facts) -> None:
    try:
        lines = [repair.describe() for repair in plan_recovery(found)]
    except StartError as refusal:
        lines = [refusal.message, refusal.hint or ""]
    assert all(line and "\n" not in line for line in lines)


@given(any_facts())
def test_a_run_whose_repairs_were_all_applied_needs_none(found: Facts) -> None:
    plan = planned(found)
    if plan is None:
        return
    for repair in plan:
        found = apply(found, repair)
    assert plan_recovery(found) == ()


@given(any_facts())
def test_every_session_has_exactly_one_record_afterwards(found: Facts) -> None:
    """`apply` itself refuses to write a second one."""
    plan = planned(found)
    if plan is None:
        return
    given_out = {s.seq for s in found.in_flight} | found.early | found.landed | set(found.missing())
    for repair in plan:
        found = apply(found, repair)
    assert found.early == frozenset()
    assert found.last_seq >= max(given_out, default=0)
    assert found.state is None or found.state.last_session_seq == found.last_seq


@given(any_facts(), st.data())
def test_a_crash_between_two_repairs_changes_nothing_of_what_is_left_to_do(
    found: Facts, data: st.DataObject
) -> None:
    plan = planned(found)
    if plan is None:
        return
    done = data.draw(st.integers(0, len(plan)))
    whole = found
    for repair in plan:
        whole = apply(whole, repair)
    for repair in plan[:done]:
        found = apply(found, repair)
    for repair in plan_recovery(found):
        found = apply(found, repair)
    assert found == whole


@given(any_facts())
def test_no_session_is_settled_twice(found: Facts) -> None:
    settled = [
        repair.seq
        for repair in planned(found) or ()
        if isinstance(repair, CompleteSession | AbortSession | RestoreRecord | DropInFlight)
    ]
    assert len(settled) == len(set(settled))


@given(any_facts())
def test_repairs_come_in_the_order_in_which_they_must_be_applied(found: Facts) -> None:
    steps = [_step(repair) for repair in planned(found) or ()]
    assert steps == sorted(steps)


@given(any_facts())
def test_without_force_no_record_is_made_up(found: Facts) -> None:
    made_up = [r for r in planned(found) or () if isinstance(r, RestoreRecord) and not r.landed]
    assert found.force or not made_up


@given(any_facts())
def test_every_seq_given_out_has_its_record_from_exactly_one_place(found: Facts) -> None:
    plan = planned(found)
    if plan is None:
        return
    in_log = [*range(1, found.last_seq + 1), *found.early]
    settled = [r.seq for r in plan if isinstance(r, CompleteSession | AbortSession | RestoreRecord)]
    assert sorted(in_log + settled) == list(range(1, found.top + 1))


@st.composite
def parallel_runs(draw: st.DrawFn) -> Facts:
    """A run that died with several sessions in flight, some of them ended, landed or recorded out of order."""
    last_seq = draw(st.integers(0, 4))
    flight = [
        flying(seq, prompt=f"p{seq}", worktree="worktrees/slot-1", outcome=draw(outcomes))
        for seq in range(last_seq + 1, last_seq + 1 + draw(st.integers(1, 6)))
    ]
    over = [s.seq for s in flight if s.progress.outcome is not None]
    finished = st.frozensets(st.sampled_from(over)) if over else st.just(frozenset[int]())
    early = draw(finished) - {last_seq + 1}
    checkpoint = draw(st.integers(0, last_seq))
    replayed = [
        flying(seq, prompt=f"p{seq}", outcome=draw(outcomes)) for seq in range(checkpoint + 1, last_seq + 1)
    ]
    return facts(
        fresh_run(last_session_seq=checkpoint, in_flight=(*replayed, *flight)),
        last_seq=last_seq,
        early=early,
        landed=draw(finished),
        checkout=draw(st.none() | st.just(ON_BRANCH)),
    )


@given(parallel_runs())
def test_the_completed_log_folds_to_a_run_without_gap_that_never_forgets_a_dispatch(found: Facts) -> None:
    """As recovery settles them: a record that comes early waits, and its session stays in flight so long."""
    assert found.state is not None
    run, waiting = found.state, {seq: record(seq, f"p{seq}") for seq in found.early}
    picked = dispatched_scheduler(run).runs_per_prompt
    in_log = [record(seq, f"p{seq}") for seq in range(run.last_session_seq + 1, found.last_seq + 1)]
    for line in in_log:
        run = fold(run, line)
    for repair in plan_recovery(found):
        assert not isinstance(repair, RestoreRecord)
        if isinstance(repair, DropInFlight):
            kept = tuple(s for s in run.in_flight if s.seq != repair.seq)
            run = msgspec.structs.replace(run, in_flight=kept)
        elif isinstance(repair, CompleteSession | AbortSession):
            waiting[repair.seq] = record(repair.seq, f"p{repair.seq}")
        while following := waiting.pop(run.last_session_seq + 1, None):
            run = fold(run, following)
        assert dispatched_scheduler(run).runs_per_prompt == picked
    assert (run.last_session_seq, run.in_flight, waiting) == (found.top, (), {})
