"""The seed's own tests of its pure part, by their names, and its messages to the letter (SPEC 7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.choosers.rotation import RotationChooser
from pitboss.core.recovery.refusals import (
    NoResumableRun,
    NotResumable,
    PlanRenamed,
    PromptDiff,
    PromptSetChanged,
    RunNotFound,
    StateOutOfSync,
    StateUnreadable,
    diff_prompt_names,
    validate_resume,
)
from pitboss.core.recovery.replay import replay_records
from pitboss.core.rotation import default_rotation
from pitboss.core.run import build_state
from pitboss.core.scheduler import Contender, Pick, SchedulerState, next_pick, record_run
from pitboss.core.session import SessionRecord, SessionStatus
from pitboss.core.stops import RunStatus
from pitboss.errors import ResumeError
from tests.support.values import BRANCH, RUN_ID, STARTED, aligned, fresh_run, prompt, record, run_state

OK, ERROR = SessionStatus.OK, SessionStatus.ERROR


def one_prompt(name: str) -> RotationChooser:
    docs = [prompt(name)]
    return RotationChooser.of(default_rotation(docs), {doc.meta.name: doc for doc in docs})


ALPHA = one_prompt("alpha")


def log_seq(records: list[SessionRecord]) -> int:
    return max((r.seq for r in records), default=0)


def test_reconstruct_passes_over_queued_tasks() -> None:
    """Ours: they are no picks of the scheduler, though they count for budgets."""
    line = [record(1), record(2, "door", queued="6fr1mzz", cost_usd=0.25), record(3, "alpha")]
    run = replay_records(fresh_run(), line, ALPHA, log_seq=3)
    assert run.scheduler_state == SchedulerState(rotation=2, runs_per_prompt={"alpha": 2})
    assert (run.last_session_seq, run.budget_consumed.iterations) == (3, 3)
    assert run.budget_consumed.cost_usd == 0.25


# --- the seed's tests ---------------------------------------------------------------------------------------


def test_validate_resume_rejects_terminal_status() -> None:
    with pytest.raises(NotResumable):
        validate_resume(run_state(status=RunStatus.COMPLETED), "default", ["alpha", "bravo"])


def test_validate_resume_detects_removed_prompt() -> None:
    with pytest.raises(PromptSetChanged) as refusal:
        validate_resume(run_state(), "default", ["alpha"])
    assert (refusal.value.added, refusal.value.removed) == ((), ("bravo",))


def test_validate_resume_detects_added_prompt() -> None:
    with pytest.raises(PromptSetChanged) as refusal:
        validate_resume(run_state(), "default", ["alpha", "bravo", "charlie"])
    assert (refusal.value.added, refusal.value.removed) == (("charlie",), ())


def test_validate_resume_accepts_unchanged_prompt_set() -> None:
    validate_resume(run_state(), "default", ["bravo", "alpha"])


def test_validate_resume_rejects_renamed_plan() -> None:
    with pytest.raises(PlanRenamed):
        validate_resume(run_state(), "fp-cleanup", ["alpha", "bravo"])


@pytest.mark.parametrize(
    ("status", "resumable"),
    [
        (RunStatus.ACTIVE, True),
        (RunStatus.ABORTED, True),
        (RunStatus.COMPLETED, False),
        (RunStatus.FAILED, False),
    ],
)
def test_run_status_is_resumable_truth_table(status: RunStatus, resumable: bool) -> None:
    assert status.is_resumable is resumable


def test_reconstruct_returns_identity_when_state_matches_jsonl_tail() -> None:
    records = [record(1), record(2), record(3)]
    state = aligned(records)
    recon = replay_records(state, records, ALPHA, log_seq=3)
    assert recon == state


def test_reconstruct_passes_on_empty_log_with_zero_state() -> None:
    state = run_state(last_session_seq=0, scheduler_state=SchedulerState())
    recon = replay_records(state, [], ALPHA, log_seq=0)
    assert recon.last_session_seq == 0


def test_reconstruct_replays_missing_records_when_jsonl_is_ahead() -> None:
    records = [
        record(1, tokens=(100, 50), cost_usd=0.01),
        record(2, tokens=(100, 50), cost_usd=0.01),
        record(3, tokens=(200, 100), cost_usd=0.02),
    ]
    state = aligned(records[:2])
    had = state.budget_consumed
    recon = replay_records(state, records, ALPHA, log_seq=3)
    assert recon.last_session_seq == 3
    assert recon.scheduler_state == SchedulerState(rotation=3, runs_per_prompt={"alpha": 3})
    now = recon.budget_consumed
    assert now.iterations == had.iterations + 1
    assert now.tokens_input == had.tokens_input + 200
    assert now.tokens_output == had.tokens_output + 100
    assert now.cost_usd == pytest.approx(had.cost_usd + 0.02, abs=1e-9)


def test_reconstruct_resets_consecutive_failures_on_replayed_success() -> None:
    records = [record(1, status=ERROR), record(2, status=OK)]
    behind = replay_records(fresh_run(), records[:1], ALPHA, log_seq=1)
    assert behind.budget_consumed.consecutive_failures == 1
    recon = replay_records(behind, records, ALPHA, log_seq=2)
    assert recon.budget_consumed.consecutive_failures == 0


def test_reconstruct_rejects_when_state_claims_more_than_jsonl_has() -> None:
    records = [record(1)]
    with pytest.raises(StateOutOfSync):
        replay_records(aligned(records, last_session_seq=5), records, ALPHA, log_seq=1)


def test_reconstruct_rejects_when_scheduler_diverges_from_recorded_prompt() -> None:
    records = [record(1), record(2, "ghost")]
    with pytest.raises(StateOutOfSync):
        replay_records(aligned(records[:1]), records, ALPHA, log_seq=2)


# --- what SPEC adds to it -----------------------------------------------------------------------------------


def test_a_records_own_rotation_is_trusted_even_where_the_scheduler_would_not_pick_its_prompt() -> None:
    records = [record(1), record(2, "ghost", rotation=7)]
    recon = replay_records(aligned(records[:1]), records, ALPHA, log_seq=2)
    assert recon.scheduler_state == SchedulerState(rotation=7, runs_per_prompt={"alpha": 1, "ghost": 1})


def test_replay_passes_over_gated_rotations() -> None:
    weekly = RotationChooser([Contender(name="weekly", every=3)])
    records = [record(1, "weekly"), record(2, "weekly")]
    recon = replay_records(fresh_run(), records, weekly, log_seq=2)
    assert recon.scheduler_state == SchedulerState(rotation=6, runs_per_prompt={"weekly": 2})


def test_replay_rejects_a_record_when_nobody_could_run_any_more() -> None:
    once = RotationChooser([Contender(name="alpha", max_runs=1)])
    with pytest.raises(StateOutOfSync):
        replay_records(fresh_run(), [record(1), record(2)], once, log_seq=2)


def test_replay_rejects_a_log_with_a_gap() -> None:
    with pytest.raises(StateOutOfSync):
        replay_records(fresh_run(), [record(1), record(3)], ALPHA, log_seq=3)


def test_replay_takes_records_in_any_order() -> None:
    records = [record(3), record(1), record(2)]
    in_file_order = replay_records(fresh_run(), records, ALPHA, log_seq=3)
    assert in_file_order == replay_records(fresh_run(), sorted(records, key=_seq), ALPHA, log_seq=3)


@given(st.integers(0, 30), st.data())
def test_replaying_the_rest_of_a_log_is_replaying_it_whole(length: int, data: st.DataObject) -> None:
    rotation = [Contender(name="alpha", weight=2), Contender(name="bravo"), Contender(name="weekly", every=3)]
    records, state = [], SchedulerState()
    for seq in range(1, length + 1):
        picked = next_pick(rotation, state)
        assert isinstance(picked, Pick)
        records.append(record(seq, picked.name, data.draw(st.sampled_from(SessionStatus)), cost_usd=0.25))
        state = record_run(picked.state, picked.name)
    cut = data.draw(st.integers(0, length))
    chooser = RotationChooser(rotation)
    whole = replay_records(fresh_run(), records, chooser, log_seq=length)
    part = replay_records(fresh_run(), records[:cut], chooser, log_seq=cut)
    rest = replay_records(part, records, chooser, log_seq=length)
    assert rest == whole
    assert whole.scheduler_state == state


def test_changed_prompts_can_be_accepted() -> None:
    validate_resume(run_state(), "default", ["charlie"], allow_prompt_changes=True)


def test_a_terminal_run_is_refused_before_its_rotation_and_prompts_are_looked_at() -> None:
    with pytest.raises(NotResumable):
        validate_resume(run_state(status=RunStatus.FAILED), "other", [])
    with pytest.raises(PlanRenamed):
        validate_resume(run_state(), "other", [], allow_prompt_changes=True)


@pytest.mark.parametrize(
    ("original", "current", "difference"),
    [
        ([], [], None),
        (["a", "b"], ["b", "a", "a"], None),
        (["a"], ["c", "a", "b"], PromptDiff(added=("b", "c"), removed=())),
        (["c", "b", "a", "a"], ["b"], PromptDiff(added=(), removed=("a", "c"))),
        (["old"], ["new"], PromptDiff(added=("new",), removed=("old",))),
    ],
)
def test_diff_prompt_names(original: list[str], current: list[str], difference: PromptDiff | None) -> None:
    assert diff_prompt_names(original, current) == difference


def test_build_state_is_a_run_that_has_done_nothing() -> None:
    state = build_state(
        run_id=RUN_ID,
        branch=BRANCH,
        plan_name="default",
        prompt_names=("alpha", "bravo"),
        now=STARTED,
        base_commit="b" * 40,
        original_branch="main",
    )
    assert state == fresh_run(last_updated_at=STARTED, base_commit="b" * 40, original_branch="main")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NoResumableRun("/r/runs"), "no resumable grind run found under /r/runs"),
        (RunNotFound("ghost", "/r/runs/ghost"), 'grind run "ghost" not found at /r/runs/ghost'),
        (
            StateUnreadable("rid", "grind state: parsing state.json: bad"),
            'grind run "rid": failed to read state: grind state: parsing state.json: bad',
        ),
        (
            NotResumable("rid", RunStatus.COMPLETED),
            'grind run "rid" is Completed and cannot be resumed; start a new run with `pitboss grind`',
        ),
        (
            NotResumable("rid", RunStatus.FAILED),
            'grind run "rid" is Failed and cannot be resumed; start a new run with `pitboss grind`',
        ),
        (
            PlanRenamed("rid", "default", "fp-cleanup"),
            (
                'grind run "rid": plan name changed (was "default", now "fp-cleanup"); '
                "start a new run with `pitboss grind`"
            ),
        ),
        (
            PromptSetChanged("rid", ["b", "c"], []),
            (
                'grind run "rid": prompt set changed (added: ["b", "c"], removed: []); '
                "start a new run with `pitboss grind`"
            ),
        ),
        (
            StateOutOfSync("rid", 5, 1),
            (
                'grind run "rid": state.json out of sync with sessions.jsonl (state says last_session_seq=5, '
                "log tail has 1); start a new run or repair state.json by hand"
            ),
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ResumeError) else "",
)
def test_message_of_each_resume_error_is_the_seeds(error: ResumeError, message: str) -> None:
    assert str(error) == error.message == message
    assert error.exit_code == 4


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("plain-name_0", '"plain-name_0"'),
        ("it's", '"it\'s"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("a\nb\tc\rd\0e", r'"a\nb\tc\rd\0e"'),
        ("\x1b[31m\x7f", r'"\u{1b}[31m\u{7f}"'),
        ("grün 猫", '"grün 猫"'),
        ("\u200b", r'"\u{200b}"'),
    ],
)
def test_names_are_quoted_as_rust_quotes_them(name: str, quoted: str) -> None:
    assert str(RunNotFound(name, "/d")) == f"grind run {quoted} not found at /d"
    assert f"(added: [{quoted}], removed: [])" in str(PromptSetChanged("rid", [name], []))


def _seq(line: SessionRecord) -> int:
    return line.seq
